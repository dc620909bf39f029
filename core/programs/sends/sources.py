"""What a send is of: the step of an enrolment, a broadcast, a silence; and what that has to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from core.programs import planning
from core.programs.definition import Content, QuietHours, Step
from core.programs.planning import Enrolled
from core.programs.sends import silence, speaking
from core.programs.sends.claims import Send
from core.programs.sends.gates import Halt
from shared.database import PgConnection, Record

# Programs before enrolments, as an edit takes them; whatever an edit or a turn holds is left.
_HOLD = """
WITH held AS MATERIALIZED (
  SELECT p.id FROM app.coaching_programs p
  WHERE p.creator_id = $1 AND p.id IN (
    SELECT program_id FROM app.enrolments WHERE creator_id = $1 AND id = ANY ($2))
  FOR KEY SHARE SKIP LOCKED
)
SELECT e.id FROM app.enrolments e
WHERE e.creator_id = $1 AND e.id = ANY ($2) AND e.program_id IN (SELECT id FROM held)
FOR UPDATE SKIP LOCKED
"""
_BROADCASTS = """
SELECT id, state, content, channel_id FROM app.broadcasts
WHERE creator_id = $1 AND id = ANY ($2)
"""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a send is of: the step of an enrolment, a broadcast, a silence."""

    content: Mapping[str, Content] = field(default_factory=dict)
    step: Step | None = None
    enrolled: Enrolled | None = None
    bot: str = ""
    channel_id: UUID | None = None
    quiet: QuietHours | None = None
    timezone: str | None = None
    halt: Halt | None = None


async def read_sources(
    connection: PgConnection, creator_id: UUID, sends: Sequence[Send], now: datetime
) -> dict[UUID, Source]:
    """By send; those whose rows are held elsewhere are absent."""
    by_kind: dict[str, list[Send]] = {}
    for send in sends:
        by_kind.setdefault(send.source_kind, []).append(send)
    found = {
        send.id: Source(content=silence.content_of(send.occurrence))
        for send in by_kind.get("silence", ())
    }
    found |= await _of_steps(connection, creator_id, by_kind.get("step", []), now)
    return found | await _of_broadcasts(connection, creator_id, by_kind.get("broadcast", []))


async def read_enrolled(
    connection: PgConnection, creator_id: UUID, sends: Sequence[Send], now: datetime
) -> dict[UUID, Enrolled | None]:
    """By id: enrolments of these sends that nobody else is at, held; None for one without a
    published program."""
    wanted = sorted({send.source_id for send in sends if send.source_kind == "step"})
    if not wanted:
        return {}
    held = [row["id"] for row in await connection.fetch(_HOLD, creator_id, wanted)]
    found = await planning.enrolled(connection, creator_id, held, now)
    return {id_: found.get(id_) for id_ in held}


async def _of_steps(
    connection: PgConnection, creator_id: UUID, sends: list[Send], now: datetime
) -> dict[UUID, Source]:
    held = await read_enrolled(connection, creator_id, sends, now)
    gone = Source(halt=Halt(reason="step_gone", is_final=True))
    found = {send.id: held[send.source_id] for send in sends if send.source_id in held}
    by_id = {send.id: send for send in sends}
    return {
        id_: _of_step(by_id[id_], enrolled) if enrolled else gone for id_, enrolled in found.items()
    }


def _of_step(send: Send, enrolled: Enrolled) -> Source:
    program = enrolled.program.definition
    step = planning.step_of(program, send.step_key)
    return Source(
        content=step.content if step else {},
        step=step,
        enrolled=enrolled,
        bot=program.bot,
        quiet=program.quiet_hours,
        timezone=program.timezone,
        halt=_halt_of(enrolled, step),
    )


def _halt_of(enrolled: Enrolled, step: Step | None) -> Halt | None:
    status, program = enrolled.row.status, enrolled.program.row.status
    if status in planning.ENDED or program == "archived":
        return Halt(reason="enrolment_ended", is_final=True)
    if step is None:
        return Halt(reason="step_gone", is_final=True)
    is_paused = status == "paused" or program != "live"
    return Halt(reason="program_paused", is_final=False) if is_paused else None


async def _of_broadcasts(
    connection: PgConnection, creator_id: UUID, sends: list[Send]
) -> dict[UUID, Source]:
    if not sends:
        return {}
    wanted = list({send.source_id for send in sends})
    rows = {row["id"]: row for row in await connection.fetch(_BROADCASTS, creator_id, wanted)}
    by_id = {id_: _of_broadcast(row) for id_, row in rows.items()}
    gone = Source(halt=Halt(reason="broadcast_cancelled", is_final=True))
    return {send.id: by_id.get(send.source_id, gone) for send in sends}


def _of_broadcast(row: Record) -> Source:
    halts = {
        "cancelled": Halt(reason="broadcast_cancelled", is_final=True),
        "paused": Halt(reason="broadcast_paused", is_final=False),
    }
    try:
        content = {tag: Content.model_validate(one) for tag, one in row["content"].items()}
    except ValidationError:
        content = {}  # then it says nothing
    return Source(content=content, channel_id=row["channel_id"], halt=halts.get(row["state"]))


def is_silent(step: Step | None) -> bool:
    return step is not None and step.kind in ("wait", "branch", "handoff") and not step.content


def must_think(source: Source) -> bool:
    """Whether a turn has to find the words."""
    step = source.step
    return step is not None and bool(step.template or step.show or step.action)


def has_content(source: Source) -> bool:
    return bool(source.content) or must_think(source)


def tells_progress(source: Source) -> bool:
    """Whether what is said depends on how somebody is getting on."""
    shows = source.step is not None and source.step.show is not None
    return shows or bool(speaking.wanted(source.content) & {"goal", "streak"})
