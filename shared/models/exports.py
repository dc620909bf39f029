"""Exports and erasures of a contact: one row each, which is also how far it has come.

Whoever goes on with one locks its row, does a step and writes where it stands in one transaction;
`due_at` moves on with each step, so the sweeper finds what stands still.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.database import PgConnection

ExportState = Literal["waiting", "running", "done", "failed", "expired"]
ErasureState = Literal["waiting", "running", "done", "failed"]
OPEN = ("waiting", "running")

# Until when a step may take; then somebody else goes on.
STEP_SECONDS = 30.0
# In which the job that came with a request has begun.
BEGIN_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class ExportRow:
    id: UUID
    contact_id: UUID
    state: ExportState
    progress: dict[str, Any]
    manifest: dict[str, Any]
    error_code: str | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class ErasureRow:
    id: UUID
    contact_id: UUID
    state: ErasureState
    counts: dict[str, Any]
    progress: dict[str, Any]
    actor: str
    error_code: str | None
    created_at: datetime
    finished_at: datetime | None


_EXPORT = ", ".join(field.name for field in fields(ExportRow))
_ERASURE = ", ".join(field.name for field in fields(ErasureRow))

_ADD_EXPORT = """
INSERT INTO app.contact_exports (creator_id, id, contact_id, actor) VALUES ($1, $2, $3, $4)
"""
_ADD_ERASURE = """
INSERT INTO app.contact_erasures (creator_id, id, contact_id, actor) VALUES ($1, $2, $3, $4)
"""
_SAVE_EXPORT = f"""
UPDATE app.contact_exports
SET state = $3, progress = $4, manifest = $5, expires_at = $6, error_code = $7,
    due_at = clock_timestamp() + make_interval(secs => {STEP_SECONDS}), updated_at = now()
WHERE creator_id = $1 AND id = $2
"""  # noqa: S608 - a constant of ours
_SAVE_ERASURE = f"""
UPDATE app.contact_erasures
SET state = $3, progress = $4, counts = $5, error_code = $6,
    finished_at = CASE WHEN $3 IN ('done', 'failed') THEN now() END,
    due_at = clock_timestamp() + make_interval(secs => {STEP_SECONDS}), updated_at = now()
WHERE creator_id = $1 AND id = $2
"""  # noqa: S608 - a constant of ours
_PUT_PART = """
INSERT INTO app.contact_export_files (creator_id, export_id, name, part, data)
VALUES ($1, $2, $3, $4, $5)
"""
_NEXT_PART = """
SELECT part, data FROM app.contact_export_files
WHERE creator_id = $1 AND export_id = $2 AND name = $3 AND part > $4 ORDER BY part LIMIT 1
"""
_EXPIRE = """
WITH expired AS (
  UPDATE app.contact_exports SET state = 'expired', updated_at = now()
  WHERE creator_id = $1 AND state = 'done' AND expires_at <= now() RETURNING id
)
DELETE FROM app.contact_export_files f USING expired e
WHERE f.creator_id = $1 AND f.export_id = e.id
"""


def _of(table: str, columns: str) -> str:
    return f"SELECT {columns} FROM app.{table} WHERE creator_id = $1"  # noqa: S608 - ours


# --- exports


async def add_export(
    db: PgConnection, creator_id: UUID, export_id: UUID, contact_id: UUID, actor: str
) -> None:
    await db.execute(_ADD_EXPORT, creator_id, export_id, contact_id, actor)


async def get_export(db: PgConnection, creator_id: UUID, export_id: UUID) -> ExportRow | None:
    row = await db.fetchrow(f"{_of('contact_exports', _EXPORT)} AND id = $2", creator_id, export_id)
    return ExportRow(**row) if row else None


async def open_export(db: PgConnection, creator_id: UUID, contact_id: UUID) -> ExportRow | None:
    """The one that is not through yet."""
    sql = f"{_of('contact_exports', _EXPORT)} AND contact_id = $2 AND state = ANY ($3::text[])"
    row = await db.fetchrow(sql + " ORDER BY id LIMIT 1", creator_id, contact_id, list(OPEN))
    return ExportRow(**row) if row else None


async def list_exports(
    db: PgConnection, creator_id: UUID, *, limit: int, before: UUID | None
) -> list[ExportRow]:
    """Newest first."""
    sql = f"{_of('contact_exports', _EXPORT)} AND ($2::uuid IS NULL OR id < $2)"
    rows = await db.fetch(sql + " ORDER BY id DESC LIMIT $3", creator_id, before, limit)
    return [ExportRow(**row) for row in rows]


async def take_export(db: PgConnection, creator_id: UUID, export_id: UUID) -> ExportRow | None:
    """An open one, nobody else's until the transaction ends; None when somebody has it."""
    sql = f"{_of('contact_exports', _EXPORT)} AND id = $2 AND state = ANY ($3::text[])"
    row = await db.fetchrow(sql + " FOR UPDATE SKIP LOCKED", creator_id, export_id, list(OPEN))
    return ExportRow(**row) if row else None


async def save_export(db: PgConnection, creator_id: UUID, row: ExportRow) -> None:
    await db.execute(
        _SAVE_EXPORT,
        creator_id,
        row.id,
        row.state,
        row.progress,
        row.manifest,
        row.expires_at,
        row.error_code,
    )


async def put_part(
    db: PgConnection, creator_id: UUID, export_id: UUID, name: str, part: int, data: bytes
) -> None:
    await db.execute(_PUT_PART, creator_id, export_id, name, part, data)


async def next_part(
    db: PgConnection, creator_id: UUID, export_id: UUID, name: str, after: int
) -> tuple[int, bytes] | None:
    row = await db.fetchrow(_NEXT_PART, creator_id, export_id, name, after)
    return (row["part"], row["data"]) if row else None


async def expire(db: PgConnection, creator_id: UUID) -> None:
    """Delete the files of exports whose time is over; what they were stays known."""
    await db.execute(_EXPIRE, creator_id)


# --- erasures


async def add_erasure(
    db: PgConnection, creator_id: UUID, erasure_id: UUID, contact_id: UUID, actor: str
) -> None:
    await db.execute(_ADD_ERASURE, creator_id, erasure_id, contact_id, actor)


async def get_erasure(db: PgConnection, creator_id: UUID, erasure_id: UUID) -> ErasureRow | None:
    sql = f"{_of('contact_erasures', _ERASURE)} AND id = $2"
    row = await db.fetchrow(sql, creator_id, erasure_id)
    return ErasureRow(**row) if row else None


async def open_erasure(db: PgConnection, creator_id: UUID, contact_id: UUID) -> ErasureRow | None:
    """The one that is not through yet."""
    sql = f"{_of('contact_erasures', _ERASURE)} AND contact_id = $2 AND state = ANY ($3::text[])"
    row = await db.fetchrow(sql + " ORDER BY id LIMIT 1", creator_id, contact_id, list(OPEN))
    return ErasureRow(**row) if row else None


async def list_erasures(
    db: PgConnection, creator_id: UUID, *, limit: int, before: UUID | None
) -> list[ErasureRow]:
    """Newest first."""
    sql = f"{_of('contact_erasures', _ERASURE)} AND ($2::uuid IS NULL OR id < $2)"
    rows = await db.fetch(sql + " ORDER BY id DESC LIMIT $3", creator_id, before, limit)
    return [ErasureRow(**row) for row in rows]


async def take_erasure(db: PgConnection, creator_id: UUID, erasure_id: UUID) -> ErasureRow | None:
    """An open one, nobody else's until the transaction ends; None when somebody has it."""
    sql = f"{_of('contact_erasures', _ERASURE)} AND id = $2 AND state = ANY ($3::text[])"
    row = await db.fetchrow(sql + " FOR UPDATE SKIP LOCKED", creator_id, erasure_id, list(OPEN))
    return ErasureRow(**row) if row else None


async def save_erasure(db: PgConnection, creator_id: UUID, row: ErasureRow) -> None:
    await db.execute(
        _SAVE_ERASURE, creator_id, row.id, row.state, row.progress, row.counts, row.error_code
    )


# --- what nobody works on, of all creators; for a dispatch connection


async def due(db: PgConnection, table: str, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """(creator_id, id) of what stands still."""
    rows = await db.fetch(
        f"SELECT creator_id, id FROM app.{table}"  # noqa: S608 - a name of ours
        " WHERE state IN ('waiting', 'running') AND due_at <= now() - make_interval(secs => $2)"
        " ORDER BY due_at LIMIT $1",
        limit,
        BEGIN_SECONDS,
    )
    return [(row["creator_id"], row["id"]) for row in rows]
