"""/api/v1/channels of apps that are installed: their addresses, their manifest, no token."""

from typing import Any
from uuid import UUID

import pytest

from core.runtime import Runtime
from tests.core.api.conftest import BASE_URL, TELEGRAM, Tenant

SIGNED = {"signing_secret": "e" * 32}
BY_OAUTH = SIGNED | {"client_id": "1000.2000", "client_secret": "c" * 32}
INSTALLED = {"bot_token": "xoxb-of-the-workspace", "bot_user_id": "U1"}


async def created(tenant: Tenant, credentials: dict[str, str], type_: str = "slack") -> Any:
    body = {"type": type_, "name": "Team", "bot": "coach", "credentials": credentials}
    response = await tenant.api.post("/api/v1/channels", json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def test_an_app_to_install_shows_where(ada: Tenant) -> None:
    shown = await created(ada, BY_OAUTH)
    assert shown["install_url"] == f"{BASE_URL}/slack/install/{shown['route_key']}"
    assert shown["installations"] == []


@pytest.mark.parametrize(
    ("type_", "credentials"),
    [("slack", SIGNED | {"bot_token": "xoxb-1234"}), ("telegram", TELEGRAM), ("web", {})],
    ids=["token", "telegram", "web"],
)
async def test_other_channels_have_no_such_address(
    ada: Tenant, type_: str, credentials: dict[str, str]
) -> None:
    shown = await created(ada, credentials, type_)
    assert (shown["install_url"], shown["installations"]) == (None, [])


async def test_workspaces_are_shown_without_their_tokens(
    ada: Tenant, bob: Tenant, runtime: Runtime
) -> None:
    shown = await created(ada, BY_OAUTH)
    account = (await runtime.accounts.get(ada.id, UUID(shown["id"]))).account
    await runtime.installations.save(account, "T2", INSTALLED, "Second")
    await runtime.installations.save(account, "T1", INSTALLED, "First")

    one = await ada.api.get(f"/api/v1/channels/{shown['id']}")
    listed = await ada.api.get("/api/v1/channels")
    installations = one.json()["installations"]
    assert [(each["space"], each["name"]) for each in installations] == [
        ("T1", "First"),
        ("T2", "Second"),
    ]
    assert set(installations[0]) == {"space", "name", "updated_at"}
    assert listed.json()["items"][0]["installations"] == installations
    assert "xoxb" not in one.text + listed.text
    assert (await bob.api.get(f"/api/v1/channels/{shown['id']}")).status_code == 404


async def test_a_manifest_makes_an_app_that_reaches_this_channel(ada: Tenant) -> None:
    shown = await created(ada, BY_OAUTH)
    response = await ada.api.get(f"/api/v1/channels/{shown['id']}/manifest")
    assert response.status_code == 200
    manifest = response.json()
    events = manifest["settings"]["event_subscriptions"]
    assert events["request_url"] == shown["webhook_url"]
    assert manifest["oauth_config"]["redirect_urls"] == [f"{shown['install_url']}/callback"]
    assert BY_OAUTH["client_secret"] not in response.text
    assert SIGNED["signing_secret"] not in response.text


async def test_platforms_without_manifests_say_so(ada: Tenant, bob: Tenant) -> None:
    telegram = await created(ada, TELEGRAM, "telegram")
    response = await ada.api.get(f"/api/v1/channels/{telegram['id']}/manifest")
    assert (response.status_code, response.json()["code"]) == (422, "no_manifest")
    slack = await created(ada, BY_OAUTH)
    foreign = await bob.api.get(f"/api/v1/channels/{slack['id']}/manifest")
    assert foreign.status_code == 404
