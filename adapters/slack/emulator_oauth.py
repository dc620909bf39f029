"""The emulated Slack's installs: the page that asks, the code, the token, and taking it all back.

https://docs.slack.dev/authentication/installing-with-oauth
"""

import html
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from adapters.slack.emulator_rules import Json, Refusal, text
from adapters.slack.emulator_state import EmulatedApp, EmulatedPerson, EmulatedWorkspace
from adapters.slack.emulator_world import World

CODE_SECONDS = 600.0

_PAGE = """<!doctype html><meta charset="utf-8"><title>Install {app}</title>
<style>body{{font:16px system-ui;max-width:30rem;margin:3rem auto;padding:0 1rem}}
button,select{{font:inherit;padding:.5rem 1rem;margin-right:.5rem}}</style>
<h1>{app} asks for access</h1><p>It may then: {scopes}</p>
<form method="post">{fields}
<p><label>Workspace <select name="team">{teams}</select></label></p>
<p><button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Cancel</button></p></form>"""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a call showed of itself; its `repr` hides it."""

    token: str = ""
    client_id: str = ""
    client_secret: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"


@dataclass(kw_only=True, eq=False)
class _Grant:
    app: EmulatedApp
    workspace: EmulatedWorkspace
    person: EmulatedPerson
    scopes: tuple[str, ...]
    redirect_uri: str
    made_at: float
    used: bool = False


OpenMethod = Callable[[Credentials, Json], Awaitable[Json]]


class OAuth:
    """Methods that a client secret or an app-level token opens, and the page before them."""

    def __init__(
        self, world: World, forget: Callable[[EmulatedWorkspace], Awaitable[None]]
    ) -> None:
        self.world = world
        self._forget = forget
        self._grants: dict[str, _Grant] = {}
        self.tickets: dict[str, EmulatedApp] = {}
        self.methods: dict[str, OpenMethod] = {
            "oauth.v2.access": self.access,
            "apps.uninstall": self.uninstall,
            "apps.connections.open": self.open_connection,
        }

    # --- the page

    async def page(self, request: Request) -> Response:
        """GET asks, POST is the answer: back to the app with a code, or with an error."""
        params: dict[str, str] = dict(request.query_params)
        try:
            app = self._app(params)
        except Refusal as refusal:
            return HTMLResponse(f"<h1>{refusal.error}</h1>", status_code=400)
        if request.method != "POST":
            return HTMLResponse(self._ask(app, params))
        async with request.form() as form:
            params |= {name: str(value) for name, value in form.items()}
        if params.get("decision") != "allow":
            return RedirectResponse(_back(params, error="access_denied"), status_code=302)
        workspace = self.world.workspaces[params["team"]]
        person = workspace.person(None)
        return RedirectResponse(self.grant(app, params, workspace, person), status_code=302)

    def _ask(self, app: EmulatedApp, params: Mapping[str, str]) -> str:
        teams = "".join(
            f'<option value="{team.id}"{" selected" if team.id == params.get("team") else ""}>'
            f"{html.escape(team.name)}</option>"
            for team in self.world.workspaces.values()
        )
        fields = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in params.items()
            if name != "team"
        )
        scopes = html.escape(params.get("scope", "").replace(",", ", "))
        return _PAGE.format(app=html.escape(app.name), scopes=scopes, fields=fields, teams=teams)

    def allow(
        self, authorize_url: str, workspace: EmulatedWorkspace, person: EmulatedPerson
    ) -> str:
        """Where a person's browser is sent who allows what this address asks for."""
        params = dict(parse_qsl(urlsplit(authorize_url).query, keep_blank_values=True))
        return self.grant(self._app(params), params, workspace, person)

    def deny(self, authorize_url: str) -> str:
        params = dict(parse_qsl(urlsplit(authorize_url).query, keep_blank_values=True))
        self._app(params)
        return _back(params, error="access_denied")

    def grant(
        self,
        app: EmulatedApp,
        params: Mapping[str, str],
        workspace: EmulatedWorkspace,
        person: EmulatedPerson,
    ) -> str:
        code = f"{workspace.id[-4:]}.{secrets.token_hex(16)}"
        self._grants[code] = _Grant(
            app=app,
            workspace=workspace,
            person=person,
            scopes=tuple(scope for scope in params.get("scope", "").split(",") if scope),
            redirect_uri=params.get("redirect_uri", ""),
            made_at=time.monotonic(),
        )
        return _back(params, code=code)

    def _app(self, params: Mapping[str, str]) -> EmulatedApp:
        app = self._by_client_id(params.get("client_id", ""))
        redirect = params.get("redirect_uri", "")
        allowed = app.redirect_urls
        if not redirect or (allowed is not None and not redirect.startswith(allowed)):
            raise Refusal("bad_redirect_uri")
        if not params.get("scope") and not params.get("user_scope"):
            raise Refusal("invalid_scope")
        return app

    def _by_client_id(self, client_id: str) -> EmulatedApp:
        for app in self.world.apps:
            if app.client_id == client_id:
                return app
        raise Refusal("invalid_client_id")

    # --- methods

    async def access(self, credentials: Credentials, params: Json) -> Json:
        """A code, once, for a token. https://docs.slack.dev/reference/methods/oauth.v2.access"""
        app = self._checked(credentials)
        grant = self._grants.get(text(params, "code"))
        if grant is None or grant.app is not app:
            raise Refusal("invalid_code")
        if grant.used:
            raise Refusal("code_already_used")
        if time.monotonic() - grant.made_at > CODE_SECONDS:
            raise Refusal("invalid_code")
        if text(params, "redirect_uri") != grant.redirect_uri:
            raise Refusal("bad_redirect_uri")
        grant.used = True
        return self._installed(grant)

    def _installed(self, grant: _Grant) -> Json:
        bot = grant.workspace.install(grant.app, grant.scopes)
        self.world.changed()
        return {
            "app_id": grant.app.id,
            "authed_user": {"id": grant.person.id},
            "scope": ",".join(bot.scopes),
            "token_type": "bot",
            "access_token": bot.token,
            "bot_user_id": bot.user.id,
            "team": {"id": grant.workspace.id, "name": grant.workspace.name},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _checked(self, credentials: Credentials) -> EmulatedApp:
        app = self._by_client_id(credentials.client_id)
        if not secrets.compare_digest(
            app.client_secret.encode(), credentials.client_secret.encode()
        ):
            raise Refusal("bad_client_secret")
        return app

    async def uninstall(self, credentials: Credentials, params: Json) -> Json:
        bot = self.world.bot_by_token(credentials.token)
        if self._checked(credentials) is not bot.app:
            raise Refusal("client_id_token_mismatch")
        await self._forget(bot.workspace)
        return {}

    async def open_connection(self, credentials: Credentials, params: Json) -> Json:
        """An address for one Socket Mode connection."""
        if credentials.token.startswith("xoxb-"):
            raise Refusal("not_allowed_token_type")
        app = self.world.app_by_token(credentials.token)
        ticket = secrets.token_urlsafe(16)
        self.tickets[ticket] = app
        base = self.world.base_url.replace("http", "ws", 1)
        return {"url": f"{base}/link/?{urlencode({'ticket': ticket, 'app_id': app.id})}"}


def _back(params: Mapping[str, str], **answer: str) -> str:
    """The app's callback address with the answer and its own state."""
    redirect = params["redirect_uri"]
    joint = "&" if "?" in redirect else "?"
    query = urlencode({**answer, "state": params.get("state", "")})
    return f"{redirect}{joint}{query}"
