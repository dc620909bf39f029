"""What every channel keeps, whoever wrote it: tests to run over all that the loader finds.

`CAIRN_EXTRA_PATHS=/srv/my-channels python -m pytest --pyargs core.testing.contract -k pigeon`
needs pytest alone. A sample is a request's body in the adapter's `samples/`: `.json` is sent as
JSON, anything else as a form; one that `_OF_BOTS` names must not be taken for a person's words.
"""

# ruff: noqa: S101 - these are tests

import asyncio
import inspect
import logging
import os
import re
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog

from core.channels import (
    Account,
    ActionEvent,
    Address,
    ChannelAdapter,
    ChannelEvent,
    CommandEvent,
    InboundRequest,
    MessageEvent,
    OutboundPart,
    StartEvent,
)
from core.dialogue.degrade import degrade
from core.loader import load_channels
from shared.errors import ChannelError, InvalidInput, OutcomeUnknown, VerificationError
from shared.messages import Choice, Message
from shared.richtext import length

SECRET = "canary-3f9a1c5e"  # noqa: S105 - no secret, but looked for as one
FORM = "application/x-www-form-urlencoded"
# As `own_message.json`, `from_a_bot.json`, `message_of_our_own.json`.
_OF_BOTS = re.compile(r"own_|.*(?:of_our_own|from_a(?:nother)?_bot)")
NOBODY_LISTENS = "http://127.0.0.1:9/"  # the port of the discard service, which nobody runs
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "{}": b"{}",
    "[]": b"[]",
    "null": b"null",
    "a number": b"1" * 400,
    "text": b'"text"',
    "not utf-8": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "nan": b'{"id": NaN}',
    "twice": b'{"id": 1, "id": 2}',
    "nul": b'{"id": "\\u0000", "text": "\\ud800"}',
    "a form": b"a=1&a=2&%zz=%00&=&Body=%ff",
    "wrong shapes": b'{"id": [], "type": {}, "event": [1], "message": "x", "from": 5, "time": []}',
}
SIGNATURES = ("", "wrong", "sécret\ud800", "9" * 5000, "v0=", "v0=é", "0", "-1", "\x00", "1e400")


class EveryHeader(dict[str, str]):
    """Headers in which every name has the same value: so a test needs to know none."""

    def __init__(self, value: str) -> None:
        super().__init__({"content-type": "application/json"})
        self.value = value

    def __missing__(self, name: str) -> str:
        return self.value

    def get(self, name: str, default: Any = None) -> str:
        return self[name]

    def __contains__(self, name: object) -> bool:
        return True


def channels() -> dict[str, ChannelAdapter]:
    extra = os.environ.get("CAIRN_EXTRA_PATHS", "")
    return load_channels([Path(part.strip()) for part in extra.split(",") if part.strip()])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`channel` is every channel, `pushed` each that sends to a platform."""
    found = channels()
    if "channel" in metafunc.fixturenames:
        metafunc.parametrize("channel", found.values(), ids=list(found))
    if "pushed" in metafunc.fixturenames:
        chosen = {n: c for n, c in found.items() if c.capabilities.delivery == "push"}
        metafunc.parametrize("pushed", chosen.values(), ids=list(chosen))


def run(call: Awaitable[Any]) -> Any:
    """Await one call in a loop of its own: no plugin is needed."""

    async def bounded() -> Any:
        async with asyncio.timeout(30):
            return await call

    return asyncio.run(bounded())


def samples_of(channel: ChannelAdapter) -> list[Path]:
    return sorted((Path(inspect.getfile(type(channel))).parent / "samples").glob("*"))


def account_of(channel: ChannelAdapter, secret: str = SECRET) -> Account:
    return Account(
        creator_id=UUID(int=1),
        channel_id=UUID(int=2),
        type=channel.name,
        route_key="route",
        credentials={name: f"123456:{secret}-{name}" for name in channel.credential_names},
        settings={"api_base_url": NOBODY_LISTENS},
    )


def bare_account(channel: ChannelAdapter) -> Account:
    return replace(account_of(channel), credentials={}, settings={})


def request_with(body: bytes, content_type: str = "application/json") -> InboundRequest:
    return InboundRequest(
        method="POST",
        url="https://cairn.example/webhooks/x/route",
        headers={"content-type": content_type},
        body=body,
        received_at=datetime(2026, 6, 1, tzinfo=UTC),
    )


def sample_request(path: Path) -> InboundRequest:
    kind = "application/json" if path.suffix == ".json" else FORM
    return request_with(path.read_bytes(), kind)


@contextmanager
def logged() -> Iterator[list[str]]:
    """Every log line while it runs, the libraries' too, as production's levels let through."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(  # type: ignore[method-assign]
        f"{record.getMessage()} {record.exc_info}"
    )
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    quiet = [logging.getLogger(name) for name in ("httpx", "httpcore")]
    levels = [logger.level for logger in quiet]
    for logger in quiet:  # as core does: their request lines hold whole addresses
        logger.setLevel(logging.WARNING)
    try:
        with structlog.testing.capture_logs() as events:
            yield lines
        lines += [repr(event) for event in events]
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for logger, before in zip(quiet, levels, strict=True):
            logger.setLevel(before)


# --- what a channel says of itself


def test_capabilities_can_be_kept(channel: ChannelAdapter) -> None:
    can = channel.capabilities
    assert can.max_text > 0
    assert (can.buttons > 0) == (can.button_value_bytes > 0)
    rates = (can.account_rate, can.conversation_rate, can.group_rate)
    assert all(rate.per_second > 0 and rate.burst >= 1 for rate in rates if rate)


def test_a_pushed_channel_has_samples(pushed: ChannelAdapter) -> None:
    assert samples_of(pushed)


# --- accounts


def test_an_account_without_credentials_is_not_saved(pushed: ChannelAdapter) -> None:
    with pytest.raises(InvalidInput):
        pushed.check_account(bare_account(pushed))


def test_an_account_with_empty_credentials_is_not_saved(pushed: ChannelAdapter) -> None:
    empty = replace(bare_account(pushed), credentials=dict.fromkeys(pushed.credential_names, ""))
    with pytest.raises(InvalidInput):
        pushed.check_account(empty)


def test_a_refused_account_shows_no_secret(pushed: ChannelAdapter) -> None:
    for name in pushed.credential_names:
        bad = replace(bare_account(pushed), credentials={name: f"{SECRET}\n\x00 ☃"})
        assert SECRET not in repr(bad)
        with pytest.raises(InvalidInput) as refused:
            pushed.check_account(bad)
        assert SECRET not in repr(refused.value) + str(refused.value.__cause__)


# --- verification


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_an_unsigned_request_is_refused(channel: ChannelAdapter, body: bytes) -> None:
    with pytest.raises(VerificationError):
        run(channel.verify(request_with(body), account_of(channel)))


@pytest.mark.parametrize("value", SIGNATURES, ids=range(len(SIGNATURES)))
def test_a_strange_signature_is_refused_and_nothing_else_is_raised(
    channel: ChannelAdapter, value: str
) -> None:
    request = replace(request_with(b"{}"), headers=EveryHeader(value))
    with pytest.raises(VerificationError):
        run(channel.verify(request, account_of(channel)))


@pytest.mark.parametrize("value", ["", "0"])
def test_an_account_without_secrets_lets_nothing_in(channel: ChannelAdapter, value: str) -> None:
    request = replace(request_with(b"{}"), headers=EveryHeader(value))
    with pytest.raises(VerificationError):
        run(channel.verify(request, bare_account(channel)))


# --- parsing


def test_samples_become_events_that_can_be_ordered(pushed: ChannelAdapter) -> None:
    account = account_of(pushed)
    for path in samples_of(pushed):
        for event in pushed.parse(sample_request(path), account).events:
            assert isinstance(event, ChannelEvent)
            assert (event.creator_id, event.channel_id) == (UUID(int=1), UUID(int=2))
            assert event.occurred_at.tzinfo is not None
            assert pushed.conversation(event)
            assert SECRET not in repr(event)


def test_parsing_is_pure(pushed: ChannelAdapter) -> None:
    for path in samples_of(pushed):
        request = sample_request(path)
        account = account_of(pushed)
        assert pushed.parse(request, account) == pushed.parse(request, account), path.name


def test_an_event_that_comes_again_later_has_the_same_name(pushed: ChannelAdapter) -> None:
    """Platforms repeat what they got no answer for: `external_id` is what tells."""
    account = account_of(pushed)
    for path in samples_of(pushed):
        request = sample_request(path)
        later = replace(request, received_at=request.received_at + timedelta(minutes=7))
        first, again = (pushed.parse(r, account).events for r in (request, later))
        assert [e.external_id for e in first] == [e.external_id for e in again], path.name


def test_what_bots_write_is_ignored(pushed: ChannelAdapter) -> None:
    """Two bots that answer each other never stop."""
    heard = (MessageEvent, ActionEvent, CommandEvent, StartEvent)
    for path in samples_of(pushed):
        if _OF_BOTS.match(path.name):
            events = pushed.parse(sample_request(path), account_of(pushed)).events
            assert not [event for event in events if isinstance(event, heard)], path.name


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
@pytest.mark.parametrize("kind", ["application/json", FORM, "text/plain", ""])
def test_any_body_parses_or_is_invalid_input(
    pushed: ChannelAdapter, body: bytes, kind: str
) -> None:
    try:
        events = pushed.parse(request_with(body, kind), account_of(pushed)).events
    except InvalidInput:
        return
    for event in events:
        assert 0 < len(event.external_id) <= 300
        assert pushed.conversation(event)


# --- sending


def test_what_a_channel_is_given_fits_it(channel: ChannelAdapter) -> None:
    text = "A sentence with a [link](https://cairn.example/a) and an emoji 👋🏾. " * 400
    choices = tuple(Choice(label=f"Choice {n}", value="v" * 90 + str(n)) for n in range(30))
    parts = degrade(Message(text=text, choices=choices), channel.capabilities, UUID(int=3))
    assert parts
    for part in parts:
        size = length(part.text.text, channel.capabilities.text_unit)
        assert size <= channel.capabilities.max_text
        assert {mark.kind for mark in part.text.marks} <= channel.capabilities.marks
        assert len(part.choices) <= channel.capabilities.buttons


def test_a_failure_nobody_foresaw_is_not_taken_for_unsent(pushed: ChannelAdapter) -> None:
    """Only what is proved to be unsent may be sent again."""
    for failure in (RuntimeError("?"), TimeoutError(), ConnectionResetError(), ValueError()):
        error = pushed.classify(failure)
        assert isinstance(error, OutcomeUnknown)
        assert not error.retryable


def test_a_channel_error_stays_itself(channel: ChannelAdapter) -> None:
    error = ChannelError("already ours")
    assert channel.classify(error) is error


def test_a_send_that_nobody_hears_may_be_repeated_and_shows_no_secret(
    pushed: ChannelAdapter,
) -> None:
    (part,) = degrade(Message(text="hello"), pushed.capabilities, UUID(int=3))
    error = run(_refusal(pushed, part))
    assert error.retryable
    assert SECRET not in repr(error) + repr(error.__cause__) + repr(error.__context__)


def test_no_secret_stands_in_a_log(pushed: ChannelAdapter) -> None:
    """Whatever fails: an account, a signature, a body, a send."""
    account = account_of(pushed)
    (part,) = degrade(Message(text="hello"), pushed.capabilities, UUID(int=3))
    with logged() as lines:
        for value in SIGNATURES:
            request = replace(request_with(b"{}"), headers=EveryHeader(value))
            with pytest.raises(VerificationError):
                run(pushed.verify(request, account))
        for path in samples_of(pushed):
            pushed.parse(sample_request(path), account)
        run(_refusal(pushed, part))
    assert [line for line in lines if SECRET in line] == []


async def _refusal(channel: ChannelAdapter, part: OutboundPart) -> ChannelError:
    """What becomes of a send to where nobody listens."""
    try:
        await channel.send(Address(chat="1", person="1"), part, account_of(channel))
    except Exception as error:
        return channel.classify(error)
    finally:
        await channel.close()
    raise AssertionError("it was sent where nobody listens")
