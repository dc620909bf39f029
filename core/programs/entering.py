"""Who enters a live program by its segment, and who leaves it: looked up every few minutes.

A contact enters a program by its segment once: who has left it, or finished it, comes back only
when somebody enrols them.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog

from core.programs import enrolling, store
from core.programs.segments.filters import compile_filter
from core.programs.store import LiveProgram
from shared.database import DatabaseManager, PgConnection

log = structlog.get_logger(__name__)

BATCH = 100  # programs at once
MOST_ENTER = 5_000  # contacts of one program at once; the others a moment later
EVERY = timedelta(minutes=5)
ACTOR = "segment"
LEFT = "segment_left"

_DUE = """
SELECT creator_id, id FROM app.coaching_programs
WHERE status = 'live' AND looks_at <= $1 AND looks_at < 'infinity' ORDER BY looks_at LIMIT $2
"""
# Whoever moves it on first looks; a worker that dies leaves it due.
_CLAIM = """
SELECT id FROM app.coaching_programs
WHERE creator_id = $1 AND id = $2 AND status = 'live' AND looks_at <= $3
FOR NO KEY UPDATE SKIP LOCKED
"""
_NEXT = "UPDATE app.coaching_programs SET looks_at = $3 WHERE creator_id = $1 AND id = $2"
_NEVER = """
UPDATE app.coaching_programs SET looks_at = 'infinity' WHERE creator_id = $1 AND id = $2
"""

_NEVER_IN = """NOT EXISTS (SELECT FROM app.enrolments e
  WHERE e.creator_id = $1 AND e.program_id = $2 AND e.contact_id = c.id)"""
_INSIDE = """
SELECT e.id FROM app.enrolments e
JOIN app.contacts c ON c.creator_id = e.creator_id AND c.id = e.contact_id
WHERE e.creator_id = $1 AND e.program_id = $2 AND e.status IN ('active', 'paused')
"""


_SOON = """
UPDATE app.coaching_programs SET looks_at = '-infinity'
WHERE creator_id = $1 AND status = 'live' AND looks_at < 'infinity' AND looks_at > '-infinity'
"""


async def look_soon(connection: PgConnection, creator_id: UUID) -> None:
    """Contacts were changed by hand or by a file: who sees to that won't wait for minutes."""
    await connection.execute(_SOON, creator_id)


async def sweep_segments(database: DatabaseManager, now: datetime) -> int:
    """Let contacts enter and leave where it is time to look; how many moved."""
    async with database.dispatch() as connection:
        rows = await connection.fetch(_DUE, now, BATCH)
    moved = 0
    for row in rows:
        async with database.transaction(row["creator_id"]) as connection:
            moved += await look(connection, row["creator_id"], row["id"], now)
    return moved


async def look(connection: PgConnection, creator_id: UUID, program_id: UUID, now: datetime) -> int:
    """Look at one program, unless another worker does; how many entered or left."""
    if not await connection.fetchval(_CLAIM, creator_id, program_id, now):
        return 0
    live = (await store.load_live(connection, creator_id, [program_id])).get(program_id)
    if live is None or (live.definition.entry is None and live.definition.exit is None):
        await connection.execute(_NEVER, creator_id, program_id)
        return 0
    left = await _leave(connection, creator_id, live, now)
    entered = await _enter(connection, creator_id, live, now)
    is_more = entered == MOST_ENTER
    await connection.execute(_NEXT, creator_id, program_id, now if is_more else now + EVERY)
    if entered or left:
        log.info("program.segment", program_id=str(program_id), entered=entered, left=left)
    return entered + left


async def _enter(
    connection: PgConnection, creator_id: UUID, live: LiveProgram, now: datetime
) -> int:
    if live.definition.entry is None:
        return 0
    compiled = compile_filter(live.definition.entry, now=now, first=3)
    where = [compiled.where, _NEVER_IN]
    arguments = [*compiled.arguments]
    if live.definition.exit is not None:  # who would leave at once does not enter
        leaves = compile_filter(live.definition.exit, now=now, first=3 + len(arguments))
        where.append(f"NOT ({leaves.where})")
        arguments += leaves.arguments
    rows = await connection.fetch(
        f"SELECT c.id FROM app.contacts c WHERE {' AND '.join(where)}"  # noqa: S608
        f" ORDER BY c.id LIMIT {MOST_ENTER}",
        creator_id,
        live.row.id,
        *arguments,
    )
    ids = [row["id"] for row in rows]
    await enrolling.enrol(connection, creator_id, live.row.id, ids, actor=ACTOR, now=now)
    return len(ids)


async def _leave(
    connection: PgConnection, creator_id: UUID, live: LiveProgram, now: datetime
) -> int:
    if live.definition.exit is None:
        return 0
    compiled = compile_filter(live.definition.exit, now=now, first=3)
    rows = await connection.fetch(
        f"{_INSIDE} AND {compiled.where} ORDER BY e.id LIMIT {MOST_ENTER}",
        creator_id,
        live.row.id,
        *compiled.arguments,
    )
    for row in rows:
        await enrolling.leave(
            connection, creator_id, row["id"], status="exited", reason=LEFT, now=now
        )
    return len(rows)
