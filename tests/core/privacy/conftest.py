"""Two creators with a web channel each, and no worker: the tests take every step."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from core.channels import Account
from core.creators import add_creator
from core.runtime import Runtime, open_runtime
from shared.settings import Settings
from tests.core.privacy.lives import Life, lead_life

Lead = Callable[..., Awaitable[Life]]


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings) as opened:
        yield opened


async def add_account(runtime: Runtime, name: str) -> Account:
    created = await add_creator(runtime.database, name)
    return await runtime.accounts.add(
        created.id, runtime.channels["web"], name="web", bot="coach", credentials={}, settings={}
    )


@pytest.fixture
async def account(runtime: Runtime) -> Account:
    return await add_account(runtime, "Ada's school")


@pytest.fixture
async def ada(runtime: Runtime, account: Account) -> Life:
    return await lead_life(runtime, account, "AdaCanary", "address-of-ada")


@pytest.fixture
async def bob(runtime: Runtime, account: Account) -> Life:
    """Somebody else at the same creator's."""
    return await lead_life(runtime, account, "BobCanary", "address-of-bob")


@pytest.fixture
async def eve(runtime: Runtime) -> Life:
    """Somebody else's contact, of the same name and address as Ada."""
    return await lead_life(
        runtime, await add_account(runtime, "Eve"), "EveCanary", "address-of-ada"
    )
