"""Write made-up contacts of segments into the database."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from shared.models.consents import address_hash
from tests.core.programs.segments.people import Made

BROADCAST = UUID("0193a1b2-0000-7000-8000-00000000b0b0")
PROGRAM = uuid4()
_CONTACT = """
INSERT INTO app.contacts (creator_id, id, tags, attributes, locale, timezone, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_IDENTITY = """
INSERT INTO app.contact_identities (creator_id, id, contact_id, channel_id, address,
                                    last_inbound_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_CHANNEL = """
INSERT INTO app.channels (creator_id, id, type, name, bot, route_key, credentials, settings)
VALUES ($1, $2, $3, $3, 'coach', gen_random_uuid()::text, '', '{}')
"""
_ENROLMENT = """
INSERT INTO app.enrolments (creator_id, id, program_id, contact_id, status, started_at, answers,
                            actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'test')
"""
_GOAL = """
INSERT INTO app.goals (creator_id, id, contact_id, slug, title, status)
VALUES ($1, $2, $3, 'walk', 'Walk', $4)
"""
_CHECK_IN = """
INSERT INTO app.check_ins (creator_id, id, contact_id, subject, goal_id, local_day, kind, value,
                           source, at)
VALUES ($1, $2, $3, 'goal:walk', $4, $5, 'number', $6, 'api', $7)
"""
_SEND = """
INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id, step_key,
  occurrence, class, planned_at, due_at, state, settled_at, answer_until, answered_at)
VALUES ($1, $2, $3, $4, $5, '', $6, 'check_in', $7, $7, $8, $7, $9, $10)
"""


async def write(connection: Any, creator_id: UUID, people: Sequence[Made]) -> None:
    channels = {name: uuid4() for name in ("telegram", "sms", "web")}
    for name, id_ in channels.items():
        await connection.execute(_CHANNEL, creator_id, id_, name)
    await connection.execute(
        "INSERT INTO app.coaching_programs (creator_id, id, slug, name)"
        " VALUES ($1, $2, 'weekly', 'Weekly')",
        creator_id,
        PROGRAM,
    )
    for person in people:
        await _write_one(connection, creator_id, person, channels)


async def _write_one(
    connection: Any, creator_id: UUID, person: Made, channels: dict[str, UUID]
) -> None:
    await connection.execute(
        _CONTACT,
        creator_id,
        person.id,
        person.tags,
        person.attributes,
        person.locale,
        person.timezone,
        person.created_at,
    )
    for name, heard in zip(person.channels, person.heard, strict=True):
        address = str(person.id)
        await connection.execute(
            _IDENTITY, creator_id, uuid4(), person.id, channels[name], address, heard
        )
        scope = f"{name}/coach"
        key = creator_id, scope, address_hash(creator_id, scope, address)
        tables = [("consents", "broadcast")] * person.agreed + [("opt_outs", "*")] * person.is_out
        for table, purpose in tables:
            await connection.execute(
                f"INSERT INTO app.{table} VALUES ($1, $2, $3, $4, $5, now())",  # noqa: S608
                *key,
                purpose,
                uuid4(),
            )
    await _write_progress(connection, creator_id, person)


async def _write_progress(connection: Any, creator_id: UUID, person: Made) -> None:
    for started_at, status, answers in person.enrolments:
        await connection.execute(
            _ENROLMENT, creator_id, uuid4(), PROGRAM, person.id, status, started_at, answers
        )
    goal_id = uuid4()
    if person.goal is not None:
        await connection.execute(_GOAL, creator_id, goal_id, person.id, person.goal)
        for at, value in person.check_ins:
            await connection.execute(
                _CHECK_IN, creator_id, uuid4(), person.id, goal_id, at.date(), value, at
            )
    for at, is_answered in person.sent:
        until, answered_at = at + timedelta(days=3), at if is_answered else None
        place = creator_id, uuid4(), person.id, "step", uuid4(), str(at)
        await connection.execute(_SEND, *place, at, "sent", until, answered_at)
    if person.broadcast is not None:
        place = creator_id, uuid4(), person.id, "broadcast", BROADCAST, ""
        at = person.created_at
        await connection.execute(_SEND, *place, at, person.broadcast, None, None)
