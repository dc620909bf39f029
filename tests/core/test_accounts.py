"""Accounts: channels by route key, cached for a moment, readable with a rotated key ring."""

import base64
import os
from dataclasses import replace

import pytest
from pydantic import SecretStr

from core import accounts
from core.accounts import Accounts
from core.channels import Account
from core.creators import add_creator, set_status
from shared.errors import InvalidInput, NotFound, SecretError
from shared.security import KeyRing
from shared.utils.ids import new_token
from tests.apps import App

CREDENTIALS = {"bot_token": "123456789:" + "a" * 35, "secret_token": "s3cret"}


@pytest.fixture
async def account(school: App) -> Account:
    return await school.add_channel("telegram", credentials=dict(CREDENTIALS))


def fresh(school: App, keys: KeyRing | None = None) -> Accounts:
    """Another process's view: the same rows, an empty cache."""
    base_url = school.runtime.settings.public_base_url
    return Accounts(school.runtime.database, keys or school.runtime.keys, public_base_url=base_url)


async def test_a_channel_is_found_by_its_route(school: App, account: Account) -> None:
    record = await fresh(school).by_route("telegram", account.route_key)
    assert record.account == account
    assert record.account.credentials == CREDENTIALS
    assert (record.bot, record.active) == ("coach", True)


@pytest.mark.parametrize("type_", ["telegram", "web"])
async def test_an_unknown_route_or_type_is_not_found(
    school: App, account: Account, type_: str
) -> None:
    route = account.route_key if type_ == "web" else new_token()
    with pytest.raises(NotFound):
        await fresh(school).by_route(type_, route)


async def test_a_channel_of_another_creator_is_not_found(school: App, account: Account) -> None:
    other = await add_creator(school.runtime.database, "Other school")
    with pytest.raises(NotFound):
        await fresh(school).get(other.id, account.channel_id)
    # Nor when it is in the cache already.
    found = fresh(school)
    await found.get(school.creator_id, account.channel_id)
    with pytest.raises(NotFound):
        await found.get(other.id, account.channel_id)


async def test_within_a_moment_a_second_look_costs_no_query(school: App, account: Account) -> None:
    found = fresh(school)
    first = await found.by_route("telegram", account.route_key)
    assert await found.by_route("telegram", account.route_key) is first


async def test_a_change_is_seen_after_forget_and_when_the_cache_runs_out(
    school: App, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fresh(school)
    await found.by_route("telegram", account.route_key)
    await school.fetch("UPDATE app.channels SET name = 'renamed' WHERE creator_id = $1")
    assert (await found.by_route("telegram", account.route_key)).name == "telegram"
    found.forget(account.channel_id)
    assert (await found.by_route("telegram", account.route_key)).name == "renamed"
    monkeypatch.setattr(accounts, "CACHE_SECONDS", 0.0)
    brief = fresh(school)
    await brief.by_route("telegram", account.route_key)
    await school.fetch("UPDATE app.channels SET name = 'again' WHERE creator_id = $1")
    assert (await brief.by_route("telegram", account.route_key)).name == "again"


async def test_disabled_channels_and_suspended_creators_are_not_active(
    school: App, account: Account
) -> None:
    await set_status(school.runtime.database, school.creator_id, "suspended")
    assert not (await fresh(school).get(school.creator_id, account.channel_id)).active
    await set_status(school.runtime.database, school.creator_id, "active")
    await school.fetch("UPDATE app.channels SET status = 'disabled' WHERE creator_id = $1")
    assert not (await fresh(school).get(school.creator_id, account.channel_id)).active


async def test_refused_credentials_are_not_stored(school: App) -> None:
    with pytest.raises(InvalidInput):
        await school.add_channel("telegram", credentials={"bot_token": "nonsense"})
    assert await school.fetch("SELECT 1 FROM app.channels WHERE creator_id = $1") == []


async def test_credentials_are_not_stored_in_the_clear_nor_shown(
    school: App, account: Account
) -> None:
    [row] = await school.fetch(
        "SELECT credentials::text AS c FROM app.channels WHERE creator_id = $1"
    )
    assert CREDENTIALS["secret_token"] not in row["c"]
    assert CREDENTIALS["bot_token"] not in repr(account)


async def test_old_credentials_stay_readable_when_a_new_key_is_put_first(
    school: App, account: Account, secret_keys: SecretStr
) -> None:
    added = f"new:{base64.b64encode(os.urandom(32)).decode()}"
    rotated = KeyRing(SecretStr(f"{added},{secret_keys.get_secret_value()}"))
    record = await fresh(school, rotated).get(school.creator_id, account.channel_id)
    assert record.account.credentials == CREDENTIALS
    # Stored again they need the new key only.
    sealed = Accounts(school.runtime.database, rotated).seal_credentials(
        school.creator_id, dict(CREDENTIALS)
    )
    await school.fetch("UPDATE app.channels SET credentials = $2 WHERE creator_id = $1", sealed)
    record = await fresh(school, KeyRing(SecretStr(added))).get(
        school.creator_id, account.channel_id
    )
    assert record.account == replace(account)


async def test_without_the_key_credentials_are_unreadable_not_wrong(
    school: App, account: Account
) -> None:
    stranger = KeyRing(SecretStr(f"new:{base64.b64encode(os.urandom(32)).decode()}"))
    with pytest.raises(SecretError):
        await fresh(school, stranger).get(school.creator_id, account.channel_id)
