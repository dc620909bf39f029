"""Install by a person's browser: bolt's OAuth flow over our installations and signed states.

https://docs.slack.dev/authentication/installing-with-oauth
"""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from slack_bolt.error import BoltError
from slack_bolt.oauth.async_callback_options import (
    AsyncCallbackOptions,
    AsyncFailureArgs,
    AsyncSuccessArgs,
)
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.install_state import COOKIE, BrowserCookie, SignedStates, Used
from adapters.slack.manifest import manifest
from core.channels import Account, InboundRequest, Installations, Reply
from shared.errors import InvalidInput, NotFound

AUTHORIZE_URL = "https://slack.com/oauth/v2/authorize"
CALLBACK = "/callback"

# bolt logs codes of people's installs; whoever is interested finds the answer in the audit log.
_SILENT = logging.getLogger("cairn.slack.install")
_SILENT.disabled = True

_FAILURES = {
    "access_denied": (200, "The install was cancelled. Nothing has changed."),
    "invalid_browser": (400, "This install was begun in another browser, or too long ago."),
    "invalid_state": (401, "This install is too old or was finished already. Begin it anew."),
    "missing_code": (400, "Slack sent no code. Begin the install anew."),
    "invalid_code": (401, "Slack refused the code. Begin the install anew."),
    "storage_error": (400, "Slack gave no bot token for this. Nothing has changed."),
}
_OTHER_FAILURE = (400, "Slack refused the install. Nothing has changed.")


async def install(
    request: InboundRequest,
    account: Account,
    installations: Installations,
    *,
    client: AsyncWebClient,
    used: Used,
) -> Reply:
    """Send the browser to Slack, or take in what it came back with.

    Raises NotFound for a channel that isn't installed by OAuth, and what `client` raises when
    Slack can't be reached.
    """
    if not account.credentials.get("client_id"):
        raise NotFound
    parts = urlsplit(request.url)
    path = parts.path.removesuffix(CALLBACK)
    flow = _Flow(
        account,
        client=client,
        store=_Store(account, installations),
        redirect_uri=f"{parts.scheme}://{parts.netloc}{path}{CALLBACK}",
        cookie=BrowserCookie(path, is_https=parts.scheme == "https"),
        used=used,
    )
    asked = AsyncBoltRequest(body="", query=parts.query, headers=dict(request.headers))
    if not parts.path.endswith(CALLBACK):
        return _reply(await flow.handle_installation(asked))
    return _reply(await flow.handle_callback(asked))


class _Flow(AsyncOAuthFlow):
    """bolt's flow with our state, our cookie and our pages."""

    def __init__(
        self,
        account: Account,
        *,
        client: AsyncWebClient,
        store: "_Store",
        redirect_uri: str,
        cookie: BrowserCookie,
        used: Used,
    ) -> None:
        settings = AsyncOAuthSettings(
            client_id=account.credentials["client_id"],
            client_secret=account.credentials["client_secret"],
            scopes=_scopes(account),
            user_scopes=[],
            redirect_uri=redirect_uri,
            authorization_url=_authorize_url(account),
            install_page_rendering_enabled=False,
            installation_store=store,
            installation_store_bot_only=True,
            state_store=SignedStates(account, used),
            state_cookie_name=COOKIE,
            callback_options=AsyncCallbackOptions(self._succeeded, self._failed),
            logger=_SILENT,
        )
        settings.state_utils = cookie
        super().__init__(client=client, settings=settings, logger=_SILENT)
        self._cookie = cookie

    async def build_authorize_url(self, state: str, request: AsyncBoltRequest) -> str:
        """bolt's, but quoted: a `team` from our address can't add parameters of its own."""
        settings = self.settings
        query = {
            "client_id": self.client_id,
            "scope": ",".join(settings.scopes or ()),
            "user_scope": "",
            "redirect_uri": settings.redirect_uri or "",
            "state": state,
        }
        if team := request.query.get("team"):
            query["team"] = team[0]
        return f"{settings.authorization_url}?{urlencode(query)}"

    async def _succeeded(self, args: AsyncSuccessArgs) -> BoltResponse:
        name = args.installation.team_name or args.installation.enterprise_name or "Slack"
        return self._page(200, f"Installed in {' '.join(name.split())}. You can close this page.")

    async def _failed(self, args: AsyncFailureArgs) -> BoltResponse:
        return self._page(*_FAILURES.get(args.reason, _OTHER_FAILURE))

    def _page(self, status: int, line: str) -> BoltResponse:
        headers = {"Set-Cookie": self._cookie.build_set_cookie_for_deletion()}
        return BoltResponse(status=status, body=f"{line}\n", headers=dict(headers))


class _Store(AsyncInstallationStore):
    """bolt's installation store over Cairn's; it is only written here."""

    def __init__(self, account: Account, installations: Installations) -> None:
        self._account = account
        self._installations = installations

    @property
    def logger(self) -> logging.Logger:
        return _SILENT

    async def async_save(self, installation: Installation) -> None:
        """One row a workspace; an organisation-wide install has one for the organisation."""
        space = installation.team_id or installation.enterprise_id
        if not space or not installation.bot_token:
            raise BoltError("there is no workspace or no bot token in Slack's answer")
        name = installation.team_name or installation.enterprise_name or ""
        try:
            await self._installations.save(self._account, space, _kept(installation), name)
        except InvalidInput as error:
            raise BoltError(error.message) from error

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        if space := team_id or enterprise_id:
            await self._installations.remove(self._account, space)


def _kept(installation: Installation) -> dict[str, str]:
    kept = {
        "bot_token": installation.bot_token,
        "bot_user_id": installation.bot_user_id,
        "bot_id": installation.bot_id,
        "app_id": installation.app_id,
    }
    return {name: value for name, value in kept.items() if value}


def _scopes(account: Account) -> list[str]:
    """What the manifest asks for, so that the two never differ."""
    described: Mapping[str, Any] = manifest(account, "")
    return list(described["oauth_config"]["scopes"]["bot"])


def _authorize_url(account: Account) -> str:
    """Beside the API where that is elsewhere: `…/api/` and `…/oauth/v2/authorize`."""
    if account.api_base_url is None:
        return AUTHORIZE_URL
    base = account.api_base_url.rstrip("/").removesuffix("/api")
    return f"{base}/oauth/v2/authorize"


def _reply(response: BoltResponse) -> Reply:
    headers = [
        (name, value)
        for name, values in response.headers.items()
        if name != "content-type"
        for value in values
    ]
    return Reply(
        status=response.status,
        body=response.body or "",
        headers=(*headers, ("cache-control", "no-store")),
    )
