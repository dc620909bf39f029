"""Long polling: the same events as by webhook, confirmed only after they were taken."""

import asyncio
import dataclasses
from contextlib import aclosing

import pytest

from adapters.telegram import poll
from adapters.telegram.channel import TelegramChannel
from adapters.telegram.emulator import TelegramEmulator
from core.channels import Account, InboundRequest, MessageEvent
from shared.errors import AuthRevoked, ChannelError
from tests.waiting import eventually


async def next_text(
    channel: TelegramChannel, account: Account, request: InboundRequest
) -> str | None:
    await channel.verify(request, account)
    (event,) = channel.parse(request, account).events
    return event.text if isinstance(event, MessageEvent) else None


async def test_polled_updates_pass_verification_and_come_in_order(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    for text in ("one", "two", "three 👋"):
        await emulator.says(text)

    async with aclosing(channel.listen(account)) as requests:
        texts = [await next_text(channel, account, await anext(requests)) for _ in range(3)]

    assert texts == ["one", "two", "three 👋"]
    assert emulator.calls("getUpdates")[0].params["allowed_updates"] == poll.ALLOWED_UPDATES


async def test_a_poll_waits_for_what_comes_later(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    async with aclosing(channel.listen(account)) as requests:
        waiting = asyncio.ensure_future(anext(requests))
        await eventually(lambda: emulator.calls("getUpdates"))
        await emulator.says("late")

        assert await next_text(channel, account, await waiting) == "late"


async def test_an_update_is_confirmed_only_when_the_next_is_asked_for(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await emulator.says("one")
    first_id = emulator.bot.pending[0]["update_id"]

    async with aclosing(channel.listen(account)) as requests:
        await anext(requests)
        assert [update["update_id"] for update in emulator.bot.pending] == [first_id]

    # The consumer stopped, as a worker killed before its commit: Telegram still has it.
    async with aclosing(channel.listen(account)) as requests:
        again = await anext(requests)
        assert await next_text(channel, account, again) == "one"
        waiting = asyncio.ensure_future(anext(requests))
        await eventually(lambda: not emulator.bot.pending)
        await emulator.says("two")
        assert await next_text(channel, account, await waiting) == "two"

    offsets = [request.params.get("offset") for request in emulator.calls("getUpdates")]
    assert offsets == [None, None, str(first_id + 1)]


async def test_a_webhook_in_the_way_is_a_clear_error(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await channel.connect(account, "https://cairn.example/webhooks/telegram/route")

    with pytest.raises(ChannelError, match="webhook") as refused:
        await anext(channel.listen(account))

    assert (refused.value.detail_code, refused.value.scope) == ("telegram_conflict", "channel")


async def test_the_older_of_two_pollers_gets_a_clear_error(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    older = asyncio.ensure_future(anext(channel.listen(account)))
    await eventually(lambda: len(emulator.calls("getUpdates")) == 1)
    newer = asyncio.ensure_future(anext(channel.listen(account)))

    with pytest.raises(ChannelError, match="Something else receives"):
        await older
    await emulator.says("hello")
    assert await next_text(channel, account, await newer) == "hello"


async def test_trouble_on_the_way_is_waited_out(
    emulator: TelegramEmulator,
    account: Account,
    channel: TelegramChannel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(poll, "BACKOFF_SECONDS", (0.01,))
    for kind in ("drop_before", "server_error", "drop_after_accept"):
        emulator.fails(kind, method="getUpdates")
    await emulator.says("hello")

    async with aclosing(channel.listen(account)) as requests:
        assert await next_text(channel, account, await anext(requests)) == "hello"
    assert len(emulator.calls("getUpdates")) == 4


async def test_a_revoked_token_ends_listening(account: Account, channel: TelegramChannel) -> None:
    stranger = dataclasses.replace(
        account, credentials={**account.credentials, "bot_token": "1:UNKNOWN"}
    )

    with pytest.raises(AuthRevoked):
        await anext(channel.listen(stranger))
