"""Sending, typing, acknowledging and connecting against the emulated Bot API."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from adapters.telegram.channel import TelegramChannel
from adapters.telegram.emulator import TelegramEmulator
from core.channels import Account, Address, OutboundPart
from shared.messages import Choice
from shared.richtext import from_markdown
from tests.adapters.telegram.accounts import account_at
from tests.serving import serving


@pytest.fixture
async def emulator() -> AsyncIterator[TelegramEmulator]:
    emulator = TelegramEmulator()
    yield emulator
    await emulator.close()


@pytest.fixture
async def account(emulator: TelegramEmulator) -> AsyncIterator[Account]:
    async with serving(emulator, lifespan="off") as base_url:
        yield account_at(base_url)


@pytest.fixture
async def channel() -> AsyncIterator[TelegramChannel]:
    channel = TelegramChannel()
    yield channel
    await channel.close()


def part_of(markdown: str, *choices: Choice) -> OutboundPart:
    return OutboundPart(
        message_id=uuid4(), index=0, count=1, text=from_markdown(markdown), choices=choices
    )


async def test_send_delivers_text_entities_and_buttons(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await emulator.says("hello")
    part = part_of("👋 **Ada**, ready?", Choice(label="Yes", value="yes"))

    result = await channel.send(Address(chat="1001"), part, account)

    (sent,) = emulator.sent
    assert result.external_ids == (f"1001:{sent.message_id}",)
    assert sent.text == "👋 Ada, ready?"
    assert sent.params["entities"] == [{"type": "bold", "offset": 3, "length": 3}]
    assert sent.buttons == {"Yes": "v:yes"}
    assert sent.params["link_preview_options"] == {"is_disabled": True}
