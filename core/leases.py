"""Who may act on a conversation: a lease on its row, kept alive by a heartbeat, fenced by an epoch.

There are two, so that a slow channel never holds up thinking: one for turns, one for deliveries.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.database import DatabaseManager, PgConnection
from shared.errors import AppError, Unavailable

LeaseKind = Literal["turn", "delivery"]
HEARTBEATS_PER_LEASE = 3


class LeaseLost(AppError):
    """Another worker took this conversation over; what was in flight must not be written."""

    code = "lease_lost"


@dataclass(frozen=True, kw_only=True)
class Lease:
    kind: LeaseKind
    creator_id: UUID
    conversation_id: UUID
    owner: UUID
    epoch: int
    # In this process's monotonic clock, counted from before the database was asked.
    sure_until: float = 0.0


@dataclass
class Hold:
    """What the heartbeat knows: nobody can have taken the lease over before `sure_until`."""

    sure_until: float

    @property
    def is_sure(self) -> bool:
        return time.monotonic() < self.sure_until


@dataclass(frozen=True)
class _Columns:
    owner: str
    until: str
    epoch: str
    due: str
    hinted: str


COLUMNS: dict[LeaseKind, _Columns] = {
    "turn": _Columns("lease_owner", "lease_until", "epoch", "inbound_due_at", "inbound_hinted_at"),
    "delivery": _Columns(
        "delivery_owner",
        "delivery_until",
        "delivery_epoch",
        "outbound_due_at",
        "outbound_hinted_at",
    ),
}


def _statements(c: _Columns) -> dict[str, str]:
    # The names come from the table above, never from input.
    fence = f"creator_id = $1 AND id = $2 AND {c.owner} = $3 AND {c.epoch} = $4"
    return {
        "acquire": (
            f"UPDATE app.ai_conversations SET {c.owner} = $3, {c.epoch} = {c.epoch} + 1,"  # noqa: S608
            f" {c.until} = clock_timestamp() + make_interval(secs => $4)"
            f" WHERE creator_id = $1 AND id = $2 AND {c.due} <= now()"
            f" AND ({c.until} IS NULL OR {c.until} < now()) RETURNING {c.epoch}"
        ),
        "extend": (
            f"UPDATE app.ai_conversations"  # noqa: S608
            f" SET {c.until} = clock_timestamp() + make_interval(secs => $5)"
            f" WHERE {fence} RETURNING 1"
        ),
        "fence": f"SELECT 1 FROM app.ai_conversations WHERE {fence} FOR UPDATE",  # noqa: S608
        "release": (
            f"UPDATE app.ai_conversations"  # noqa: S608
            f" SET {c.owner} = NULL, {c.until} = NULL, {c.due} = $5::timestamptz WHERE {fence}"
        ),
        "yield": (
            f"UPDATE app.ai_conversations"  # noqa: S608
            f" SET {c.owner} = NULL, {c.until} = NULL, {c.hinted} = NULL WHERE {fence} RETURNING 1"
        ),
    }


STATEMENTS = {kind: _statements(columns) for kind, columns in COLUMNS.items()}


async def acquire(
    connection: PgConnection,
    kind: LeaseKind,
    creator_id: UUID,
    conversation_id: UUID,
    owner: UUID,
    seconds: float,
) -> Lease | None:
    """Take the lease when something is due and nobody holds it; None otherwise."""
    sure_until = time.monotonic() + seconds
    epoch = await connection.fetchval(
        STATEMENTS[kind]["acquire"], creator_id, conversation_id, owner, seconds
    )
    if epoch is None:
        return None
    return Lease(
        kind=kind,
        creator_id=creator_id,
        conversation_id=conversation_id,
        owner=owner,
        epoch=epoch,
        sure_until=sure_until,
    )


def _key(lease: Lease) -> tuple[UUID, UUID, UUID, int]:
    return lease.creator_id, lease.conversation_id, lease.owner, lease.epoch


async def fence(connection: PgConnection, lease: Lease) -> None:
    """Lock the conversation's row; raise LeaseLost unless we still hold it."""
    if await connection.fetchval(STATEMENTS[lease.kind]["fence"], *_key(lease)) is None:
        raise LeaseLost


async def release(connection: PgConnection, lease: Lease, due_at: object = None) -> None:
    """Let go, with nothing due or due again at a time. The caller holds the row lock."""
    await connection.execute(STATEMENTS[lease.kind]["release"], *_key(lease), due_at)


async def hand_back(connection: PgConnection, lease: Lease) -> None:
    """Let go with work left: the sweeper finds it at its next look. Without effect when lost."""
    await connection.fetchval(STATEMENTS[lease.kind]["yield"], *_key(lease))


@asynccontextmanager
async def held(database: DatabaseManager, lease: Lease, seconds: float) -> AsyncIterator[Hold]:
    """Keep the lease alive while the block runs; cancel the block when the lease is lost."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - always inside a task
    lost = False
    hold = Hold(lease.sure_until)

    async def beat() -> None:
        nonlocal lost
        while True:
            await asyncio.sleep(seconds / HEARTBEATS_PER_LEASE)
            sure_until = time.monotonic() + seconds
            with suppress(Unavailable):  # the commit is fenced, so a missed beat is harmless
                lost = not await _extend(database, lease, seconds)
                hold.sure_until = sure_until
            if lost:
                hold.sure_until = 0.0
                task.cancel()
                return

    heart = asyncio.create_task(beat())
    try:
        yield hold
    except asyncio.CancelledError:
        if lost:
            task.uncancel()
            raise LeaseLost from None
        raise
    finally:
        heart.cancel()


async def _extend(database: DatabaseManager, lease: Lease, seconds: float) -> bool:
    async with database.transaction(lease.creator_id) as connection:
        kept = await connection.fetchval(STATEMENTS[lease.kind]["extend"], *_key(lease), seconds)
    return kept is not None
