"""A check-in answered on the text-message and web channels, and by people it isn't for."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.sms.emulator import SmsEmulator
from core.channels import Account, ActionEvent, Address, Sender
from core.programs.check_ins.words import WORDS
from shared.settings import Settings
from shared.utils.clock import utc_now
from tests.apps import App, Person
from tests.core.programs.coaching import NOW, Coach, program, step
from tests.emulated import Stage, running_stage
from tests.learners import work
from tests.waiting import eventually

EN = WORDS["en"]
SCALE = {"kind": "scale", "minimum": 1, "maximum": 5}
KEPT = "SELECT value, source FROM app.check_ins WHERE creator_id = $1 ORDER BY local_day"
DAILY = {"anchor": "enrolment", "at": "09:00", "rrule": "FREQ=DAILY"}


def question(**fields: Any) -> dict[str, Any]:
    """A check-in each day at nine."""
    usual = {"kind": "check_in", "when": DAILY, "content": {"en": {"text": "How was it?"}}}
    return step("mood", **usual | {"expects": SCALE} | fields)


# --- two people on the web, without a worker


@pytest.fixture
async def web(school: App) -> Account:
    school.runtime.clock.move_to(NOW)
    return await school.add_channel("web")


async def writes(person: Person, value: str | None = None) -> str:
    """Write first, or tap a button with this value; what is said to it."""
    if value is None:
        event: Any = ActionEvent(value="/help", **envelope(person))
    else:
        event = ActionEvent(value=value, **envelope(person))
    accepted = await person.app.runtime.inbox.accept(event, conversation_key=person.key)
    person.conversation_id = accepted.conversation_id
    await work(person.app)
    rows = await person.app.fetch(
        "SELECT text FROM app.messages WHERE creator_id = $1 AND conversation_id = $2"
        " AND direction = 'out' ORDER BY seq DESC LIMIT 1",
        person.conversation_id,
    )
    return str(rows[0]["text"])


def envelope(person: Person) -> dict[str, Any]:
    return {
        "creator_id": person.account.creator_id,
        "channel_id": person.account.channel_id,
        "external_id": uuid4().hex,
        "occurred_at": utc_now(),
        "address": Address(chat=person.key, person=person.key),
        "sender": Sender(address=person.key, name=person.name),
    }


async def test_a_button_of_somebody_else_changes_nothing(school: App, web: Account) -> None:
    runtime = school.runtime
    ada, ben = (Person(app=school, account=web, name=name) for name in ("Ada", "Ben"))
    await writes(ada)
    await writes(ben)
    coach = Coach(database=runtime.database, id=school.creator_id)
    sql = "SELECT contact_id FROM app.ai_conversations WHERE creator_id = $1 AND id = $2"
    [conversation] = await school.fetch(sql, ada.conversation_id)
    adas: UUID = conversation["contact_id"]
    await coach.enrols(await coach.runs(program(question())), [adas], runtime.clock.now())
    runtime.clock.move(timedelta(days=1))
    await runtime.scheduler.tick()
    [send] = await coach.rows(
        "SELECT id FROM app.scheduled_sends WHERE creator_id = $1 AND answer_until IS NOT NULL"
    )
    assert await writes(ben, f"answer:{send['id']}:4") == EN.not_yours
    assert await writes(ben, f"answer:{uuid4()}:4") == EN.too_late
    assert await coach.rows(KEPT) == []
    assert await writes(ada, f"answer:{send['id']}:9") == EN.between.format(low=1, high=5)
    assert (await writes(ada, f"answer:{send['id']}:4")).startswith("Noted: 4.")
    assert [tuple(row) for row in await coach.rows(KEPT)] == [(4, "button")]


# --- the whole way, with a worker


async def begin(stage: Stage, contact_place: str, declared: dict[str, Any]) -> Coach:
    runtime = stage.app.runtime
    coach = Coach(database=runtime.database, id=stage.app.creator_id)
    [row] = await coach.rows("SELECT id FROM app.contacts WHERE creator_id = $1")
    program_id = await coach.runs(program(declared))
    await coach.enrols(program_id, [row["id"]], runtime.clock.now())
    return coach


async def asked(stage: Stage, place: str) -> None:
    """A day passes, and the question arrives."""
    stage.app.runtime.clock.move(timedelta(days=1))

    async def has_come() -> bool:
        await stage.settle()
        return any("How was it?" in bubble.text for bubble in stage.said(place))

    await eventually(has_come, timeout=60)


@pytest.fixture
async def texting(settings: Settings) -> AsyncIterator[Stage]:
    async with running_stage(settings, "sms", bot="coach") as stage:
        assert isinstance(stage.emulator, SmsEmulator)
        stage.app.runtime.clock.move_to(NOW)
        yield stage


async def test_a_text_message_is_answered_by_its_number(texting: Stage) -> None:
    place = texting.people[0]
    await texting.asks(place, "JOIN")
    labels = [{"label": "Great", "value": "5"}, {"label": "So-so", "value": "3"}]
    content = {"en": {"text": "How was it?", "choices": labels}}
    coach = await begin(texting, place, question(content=content))
    await asked(texting, place)
    [noted] = await texting.asks(place, "2")
    assert noted.text == "Noted: 3. 1 of 7 this week."
    assert [tuple(row) for row in await coach.rows(KEPT)] == [(3, "number")]
    [shown] = await texting.asks(place, "/progress")
    assert shown.text == "Your progress\n\n1. Fit: 1 of 7 this week (best: 1)"


@pytest.fixture
async def chatting(settings: Settings) -> AsyncIterator[Stage]:
    async with running_stage(settings, "web", bot="coach") as stage:
        stage.app.runtime.clock.move_to(NOW)
        yield stage


async def test_a_question_in_the_web_chat_is_answered_by_word_and_button(chatting: Stage) -> None:
    await chatting.asks("Ada", "/help")
    coach = await begin(chatting, "Ada", question(expects={"kind": "bool"}))
    await asked(chatting, "Ada")
    [noted] = await chatting.presses("Ada", "Yes")
    assert noted.text == "Noted: Yes. 1 of 7 this week."
    [again] = await chatting.presses("Ada", "No")
    assert again.text == EN.answered_already
    assert [tuple(row) for row in await coach.rows(KEPT)] == [(True, "button")]
