"""An emulated Slack on loopback, an account there, and the channel under test."""

from collections.abc import AsyncIterator

import pytest

from adapters.slack.channel import SlackChannel
from adapters.slack.emulator import SlackEmulator
from core.channels import Account
from tests.adapters.slack.accounts import account_at
from tests.serving import serving


@pytest.fixture
async def emulator() -> AsyncIterator[SlackEmulator]:
    emulator = SlackEmulator()
    yield emulator
    await emulator.close()


@pytest.fixture
async def account(emulator: SlackEmulator) -> AsyncIterator[Account]:
    async with serving(emulator, lifespan="off") as base_url:
        yield account_at(f"{base_url}/api/")


@pytest.fixture
async def channel(account: Account) -> AsyncIterator[SlackChannel]:
    """Closed before the server stops, which otherwise waits for idle connections."""
    channel = SlackChannel()
    yield channel
    await channel.close()
