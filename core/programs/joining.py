"""A bot's turn that lets its contact enter a program, or leave it: by the program's name."""

from datetime import datetime
from uuid import UUID

import structlog

from core.audit import contact_actor
from core.programs import enrolling
from shared.database import PgConnection
from shared.models import enrolments
from shared.models import programs as program_rows

log = structlog.get_logger(__name__)

STARTED_ANEW = "started_anew"
LEFT = "left"


async def join(
    connection: PgConnection,
    creator_id: UUID,
    contact_id: UUID,
    slug: str,
    *,
    anew: bool,
    now: datetime,
) -> None:
    """Enrol a contact; `anew` ends an enrolment that is open first.

    Nothing where the creator has no such program, or it isn't live: a bot is not to fail by it.
    """
    program = await program_rows.by_slug(connection, creator_id, slug)
    if program is None or program.status not in ("live", "paused"):
        log.warning("program.not_live", slug=slug, creator_id=str(creator_id))
        return
    if anew:
        await leave(connection, creator_id, contact_id, slug, reason=STARTED_ANEW, now=now)
    actor = contact_actor(contact_id)
    await enrolling.enrol(connection, creator_id, program.id, [contact_id], actor=actor, now=now)


async def leave(
    connection: PgConnection,
    creator_id: UUID,
    contact_id: UUID,
    slug: str,
    *,
    reason: str = LEFT,
    now: datetime,
) -> None:
    """End the contact's enrolment in a program; nothing where there is none."""
    program = await program_rows.by_slug(connection, creator_id, slug)
    if program is None:
        return
    for row in await enrolments.open_of_contact(connection, creator_id, contact_id):
        if row.program_id == program.id:
            await enrolling.leave(
                connection, creator_id, row.id, status="exited", reason=reason, now=now
            )
