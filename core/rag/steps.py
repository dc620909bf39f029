"""The five steps of a migration: new space, backfill, verify, switch, drop; and the way back.

Each step may be repeated, and may die at any point: what is done stands in the ledger and in the
migration's row, and changes together with it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from core.rag.backfill import Backfill
from core.rag.moving import Move
from core.rag.spaces import Spaces, building
from core.rag.vectors import VectorStore
from core.rag.verify import Verification
from shared.database import DatabaseManager
from shared.errors import AppError, ModelError, ModelUnavailable
from shared.failpoints import failpoint
from shared.models import embeddings, ledger
from shared.models.migrations import MigrationState
from shared.utils.clock import utc_now

log = structlog.get_logger(__name__)

# Longer than a search that does not look again which space is the active one (see retrieve.py).
SETTLED_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 60.0
BUSY_SECONDS = 0.1
BUSY_LOOKS = 20
CATCH_UPS = 20
REPAIRS = 3

# Turns that are due and that nobody has begun: they need this machine more than we do.
_TURNS_WAIT = """
SELECT EXISTS (SELECT FROM app.ai_conversations
               WHERE inbound_due_at <= now() AND (lease_until IS NULL OR lease_until < now()))
"""


class Steps:
    """`take` does one piece of the step that a migration is at."""

    def __init__(
        self, database: DatabaseManager, vectors: VectorStore, spaces: Spaces, backfill: Backfill
    ) -> None:
        self._database = database
        self._vectors = vectors
        self._spaces = spaces
        self._backfill = backfill
        self._verification = Verification(database, vectors, spaces)
        self._by_state: dict[MigrationState, Callable[[Move], Awaitable[float | None]]] = {
            "preparing": self._prepare,
            "backfilling": self._fill,
            "verifying": self._verify,
            "soaking": self._soak,
            "dropping": self._drop,
            "aborting": self._undo,
        }

    async def take(self, move: Move) -> float | None:
        """How many seconds to wait before the next piece; None when there is nothing more to do.

        Raises MigrationTaken, ModelError, VectorsUnavailable and VectorStoreError.
        """
        step = self._by_state.get(move.record.state)
        return None if step is None else await step(move)

    async def _prepare(self, move: Move) -> float:
        """The new space begins to be written to, together with the old one."""
        creator_id, name = move.creator_id, move.record.to_space
        embedder = await self._spaces.embedder(name, move.record.to_model)
        if embedder is None:
            raise ModelUnavailable(f"the embedder of {name} is away")
        async with self._database.transaction(creator_id) as db:
            known = {space.name for space in await embeddings.spaces(db, creator_id)}
        if name not in known:
            # What an earlier migration to this space may have left when it died.
            await self._vectors.delete_all(creator_id, name)
        async with move.changing(self._database) as (db, _):
            await ledger.hold_chunks(db, creator_id)
            await embeddings.add_space(db, creator_id, building(embedder.space))
            await embeddings.set_state(db, creator_id, name, "building")
            await embeddings.expect_all(db, creator_id, name)
            counted = await ledger.count_stored(db, creator_id, name)
            await move.write(db, state="backfilling", total=counted.expected, done=counted.stored)
        await failpoint("migrate-after-prepare")
        return 0

    async def _fill(self, move: Move) -> float:
        """One batch. The ledger is the checkpoint; the row tells how far it is."""
        await self._let_turns_pass()
        started = time.monotonic()
        size = move.record.batch_size
        stored = await self._backfill.embed_some(move.creator_id, move.record.to_space, size)
        await failpoint("migrate-mid-backfill")
        async with move.changing(self._database) as (db, record):
            if stored < size:
                counted = await ledger.count_stored(db, move.creator_id, record.to_space)
                await move.write(
                    db, state="verifying", total=counted.expected, done=counted.stored, **_NO_ERROR
                )
            else:
                speed = stored / max(time.monotonic() - started, 0.001)
                done = record.done + stored
                await move.write(
                    db,
                    done=done,
                    total=max(record.total, done),
                    per_second=_smoothed(record.per_second, speed),
                    **_NO_ERROR,
                )
        return 0

    async def _verify(self, move: Move) -> float:
        """Measure the new space once; then let the reads change over to it."""
        seen = move.record.verification
        if seen.get("passed") or seen.get("forced"):
            return await self._switch(move)
        lost = await self._verification.missing(move.creator_id, move.record.to_space)
        if (lost and seen.get("repairs", 0) < REPAIRS) or await self._still_lags(move):
            return await self._fill_again(move, lost)
        figures = await self._verification.measure(
            move.creator_id,
            old=move.record.from_space,
            new=move.record.to_space,
            seed=str(move.record.id),
            lost=lost,
            repaired=seen.get("repaired", 0),
        )
        failed = bool(figures.faults)
        async with move.changing(self._database) as (db, record):
            await move.write(
                db,
                verification=record.verification | figures.shown(),
                is_paused=failed,
                error_code="verification_failed" if failed else None,
                error="; ".join(figures.faults) or None,
            )
        log.info("migration.verified", migration_id=str(move.record.id), passed=not failed)
        return 0 if not failed else LOOK_AGAIN_SECONDS

    async def _fill_again(self, move: Move, lost: int) -> float:
        """Chroma lost vectors, or documents come faster than a verification lasts."""
        async with move.changing(self._database) as (db, record):
            seen = record.verification
            told = {
                "repairs": seen.get("repairs", 0) + bool(lost),
                "repaired": seen.get("repaired", 0) + lost,
            }
            await move.write(db, state="backfilling", verification=seen | told)
        return 0

    async def _still_lags(self, move: Move) -> bool:
        """Store what came in meanwhile; whether something still lacks that the old space has."""
        creator_id, record = move.creator_id, move.record
        for _ in range(CATCH_UPS):
            await self._backfill.embed_some(creator_id, record.to_space, record.batch_size)
            async with self._database.transaction(creator_id) as db:
                if not await ledger.lags(db, creator_id, record.to_space, record.from_space):
                    return False
        return True

    async def _switch(self, move: Move) -> float:
        """One transaction: from its commit on, every answer is looked for in the new space."""
        is_forced = bool(move.record.verification.get("forced"))
        if not is_forced and await self._still_lags(move):
            return BUSY_SECONDS
        await failpoint("migrate-before-switch")
        creator_id = move.creator_id
        async with move.changing(self._database) as (db, record):
            lags = await ledger.lags(db, creator_id, record.to_space, record.from_space)
            if lags and not is_forced:
                return BUSY_SECONDS
            await embeddings.set_state(db, creator_id, record.from_space, "standby")
            await embeddings.set_state(db, creator_id, record.to_space, "active")
            await move.write(db, state="soaking", switched_at=utc_now(), **_NO_ERROR)
        log.info("migration.switched", migration_id=str(move.record.id))
        await failpoint("migrate-after-switch")
        return 0

    async def _soak(self, move: Move) -> float:
        """Both spaces are written to, so that a flip back finds the old one complete."""
        record = move.record
        assert record.switched_at is not None  # noqa: S101 - set with the state
        passed = (utc_now() - record.switched_at).total_seconds()
        left = max(record.soak_seconds, SETTLED_SECONDS) - passed
        if left > 0:
            for space in (record.to_space, record.from_space):
                with suppress(ModelError):  # the old one's embedder may be gone for good
                    await self._backfill.embed_some(move.creator_id, space, record.batch_size)
            return min(left, LOOK_AGAIN_SECONDS)
        async with move.changing(self._database) as (db, record):
            await embeddings.set_state(db, move.creator_id, record.from_space, "retired")
            await move.write(db, state="dropping", **_NO_ERROR)
        return 0

    async def _drop(self, move: Move) -> None:
        await self._remove(move, move.record.from_space)
        await self._end(move, "done")

    async def _undo(self, move: Move) -> float | None:
        """The way back from any state: reads went to the old space when it was asked for."""
        if move.record.switched_at is not None:
            passed = (utc_now() - move.record.updated_at).total_seconds()
            if passed < SETTLED_SECONDS:
                return SETTLED_SECONDS - passed
        await self._remove(move, move.record.to_space)
        await self._end(move, "aborted")
        return None

    async def _remove(self, move: Move, space: str) -> None:
        """Forget a creator's vectors in a space. Nothing expects a vector in it any more."""
        await self._vectors.delete_all(move.creator_id, space)
        await failpoint("migrate-mid-drop")
        async with move.changing(self._database) as (db, _):
            await embeddings.delete_space(db, move.creator_id, space)
        # A batch that was on its way; one that comes later finds its ledger gone and cleans up.
        await self._vectors.delete_all(move.creator_id, space)

    async def _end(self, move: Move, state: MigrationState) -> None:
        async with move.changing(self._database) as (db, _):
            await move.write(db, state=state)
        log.info("migration.ended", migration_id=str(move.record.id), state=state)

    async def _let_turns_pass(self) -> None:
        """Give way to people who wait, but not for ever."""
        for _ in range(BUSY_LOOKS):
            try:
                async with self._database.dispatch() as connection:
                    if not await connection.fetchval(_TURNS_WAIT):
                        return
            except AppError:
                return
            await asyncio.sleep(BUSY_SECONDS)


def _smoothed(before: float, now: float) -> float:
    return now if not before else 0.8 * before + 0.2 * now


_NO_ERROR: dict[str, None] = {"error_code": None, "error": None}
