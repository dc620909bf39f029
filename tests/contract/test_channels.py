"""What every channel keeps, whoever wrote it: run over all that the loader finds."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.channels import (
    Account,
    Address,
    ChannelAdapter,
    ChannelEvent,
    InboundRequest,
    OutboundPart,
)
from core.dialogue.degrade import degrade
from core.loader import ROOT, load_channels
from shared.errors import ChannelError, InvalidInput, OutcomeUnknown, VerificationError
from shared.messages import Choice, Message
from shared.richtext import length

CHANNELS = load_channels()
PUSHED = {name: c for name, c in CHANNELS.items() if c.capabilities.delivery == "push"}
SECRET = "canary-3f9a1c"


def samples_of(name: str) -> list[Path]:
    return sorted((ROOT / "adapters" / name / "samples").glob("*"))


def account_of(channel: ChannelAdapter) -> Account:
    return Account(
        creator_id=UUID(int=1),
        channel_id=UUID(int=2),
        type=channel.name,
        route_key="route",
        credentials={name: f"{SECRET}-{name}" for name in channel.credential_names},
    )


def request_with(
    body: bytes, content_type: str = "application/json", **headers: str
) -> InboundRequest:
    return InboundRequest(
        method="POST",
        url="https://cairn.example/webhooks/x/route",
        headers={"content-type": content_type} | headers,
        body=body,
        received_at=datetime(2026, 6, 1, tzinfo=UTC),
    )


def sample_requests(name: str) -> Iterator[InboundRequest]:
    """A sample is a body; `.json` files are sent as JSON, others as a form."""
    for path in samples_of(name):
        is_json = path.suffix == ".json"
        form = "application/x-www-form-urlencoded"
        yield request_with(path.read_bytes(), "application/json" if is_json else form)


each_channel = pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS)
each_pushed = pytest.mark.parametrize("channel", PUSHED.values(), ids=PUSHED)


def test_the_channels_of_this_tree_are_found() -> None:
    assert "telegram" in CHANNELS
    assert all((ROOT / "adapters" / name / "channel.py").exists() for name in CHANNELS)


@each_channel
def test_capabilities_can_be_kept(channel: ChannelAdapter) -> None:
    assert channel.capabilities.max_text > 0
    assert (channel.capabilities.buttons > 0) == (channel.capabilities.button_value_bytes > 0)


@each_pushed
def test_a_pushed_channel_has_samples(channel: ChannelAdapter) -> None:
    assert samples_of(channel.name)


# --- verification


@each_channel
@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 1000], ids=["none", "{}", "ff", "["])
async def test_an_unsigned_request_is_refused(channel: ChannelAdapter, body: bytes) -> None:
    with pytest.raises(VerificationError):
        await channel.verify(request_with(body), account_of(channel))


SIGNATURES = (
    "x-telegram-bot-api-secret-token",
    "x-slack-signature",
    "x-slack-request-timestamp",
    "x-twilio-signature",
    "authorization",
)


@each_channel
@pytest.mark.parametrize("value", ["", "wrong", "sécret\ud800", "9" * 5000, "v0=", "0"], ids=ascii)
async def test_a_wrong_signature_is_refused_and_nothing_else_is_raised(
    channel: ChannelAdapter, value: str
) -> None:
    request = request_with(b"{}", **dict.fromkeys(SIGNATURES, value))

    with pytest.raises(VerificationError):
        await channel.verify(request, account_of(channel))


@each_channel
async def test_an_account_without_secrets_lets_nothing_in(channel: ChannelAdapter) -> None:
    bare = Account(
        creator_id=UUID(int=1), channel_id=UUID(int=2), type="x", route_key="r", credentials={}
    )

    with pytest.raises(VerificationError):
        await channel.verify(request_with(b"{}", **dict.fromkeys(SIGNATURES, "")), bare)


@each_pushed
def test_an_account_without_credentials_is_not_saved(channel: ChannelAdapter) -> None:
    bare = Account(
        creator_id=UUID(int=1), channel_id=UUID(int=2), type="x", route_key="r", credentials={}
    )

    with pytest.raises(InvalidInput):
        channel.check_account(bare)


@each_pushed
def test_a_refused_credential_is_not_repeated(channel: ChannelAdapter) -> None:
    account = account_of(channel)

    assert SECRET not in repr(account)
    with pytest.raises(InvalidInput) as refused:
        channel.check_account(account)
    assert SECRET not in repr(refused.value)


# --- parsing


@each_pushed
def test_samples_become_events_that_can_be_ordered(channel: ChannelAdapter) -> None:
    account = account_of(channel)
    for request in sample_requests(channel.name):
        for event in channel.parse(request, account).events:
            assert isinstance(event, ChannelEvent)
            assert (event.creator_id, event.channel_id) == (UUID(int=1), UUID(int=2))
            assert event.occurred_at.tzinfo is not None
            assert channel.conversation(event)
            assert SECRET not in repr(event)


@each_pushed
def test_parsing_is_pure(channel: ChannelAdapter) -> None:
    """The same request gives the same events: the same external_id de-duplicates."""
    account = account_of(channel)
    for request in sample_requests(channel.name):
        assert channel.parse(request, account) == channel.parse(request, account)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), inner),
    max_leaves=12,
)


@each_pushed
@given(value=json_values)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
def test_any_json_parses(channel: ChannelAdapter, value: Any) -> None:
    parsed = channel.parse(request_with(json.dumps(value).encode()), account_of(channel))

    for event in parsed.events:
        assert 0 < len(event.external_id) <= 300


@each_pushed
@given(body=st.binary(max_size=200))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
def test_any_bytes_parse_or_are_invalid_input(channel: ChannelAdapter, body: bytes) -> None:
    for content_type in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        try:
            channel.parse(request_with(body, content_type), account_of(channel))
        except InvalidInput:
            continue


# --- sending


@each_channel
def test_what_a_channel_is_given_fits_it(channel: ChannelAdapter) -> None:
    text = "A sentence with a [link](https://cairn.example/a) and an emoji 👋🏾. " * 400
    choices = tuple(Choice(label=f"Choice {n}", value="v" * 90 + str(n)) for n in range(30))
    parts = degrade(Message(text=text, choices=choices), channel.capabilities, UUID(int=3))

    unit = channel.capabilities.text_unit
    assert parts
    for part in parts:
        assert length(part.text.text, unit) <= channel.capabilities.max_text
        assert {mark.kind for mark in part.text.marks} <= channel.capabilities.marks
        assert len(part.choices) <= channel.capabilities.buttons


@each_pushed
def test_a_failure_nobody_foresaw_is_not_taken_for_unsent(channel: ChannelAdapter) -> None:
    """Only what is proved to be unsent may be sent again."""
    for failure in (RuntimeError("?"), TimeoutError(), ConnectionResetError(), ValueError()):
        error = channel.classify(failure)
        assert isinstance(error, OutcomeUnknown)
        assert not error.retryable


@each_channel
def test_a_channel_error_stays_itself(channel: ChannelAdapter) -> None:
    error = ChannelError("already ours")

    assert channel.classify(error) is error


@each_pushed
async def test_a_failed_send_shows_no_secret(channel: ChannelAdapter, closed_port: int) -> None:
    account = account_of(channel)
    account = Account(
        creator_id=account.creator_id,
        channel_id=account.channel_id,
        type=account.type,
        route_key=account.route_key,
        credentials=dict.fromkeys(channel.credential_names, f"123456:{SECRET}"),
        settings={"api_base_url": f"http://127.0.0.1:{closed_port}/"},
    )
    (part,) = degrade(Message(text="hello"), channel.capabilities, UUID(int=3))

    error = await refusal_of(channel, part, account)
    await channel.close()

    assert error.retryable
    assert SECRET not in repr(error) + repr(error.__cause__) + repr(error.__context__)


async def refusal_of(channel: ChannelAdapter, part: OutboundPart, account: Account) -> ChannelError:
    try:
        await channel.send(Address(chat="1", person="1"), part, account)
    except Exception as error:
        return channel.classify(error)
    raise AssertionError("it was sent where nobody listens")
