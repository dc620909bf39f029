"""Installations: encrypted, one a space, taken back one by one."""

import base64
import os
from typing import Any

import pytest
from pydantic import SecretStr

from core.accounts import Accounts
from core.channels import Account
from core.creators import add_creator
from core.credentials import rotate_credentials
from core.installations import StoredInstallations, revoke
from core.runtime import Runtime
from shared.errors import InvalidInput, SecretError
from shared.models.installations import ChannelInstallations
from shared.security import KeyRing
from tests.apps import App

SIGNED = {"signing_secret": "e" * 32}
BY_OAUTH = SIGNED | {"client_id": "1.2", "client_secret": "c" * 32}
ONE = {"bot_token": "xoxb-one", "bot_user_id": "U1"}
TWO = {"bot_token": "xoxb-two", "bot_user_id": "U2"}

_STATUS = "SELECT status, status_reason FROM app.channels WHERE creator_id = $1"
_AUDIT = """
SELECT action, detail ->> 'space' AS space, actor FROM app.audit_log
WHERE creator_id = $1 AND action LIKE 'channel.%' ORDER BY id
"""


@pytest.fixture
def installations(school_runtime: Runtime) -> StoredInstallations:
    return school_runtime.installations


@pytest.fixture
async def account(school: App) -> Account:
    return await school.add_channel("slack", credentials=dict(BY_OAUTH))


async def loaded(school: App, account: Account) -> Account:
    """As another process sees it."""
    accounts = Accounts(school.runtime.database, school.runtime.keys)
    return (await accounts.get(account.creator_id, account.channel_id)).account


async def status(school: App) -> tuple[str, str | None]:
    [row] = await school.fetch(_STATUS)
    return row["status"], row["status_reason"]


async def taken_back(school: App, account: Account, space: str | None) -> str:
    account = await loaded(school, account)
    async with school.runtime.database.transaction(school.creator_id) as connection:
        return await revoke(connection, account, space, "taken")


async def test_each_space_has_its_own_credentials(
    school: App, account: Account, installations: StoredInstallations
) -> None:
    await installations.save(account, "T1", ONE, "First")
    await installations.save(account, "T2", TWO, "Second")

    found = await loaded(school, account)
    assert found.installations == {"T1": ONE, "T2": TWO}
    assert found.credential("bot_token", "T2") == "xoxb-two"
    assert found.credential("bot_token", "T3") is None
    assert found.credential("signing_secret", "T1") == "e" * 32
    assert "xoxb" not in repr(found)


async def test_a_second_install_replaces_the_first(
    school: App, account: Account, installations: StoredInstallations
) -> None:
    await installations.save(account, "T1", ONE, "First")
    await installations.save(account, "T1", TWO, "Renamed\x00")

    assert (await loaded(school, account)).installations == {"T1": TWO}
    async with school.runtime.database.get_session(school.creator_id) as session:
        [row] = (await ChannelInstallations(session).of([account.channel_id]))[account.channel_id]
    assert row.name == "Renamed"
    assert row.updated_at > row.created_at


async def test_what_is_stored_is_unreadable_and_bound_to_its_creator_and_use(
    school: App, account: Account, installations: StoredInstallations
) -> None:
    await installations.save(account, "T1", ONE, "First")

    [row] = await school.fetch("SELECT * FROM app.channel_installations WHERE creator_id = $1")
    assert "xoxb" not in str(dict(row))
    accounts = school.runtime.accounts
    assert accounts.open_installation(school.creator_id, row["credentials"]) == ONE
    with pytest.raises(SecretError):
        accounts.open_credentials(school.creator_id, row["credentials"])
    other = await add_creator(school.runtime.database, "Other school")
    with pytest.raises(SecretError):
        accounts.open_installation(other.id, row["credentials"])


async def test_other_creators_see_no_row(
    school: App, account: Account, installations: StoredInstallations
) -> None:
    await installations.save(account, "T1", ONE, "First")
    other = await add_creator(school.runtime.database, "Other school")
    async with school.runtime.database.transaction(other.id) as connection:
        assert not await connection.fetch("SELECT 1 FROM app.channel_installations")


@pytest.mark.parametrize("space", ["", "T" * 201], ids=["empty", "long"])
async def test_a_strange_name_of_a_space_is_refused(
    account: Account, installations: StoredInstallations, space: str
) -> None:
    with pytest.raises(InvalidInput):
        await installations.save(account, space, ONE, "")


async def test_taking_one_back_leaves_the_other(
    school: App, account: Account, installations: StoredInstallations
) -> None:
    await installations.save(account, "T1", ONE, "First")
    await installations.save(account, "T2", TWO, "Second")

    await installations.remove(account, "T1")

    assert (await loaded(school, account)).installations == {"T2": TWO}
    assert await status(school) == ("active", None)
    assert [tuple(row) for row in await school.fetch(_AUDIT)] == [
        ("channel.installed", "T1", "channel:slack"),
        ("channel.installed", "T2", "channel:slack"),
        ("channel.uninstalled", "T1", "channel:slack"),
    ]


async def test_the_last_one_taken_back_revokes_the_channel_and_an_install_revives_it(
    school: App, account: Account, installations: StoredInstallations
) -> None:
    await installations.save(account, "T1", ONE, "First")
    assert await taken_back(school, account, "T1") == "channel"
    assert await status(school) == ("revoked", "taken")
    record = await Accounts(school.runtime.database, school.runtime.keys).get(
        school.creator_id, account.channel_id
    )
    assert (record.active, record.installable) == (False, True)

    await installations.save(account, "T1", ONE, "First")
    assert await status(school) == ("active", None)


async def test_a_disabled_channel_stays_disabled(
    school: App, account: Account, installations: StoredInstallations
) -> None:
    disable = "UPDATE app.channels SET status = 'disabled' WHERE creator_id = $1 RETURNING 1"
    await school.fetch(disable)

    await installations.save(account, "T1", ONE, "First")
    assert await status(school) == ("disabled", None)
    await taken_back(school, account, "T1")
    assert await status(school) == ("disabled", None)


async def test_a_token_of_the_channels_own_keeps_it_going(
    school: App, installations: StoredInstallations
) -> None:
    account = await school.add_channel("slack", credentials=BY_OAUTH | {"bot_token": "xoxb-own1"})
    await installations.save(account, "T1", ONE, "First")

    assert await taken_back(school, account, "T1") == "space"
    # Slack tells of one uninstall twice: app_uninstalled and tokens_revoked.
    assert await taken_back(school, account, "T1") == "space"
    assert await status(school) == ("active", None)

    # A space that was never installed is the one the own token belongs to.
    assert await taken_back(school, account, "TOWN") == "channel"
    assert await status(school) == ("revoked", "taken")


@pytest.mark.parametrize("space", [None, "TOWN"], ids=["no-space", "own-space"])
async def test_without_installations_the_channel_itself_is_revoked(
    school: App, space: str | None
) -> None:
    account = await school.add_channel("slack", credentials=SIGNED | {"bot_token": "xoxb-own1"})
    assert await taken_back(school, account, space) == "channel"
    assert await status(school) == ("revoked", "taken")


async def test_keys_rotate_over_installations_too(
    school: App,
    account: Account,
    installations: StoredInstallations,
    secret_keys: SecretStr,
) -> None:
    await installations.save(account, "T1", ONE, "First")
    await installations.save(account, "T2", TWO, "Second")
    newest = f"new:{base64.b64encode(os.urandom(32)).decode()}"
    both = KeyRing(SecretStr(f"{newest},{secret_keys.get_secret_value()}"))

    database: Any = school.runtime.database
    assert await rotate_credentials(database, both, school.creator_id) == 3
    assert await rotate_credentials(database, both, school.creator_id) == 0

    alone = Accounts(database, KeyRing(SecretStr(newest)))
    record = await alone.get(school.creator_id, account.channel_id)
    assert record.account.installations == {"T1": ONE, "T2": TWO}
    assert record.account.credentials == BY_OAUTH
