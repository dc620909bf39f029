"""Accounts; sending, looking up, typing, downloading and describing against an emulated Slack."""

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.slack.channel import SlackChannel
from adapters.slack.emulator import DEFAULT_TOKEN, SlackEmulator
from adapters.slack.history import PAGE_SIZE
from core.channels import (
    Account,
    Address,
    DescribesApp,
    Downloads,
    Introduces,
    Listens,
    Reconciles,
    Streams,
    Types,
)
from shared.errors import (
    AuthRevoked,
    ChannelError,
    InvalidInput,
    MessageRejected,
    NetworkError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RecipientUnreachable,
)
from shared.messages import Attachment, Choice
from shared.utils.clock import utc_now
from tests.adapters.slack.accounts import CREDENTIALS, account_at, part_of

TEAM = "T0EMULATED"
ADA = Address(chat="U0ADA", person="U0ADA", space=TEAM, direct=True)


def room(emulator: SlackEmulator, name: str = "team") -> Address:
    channel = emulator.workspace().room(name)
    return Address(chat=channel.id, person="U0ADA", space=TEAM)


async def refusal(channel: SlackChannel, to: Address, account: Account) -> ChannelError:
    try:
        await channel.send(to, part_of("hello"), account)
    except Exception as error:
        return channel.classify(error)
    raise AssertionError("it was sent")


# --- accounts


def test_what_slack_can_do_is_found() -> None:
    abilities = (DescribesApp, Downloads, Introduces, Listens, Reconciles, Streams, Types)

    assert all(isinstance(SlackChannel(), ability) for ability in abilities)


@pytest.mark.parametrize(
    ("credentials", "settings"),
    [
        (CREDENTIALS, {}),
        (
            {
                "signing_secret": "a" * 32,
                "client_id": "123456.789012",
                "client_secret": "b" * 32,
            },
            {},
        ),
        (CREDENTIALS | {"app_token": "xapp-1-A0-1-abc"}, {"mode": "socket"}),
        (CREDENTIALS, {"channel_messages": "all", "command_prefix": "coach-"}),
        (CREDENTIALS, {"api_base_url": "http://127.0.0.1:8082/api/"}),
    ],
)
def test_an_account_that_can_work(credentials: dict[str, str], settings: dict[str, Any]) -> None:
    SlackChannel().check_account(account_at(credentials=credentials, **settings))


@pytest.mark.parametrize(
    ("changed", "settings", "named"),
    [
        ({"signing_secret": ""}, {}, "signing_secret"),
        ({"signing_secret": "short"}, {}, "signing_secret"),
        ({"bot_token": "xoxp-1234-user"}, {}, "bot_token"),
        ({"bot_token": "xoxb-a\nb: c"}, {}, "bot_token"),
        ({"bot_token": ""}, {}, "bot_token"),
        ({"bot_token": "", "client_id": "1.2"}, {}, "client_secret"),
        ({"client_id": "abc", "client_secret": "b" * 32}, {}, "client_id"),
        ({}, {"mode": "socket"}, "app_token"),
        ({"app_token": "xoxb-1234"}, {"mode": "socket"}, "app_token"),
        ({}, {"mode": "carrier pigeon"}, "mode"),
        ({}, {"channel_messages": "some"}, "channel_messages"),
        ({}, {"command_prefix": "No Spaces"}, "command_prefix"),
        ({}, {"api_base_url": "ftp://slack.example"}, "api_base_url"),
        ({}, {"api_base_url": "https://u:p@slack.example/api"}, "api_base_url"),
        ({}, {"api_base_url": "https://slack.example/api?x="}, "api_base_url"),
    ],
)
def test_an_account_that_cannot(
    changed: dict[str, str], settings: dict[str, Any], named: str
) -> None:
    credentials = CREDENTIALS | changed
    with pytest.raises(InvalidInput, match=named) as refused:
        SlackChannel().check_account(account_at(credentials=credentials, **settings))

    given = [value for value in credentials.values() if len(value) > 8]
    assert not any(value in refused.value.message for value in given)


# --- sending


async def test_a_message_arrives_as_it_was_written(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    result = await channel.send(ADA, part_of("Hello **Ada** <!channel> & co 👋🏾"), account)

    (sent,) = emulator.sent
    assert result.external_ids == (f"{sent.channel}:{sent.ts}",)
    assert sent.channel.startswith("D")  # a person's id opens their conversation
    assert emulator.texts() == ["Hello Ada <!channel> & co 👋🏾"]
    (call,) = emulator.calls("chat.postMessage")
    assert (call.params["unfurl_links"], call.params["unfurl_media"]) == (False, False)


async def test_an_answer_stands_in_its_thread(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    await emulator.says("hello", channel="team", mention=True)
    to = room(emulator)
    root = next(iter(emulator.workspace().room("team").messages))

    await channel.send(to.model_copy(update={"thread": root}), part_of("Hi"), account)

    assert emulator.calls("chat.postMessage")[0].params["thread_ts"] == root
    assert emulator.workspace().room("team").thread(root)[1]["ts"] == emulator.sent[0].ts


async def test_choices_can_be_tapped(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    part = part_of("Shall we?", Choice(label="Yes 👍", value="yes"), Choice(label="No", value="no"))
    await channel.send(ADA, part, account)
    await emulator.taps("No")

    assert emulator.last_delivery is not None
    (action,) = emulator.last_delivery.payload["actions"]
    assert action["value"] == "no"


async def test_each_workspace_is_sent_to_with_its_own_token(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    other = emulator.add_workspace("Other")
    bot = other.install(emulator.app)
    installed = dataclasses.replace(account, installations={other.id: {"bot_token": bot.token}})
    person = next(iter(other.people))

    await channel.send(Address(chat=person, person=person, space=other.id), part_of("x"), installed)
    await channel.send(ADA, part_of("y"), installed)

    teams = [call.team for call in emulator.calls("chat.postMessage")]
    assert teams == [other.id, TEAM]


async def test_a_workspace_without_the_app_is_a_clear_refusal(channel: SlackChannel) -> None:
    credentials = {"signing_secret": "a" * 32, "client_id": "1.2", "client_secret": "b" * 32}
    account = account_at("http://127.0.0.1:1/", credentials=credentials)

    error = await refusal(channel, ADA, account)
    assert (type(error), error.scope) == (PermissionDenied, "conversation")
    assert error.detail_code == "slack_not_installed"


async def test_a_dead_token_is_told_as_such_for_a_workspace_too(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    """Core then takes back this workspace only: see `core.installations.revoke`."""
    installed = dataclasses.replace(account, installations={TEAM: {"bot_token": DEFAULT_TOKEN}})
    emulator.bot.revoked = True

    assert type(await refusal(channel, ADA, installed)) is AuthRevoked
    assert type(await refusal(channel, ADA, account)) is AuthRevoked


async def test_a_picture_slack_cannot_fetch_becomes_a_link(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    emulator.fails("error", error="invalid_blocks")
    picture = Attachment(kind="image", url="https://cairn.example/a.png", description="A lake")
    part = part_of("Look", attachments=(picture,))

    result = await channel.send(ADA, part, account)

    assert result.warnings == ("images_as_links",)
    assert len(emulator.sent) == 1
    assert "A lake" in str(emulator.calls("chat.postMessage")[1].params["blocks"])


@pytest.mark.parametrize(
    ("fault", "expected", "arrived"),
    [
        ({"kind": "rate_limit", "seconds": 3}, RateLimited, 0),
        ({"kind": "error", "error": "token_revoked"}, AuthRevoked, 0),
        ({"kind": "error", "error": "user_disabled"}, RecipientUnreachable, 0),
        ({"kind": "error", "error": "is_archived"}, PermissionDenied, 0),
        ({"kind": "error", "error": "msg_too_long"}, MessageRejected, 0),
        ({"kind": "server_error", "status": 504}, OutcomeUnknown, 0),
        ({"kind": "server_error", "status": 503}, OutcomeUnknown, 0),
        ({"kind": "server_error_after_accept", "status": 502}, OutcomeUnknown, 1),
        ({"kind": "drop_before"}, OutcomeUnknown, 0),
        ({"kind": "drop_after_accept"}, OutcomeUnknown, 1),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
async def test_what_goes_wrong_is_told_apart_and_never_repeated(
    emulator: SlackEmulator,
    account: Account,
    channel: SlackChannel,
    fault: dict[str, Any],
    expected: type[ChannelError],
    arrived: int,
) -> None:
    emulator.fails(**fault)

    error = await refusal(channel, ADA, account)

    assert type(error) is expected
    assert (len(emulator.calls("chat.postMessage")), len(emulator.sent)) == (1, arrived)
    assert error.retry_after == (3.0 if expected is RateLimited else None)


async def test_nobody_at_the_address(channel: SlackChannel, closed_port: int) -> None:
    error = await refusal(channel, ADA, account_at(f"http://127.0.0.1:{closed_port}/api/"))

    assert (type(error), error.retryable) == (NetworkError, True)
    assert DEFAULT_TOKEN not in repr(error) + repr(error.__cause__)


@pytest.mark.parametrize("base", ["http://nowhere.invalid/api/", "http://\u2024.example/api/"])
async def test_an_address_that_is_none(channel: SlackChannel, base: str) -> None:
    assert (await refusal(channel, ADA, account_at(base))).retryable


async def test_many_sends_share_a_connection_pool(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    await asyncio.gather(*(channel.send(ADA, part_of(f"{n}"), account) for n in range(50)))

    assert sorted(map(int, emulator.texts())) == list(range(50))


# --- what became of a send


SINCE = timedelta(seconds=5)


@pytest.mark.parametrize("threaded", [False, True], ids=["channel", "thread"])
async def test_a_send_without_an_answer_is_found(
    emulator: SlackEmulator, account: Account, channel: SlackChannel, threaded: bool
) -> None:
    await emulator.says("hello", channel="team")
    root = next(iter(emulator.workspace().room("team").messages))
    to = room(emulator).model_copy(update={"thread": root if threaded else None})
    part = part_of("Did it arrive?")
    emulator.fails("drop_after_accept")
    with pytest.raises(OutcomeUnknown):
        raise channel.classify(await failure_of(channel.send(to, part, account)))

    found = await channel.find(to, part, account, utc_now() - SINCE)

    assert found is not None
    assert found.external_ids == (f"{to.chat}:{emulator.sent[0].ts}",)


async def failure_of(call: Any) -> Exception:
    try:
        await call
    except Exception as error:
        return error
    raise AssertionError("it succeeded")


async def test_a_direct_send_is_found_by_the_persons_id(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    part = part_of("x")
    sent = await channel.send(ADA, part, account)

    assert await channel.find(ADA, part, account, utc_now() - SINCE) == sent


async def test_what_never_arrived_is_surely_not_there(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    await channel.send(ADA, part_of("another"), account)
    emulator.fails("drop_before")
    part = part_of("x")
    await failure_of(channel.send(ADA, part, account))

    assert await channel.find(ADA, part, account, utc_now() - SINCE) is None


async def test_a_long_history_is_read_to_its_end(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    to, part = room(emulator), part_of("x")
    sent = await channel.send(to, part, account)
    for n in range(PAGE_SIZE + 5):
        await emulator.says(f"{n}", channel="team")

    assert await channel.find(to, part, account, utc_now() - timedelta(minutes=1)) == sent
    assert len(emulator.calls("conversations.history")) == 2


async def test_only_what_came_since_is_looked_at(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    part = part_of("x")
    await channel.send(ADA, part, account)

    later = datetime.now(UTC) + timedelta(hours=1)
    assert await channel.find(ADA, part, account, later) is None


@pytest.mark.parametrize("code", ["missing_scope", "ratelimited", "internal_error"])
async def test_a_history_that_cannot_be_read_proves_nothing(
    emulator: SlackEmulator, account: Account, channel: SlackChannel, code: str
) -> None:
    emulator.fails("error", method="conversations.history", error=code)

    with pytest.raises(ChannelError):
        await channel.find(room(emulator), part_of("x"), account, utc_now())


async def test_a_history_too_long_to_be_sure(
    emulator: SlackEmulator,
    account: Account,
    channel: SlackChannel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.slack.history.PAGE_SIZE", 1)
    monkeypatch.setattr("adapters.slack.history.MAX_PAGES", 2)
    for n in range(4):
        await emulator.says(f"{n}", channel="team")

    with pytest.raises(ChannelError, match="Too much"):
        await channel.find(room(emulator), part_of("x"), account, utc_now() - SINCE)


# --- typing, prompts


async def assistant_thread(emulator: SlackEmulator) -> Address:
    await emulator.opens_assistant()
    _, person, direct = emulator.place(None, None, None)
    thread = next(reversed(direct.messages))
    return Address(chat=direct.id, thread=thread, person=person.id, space=TEAM, direct=True)


async def test_an_assistant_thread_shows_that_we_think(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    to = await assistant_thread(emulator)
    await channel.typing(to, account)

    (call,) = emulator.calls("assistant.threads.setStatus")
    assert (call.params["channel_id"], call.params["thread_ts"]) == (to.chat, to.thread)
    assert call.params["status"]


async def test_nothing_else_can_show_it(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    await channel.typing(ADA, account)
    await channel.typing(room(emulator).model_copy(update={"thread": "1.000001"}), account)

    assert not emulator.requests


async def test_an_ordinary_thread_in_a_direct_conversation_is_no_error(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    emulator.fails("error", method="assistant.threads.setStatus", error="channel_not_found")

    await channel.typing(await assistant_thread(emulator), account)


async def test_choices_are_suggested_in_an_assistant_thread(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    to = await assistant_thread(emulator)
    choices = [Choice(label=f"Topic {n}", value=f"topic:{n}") for n in range(6)]
    await channel.send(to, part_of("Welcome", *choices), account)

    (call,) = emulator.calls("assistant.threads.setSuggestedPrompts")
    assert call.params["prompts"][0] == {"title": "Topic 0", "message": "Topic 0"}
    assert len(call.params["prompts"]) == 4


async def test_a_send_does_not_fail_for_its_suggestions(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    for kind in ("server_error", "drop_before", "rate_limit"):
        emulator.fails(kind, method="assistant.threads.setSuggestedPrompts")
        to = await assistant_thread(emulator)
        assert await channel.send(to, part_of("?", Choice(label="a", value="a")), account)


# --- people and files


async def test_a_persons_profile(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    ben = Address(chat="D0X", person="U0BEN", space=TEAM)
    sender = await channel.describe(ben, account)

    assert sender.model_dump() == {
        "address": "U0BEN",
        "name": "Ben",
        "username": "ben",
        "locale": "en-US",
        "timezone": "America/New_York",
    }


async def test_a_person_who_is_not_there(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    with pytest.raises(RecipientUnreachable):
        await channel.describe(Address(chat="U0NOBODY1", space=TEAM), account)


async def fetched(channel: SlackChannel, ref: str, account: Account) -> bytes:
    return b"".join([piece async for piece in channel.download(ref, account)])


async def ref_of(emulator: SlackEmulator, channel: SlackChannel, account: Account) -> str:
    await channel.send(ADA, part_of("hello"), account)  # now it knows where it is reached
    await emulator.shares("run.png", b"\x89PNG" * 50_000)
    assert emulator.last_delivery is not None
    (shared,) = emulator.last_delivery.payload["event"]["files"]
    return str(shared["url_private_download"])


async def test_a_shared_file_is_fetched_with_the_token(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    ref = await ref_of(emulator, channel, account)

    assert await fetched(channel, ref, account) == b"\x89PNG" * 50_000


async def test_a_sign_in_page_is_no_file(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    ref = await ref_of(emulator, channel, account)
    emulator.bot.scopes = ("chat:write",)

    with pytest.raises(PermissionDenied):
        await fetched(channel, ref, account)


@pytest.mark.parametrize(
    "ref",
    [
        "https://evil.example/files-pri/T0EMULATED-F1/a.png",
        "http://files.slack.com/files-pri/T0EMULATED-F1/a.png",
        "https://files.slack.com.evil.example/files-pri/T1-F1/a.png",
        "https://files.slack.com@evil.example/files-pri/T1-F1/a.png",
        "https://files.slack.com:8443/files-pri/T1-F1/a.png",
        "https://files.slack.com/?redir=/files-pri/T1-F1/a.png",
        "http://169.254.169.254/files-pri/x",
        "file:///files/etc/passwd",
        "http://[::1/files",
        "",
    ],
)
async def test_the_token_is_shown_to_slack_only(
    account: Account, channel: SlackChannel, ref: str
) -> None:
    with pytest.raises(PermissionDenied):
        await fetched(channel, ref, account)


async def test_a_file_of_a_workspace_we_left(channel: SlackChannel) -> None:
    account = account_at(credentials={"signing_secret": "a" * 32})

    with pytest.raises(PermissionDenied):
        await fetched(channel, "https://files.slack.com/files-pri/T1-F1/a.png", account)
