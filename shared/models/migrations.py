"""Migrations from one embedding space to another: one row each, which is also the switch's lock.

`due_at` is both: while a worker has the row, the end of its lease; else when to look again.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.database import PgConnection

MigrationState = Literal[
    "preparing", "backfilling", "verifying", "soaking", "dropping", "done", "aborting", "aborted"
]
ENDED: tuple[MigrationState, ...] = ("done", "aborted")


@dataclass(frozen=True, kw_only=True)
class MigrationRecord:
    """`done` of `total` vectors are stored; `per_second` is how fast the last ones were."""

    id: UUID
    from_space: str
    to_space: str
    to_model: str
    state: MigrationState
    is_paused: bool
    batch_size: int
    soak_seconds: int
    total: int
    done: int
    per_second: float
    verification: dict[str, Any]
    error_code: str | None
    error: str | None
    switched_at: datetime | None
    created_at: datetime
    updated_at: datetime
    lease_owner: UUID | None

    @property
    def is_open(self) -> bool:
        return self.state not in ENDED

    @property
    def progress(self) -> float:
        """The share of vectors that the new space has, from 0 to 1."""
        if self.state not in ("preparing", "backfilling", "aborting", "aborted"):
            return 1.0
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Until the backfill is through, at the speed of its last batches."""
        if self.state != "backfilling" or self.is_paused or not self.per_second:
            return None
        return max(self.total - self.done, 0) / self.per_second


_COLUMNS = ", ".join(field.name for field in fields(MigrationRecord))
_OF = "FROM app.embedding_migrations WHERE creator_id = $1"


async def insert(
    db: PgConnection,
    creator_id: UUID,
    migration_id: UUID,
    *,
    from_space: str,
    to_space: str,
    to_model: str,
    batch_size: int,
    soak_seconds: int,
) -> bool:
    """Begin one; False when another of this creator is open."""
    found = await db.fetchval(
        """
        INSERT INTO app.embedding_migrations (creator_id, id, from_space, to_space, to_model,
                                              batch_size, soak_seconds)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING 1
        """,
        creator_id,
        migration_id,
        from_space,
        to_space,
        to_model,
        batch_size,
        soak_seconds,
    )
    return found is not None


async def get(db: PgConnection, creator_id: UUID, migration_id: UUID) -> MigrationRecord | None:
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} {_OF} AND id = $2",
        creator_id,
        migration_id,
    )
    return MigrationRecord(**row) if row else None


async def lock(db: PgConnection, creator_id: UUID, migration_id: UUID) -> MigrationRecord | None:
    """The row, nobody else's until the transaction ends."""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} {_OF} AND id = $2 FOR UPDATE",
        creator_id,
        migration_id,
    )
    return MigrationRecord(**row) if row else None


async def latest(db: PgConnection, creator_id: UUID) -> MigrationRecord | None:
    """The open one, or else the last one there was."""
    found = await list_migrations(db, creator_id, limit=1)
    return found[0] if found else None


async def list_migrations(
    db: PgConnection, creator_id: UUID, *, limit: int, after: UUID | None = None
) -> list[MigrationRecord]:
    """Newest first; `after` is the last id of the page before."""
    rows = await db.fetch(
        f"SELECT {_COLUMNS} {_OF} AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        creator_id,
        after,
        limit,
    )
    return [MigrationRecord(**row) for row in rows]


async def claim(
    db: PgConnection, creator_id: UUID, migration_id: UUID, owner: UUID, seconds: float
) -> MigrationRecord | None:
    """Take the lease when it is due and nobody has it; None otherwise."""
    row = await db.fetchrow(
        f"""
        UPDATE app.embedding_migrations
        SET lease_owner = $3, due_at = clock_timestamp() + make_interval(secs => $4)
        WHERE creator_id = $1 AND id = $2 AND due_at <= clock_timestamp() AND NOT is_paused
          AND state NOT IN ('done', 'aborted')
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - our own column names
        creator_id,
        migration_id,
        owner,
        seconds,
    )
    return MigrationRecord(**row) if row else None


async def extend(
    db: PgConnection, creator_id: UUID, migration_id: UUID, owner: UUID, seconds: float
) -> bool:
    """Keep the lease; False when it is lost."""
    found = await db.fetchval(
        """
        UPDATE app.embedding_migrations
        SET due_at = clock_timestamp() + make_interval(secs => $4)
        WHERE creator_id = $1 AND id = $2 AND lease_owner = $3 RETURNING 1
        """,
        creator_id,
        migration_id,
        owner,
        seconds,
    )
    return found is not None


async def release(
    db: PgConnection, creator_id: UUID, migration_id: UUID, owner: UUID, due_in: float
) -> bool:
    """Let go, due again after so many seconds; False, without effect, when the lease is lost."""
    tag = await db.execute(
        """
        UPDATE app.embedding_migrations
        SET lease_owner = NULL, due_at = clock_timestamp() + make_interval(secs => $4)
        WHERE creator_id = $1 AND id = $2 AND lease_owner = $3
        """,
        creator_id,
        migration_id,
        owner,
        due_in,
    )
    return tag == "UPDATE 1"


async def save(db: PgConnection, creator_id: UUID, record: MigrationRecord) -> None:
    """Write a changed record; the caller holds the row lock."""
    await db.execute(
        """
        UPDATE app.embedding_migrations
        SET state = $3, is_paused = $4, soak_seconds = $5, total = $6, done = $7, per_second = $8,
            verification = $9, error_code = $10, error = $11, switched_at = $12, lease_owner = $13,
            updated_at = now()
        WHERE creator_id = $1 AND id = $2
        """,
        creator_id,
        record.id,
        record.state,
        record.is_paused,
        record.soak_seconds,
        record.total,
        record.done,
        record.per_second,
        record.verification,
        record.error_code,
        record.error,
        record.switched_at,
        record.lease_owner,
    )


async def set_due(db: PgConnection, creator_id: UUID, migration_id: UUID, due_in: float) -> None:
    """When somebody has to look at it."""
    await db.execute(
        """
        UPDATE app.embedding_migrations SET due_at = clock_timestamp() + make_interval(secs => $3)
        WHERE creator_id = $1 AND id = $2
        """,
        creator_id,
        migration_id,
        due_in,
    )
