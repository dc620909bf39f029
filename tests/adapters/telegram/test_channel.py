"""Verifying webhooks; sending, typing, acknowledging, connecting against the emulated Bot API."""

import dataclasses
import re
from typing import Any

import pytest

from adapters.telegram.channel import TelegramChannel
from adapters.telegram.emulator import TelegramEmulator
from adapters.telegram.poll import ALLOWED_UPDATES
from core.channels import (
    Account,
    AcknowledgesActions,
    Address,
    Connects,
    Downloads,
    Listens,
    Streams,
    Types,
)
from shared.errors import AuthRevoked, InvalidInput, VerificationError
from shared.messages import Choice
from tests.adapters.telegram.accounts import SECRET, account_at, request_with
from tests.adapters.telegram.parts import ADA, part_of

# --- accounts and webhooks


async def test_the_right_secret_passes() -> None:
    await TelegramChannel().verify(request_with({}), account_at(None))


@pytest.mark.parametrize(
    "secret",
    [None, "", "wrong", SECRET + "x", SECRET[:-1], SECRET.upper(), "sécret", "\ud800", "密" * 300],
    ids=ascii,
)
async def test_any_other_secret_is_refused(secret: str | None) -> None:
    with pytest.raises(VerificationError):
        await TelegramChannel().verify(request_with({}, secret=secret), account_at(None))


@pytest.mark.parametrize("given", [None, "", "x"])
@pytest.mark.parametrize("credentials", [{}, {"secret_token": ""}])
async def test_without_a_configured_secret_nothing_passes(
    credentials: dict[str, str], given: str | None
) -> None:
    account = dataclasses.replace(account_at(None), credentials=credentials)

    with pytest.raises(VerificationError):
        await TelegramChannel().verify(request_with({}, secret=given), account)


def test_a_good_account_is_accepted() -> None:
    TelegramChannel().check_account(account_at("http://127.0.0.1:8081", mode="poll"))
    TelegramChannel().check_account(account_at(None))


@pytest.mark.parametrize(
    "change",
    [
        {"bot_token": "no-colon"},
        {"bot_token": ""},
        {"bot_token": "12:a b"},
        {"bot_token": "12:../../x"},
        {"bot_token": "١٢:abc"},
        {"secret_token": ""},
        {"secret_token": "with space"},
        {"secret_token": "x" * 257},
        {"secret_token": "sécret"},
        {"secret_token": "line\n"},
    ],
    ids=str,
)
def test_unusable_credentials_are_refused_without_showing_them(change: dict[str, str]) -> None:
    account = account_at(None)
    account = dataclasses.replace(account, credentials={**account.credentials, **change})

    with pytest.raises(InvalidInput) as refused:
        TelegramChannel().check_account(account)

    (value,) = change.values()
    assert not value or value not in refused.value.message


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "push"},
        {"api_base_url": "ftp://host"},
        {"api_base_url": "https://"},
        {"api_base_url": "https://user:pass@host"},
        {"api_base_url": "https://host/{token}"},
        {"api_base_url": "https://host/?a=b"},
        {"api_base_url": "https://[::1"},
        {"api_base_url": "https://host:99999"},
        {"api_base_url": f"https://{'a' * 70}.example"},
    ],
    ids=str,
)
def test_unusable_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        TelegramChannel().check_account(account_at(None, **settings))


def test_the_optional_abilities_are_found() -> None:
    channel = TelegramChannel()

    for ability in (Types, AcknowledgesActions, Listens, Connects, Streams, Downloads):
        assert isinstance(channel, ability)


# --- sending


async def test_send_delivers_text_entities_and_buttons(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await emulator.says("hello")
    part = part_of("👋 **Ada**, ready?", Choice(label="Yes", value="yes"))

    result = await channel.send(ADA, part, account)

    (sent,) = emulator.sent
    assert result.external_ids == (f"1001:{sent.message_id}",)
    assert sent.text == "👋 Ada, ready?"
    assert sent.params["entities"] == [{"type": "bold", "offset": 3, "length": 3}]
    assert sent.buttons == {"Yes": "v:yes"}
    assert sent.params["link_preview_options"] == {"is_disabled": True}


async def test_send_to_a_topic_names_it(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await emulator.says("hello")
    await channel.send(Address(chat="1001", thread="7"), part_of("hi"), account)

    assert emulator.sent[0].params["message_thread_id"] == "7"


async def test_an_answer_with_only_a_message_id_counts_as_sent(channel: TelegramChannel) -> None:
    from starlette.responses import JSONResponse

    from tests.serving import serving

    sparse = JSONResponse({"ok": True, "result": {"message_id": 5}})
    async with serving(sparse, lifespan="off") as base_url:
        result = await channel.send(ADA, part_of("hi"), account_at(base_url))
        await channel.close()

    assert result.external_ids == ("1001:5",)


async def test_typing_and_acknowledging_reach_telegram(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await emulator.says("hello")
    await channel.typing(ADA, account)
    await channel.ack_action("4382", account)

    assert emulator.calls("sendChatAction")[0].params == {"chat_id": "1001", "action": "typing"}
    assert emulator.bot.answered == ["4382"]


async def test_a_tap_comes_back_as_the_choice(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await emulator.says("hello")
    await channel.send(ADA, part_of("Ready?", Choice(label="Yes", value="yes")), account)
    await emulator.taps("Yes")

    (tap,) = emulator.bot.pending[1:]
    (event,) = channel.parse(request_with(tap), account).events
    assert (event.kind, getattr(event, "value", None)) == ("action", "yes")


# --- webhooks


async def test_connect_sets_the_webhook_learns_the_name_and_disconnect_takes_it_back(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    told = await channel.connect(account, "https://cairn.example/webhooks/telegram/route")

    assert told == {"bot_username": "emulated_bot"}
    webhook = emulator.bot.webhook
    assert webhook["url"] == "https://cairn.example/webhooks/telegram/route"
    assert webhook["secret_token"] == SECRET
    assert webhook["allowed_updates"] == ALLOWED_UPDATES
    assert webhook["max_connections"] == "40"

    await channel.disconnect(account)
    assert emulator.bot.webhook == {"url": ""}


async def test_a_polled_bot_is_connected_without_a_webhook(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await channel.connect(account, "https://cairn.example/webhooks/telegram/route")
    polled = dataclasses.replace(account, settings={**account.settings, "mode": "poll"})
    await channel.connect(polled, "https://cairn.example/webhooks/telegram/route")

    assert emulator.bot.webhook == {"url": ""}


async def test_connecting_with_an_unknown_token_says_so_without_it(
    account: Account, channel: TelegramChannel
) -> None:
    token = "999999:UNKNOWN-TOKEN-0123456789"
    stranger = dataclasses.replace(
        account, credentials={"bot_token": token, "secret_token": SECRET}
    )

    with pytest.raises(AuthRevoked) as refused:
        await channel.connect(stranger, "https://cairn.example/x")

    assert refused.value.scope == "channel"
    assert not re.search("UNKNOWN-TOKEN", repr(refused.value))
