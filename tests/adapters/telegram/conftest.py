"""An emulated Bot API on loopback, an account there, and the channel under test."""

import socket
from collections.abc import AsyncIterator

import pytest

from adapters.telegram.channel import TelegramChannel
from adapters.telegram.emulator import TelegramEmulator
from core.channels import Account
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
async def channel(account: Account) -> AsyncIterator[TelegramChannel]:
    """Closed before the server stops, which otherwise waits for idle connections."""
    channel = TelegramChannel()
    yield channel
    await channel.close()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
