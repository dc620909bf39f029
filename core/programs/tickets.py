"""A program that hands over to a person: its tickets are opened where the contact talks."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from core.desk_room import tell_opened
from core.policies import load_policy
from core.tickets import Opening, Reason, open_ticket
from shared.database import PgConnection

# The conversation in which they wrote last, or were written to.
_CONVERSATIONS = """
SELECT DISTINCT ON (contact_id) contact_id, id FROM app.ai_conversations
WHERE creator_id = $1 AND contact_id = ANY($2::uuid[])
ORDER BY contact_id, last_message_at DESC NULLS LAST, id DESC
"""


async def open_tickets(
    db: PgConnection,
    creator_id: UUID,
    wanted: Sequence[tuple[UUID, str]],
    now: datetime,
    *,
    reason: Reason = "step",
) -> int:
    """Open a ticket for each (contact, detail), once; who never talked with a bot has none."""
    if not wanted:
        return 0
    rows = await db.fetch(_CONVERSATIONS, creator_id, [contact for contact, _ in wanted])
    by_contact = {row["contact_id"]: row["id"] for row in rows}
    handoff = (await load_policy(db, creator_id)).handoff
    opened = 0
    for contact_id, detail in wanted:
        if contact_id not in by_contact:
            continue
        opening = Opening(
            conversation_id=by_contact[contact_id],
            contact_id=contact_id,
            reason=reason,
            detail=detail,
            respond_within=timedelta(minutes=handoff.sla_minutes),
        )
        one = await open_ticket(db, creator_id, opening, now)
        opened += one.is_new
        await tell_opened(db, creator_id, handoff.room, one)
    return opened
