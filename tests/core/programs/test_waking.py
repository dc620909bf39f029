"""What waits for a person of the team goes on as soon as they give the conversation back."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core import tickets
from tests.core.programs.coaching import daily, step
from tests.core.programs.sends.sending import DAY, Sending, sending
from tests.learners import Learner

SOON = timedelta(seconds=1)


@pytest.fixture
async def sent(learner: Learner) -> Sending:
    return await sending(learner)


async def taken(sent: Sending) -> UUID:
    """A ticket that Ada has taken."""
    await sent.learner.asks("/human")
    [row] = await sent.coach.rows("SELECT id FROM app.tickets WHERE creator_id = $1")
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await tickets.take(connection, sent.coach.id, row["id"], "ada")
    ticket_id: UUID = row["id"]
    return ticket_id


async def ends(sent: Sending, how: Any, subject: UUID) -> None:
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await how(connection, sent.coach.id, subject, "ada", sent.clock.now())


@pytest.mark.parametrize("how", [tickets.give_back, tickets.close], ids=["returned", "closed"])
async def test_what_waited_is_sent_at_once(sent: Sending, how: Any) -> None:
    ticket_id = await taken(sent)
    await sent.enrol(step("hello"))
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("waiting", "human")
    await ends(sent, how, ticket_id)
    assert await sent.after(SOON) == ["hello"]


async def test_a_conversation_without_a_ticket_is_given_back_alike(sent: Sending) -> None:
    await sent.change("UPDATE app.ai_conversations SET status = 'human' WHERE creator_id = $1")
    await sent.enrol(step("hello"))
    assert await sent.after(DAY) == []
    await ends(sent, tickets.give_back_conversation, await sent.learner.conversation_id())
    assert await sent.after(SOON) == ["hello"]


@pytest.mark.parametrize(
    ("policy", "arrives"), [("send", ["water"]), ("skip", [])], ids=["send", "skip"]
)
async def test_what_became_late_meanwhile_goes_by_its_policy(
    sent: Sending, policy: str, arrives: list[str]
) -> None:
    ticket_id = await taken(sent)
    await sent.enrol(daily("water") | {"late_policy": policy})
    assert await sent.after(DAY) == []
    sent.clock.move(timedelta(hours=8))
    await ends(sent, tickets.give_back, ticket_id)
    assert await sent.after(SOON) == arrives


async def test_what_waits_for_its_time_is_not_woken(sent: Sending) -> None:
    ticket_id = await taken(sent)
    await sent.enrol(daily("water"))
    before = await sent.due_at()
    await ends(sent, tickets.give_back, ticket_id)
    assert await sent.after(SOON) == []
    assert await sent.due_at() == before
