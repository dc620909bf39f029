"""Programs as they are stored: the program, its versions that never change, and their steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import PgConnection

_COLUMNS = """
id, slug, name, bot, origin, status, version, live_version, generation, created_at, updated_at
"""
_VERSION = "program_id, version, digest, note, actor, created_at"


@dataclass(frozen=True, kw_only=True)
class ProgramRow:
    """`version` is the newest, `live_version` the one that contacts are in."""

    id: UUID
    slug: str
    name: str
    bot: str
    origin: str
    status: str
    version: int
    live_version: int | None
    generation: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class ProgramVersion:
    program_id: UUID
    version: int
    digest: bytes
    note: str
    actor: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class StepRow:
    key: str
    ordinal: int
    kind: str
    definition: dict[str, Any]


async def lock_slug(db: PgConnection, creator_id: UUID, slug: str) -> None:
    """Until the transaction ends nobody else makes a program of this name."""
    await db.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('program ' || $1::text || $2, 0))",
        str(creator_id),
        slug,
    )


async def add(
    db: PgConnection,
    creator_id: UUID,
    program_id: UUID,
    *,
    slug: str,
    name: str,
    bot: str,
    origin: str,
) -> ProgramRow:
    row = await db.fetchrow(
        f"""
        INSERT INTO app.coaching_programs (creator_id, id, slug, name, bot, origin)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}
        """,  # noqa: S608 - a list of columns
        creator_id,
        program_id,
        slug,
        name,
        bot,
        origin,
    )
    assert row is not None  # noqa: S101 - an INSERT of one row returns it
    return ProgramRow(**row)


async def find(db: PgConnection, creator_id: UUID, program_id: UUID) -> ProgramRow | None:
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM app.coaching_programs"  # noqa: S608
        " WHERE creator_id = $1 AND id = $2",
        creator_id,
        program_id,
    )
    return ProgramRow(**row) if row else None


async def lock(db: PgConnection, creator_id: UUID, program_id: UUID) -> ProgramRow | None:
    """The program, alone in this transaction's hands: nobody plans a send of it meanwhile."""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM app.coaching_programs"  # noqa: S608
        " WHERE creator_id = $1 AND id = $2 FOR UPDATE",
        creator_id,
        program_id,
    )
    return ProgramRow(**row) if row else None


async def by_slug(db: PgConnection, creator_id: UUID, slug: str) -> ProgramRow | None:
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM app.coaching_programs"  # noqa: S608
        " WHERE creator_id = $1 AND slug = $2",
        creator_id,
        slug,
    )
    return ProgramRow(**row) if row else None


async def hold(
    db: PgConnection, creator_id: UUID, program_ids: Iterable[UUID]
) -> dict[UUID, ProgramRow]:
    """Programs by id; until the transaction ends no edit of them plans their sends anew."""
    rows = await db.fetch(
        f"SELECT {_COLUMNS} FROM app.coaching_programs"  # noqa: S608
        " WHERE creator_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR KEY SHARE",
        creator_id,
        list(program_ids),
    )
    return {row["id"]: ProgramRow(**row) for row in rows}


async def newest(
    db: PgConnection,
    creator_id: UUID,
    *,
    limit: int,
    before: UUID | None = None,
    status: str | None = None,
) -> list[ProgramRow]:
    rows = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM app.coaching_programs
        WHERE creator_id = $1 AND ($2::uuid IS NULL OR id < $2)
          AND ($3::text IS NULL OR status = $3)
        ORDER BY id DESC LIMIT $4
        """,  # noqa: S608
        creator_id,
        before,
        status,
        limit,
    )
    return [ProgramRow(**row) for row in rows]


async def count(db: PgConnection, creator_id: UUID) -> int:
    found: int = await db.fetchval(
        "SELECT count(*) FROM app.coaching_programs WHERE creator_id = $1", creator_id
    )
    return found


async def set_newest(
    db: PgConnection,
    creator_id: UUID,
    program_id: UUID,
    *,
    version: int,
    name: str,
    bot: str,
) -> ProgramRow:
    row = await db.fetchrow(
        f"""
        UPDATE app.coaching_programs
        SET version = $3, name = $4, bot = $5, updated_at = clock_timestamp()
        WHERE creator_id = $1 AND id = $2 RETURNING {_COLUMNS}
        """,  # noqa: S608
        creator_id,
        program_id,
        version,
        name,
        bot,
    )
    assert row is not None  # noqa: S101 - the caller has locked it
    return ProgramRow(**row)


async def set_live(
    db: PgConnection, creator_id: UUID, program_id: UUID, version: int, status: str
) -> ProgramRow:
    """Let contacts be in this version; what is planned from now on is of a new generation."""
    row = await db.fetchrow(
        f"""
        UPDATE app.coaching_programs
        SET status = $4, live_version = $3, generation = generation + 1, looks_at = '-infinity',
            updated_at = clock_timestamp()
        WHERE creator_id = $1 AND id = $2 RETURNING {_COLUMNS}
        """,  # noqa: S608
        creator_id,
        program_id,
        version,
        status,
    )
    assert row is not None  # noqa: S101 - the caller has locked it
    return ProgramRow(**row)


async def set_status(
    db: PgConnection, creator_id: UUID, program_id: UUID, status: str
) -> ProgramRow:
    row = await db.fetchrow(
        f"""
        UPDATE app.coaching_programs SET status = $3, updated_at = clock_timestamp()
        WHERE creator_id = $1 AND id = $2 RETURNING {_COLUMNS}
        """,  # noqa: S608
        creator_id,
        program_id,
        status,
    )
    assert row is not None  # noqa: S101 - the caller has locked it
    return ProgramRow(**row)


async def delete(db: PgConnection, creator_id: UUID, program_id: UUID) -> None:
    await db.execute(
        "DELETE FROM app.coaching_programs WHERE creator_id = $1 AND id = $2",
        creator_id,
        program_id,
    )


# --- versions and steps


async def add_version(
    db: PgConnection,
    creator_id: UUID,
    program_id: UUID,
    version: int,
    *,
    definition: dict[str, Any],
    digest: bytes,
    note: str,
    actor: str,
    steps: Sequence[dict[str, Any]],
) -> None:
    """Keep a version with its steps."""
    await db.execute(
        """
        INSERT INTO app.program_versions
          (creator_id, program_id, version, definition, digest, note, actor)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        creator_id,
        program_id,
        version,
        definition,
        digest,
        note,
        actor,
    )
    await db.execute(
        """
        INSERT INTO app.program_steps
          (creator_id, program_id, version, key, ordinal, kind, definition)
        SELECT $1, $2, $3, s.definition ->> 'key', s.ordinal, s.definition ->> 'kind', s.definition
        FROM unnest($4::jsonb[]) WITH ORDINALITY AS s (definition, ordinal)
        """,
        creator_id,
        program_id,
        version,
        list(steps),
    )


async def find_version(
    db: PgConnection, creator_id: UUID, program_id: UUID, version: int
) -> ProgramVersion | None:
    row = await db.fetchrow(
        f"""
        SELECT {_VERSION} FROM app.program_versions
        WHERE creator_id = $1 AND program_id = $2 AND version = $3
        """,  # noqa: S608
        creator_id,
        program_id,
        version,
    )
    return ProgramVersion(**row) if row else None


async def definition(
    db: PgConnection, creator_id: UUID, program_id: UUID, version: int
) -> dict[str, Any] | None:
    found: dict[str, Any] | None = await db.fetchval(
        """
        SELECT definition FROM app.program_versions
        WHERE creator_id = $1 AND program_id = $2 AND version = $3
        """,
        creator_id,
        program_id,
        version,
    )
    return found


async def versions(
    db: PgConnection,
    creator_id: UUID,
    program_id: UUID,
    *,
    limit: int,
    before: int | None = None,
) -> list[ProgramVersion]:
    """Versions below `before`, the highest first."""
    rows = await db.fetch(
        f"""
        SELECT {_VERSION} FROM app.program_versions
        WHERE creator_id = $1 AND program_id = $2 AND ($3::integer IS NULL OR version < $3)
        ORDER BY version DESC LIMIT $4
        """,  # noqa: S608
        creator_id,
        program_id,
        before,
        limit,
    )
    return [ProgramVersion(**row) for row in rows]


async def steps(
    db: PgConnection, creator_id: UUID, program_id: UUID, version: int
) -> list[StepRow]:
    rows = await db.fetch(
        """
        SELECT key, ordinal, kind, definition FROM app.program_steps
        WHERE creator_id = $1 AND program_id = $2 AND version = $3 ORDER BY ordinal
        """,
        creator_id,
        program_id,
        version,
    )
    return [StepRow(**row) for row in rows]
