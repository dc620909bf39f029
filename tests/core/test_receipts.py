"""Receipts: in whatever order reports come, a message ends in the highest state."""

from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.channels import Address, Parsed, ReceiptEvent, Sender
from core.receipts import FAILURES, RANK, lower_states, overall
from shared.errors import OutcomeUnknown, RateLimited
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


async def report(
    school: App,
    state: Any,
    name: str = "probe:1",
    code: str | None = None,
    own: tuple[UUID, int] | None = None,
    channel_id: UUID | None = None,
) -> None:
    channels = "SELECT * FROM app.channels WHERE creator_id = $1 AND id = coalesce($2, id)"
    channel = (await school.fetch(f"{channels} ORDER BY created_at", channel_id))[0]
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
        message_id=own[0] if own else None,
        part=own[1] if own else 0,
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


# --- messages of several parts: the probe takes 40 characters each

LONG = "A first sentence of this text. " * 2 + "The second of it, somewhat longer."


@given(st.lists(st.sampled_from(["sent", "delivered", "read"]), min_size=1, max_size=5))
def test_a_message_is_as_far_as_its_slowest_part(states: list[str]) -> None:
    found = overall(states, len(states), len(states))
    assert found is not None
    assert RANK[found] == min(RANK[state] for state in states)
    assert overall(states, len(states) + 1, len(states)) is None


@given(st.lists(st.sampled_from(REPORTED[1:]), min_size=1, max_size=5), st.integers(0, 5))
def test_a_failed_part_fails_the_message_unless_it_goes_again(
    states: list[str], reached: int
) -> None:
    found = overall(states, len(states), reached)
    failed = [state for state in states[:reached] if state in FAILURES]
    if failed:
        assert found == failed[0]
    elif FAILURES.intersection(states):
        assert found is None


async def written_in_parts(school: App, probe: ProbeChannel, pause_at: int | None = None) -> Any:
    if pause_at is not None:
        probe.errors_at[pause_at] = RateLimited(retry_after=60)
    return await written(school, LONG)


async def test_a_part_that_arrives_early_does_not_end_its_message(
    school: App, probe: ProbeChannel
) -> None:
    row = await written_in_parts(school, probe, pause_at=1)
    await report(school, "delivered", "probe:1")
    assert (await only_message(school))["status"] == "queued"
    await go_on(school)
    row = await only_message(school)
    assert (row["status"], row["parts_sent"], len(probe.sent)) == ("sent", 3, 3)
    for name in ("probe:2", "probe:3"):
        await report(school, "delivered", name)
    assert (await only_message(school))["status"] == "delivered"


async def test_a_part_that_failed_stops_the_others_and_is_sent_again_before_them(
    school: App, probe: ProbeChannel
) -> None:
    row = await written_in_parts(school, probe, pause_at=1)
    await report(school, "undelivered", "probe:1", code="30003")
    row = await only_message(school)
    assert (row["status"], row["error_code"]) == ("undelivered", "30003")
    await go_on(school)
    assert len(probe.sent) == 1
    await school.runtime.desk.resend(school.creator_id, row["id"])
    await work(school)
    first, *again = probe.sent
    assert again[0] == first
    assert len(again) == 3
    row = await only_message(school)
    assert (row["status"], row["error_code"], row["parts_sent"]) == ("sent", None, 3)


async def test_resend_repeats_the_part_that_failed_and_none_that_arrived(
    school: App, probe: ProbeChannel
) -> None:
    row = await written_in_parts(school, probe)
    for name, state in (("probe:1", "delivered"), ("probe:2", "failed"), ("probe:3", "delivered")):
        await report(school, state, name)
    assert (await only_message(school))["status"] == "failed"
    await school.runtime.desk.resend(school.creator_id, row["id"])
    await report(school, "read", "probe:1")  # tells nothing new about the part that goes again
    assert (await only_message(school))["status"] == "queued"
    await work(school)
    assert probe.sent[3:] == [probe.sent[1]]
    assert (await only_message(school))["status"] == "sent"
    await report(school, "delivered", "probe:4")
    assert (await only_message(school))["status"] == "delivered"


# --- receipts that hand back our own name


async def unknown(school: App, probe: ProbeChannel, text: str = "Hello", at: int = 0) -> Any:
    probe.errors_at[at] = OutcomeUnknown()
    row = await written(school, text)
    assert row["status"] == "uncertain"
    return row


@pytest.mark.parametrize(
    ("state", "status"),
    [("queued", "sent"), ("sent", "sent"), ("delivered", "delivered"), ("failed", "failed")],
)
async def test_a_receipt_with_our_name_settles_an_uncertain_send(
    school: App, probe: ProbeChannel, state: str, status: str
) -> None:
    row = await unknown(school, probe)
    await report(school, state, "SM1", own=(row["id"], 0))
    row = await only_message(school)
    assert (row["status"], row["provider_ids"], row["parts_sent"]) == (status, ["SM1"], 1)
    await report(school, "delivered", "SM1")  # later ones may come without our name
    assert (await only_message(school))["status"] == "delivered"
    await work(school)
    assert probe.sent == []


async def test_after_it_the_next_part_goes(school: App, probe: ProbeChannel) -> None:
    row = await unknown(school, probe, LONG, at=1)
    assert row["parts_sent"] == 1
    await report(school, "delivered", "SM2", own=(row["id"], 1))
    assert (await only_message(school))["status"] == "queued"
    await work(school)
    row = await only_message(school)
    assert (row["status"], row["parts_sent"], len(probe.sent)) == ("sent", 3, 2)
    assert row["provider_ids"] == ["probe:1", "SM2", "probe:2"]


async def test_a_receipt_may_come_before_the_answer_to_our_call(
    school: App, probe: ProbeChannel
) -> None:
    async def first(part: int) -> None:
        row = await only_message(school)
        assert row["status"] == "sending"
        await report(school, "delivered", f"probe:{part + 1}", own=(row["id"], part))

    probe.before_answer = first
    row = await written(school, LONG)
    assert (row["status"], row["parts_sent"], len(probe.sent)) == ("delivered", 3, 3)
    assert row["provider_ids"] == ["probe:1", "probe:2", "probe:3"]


async def test_an_answer_that_never_comes_changes_nothing_after_the_receipt(
    school: App, probe: ProbeChannel
) -> None:
    async def then_nothing(part: int) -> None:
        row = await only_message(school)
        await report(school, "delivered", "SM1", own=(row["id"], part))
        raise OutcomeUnknown

    probe.before_answer = then_nothing
    row = await written(school, "Hello")
    assert (row["status"], row["provider_ids"]) == ("delivered", ["SM1"])


async def test_our_name_counts_on_its_own_channel_only(school: App, probe: ProbeChannel) -> None:
    row = await unknown(school, probe)
    account = await school.add_channel("probe")
    await report(school, "delivered", "SM1", own=(row["id"], 0), channel_id=account.channel_id)
    await report(school, "delivered", "SM1", own=(uuid4(), 0))
    await report(school, "delivered", "SM2", own=(row["id"], 7))
    assert (await only_message(school))["status"] == "uncertain"


async def go_on(school: App) -> None:
    due = "UPDATE app.ai_conversations SET outbound_due_at = now() WHERE creator_id = $1"
    await school.fetch(due)
    await work(school)
