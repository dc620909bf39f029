"""Let each enrolment go on from a step that was settled, and each silence to its next rung."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from core.programs import flow, planning
from core.programs.flow import Outcome
from core.programs.planning import Enrolled
from core.programs.sends import silence
from core.programs.sends.claims import Send
from shared.database import PgConnection

OUTCOMES: dict[str, Outcome] = {"send": "sent", "skip": "skipped", "expire": "expired"}


class Done(NamedTuple):
    """A send that is settled, the enrolment whose step it was, and how it ended."""

    send: Send
    enrolled: Enrolled | None
    outcome: Outcome


async def go_on(
    connection: PgConnection, creator_id: UUID, done: Sequence[Done], now: datetime
) -> None:
    """Plan what follows: a few statements, however many they are. The enrolments are held."""
    moved = [
        (one.enrolled.row, _moves(one, one.enrolled, now))
        for one in done
        if one.enrolled is not None and one.enrolled.row.status == "active"
    ]
    await planning.apply_many(connection, creator_id, moved, now)
    if any(one.outcome != "timed_out" for one in done):
        await silence.go_on(connection, creator_id, [one.send for one in done], now)


def _moves(one: Done, enrolled: Enrolled, now: datetime) -> flow.Moves:
    program, send = enrolled.program.definition, one.send
    return flow.settled(program, enrolled.state, send.step_key, one.outcome, send.occurrence, now)
