"""STOP in the middle of a program and of a broadcast, through the scheduler to the platform."""

from datetime import timedelta

import pytest

from core.programs.definition import Content
from shared.utils.ids import new_id
from tests.core.programs.coaching import daily, step
from tests.core.programs.sends.sending import DAY, Sending, sending
from tests.learners import Learner


@pytest.fixture
async def sent(learner: Learner) -> Sending:
    return await sending(learner)


async def test_after_a_stop_nothing_arrives_and_a_start_goes_on_with_the_next(
    sent: Sending,
) -> None:
    await sent.enrol(daily("water"))
    assert await sent.after(DAY) == ["water"]
    await sent.learner.asks("STOP")
    assert [await sent.after(DAY) for _ in range(3)] == [[], [], []]
    await sent.learner.asks("START")
    # What was missed meanwhile is over; each day from now on has its own.
    assert await sent.after(timedelta(minutes=1)) == []
    assert [await sent.after(DAY) for _ in range(2)] == [["water"], ["water"]]


async def test_a_chain_goes_on_behind_the_step_that_was_missed(sent: Sending) -> None:
    await sent.enrol(step("first"), step("second"), step("third"))
    assert await sent.after(DAY) == ["first"]
    await sent.learner.asks("STOP")
    assert await sent.after(5 * DAY) == []
    await sent.learner.asks("START")
    assert await sent.after(timedelta(minutes=1)) == []
    assert await sent.after(DAY) == ["third"]


async def plan_broadcast(sent: Sending) -> None:
    broadcast_id = new_id()
    await sent.change(
        "INSERT INTO app.broadcasts (creator_id, id, name, content, filter, actor, state)"
        " VALUES ($1, $2, 'News', $3, '{}', 'tests', 'running')",
        broadcast_id,
        {"en": Content(text="News").model_dump()},
    )
    await sent.change(
        "INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id,"
        " class, purpose, planned_at, due_at)"
        " VALUES ($1, $2, $3, 'broadcast', $4, 'broadcast', 'broadcast', $5, $5)",
        new_id(),
        sent.contact_id,
        broadcast_id,
        sent.clock.now() + DAY,
    )


async def test_news_need_a_yes_of_their_own(sent: Sending) -> None:
    await plan_broadcast(sent)
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("skipped", "no_consent")


async def test_news_end_with_a_stop_and_stay_ended(sent: Sending) -> None:
    await sent.learner.asks("/subscribe news")
    await plan_broadcast(sent)
    await sent.learner.asks("STOP")
    assert await sent.outcome() == ("cancelled", "stopped")
    await sent.learner.asks("START")
    assert await sent.after(DAY) == []
    await plan_broadcast(sent)
    assert await sent.after(DAY) == ["News"]


async def test_what_waits_for_its_delivery_when_a_stop_comes_is_not_sent(sent: Sending) -> None:
    await sent.enrol(daily("water"))
    sent.clock.move(DAY)
    await sent.scheduler.tick()
    [row] = await sent.coach.rows(
        "SELECT status FROM app.messages WHERE creator_id = $1 AND kind = 'program'"
    )
    assert row["status"] == "queued"
    answers = await sent.learner.asks("STOP")
    assert [one.text for one in answers if one.text == "water"] == []
    [row] = await sent.coach.rows(
        "SELECT status, error_code FROM app.messages WHERE creator_id = $1 AND kind = 'program'"
    )
    assert (row["status"], row["error_code"]) == ("canceled", "recipient_opted_out")


async def test_news_end_with_a_link_where_the_creator_wants_it(sent: Sending) -> None:
    await sent.set_policy(unsubscribe_links=True, broadcast_consent="implied")
    await plan_broadcast(sent)
    await sent.enrol(daily("water"))
    texts = await sent.after(DAY)
    assert "water" in texts
    [news] = [text for text in texts if text.startswith("News")]
    assert "No more of these" in news
