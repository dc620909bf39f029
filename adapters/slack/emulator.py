"""Slack's Web API, events and OAuth, faked at the wire: an ASGI app for tests, `cairn dev`, bots.

It speaks `/api/<method>` with the API's limits and error bodies, plays the people of one or more
workspaces (`says`, `taps`, `commands`…), fails on request (`fails`), and logs every request.
Alone: `python -m adapters.slack.emulator --port 8082 [--log requests.jsonl]`; people and faults
are then driven by POST `/control/<says|taps|…|fails>` with a JSON body.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from adapters.slack.emulator_api import Api
from adapters.slack.emulator_bodies import content
from adapters.slack.emulator_faults import Dropped, Fault, FaultKind, after, before
from adapters.slack.emulator_oauth import Credentials, OAuth
from adapters.slack.emulator_people import Delivery
from adapters.slack.emulator_rules import Json, Refusal, check_text, decoded
from adapters.slack.emulator_socket import Sockets
from adapters.slack.emulator_state import EmulatedApp, EmulatedWorkspace, add_people
from adapters.slack.emulator_streams import Streams
from adapters.slack.emulator_window import Window
from adapters.slack.emulator_wire import arguments, bearer, check_scope, drop, json_body
from adapters.slack.emulator_world import Sent, World

# Not real secrets: what the emulated Slack takes.
DEFAULT_TOKEN = "xoxb-emulated-000000-BotTokenForTests"  # noqa: S105
DEFAULT_SIGNING_SECRET = "e3b0c44298fc1c149afbf4c8996fb924"  # noqa: S105
DEFAULT_CLIENT_SECRET = "9af15b336e6a9619928537df30b2e6a2"  # noqa: S105
_CONTROLS = (
    "says",
    "shares",
    "taps",
    "edits",
    "deletes",
    "reacts",
    "commands",
    "uses",
    "opens_home",
    "opens_assistant",
    "invites",
    "uninstalls",
    "revokes",
    "retries",
    "fails",
)


@dataclass(kw_only=True)
class Recorded:
    """One request; `sequence` and `at` (monotonic seconds) only grow. Status 0: no answer."""

    sequence: int
    at: float
    time: float
    method: str
    params: Json
    team: str = ""
    status: int = 0
    error: str = ""
    fault: str = ""
    accepted_message_id: str | None = None


class SlackEmulator(Window):
    """The server: an ASGI app with one app in one workspace, with three people and #team."""

    name: ClassVar[str] = "slack"

    def __init__(
        self,
        token: str = DEFAULT_TOKEN,
        *,
        signing_secret: str = DEFAULT_SIGNING_SECRET,
        log_path: Path | None = None,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self.client = client
        self.world = World()
        self.app = EmulatedApp(
            id="A0EMULATED",
            client_id="1000000000.2000000000",
            client_secret=DEFAULT_CLIENT_SECRET,
            signing_secret=signing_secret,
            app_token="xapp-1-A0EMULATED-AppTokenForTests",  # noqa: S106
        )
        self.world.apps.append(self.app)
        team = self.add_workspace("Emulated", id="T0EMULATED")
        self.bot = team.install(self.app, token=token)
        self.team = team.add_room("team", id="C0TEAM")
        for person in list(team.people.values()):
            if not person.is_bot:
                team.direct(self.bot, person)
        self.requests: list[Recorded] = []
        self.faults: list[Fault] = []
        self._oauth = OAuth(self.world, self._forget)
        self.sockets = Sockets(self._oauth.tickets)
        self._api = Api(self.world)
        self._api.methods |= Streams(self.world).methods
        self._sequence = count(1)
        self._log = log_path.open("a", encoding="utf-8") if log_path else None

    # --- setting up

    @property
    def credentials(self) -> dict[str, str]:
        """Of a channel whose bot is in the first workspace already."""
        return {"bot_token": self.bot.token, "signing_secret": self.app.signing_secret}

    @property
    def app_credentials(self) -> dict[str, str]:
        """Of a channel that is to be installed by OAuth."""
        return {
            "client_id": self.app.client_id,
            "client_secret": self.app.client_secret,
            "signing_secret": self.app.signing_secret,
        }

    def connect(self, webhook_url: str) -> None:
        self.app.webhook_url = webhook_url

    def add_app(self, name: str = "Other") -> EmulatedApp:
        app = EmulatedApp(name=name)
        self.world.apps.append(app)
        return app

    def add_workspace(self, name: str, *, id: str = "") -> EmulatedWorkspace:
        """A further workspace with the same three people; nothing is installed in it."""
        team = EmulatedWorkspace(name=name, domain=name.lower().replace(" ", "-"))
        team.id = id or team.id
        add_people(team, suffix="" if id else str(len(self.world.workspaces)))
        self.world.workspaces[team.id] = team
        return team

    # --- for tests

    @property
    def sent(self) -> list[Sent]:
        """Accepted messages, in order."""
        return self.world.sent

    def texts(self, place: str | None = None) -> list[str]:
        """As a person reads them; `place` is a place's or a channel's id."""
        channel = place and place.partition("/")[0]
        return [sent.text for sent in self.sent if channel in (None, sent.channel)]

    def calls(self, method: str) -> list[Recorded]:
        return [request for request in self.requests if request.method == method]

    def fails(self, kind: FaultKind, **details: Any) -> None:
        """Script a Fault for calls to come; see `emulator_faults`."""
        self.faults.append(Fault(kind=kind, **details))

    async def close(self) -> None:
        if self.client:
            await self.client.aclose()
            self.client = None
        if self._log:
            self._log.close()

    # --- the wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.sockets.serve(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Dropped:
            await drop(receive, send)
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path.strip("/")
        if path.startswith("control/"):
            return await self._control(path.removeprefix("control/"), request)
        self.world.base_url = self.world.base_url or str(request.base_url).rstrip("/")
        if path.startswith("files-pri/"):
            return self._download(path, request)
        if path == "oauth/v2/authorize":
            return await self._oauth.page(request)
        if path.startswith(("actions/", "app/", "commands/")):
            return await self._respond(path, request)
        return await self._call(path.removeprefix("api/"), request)

    async def _call(self, name: str, request: Request) -> Response:
        recorded = self._record(name)
        try:
            response = await self._judge(recorded, request)
            recorded.status = response.status_code
            return response
        finally:
            self._write_log(recorded)

    async def _judge(self, recorded: Recorded, request: Request) -> Response:
        """Slack answers 200 to what it refuses, too."""
        try:
            credentials, params = await arguments(request)
            recorded.params = decoded(params)
            return await self._carry_out(credentials, recorded)
        except Refusal as refusal:
            recorded.error = refusal.error
            body, headers = refusal.body(), refusal.headers
            return JSONResponse(body, status_code=refusal.status, headers=headers)

    async def _carry_out(self, credentials: Credentials, recorded: Recorded) -> Response:
        method = self._method(credentials, recorded)
        fault = self._fault_for(recorded)
        failure = await before(fault) if fault else None
        if failure is None:
            result = await method()
            recorded.accepted_message_id = result.get("ts")
            failure = after(fault) if fault else None
        headers = {"X-Slack-Req-Id": f"{recorded.sequence:032x}"}
        return failure or JSONResponse({"ok": True, **result}, headers=headers)

    def _method(self, credentials: Credentials, recorded: Recorded) -> Callable[[], Any]:
        """The call, ready to be made. Raises Refusal when it may not be."""
        name, params = recorded.method, recorded.params
        if name in self._oauth.methods:
            return partial(self._oauth.methods[name], credentials, params)
        if name not in self._api.methods:
            raise Refusal("unknown_method", req_method=name)
        scope, method = self._api.methods[name]
        bot = self.world.bot_by_token(credentials.token)
        recorded.team = bot.workspace.id
        check_scope(bot, scope, params)
        return partial(method, bot, params)

    async def _respond(self, path: str, request: Request) -> Response:
        """A response URL: an answer to a command or a tap, for one person or for all."""
        params = await json_body(request)
        recorded = self._record("response_url")
        recorded.params = params
        _, team, channel, person, *_ = path.split("/")
        workspace = self.world.workspaces[team]
        bot, room = workspace.bot_of(self.app), workspace.rooms[channel]
        try:
            if params.get("response_type") == "in_channel":
                check_text(params)
                self.world.post(bot, room, params, **content(params))
            else:
                self._api.whisper(bot, room, workspace.people[person], params)
        except Refusal as refusal:
            return PlainTextResponse(refusal.error, status_code=400)
        finally:
            self._write_log(recorded)
        recorded.status = 200
        return PlainTextResponse("ok")

    async def _forget(self, workspace: EmulatedWorkspace) -> None:
        await self.uninstalls(workspace=workspace.id)

    async def over_socket(self, delivery: Delivery, retry: int, reason: str) -> bool:
        return await self.sockets.take(delivery, retry, reason)

    # --- installs

    def allows(
        self, authorize_url: str, *, workspace: str | None = None, user: str | None = None
    ) -> str:
        """A person allows the install: the address their browser is sent back to."""
        team = self.workspace(workspace)
        return self._oauth.allow(authorize_url, team, team.person(user))

    def denies(self, authorize_url: str) -> str:
        """A person cancels the install: the address their browser is sent back to."""
        return self._oauth.deny(authorize_url)

    def _fault_for(self, recorded: Recorded) -> Fault | None:
        channel = str(recorded.params.get("channel", ""))
        for fault in self.faults:
            if fault.hits(recorded.method, channel):
                fault.times -= 1
                recorded.fault = fault.kind
                return fault
        return None

    def _download(self, path: str, request: Request) -> Response:
        """A file's bytes; without a good token Slack shows its sign-in page instead."""
        team_id, _, file_id = path.split("/")[1].partition("-")
        try:
            bot = self.world.bot_by_token(bearer(request))
            stored = bot.workspace.files[file_id]
            if bot.workspace.id != team_id or "files:read" not in bot.scopes:
                raise Refusal("missing_scope")
        except (Refusal, KeyError):
            return RedirectResponse(f"{self.world.base_url}/?redir=%2F{path}", status_code=302)
        return Response(stored.content, media_type=str(stored.info["mimetype"]))

    def _record(self, method: str) -> Recorded:
        recorded = Recorded(
            sequence=next(self._sequence),
            at=time.monotonic(),
            time=time.time(),
            method=method,
            params={},
        )
        self.requests.append(recorded)
        return recorded

    def _write_log(self, recorded: Recorded) -> None:
        if self._log:
            # Flushed at once: another process reads it after this one is killed.
            self._log.write(json.dumps(asdict(recorded)) + "\n")
            self._log.flush()

    async def _control(self, name: str, request: Request) -> Response:
        """People and faults for a test in another process."""
        if name not in _CONTROLS or request.method != "POST":
            return PlainTextResponse("unknown control", status_code=404)
        arguments: Json = json.loads(await request.body() or b"{}")
        if name == "fails":
            self.fails(**arguments)
            return JSONResponse({"ok": True})
        response: httpx.Response | None = await getattr(self, name)(**arguments)
        return JSONResponse({"ok": True, "webhook_status": response and response.status_code})


def create_emulator() -> SlackEmulator:
    return SlackEmulator()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8082)
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the bot's token")
    parser.add_argument("--signing-secret", default=DEFAULT_SIGNING_SECRET)
    parser.add_argument("--webhook", default="", help="where events are posted")
    parser.add_argument("--log", type=Path, help="append every request to this JSONL file")
    options = parser.parse_args()
    emulator = SlackEmulator(
        options.token, signing_secret=options.signing_secret, log_path=options.log
    )
    emulator.connect(options.webhook)
    uvicorn.run(emulator, host=options.host, port=options.port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()
