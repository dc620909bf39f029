"""An emulated Twilio on loopback, an account there, and the channel under test."""

import socket
from collections.abc import AsyncIterator

import pytest

from adapters.sms.channel import SmsChannel
from adapters.sms.emulator import SmsEmulator
from core.channels import Account
from tests.adapters.sms.accounts import account_at
from tests.serving import serving


@pytest.fixture
async def emulator() -> AsyncIterator[SmsEmulator]:
    emulator = SmsEmulator()
    yield emulator
    await emulator.close()


@pytest.fixture
async def account(emulator: SmsEmulator) -> AsyncIterator[Account]:
    async with serving(emulator, lifespan="off") as base_url:
        yield account_at(base_url)


@pytest.fixture
async def channel(account: Account) -> AsyncIterator[SmsChannel]:
    """Closed before the server stops, which otherwise waits for idle connections."""
    channel = SmsChannel()
    yield channel
    await channel.close()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
