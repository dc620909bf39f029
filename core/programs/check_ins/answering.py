"""Take an answer to the question that stands open: record it, confirm it, or ask once more.

It comes after commands, buttons of bots and open forms, and before what a bot would say to words
of its own. Whatever is no answer goes on to the bot, and the question stays open.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from core.dialogue.commands import Call
from core.llm.writer import Order, Writer
from core.programs.check_ins import answers
from core.programs.check_ins import goals as their_goals
from core.programs.check_ins import progress, recording
from core.programs.check_ins.answers import Answer, OutOfRange, Source, Tapped, Value
from core.programs.check_ins.asked import Asked, read_asked
from core.programs.check_ins.progress import Line
from core.programs.check_ins.streaks import DAYS_OF_A_WEEK
from core.programs.check_ins.words import shown, words_in
from core.programs.sends import speaking
from shared.database import DatabaseManager, PgConnection
from shared.messages import Message
from shared.models import check_ins, goals
from shared.models.check_ins import CheckInRow
from shared.models.goals import GoalRow
from shared.utils.ids import derived_id

CLASSIFY_SECONDS = 8.0  # somebody waits for the reply
ASKED_AGAIN = "asked_again"  # in a session: the send that was asked about once more
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"is_answer": {"type": "boolean"}, "value": {"type": "number"}},
    "required": ["is_answer", "value"],
}


class _Classified(BaseModel):
    is_answer: bool
    value: float


class Asking:
    """Takes answers. Holds no connection while a model is asked."""

    def __init__(self, *, database: DatabaseManager, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    async def take_button(self, call: Call, session: dict[str, Any], tapped: Tapped) -> None:
        """A button of a question, also of one that is answered, closed or somebody else's."""
        async with self._database.transaction(call.creator_id) as connection:
            found = await read_asked(connection, call.creator_id, [tapped.send_id])
        said = words_in(_locale(call))
        asked = found[0] if found else None
        if asked is not None and asked.contact_id != call.work.contact_id:
            call.turn.say(said.not_yours)
        elif asked is not None and asked.answered_at is not None:
            call.turn.say(said.answered_already)
        elif asked is None or not asked.is_open(call.now):
            call.turn.say(said.too_late)
        elif tapped.is_again:
            _ask_again(call, asked)
        else:
            await self._take_value(call, session, asked, tapped.value)

    async def _take_value(
        self, call: Call, session: dict[str, Any], asked: Asked, raw: str
    ) -> None:
        value = answers.read_value(asked.expects, raw)
        if value is None:  # the question has changed since
            _ask_again(call, asked)
        else:
            await self._record(call, session, asked, Answer(value=value, source=_by(call)))

    async def take_text(self, call: Call, session: dict[str, Any], *, is_known: bool) -> bool:
        """Take a text as an answer to the latest open question; False when it is none.

        `is_known`: the bot has words of its own for this text.
        """
        asked = _current(call)
        if asked is None:
            return False
        text, expects = call.turn.text, asked.expects
        found = _labelled(asked, text) or answers.read_answer(expects, text, _locale(call))
        if isinstance(found, Answer) and found.sure:
            await self._record(call, session, asked, found)
            return True
        # What a room's people say to each other is asked about no further.
        if is_known or expects.kind == "text" or call.work.payload.get("overheard"):
            return False
        if isinstance(found, Answer):
            _confirm(call, asked, found.value)
            return True
        return await self._wonder(call, session, asked, is_number=isinstance(found, OutOfRange))

    async def _wonder(
        self, call: Call, session: dict[str, Any], asked: Asked, *, is_number: bool
    ) -> bool:
        """What couldn't be read: a model may know what it means, else the question is repeated."""
        if not answers.looks_like_answer(call.turn.text):
            return False
        if session.get(ASKED_AGAIN) == str(asked.send_id):
            return False
        session[ASKED_AGAIN] = str(asked.send_id)
        value = None if is_number else await self._classify(call, asked)
        if value is None:
            _ask_again(call, asked)
        else:
            _confirm(call, asked, value)
        return True

    async def _classify(self, call: Call, asked: Asked) -> Value | None:
        question = speaking.in_language(asked.step.content, _locale(call))
        context = {
            "expected": _expected(asked),
            "question": _unfenced(question[1].text if question else ""),
            "words": _unfenced(call.turn.text),
            "fence": secrets.token_hex(4),
        }
        written = await self._writer.write(
            Order(
                creator_id=call.creator_id,
                contact_id=call.work.contact_id,
                template_id="classify_answer",
                context=context,
                schema=_SCHEMA,
                answer_tokens=64,
                seconds=CLASSIFY_SECONDS,
            )
        )
        return _classified(asked, written.text) if written else None

    async def _record(
        self, call: Call, session: dict[str, Any], asked: Asked, answer: Answer
    ) -> None:
        """Say what is noted, and leave the rest to the turn's commit."""
        session.pop(ASKED_AGAIN, None)
        async with self._database.transaction(call.creator_id) as connection:
            row, line = await _noted(connection, call, asked, answer)
        call.turn.said.append(_thanks(call, asked, answer, row, line))

        async def record(connection: PgConnection) -> None:
            await recording.record(connection, call, asked, answer, row)
            await recording.hear(connection, call, besides=asked.enrolment_id)

        call.effects.append(record)


def hears(call: Call) -> None:
    """Let the programs that somebody is in know of a message that answers no question of theirs."""
    if not call.work.is_enrolled:
        return

    async def hear(connection: PgConnection) -> None:
        await recording.hear(connection, call)

    call.effects.append(hear)


def _by(call: Call) -> Source:
    """How a choice was picked: tapped, or written as its label or number."""
    if call.work.kind == "action":
        return "button"
    return "number" if any(char.isdigit() for char in call.work.text) else "words"


# --- which question


def _current(call: Call) -> Asked | None:
    """The latest question that is open; in a room, one that was asked right there."""
    for asked in call.work.asked:
        if not asked.is_open(call.now):
            continue
        if call.turn.place.is_private or asked.conversation_id == call.work.conversation_id:
            return asked
    return None


def _labelled(asked: Asked, text: str) -> Answer | None:
    """The step's choice whose label was written, in whatever language."""
    wanted = text.strip().casefold()
    for content in asked.step.content.values():
        for choice in content.choices:
            if choice.label.strip().casefold() == wanted:
                value = answers.read_value(asked.expects, choice.value)
                return Answer(value=value, source="words") if value is not None else None
    return None


# --- what is said


def _ask_again(call: Call, asked: Asked) -> None:
    locale = _locale(call)
    content = speaking.in_language(asked.step.content, locale)
    offered = content[1].choices if content else ()
    call.turn.say(
        answers.ask_again(asked.expects, locale),
        choices=answers.choices_for(asked.expects, offered, asked.send_id, locale),
    )


def _confirm(call: Call, asked: Asked, value: Value) -> None:
    text, choices = answers.confirmation(value, asked.expects, asked.send_id, _locale(call))
    call.turn.say(text, choices=choices)


def _thanks(
    call: Call, asked: Asked, answer: Answer, row: CheckInRow | None, line: Line | None
) -> Message:
    """The step's own words, else what was noted and how it stands."""
    locale = _locale(call)
    value = shown(answer.value, asked.expects.unit, locale)
    found = line.streak(row.local_day) if row and line else None
    values = {
        "value": value,
        f"answer:{asked.step.key}": value,
        "name": call.work.contact_name,
        "goal": line.title if line else "",
        "streak": str(found.current) if found else "",
    }
    own = speaking.message(asked.expects.thanks, locales=(locale,), values=values)
    if own is not None:
        return own
    is_told = line is not None and line.comes_back
    day = row.local_day if row else call.now.date()
    return Message(text=progress.noted(value, line if is_told else None, day, locale))


def _locale(call: Call) -> str | None:
    return call.work.language or call.turn.locale


# --- what is noted


async def _noted(
    connection: PgConnection, call: Call, asked: Asked, answer: Answer
) -> tuple[CheckInRow | None, Line | None]:
    """(the check-in to keep, its subject with it); nothing for what is only the program's."""
    if not asked.is_progress:
        return None, None
    creator_id, contact_id = call.creator_id, call.work.contact_id
    found = await goals.of_contacts(connection, creator_id, [contact_id])
    goal = their_goals.named(found, asked.expects.goal)
    subject = (
        check_ins.subject_of_goal(goal.id)
        if goal
        else check_ins.subject_of_step(asked.program_id, asked.step.key)
    )
    creator_zone = await connection.fetchval(
        "SELECT timezone FROM app.creators WHERE creator_id = $1", creator_id
    )
    zone = progress.zone_of(call.turn.timezone, creator_zone)
    # Asked late in the evening and answered after midnight: it is about the day it was asked on.
    day = min(asked.asked_at, call.now).astimezone(zone).date()
    row = CheckInRow(
        id=derived_id(asked.send_id, "check-in"),
        contact_id=contact_id,
        subject=subject,
        local_day=day,
        kind=asked.expects.kind,
        value=answer.value,
        met=answers.is_met(asked.expects, answer.value, goal.target if goal else None),
        source=answer.source,
        at=call.now,
        goal_id=goal.id if goal else None,
        send_id=asked.send_id,
        enrolment_id=asked.enrolment_id,
        step_key=asked.step.key,
        message_id=call.work.message_id,
    )
    since = day - timedelta(days=progress.HISTORY_DAYS)
    earlier = await check_ins.of_subject(connection, creator_id, contact_id, subject, since)
    return row, _line(asked, goal, row, earlier)


def _line(
    asked: Asked, goal: GoalRow | None, row: CheckInRow, earlier: Sequence[CheckInRow]
) -> Line:
    weekly = progress.days_per_week_of(asked.step.when)
    return Line(
        subject=row.subject,
        title=goal.title if goal else "",
        unit=asked.expects.unit,
        days_per_week=goal.days_per_week if goal else weekly or DAYS_OF_A_WEEK,
        grace_days=goal.grace_days if goal else 1,
        comes_back=goal is not None or weekly is not None,
        days={**{one.local_day: one for one in earlier}, row.local_day: row},
    )


# --- what a model is told and tells


def _expected(asked: Asked) -> str:
    expects = asked.expects
    if expects.kind == "bool":
        return "yes or no"
    low, high = expects.minimum, expects.maximum
    spans = {
        (True, True): f"a number from {low} to {high}",
        (True, False): f"a number of at least {low}",
        (False, True): f"a number of at most {high}",
    }
    span = spans.get((low is not None, high is not None), "a number")
    return f"{span} ({expects.unit})" if expects.unit else span


def _classified(asked: Asked, text: str) -> Value | None:
    try:
        said = _Classified.model_validate_json(text)
    except ValidationError:
        return None
    if not said.is_answer:
        return None
    if asked.expects.kind == "bool":
        return bool(said.value) if said.value in (0, 1) else None
    value = int(said.value) if said.value.is_integer() else said.value
    return value if answers.in_range(asked.expects, value) else None


def _unfenced(text: str) -> str:
    return text.replace("<<<", "<<").replace(">>>", ">>")[:1000]
