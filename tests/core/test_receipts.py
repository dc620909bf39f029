"""Receipts: in whatever order reports come, a message ends in the highest state."""

from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.channels import Address, Parsed, ReceiptEvent, Sender
from core.receipts import RANK, lower_states
from shared.utils.clock import utc_now
from tests.apps import App
from tests.core.probe import ProbeChannel
from tests.core.test_outbox import only_message, written
from tests.learners import work

REPORTED = ("queued", "sent", "delivered", "read", "failed", "undelivered", "canceled")


def merged(states: list[str]) -> str:
    """What the rank guard makes of a series of reports."""
    current = "queued"
    for state in states:
        if current in lower_states(state):
            current = state
    return current


@given(st.lists(st.sampled_from(sorted(RANK)), max_size=8), st.randoms(use_true_random=False))
def test_any_order_of_reports_ends_in_the_same_rank(states: list[str], random: Any) -> None:
    shuffled = list(states)
    random.shuffle(shuffled)
    highest = max(RANK[state] for state in ["queued", *states])
    assert RANK[merged(states)] == RANK[merged(shuffled)] == highest


@given(st.lists(st.sampled_from(sorted(RANK)), min_size=1, max_size=8))
def test_a_repeated_report_changes_nothing(states: list[str]) -> None:
    assert merged([*states, *states]) == merged(states)


def test_only_arrival_outranks_a_failure() -> None:
    for failure in ("failed", "undelivered", "canceled"):
        outranking = {state for state in RANK if failure in lower_states(state)}
        assert outranking == {"delivered", "read"}


@pytest.fixture
def probe(school: App) -> ProbeChannel:
    channel = ProbeChannel()
    school.runtime.channels["probe"] = channel
    return channel


async def report(school: App, state: Any, name: str = "probe:1", code: str | None = None) -> None:
    [channel] = await school.fetch("SELECT * FROM app.channels WHERE creator_id = $1")
    account = (await school.runtime.accounts.get(school.creator_id, channel["id"])).account
    event = ReceiptEvent(
        creator_id=school.creator_id,
        channel_id=channel["id"],
        external_id=uuid4().hex,
        occurred_at=utc_now(),
        address=Address(chat="1"),
        sender=Sender(address="1"),
        message_external_id=name,
        state=state,
        error_code=code,
    )
    adapter = school.runtime.channels["probe"]
    await school.runtime.inbox.receive(account, adapter, Parsed(events=(event,)))


@pytest.mark.parametrize("order", list(permutations(("sent", "delivered", "read"))), ids=str)
async def test_the_row_ends_in_the_highest_state(
    school: App, probe: ProbeChannel, order: tuple[str, ...]
) -> None:
    await written(school, "Hello")
    for state in order:
        await report(school, state)
    assert (await only_message(school))["status"] == "read"


async def test_a_failure_is_shown_with_its_code_and_arrival_corrects_it(
    school: App, probe: ProbeChannel
) -> None:
    await written(school, "Hello")
    await report(school, "undelivered", code="30003")
    row = await only_message(school)
    assert (row["status"], row["error_code"]) == ("undelivered", "30003")
    await report(school, "sent")
    assert (await only_message(school))["status"] == "undelivered"
    await report(school, "delivered")
    assert (await only_message(school))["status"] == "delivered"


async def test_a_receipt_that_comes_before_our_own_row_is_kept_for_it(
    school: App, probe: ProbeChannel
) -> None:
    account = await school.add_channel("probe")
    await report(school, "delivered")
    await report(school, "sent")
    await report(school, "delivered")
    conversation_id = await school.runtime.inbox.open_conversation(
        account, address=Address(chat="1", person="1"), sender=Sender(address="1"), key="1"
    )
    await school.runtime.desk.say(school.creator_id, conversation_id, "Hello")
    await work(school)
    assert (await only_message(school))["status"] == "delivered"
    assert await school.fetch("SELECT 1 FROM app.early_receipts WHERE creator_id = $1") == []
