"""What keeps a send from leaving twice, should two schedulers ever hold it: rows, not good will."""

from typing import Any

import pytest
from asyncpg import UniqueViolationError

from core.programs.sends import releasing
from core.programs.sends.releasing import Said, Settled
from shared.messages import Message
from shared.utils.ids import new_id
from tests.core.programs.coaching import step
from tests.core.programs.sends.sending import DAY, Sending, sending
from tests.learners import Learner

_MESSAGES = "SELECT id FROM app.messages WHERE creator_id = $1 AND kind = 'program'"
_OTHER = """
WITH person AS (
  INSERT INTO app.contacts (creator_id, id) VALUES ($1, $2)
), identity AS (
  INSERT INTO app.contact_identities (creator_id, id, contact_id, channel_id, address)
  VALUES ($1, $2, $2, $3, $2::text)
)
INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id, class,
                                 purpose, planned_at, due_at)
VALUES ($1, $2, $2, 'broadcast', $2, 'broadcast', 'broadcast', $4, $4)
"""
_HOLD = "SELECT id FROM app.scheduled_sends WHERE creator_id = $1 AND id = $2 FOR UPDATE"


@pytest.fixture
async def sent(learner: Learner) -> Sending:
    return await sending(learner)


async def only_send(sent: Sending) -> Any:
    [row] = await sent.coach.rows("SELECT * FROM app.scheduled_sends WHERE creator_id = $1")
    return row


async def said(sent: Sending) -> Said:
    """What the only send says, ready to be written."""
    conversation = await sent.learner.conversation()
    return Said(
        send_id=(await only_send(sent))["id"],
        conversation_id=conversation["id"],
        channel_id=conversation["channel_id"],
        contact_id=sent.contact_id,
        message=Message(text="hello"),
        push=True,
    )


async def test_what_a_send_says_is_written_once_whoever_tries(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    one = await said(sent)
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await releasing.say(connection, sent.coach.id, [one], sent.clock.now())
    with pytest.raises(UniqueViolationError):
        async with sent.coach.database.transaction(sent.coach.id) as connection:
            await releasing.say(connection, sent.coach.id, [one], sent.clock.now())
    assert len(await sent.coach.rows(_MESSAGES)) == 1


async def test_what_is_settled_is_not_settled_again(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    await sent.after(DAY)
    before = await only_send(sent)
    late = Settled(send_id=before["id"], state="skipped", reason="opted_out")
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        changed = await releasing.settle(connection, sent.coach.id, [late], sent.clock.now())
    assert (changed, await only_send(sent)) == (frozenset(), before)


async def test_a_send_that_somebody_holds_is_left_and_the_others_go(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    other = new_id()
    await sent.change(_OTHER, other, sent.learner.account.channel_id, sent.clock.now())
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await connection.fetch(_HOLD, sent.coach.id, other)
        assert await sent.after(DAY) == ["hello"]
    await sent.ticks()
    [row] = await sent.coach.rows(
        "SELECT state FROM app.scheduled_sends WHERE creator_id = $1 AND id = $2", other
    )
    assert row["state"] == "skipped"
