"""Installs by browser, through an emulated Slack's OAuth: who gets in, what is kept, what goes."""

import logging
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from adapters.slack import install_state
from adapters.slack.emulator import SlackEmulator
from adapters.slack.install_state import SignedStates, Used
from core.accounts import Accounts
from core.channels import Account
from core.creators import add_creator
from core.runtime import Runtime, open_runtime
from shared.settings import Settings
from tests.adapters.slack.accounts import account_at
from tests.apps import App, working
from tests.gateway import new_gateway
from tests.serving import serving
from tests.waiting import eventually

BASE_URL = "http://cairn.test"
STATUS = "SELECT status, status_reason FROM app.channels WHERE creator_id = $1"
QUEUED = """
SELECT 1 FROM app.messages WHERE creator_id = $1 AND direction = 'out' AND status = 'queued'
"""
TOKENS = "SELECT space, name, credentials FROM app.channel_installations WHERE creator_id = $1"


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings.model_copy(update={"public_base_url": BASE_URL})) as opened:
        yield opened


@pytest.fixture
async def gateway(runtime: Runtime) -> httpx.ASGITransport:
    return httpx.ASGITransport(new_gateway(runtime))


@pytest.fixture
async def slack(gateway: httpx.ASGITransport, runtime: Runtime) -> AsyncIterator[SlackEmulator]:
    """Two workspaces in which nothing is installed, and a third that nobody here knows."""
    emulator = SlackEmulator(client=httpx.AsyncClient(transport=gateway))
    emulator.add_workspace("Second")
    async with serving(emulator, lifespan="off") as base_url:
        emulator.world.base_url = base_url
        yield emulator
        await runtime.channels["slack"].close()
    await emulator.close()


@pytest.fixture
async def school(runtime: Runtime) -> App:
    created = await add_creator(runtime.database, "Test school")
    return App(runtime=runtime, creator_id=created.id)


@pytest.fixture
async def account(school: App, slack: SlackEmulator) -> Account:
    return await by_oauth(school, slack)


async def by_oauth(school: App, slack: SlackEmulator, **more: str) -> Account:
    return await school.add_channel(
        "slack",
        credentials=slack.app_credentials | more,
        api_base_url=f"{slack.world.base_url}/api/",
    )


@pytest.fixture
async def browser(gateway: httpx.ASGITransport) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=gateway, base_url=BASE_URL) as client:
        yield client


def path_of(account: Account) -> str:
    return f"/slack/install/{account.route_key}"


async def begin(browser: httpx.AsyncClient, account: Account) -> str:
    """The address of Slack's page the browser is sent to."""
    response = await browser.get(path_of(account))
    assert response.status_code == 302
    assert response.headers["cache-control"] == "no-store"
    return response.headers["location"]


async def install(
    browser: httpx.AsyncClient, slack: SlackEmulator, account: Account, workspace: str | None = None
) -> httpx.Response:
    """Everything a person does."""
    back = slack.allows(await begin(browser, account), workspace=workspace)
    return await browser.get(back)


async def fresh(school: App, account: Account) -> Account:
    accounts = Accounts(school.runtime.database, school.runtime.keys)
    return (await accounts.get(account.creator_id, account.channel_id)).account


# --- installing


async def test_the_browser_is_sent_to_slack_with_what_the_manifest_asks_for(
    account: Account, slack: SlackEmulator, browser: httpx.AsyncClient, runtime: Runtime
) -> None:
    url = urlsplit(await begin(browser, account))
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}

    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{slack.world.base_url}/oauth/v2/authorize"
    adapter: Any = runtime.channels["slack"]
    described = adapter.manifest(account, BASE_URL)["oauth_config"]
    assert asked["client_id"] == slack.app.client_id
    assert asked["scope"].split(",") == described["scopes"]["bot"]
    assert [asked["redirect_uri"]] == described["redirect_urls"]
    [cookie] = browser.cookies.jar
    assert cookie.value == asked["state"]
    assert (cookie.path, cookie.domain) == (path_of(account), "cairn.test")
    assert cookie.has_nonstandard_attr("HttpOnly")


async def test_slacks_own_page_is_asked_without_an_api_of_ones_own(
    school: App, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    account = await school.add_channel("slack", credentials=slack.app_credentials)
    assert (await begin(browser, account)).startswith("https://slack.com/oauth/v2/authorize?")


async def test_two_workspaces_of_one_creator(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    first = await install(browser, slack, account)
    second = await install(browser, slack, account, "Second")

    assert (first.status_code, first.text) == (
        200,
        "Installed in Emulated. You can close this page.\n",
    )
    assert second.text == "Installed in Second. You can close this page.\n"
    found = await fresh(school, account)
    for workspace in slack.world.workspaces.values():
        bot = workspace.bot_of(slack.app)
        assert found.installations[workspace.id] == {
            "bot_token": bot.token,
            "bot_user_id": bot.user.id,
            "bot_id": bot.bot_id,
            "app_id": slack.app.id,
        }
    stored = [tuple(row) for row in await school.fetch(TOKENS)]
    assert {name for _, name, _ in stored} == {"Emulated", "Second"}
    assert "xoxb" not in str(stored)
    # What the browser kept is of no more use.
    assert not list(browser.cookies.jar)


async def test_two_creators_in_one_workspace_see_nothing_of_each_other(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    other = await add_creator(school.runtime.database, "Other school")
    others = App(runtime=school.runtime, creator_id=other.id)
    other_account = await by_oauth(others, slack)

    await install(browser, slack, account)
    await install(browser, slack, other_account)

    mine, theirs = await fresh(school, account), await fresh(others, other_account)
    [team] = mine.installations
    assert list(theirs.installations) == [team]
    assert mine.installations[team]["bot_token"] != theirs.installations[team]["bot_token"]
    assert len(await school.fetch(TOKENS)) == len(await others.fetch(TOKENS)) == 1


async def test_events_and_answers_of_each_workspace_use_its_own_token(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    await install(browser, slack, account)
    await install(browser, slack, account, "Second")
    slack.connect(f"{BASE_URL}/webhooks/slack/{account.route_key}")

    async with working(school.runtime):
        for workspace in ("Emulated", "Second"):
            response = await slack.says("/help", workspace=workspace)
            assert response is not None
            assert response.status_code == 200
            await school.drain()

    teams = [sent.team for sent in slack.sent]
    assert set(teams) == set(slack.world.workspaces)
    assert teams == sorted(teams, key=list(slack.world.workspaces).index)


# --- the other way


@pytest.mark.parametrize("act", ["uninstalls", "revokes"])
async def test_removing_the_app_from_one_workspace_keeps_the_other(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient, act: str
) -> None:
    await install(browser, slack, account)
    await install(browser, slack, account, "Second")
    slack.connect(f"{BASE_URL}/webhooks/slack/{account.route_key}")

    response = await getattr(slack, act)(workspace="Second")
    assert response.status_code == 200
    assert list((await fresh(school, account)).installations) == [slack.workspace().id]
    assert [tuple(row) for row in await school.fetch(STATUS)] == [("active", None)]

    await getattr(slack, act)()
    assert [tuple(row) for row in await school.fetch(STATUS)] == [("revoked", "uninstalled")]

    again = await install(browser, slack, account)
    assert again.status_code == 200
    assert [tuple(row) for row in await school.fetch(STATUS)] == [("active", None)]


async def test_a_token_that_died_unheard_stops_its_own_workspace_until_a_new_install(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    await install(browser, slack, account)
    await install(browser, slack, account, "Second")
    slack.connect(f"{BASE_URL}/webhooks/slack/{account.route_key}")
    second = slack.workspace("Second")
    second.bot_of(slack.app).revoked = True

    async with working(school.runtime):
        await slack.says("/help", workspace="Second")
        await eventually(lambda: school.fetch(QUEUED + " AND error_code IS NOT NULL"))
        assert list((await fresh(school, account)).installations) == [slack.workspace().id]
        assert [tuple(row) for row in await school.fetch(STATUS)] == [("active", None)]
        assert slack.texts() == []

        await install(browser, slack, account, "Second")
        await school.drain()
    assert {sent.team for sent in slack.sent} == {second.id}


# --- refused


async def refused(browser: httpx.AsyncClient, school: App, back: str, status: int) -> str:
    response = await browser.get(back)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/plain")
    assert not await school.fetch(TOKENS)
    assert response.text.count("\n") == 1
    for secret in parse_qs(urlsplit(back).query).values():
        assert secret[0] not in response.text
    return response.text


def with_state(back: str, state: str) -> str:
    head, _, _ = back.partition("&state=")
    return f"{head}&state={state}"


async def test_a_cancelled_install_changes_nothing(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    back = slack.denies(await begin(browser, account))
    assert "cancelled" in await refused(browser, school, back, 200)


async def test_another_browser_is_refused(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    back = slack.allows(await begin(browser, account))
    browser.cookies.clear()
    assert "another browser" in await refused(browser, school, back, 400)


async def test_a_forged_state_is_refused(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    back = slack.allows(await begin(browser, account))
    forged = f"{'0' * 32}.{int(time.time()) + 60}.{'0' * 64}"
    for state in (forged, "plain", "", "%00", "%F0%9F%91%8B"):
        browser.cookies.clear()
        headers = {"Cookie": f"{install_state.COOKIE}={state}"}
        response = await browser.get(with_state(back, state), headers=headers)
        assert response.status_code in (400, 401)
    assert not await school.fetch(TOKENS)


async def test_a_state_of_another_channel_is_refused(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    other = await by_oauth(school, slack)
    back = slack.allows(await begin(browser, other))
    state = parse_qs(urlsplit(back).query)["state"][0]
    here = f"{path_of(account)}/callback?{urlsplit(back).query}"
    response = await browser.get(here, headers={"Cookie": f"{install_state.COOKIE}={state}"})
    assert response.status_code == 401
    assert not await school.fetch(TOKENS)


async def test_a_state_is_good_once(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    back = slack.allows(await begin(browser, account))
    [cookie] = browser.cookies.jar
    kept = {"Cookie": f"{cookie.name}={cookie.value}"}
    assert (await browser.get(back)).status_code == 200

    assert (await browser.get(back)).status_code == 400
    assert (await browser.get(back, headers=kept)).status_code == 401
    assert len(slack.calls("oauth.v2.access")) == 1


async def test_a_stale_state_is_refused(
    school: App,
    account: Account,
    slack: SlackEmulator,
    browser: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(install_state, "STATE_SECONDS", -1)
    at_slack = await begin(browser, account)
    [state] = parse_qs(urlsplit(at_slack).query)["state"]
    # A browser drops such a cookie by itself; one that doesn't is refused.
    response = await browser.get(
        slack.allows(at_slack), headers={"Cookie": f"{install_state.COOKIE}={state}"}
    )
    assert response.status_code == 401
    assert not await school.fetch(TOKENS)


async def test_a_refused_code_tells_nothing(
    school: App,
    account: Account,
    slack: SlackEmulator,
    browser: httpx.AsyncClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    back = slack.allows(await begin(browser, account))
    [code] = parse_qs(urlsplit(back).query)["code"]
    with caplog.at_level(logging.DEBUG):
        await refused(browser, school, back.replace(code, "4242.not-a-code"), 401)
    # The test's own browser and server log their addresses.
    ours = [each for each in caplog.records if not each.name.startswith(("http", "uvicorn"))]
    logged = "\n".join(each.getMessage() for each in ours)
    assert "4242.not-a-code" not in logged
    assert slack.app.client_secret not in logged


async def test_slack_being_away_is_told_as_such(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient
) -> None:
    back = slack.allows(await begin(browser, account))
    slack.fails("server_error", method="oauth.v2.access", status=504)
    response = await browser.get(back)
    assert response.status_code == 502
    assert not await school.fetch(TOKENS)


@pytest.mark.parametrize("where", ["", "/callback"], ids=["begin", "finish"])
async def test_where_nothing_can_be_installed_there_is_nothing(
    school: App, account: Account, slack: SlackEmulator, browser: httpx.AsyncClient, where: str
) -> None:
    web = await school.add_channel("web")
    with_token = await school.add_channel("slack", credentials=slack.credentials)
    paths = [
        f"/slack/install/unknown{where}",
        f"/slack/install/%20{where}",
        f"/web/install/{web.route_key}{where}",
        f"/nothing/install/{account.route_key}{where}",
        path_of(with_token) + where,
    ]
    assert [(await browser.get(path)).status_code for path in paths] == [404] * len(paths)

    await school.fetch(
        "UPDATE app.channels SET status = 'disabled' WHERE creator_id = $1 RETURNING 1"
    )
    school.runtime.accounts.forget(account.channel_id)
    assert (await browser.get(path_of(account) + where)).status_code == 404


async def test_too_many_begun_installs_are_slowed_down(
    account: Account, browser: httpx.AsyncClient
) -> None:
    answers = [(await browser.get(path_of(account))).status_code for _ in range(30)]
    assert answers[:20] == [302] * 20
    assert 429 in answers


# --- states by themselves


async def test_a_state_needs_the_secrets_of_its_account() -> None:
    mine = account_at(credentials={"client_secret": "a" * 32, "signing_secret": "b" * 32})
    other = account_at(credentials={"client_secret": "c" * 32, "signing_secret": "b" * 32})
    state = await SignedStates(mine, Used()).async_issue()

    assert not await SignedStates(other, Used()).async_consume(state)
    assert await SignedStates(mine, Used()).async_consume(state)
