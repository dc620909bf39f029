"""Two things at once: none is done twice, none is lost, whoever comes first."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.programs.broadcasts.broadcast import Broadcasts
from core.programs.definition import Content
from core.programs.sends import facts
from shared.errors import Conflict
from tests.core.programs.coaching import daily, program
from tests.core.programs.sends.sending import DAY, Sending, sending
from tests.learners import Learner, on_telegram, work

CHATS = range(3001, 3007)


@pytest.fixture
async def sent(learner: Learner) -> Sending:
    return await sending(learner)


async def crowd(sent: Sending) -> list[UUID]:
    """Some more people who have opened the bot."""
    for chat in CHATS:
        sent.learner.chat = chat
        await sent.learner.says("/start")
    await work(sent.learner.app)
    rows = await sent.coach.rows("SELECT id FROM app.contacts WHERE creator_id = $1")
    return [row["id"] for row in rows]


def arrived(sent: Sending) -> list[tuple[str, str]]:
    return sorted((one.chat, one.text) for one in sent.learner.emulator.sent)


async def test_publishing_while_schedulers_tick_loses_and_doubles_nothing(sent: Sending) -> None:
    """Whichever version a slot is sent by, each person has one message of each day."""
    people = await crowd(sent)
    id_ = await sent.coach.runs(program(daily("water")), sent.clock.now())
    await sent.coach.enrols(id_, people, sent.clock.now())
    for day in range(4):
        sent.learner.emulator.sent.clear()
        sent.clock.move(DAY)
        edited = program(daily("water", content={"en": {"text": f"water {day}"}}))
        now = sent.clock.now()
        await asyncio.gather(
            sent.scheduler.tick(), sent.coach.edits(edited, now), sent.scheduler.tick()
        )
        await sent.ticks()
        assert [chat for chat, _ in arrived(sent)] == sorted({chat for chat, _ in arrived(sent)})
        rows = await sent.coach.rows(SLOTS)
        assert len(rows) == len(people)
        assert {row["waiting"] for row in rows} == {1}
        assert {row["sent_twice"] for row in rows} == {0}
    assert len(arrived(sent)) == len(people)


SLOTS = """
SELECT contact_id, count(*) FILTER (WHERE state = 'waiting') AS waiting,
       count(*) FILTER (WHERE state = 'sent')
         - count(DISTINCT left(occurrence, 10)) FILTER (WHERE state = 'sent') AS sent_twice
FROM app.scheduled_sends WHERE creator_id = $1 AND source_kind = 'step' GROUP BY contact_id
"""


async def test_of_two_starts_of_a_broadcast_one_plans_it(sent: Sending) -> None:
    await sent.set_policy(broadcast_consent="implied")
    people = await crowd(sent)
    runtime = sent.learner.app.runtime
    news = Broadcasts(runtime.database, runtime.channels, runtime.clock)
    content = {"en": Content(text="News").model_dump()}
    values: dict[str, Any] = {"name": "News", "content": content, "filter": {"all": []}}
    values |= {"segment_id": None, "channel_id": None, "starts_at": None}
    values |= {"purpose": "broadcast", "spread_seconds": 0, "expires_after_seconds": 86_400}
    made = await news.add(sent.coach.id, values, actor="tests")
    sent.learner.emulator.sent.clear()
    starts = [news.start(sent.coach.id, made.id, actor="tests") for _ in range(4)]
    done = await asyncio.gather(*starts, sent.scheduler.tick(), return_exceptions=True)
    assert {type(one) for one in done if isinstance(one, Exception)} <= {Conflict}
    for _ in range(3):  # as fast as the channel's pace lets them
        await sent.ticks()
        sent.clock.move(timedelta(seconds=5))
    assert [text for _, text in arrived(sent)] == ["News"] * len(people)
    assert len({chat for chat, _ in arrived(sent)}) == len(people)


async def test_a_stop_while_a_batch_is_judged_is_the_last_word(
    sent: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the batch has read is older than the STOP: it must not go out by it."""
    await sent.enrol(daily("water"))
    sent.clock.move(DAY)
    reached, may_go = asyncio.Event(), asyncio.Event()
    read = facts.read

    async def read_and_wait(*arguments: Any) -> Any:
        found = await read(*arguments)
        reached.set()
        await may_go.wait()
        return found

    monkeypatch.setattr(facts, "read", read_and_wait)
    sent.learner.emulator.sent.clear()
    tick = asyncio.create_task(sent.scheduler.tick())
    await reached.wait()
    stop = asyncio.create_task(sent.learner.says("STOP"))
    may_go.set()
    await asyncio.gather(tick, stop)
    monkeypatch.undo()
    await work(sent.learner.app)
    assert [text for _, text in arrived(sent) if "water" in text] == []
    assert await sent.after(3 * DAY) == []


@pytest.fixture
async def elsewhere(learner: Learner) -> AsyncIterator[Learner]:
    async with on_telegram(learner.app) as other:
        other.chat = 2002
        yield other


async def test_who_is_twice_in_a_program_gets_it_once_from_the_link_on(
    sent: Sending, elsewhere: Learner
) -> None:
    await elsewhere.asks("/start")
    id_ = await sent.coach.runs(program(daily("water")), sent.clock.now())
    both = [sent.contact_id, (await elsewhere.conversation())["contact_id"]]
    await sent.coach.enrols(id_, both, sent.clock.now())
    code = (await sent.learner.asks("/link"))[0].text.split("/link ")[1].split()[0].strip("`.,")
    [linked] = await elsewhere.asks(f"/link {code}")
    assert "one" in linked.text.lower()
    for _ in range(2):
        before = len(elsewhere.emulator.sent)
        got = await sent.after(DAY)
        assert len([*got, *elsewhere.emulator.sent[before:]]) == 1
    rows = await sent.coach.rows(
        "SELECT status, reason FROM app.enrolments WHERE creator_id = $1 ORDER BY status"
    )
    assert [tuple(row) for row in rows] == [("active", None), ("exited", "linked")]
