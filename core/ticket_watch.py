"""Find tickets that nobody took in time, note it once, and remind the team's room."""

from datetime import datetime
from uuid import UUID

import structlog

from core import tickets
from core.desk_room import remind_room
from core.policies import load_policy
from shared import telemetry
from shared.database import DatabaseManager

log = structlog.get_logger(__name__)

BATCH = 200

_OVERDUE = """
SELECT creator_id, id FROM app.tickets
WHERE state = 'queued' AND overdue_at IS NULL AND respond_by <= $1
ORDER BY respond_by LIMIT $2
"""


async def watch_tickets(database: DatabaseManager, now: datetime) -> int:
    """How many tickets were found overdue just now."""
    async with database.dispatch() as connection:
        rows = await connection.fetch(_OVERDUE, now, BATCH)
    return sum([await _mark(database, row["creator_id"], row["id"], now) for row in rows])


async def _mark(database: DatabaseManager, creator_id: UUID, ticket_id: UUID, now: datetime) -> int:
    async with database.transaction(creator_id) as connection:
        ticket = await tickets.mark_overdue(connection, creator_id, ticket_id, now)
        if ticket is None:
            return 0
        room = (await load_policy(connection, creator_id)).handoff.room
        if room is not None:
            await remind_room(connection, creator_id, room, ticket_id)
    telemetry.TICKETS_OVERDUE.labels(str(creator_id)).inc()
    log.warning("ticket.overdue", ticket_id=str(ticket_id), reason=ticket.reason)
    return 1
