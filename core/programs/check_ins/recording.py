"""What an answer leaves behind, with its turn: a check-in, the send answered, the program's next
steps; and what any other message changes in the programs that somebody is in."""

from uuid import UUID

from core.dialogue.commands import Call
from core.programs import flow, planning
from core.programs.check_ins.answers import Answer
from core.programs.check_ins.asked import Asked
from core.programs.flow import Moves
from core.programs.planning import Enrolled
from shared.database import PgConnection
from shared.models import check_ins, enrolments
from shared.models.check_ins import CheckInRow

# Once: of two answers at the same moment, the first one moves the program.
_TAKE = """
UPDATE app.scheduled_sends SET answered_at = $4
WHERE creator_id = $1 AND id = $2 AND contact_id = $3 AND state = 'sent' AND answered_at IS NULL
RETURNING true
"""


async def record(
    connection: PgConnection, call: Call, asked: Asked, answer: Answer, row: CheckInRow | None
) -> None:
    """Keep an answer; nothing happens when somebody was faster."""
    creator_id, contact_id = call.creator_id, call.work.contact_id
    found = await planning.enrolled(
        connection, creator_id, [asked.enrolment_id], call.now, for_update=True
    )
    taken = await connection.fetchval(_TAKE, creator_id, asked.send_id, contact_id, call.now)
    if not taken:
        return
    if row is not None:
        await check_ins.put(connection, creator_id, row)
    enrolled = found.get(asked.enrolment_id)
    if enrolled is not None:
        moves = _moves(enrolled, asked.step.key, answer, call)
        await planning.apply_moves(connection, creator_id, enrolled.row, moves, call.now)


def _moves(enrolled: Enrolled, step_key: str, answer: Answer, call: Call) -> Moves:
    """A program that is paused or over keeps the answer, and doesn't go on."""
    if enrolled.row.status != "active":
        return Moves(answers={**enrolled.state.answers, step_key: answer.value})
    program = enrolled.program.definition
    return flow.answered(program, enrolled.state, step_key, answer.value, call.now)


async def hear(connection: PgConnection, call: Call, *, besides: UUID | None = None) -> None:
    """Tell the programs that somebody is in that they wrote; not the one that was answered."""
    creator_id = call.creator_id
    rows = await enrolments.open_of_contact(connection, creator_id, call.work.contact_id)
    ids = [row.id for row in rows if row.status == "active" and row.id != besides]
    found = await planning.enrolled(connection, creator_id, ids, call.now, for_update=True)
    moved = [
        (one.row, flow.heard(one.program.definition, one.state, call.now))
        for one in found.values()
        if one.row.status == "active"
    ]
    await planning.apply_many(connection, creator_id, moved, call.now)
