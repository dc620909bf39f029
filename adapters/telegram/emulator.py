"""Telegram's Bot API, faked at the wire: an ASGI app for tests, `cairn dev` and bot authors.

It speaks `/bot<token>/<method>` with the API's limits and error bodies, plays the people who chat
(`says`, `taps`, `blocks`), fails on request (`fails`), and logs every request.
Alone: `python -m adapters.telegram.emulator --port 8081 [--log requests.jsonl]`; people and faults
are then driven by POST `/control/<says|taps|blocks|unblocks|fails>` with a JSON body.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from adapters.telegram.emulator_bot import EmulatedBot, Json, Sent
from adapters.telegram.emulator_faults import Dropped, Fault, FaultKind, after, before
from adapters.telegram.emulator_people import People
from adapters.telegram.emulator_rules import Refusal, decoded
from adapters.telegram.emulator_view import Screen

DEFAULT_TOKEN = "123456:EMULATED-BOT-TOKEN-FOR-TESTS-00000"  # noqa: S105
DEFAULT_SECRET = "Emulated-webhook-secret_1"  # noqa: S105
_CONTROLS = ("says", "taps", "edits", "reacts", "blocks", "unblocks", "fails")


@dataclass(kw_only=True)
class Recorded:
    """One request; `sequence` and `at` (monotonic seconds) only grow. Status 0: no answer."""

    sequence: int
    at: float
    time: float
    method: str
    params: Json
    status: int = 0
    fault: str = ""
    accepted_message_id: int | None = None


class TelegramEmulator(People):
    """The server: an ASGI app. People chat with the first bot unless told otherwise."""

    name: ClassVar[str] = "telegram"

    def __init__(
        self,
        token: str = DEFAULT_TOKEN,
        *,
        log_path: Path | None = None,
        client: httpx.AsyncClient | None = None,
        first_update_id: int = 100_000_001,
    ) -> None:
        self.client = client
        self.screen = Screen()
        self.bot = EmulatedBot(token, first_update_id=first_update_id)
        self.bots = {token: self.bot}
        self.requests: list[Recorded] = []
        self.faults: list[Fault] = []
        self._sequence = count(1)
        self._log = log_path.open("a", encoding="utf-8") if log_path else None

    @property
    def token(self) -> str:
        return self.bot.token

    @property
    def credentials(self) -> dict[str, str]:
        return {"bot_token": self.token, "secret_token": DEFAULT_SECRET}

    def connect(self, webhook_url: str) -> None:
        """What setWebhook would do, without a call."""
        self.bot.webhook = {"url": webhook_url, "secret_token": DEFAULT_SECRET}

    @property
    def sent(self) -> list[Sent]:
        """Accepted messages, in order."""
        return self.bot.sent

    def texts(self, chat: int | str | None = None) -> list[str]:
        return [sent.text for sent in self.sent if chat is None or sent.chat == str(chat)]

    def calls(self, method: str) -> list[Recorded]:
        return [request for request in self.requests if request.method.lower() == method.lower()]

    def add_bot(self, token: str) -> EmulatedBot:
        return self.bots.setdefault(token, EmulatedBot(token))

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
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        _, _, path = request.url.path.partition("/")
        head, _, name = path.partition("/")
        try:
            if head == "control":
                response = await self._control(name, request)
            elif head == "file":
                response = self._file(name)
            else:
                response = await self._api(head, name, request)
        except Dropped:
            await _drop(receive, send)
            return
        await response(scope, receive, send)

    async def _api(self, head: str, name: str, request: Request) -> Response:
        try:
            params = decoded(await _parameters(request))
        except Refusal as refusal:
            return JSONResponse(refusal.body(), status_code=refusal.error_code)
        recorded = self._record(name, params)
        try:
            bot = self._bot_of(head)
            return await self._carry_out(bot, recorded)
        except Refusal as refusal:
            recorded.status = refusal.error_code
            return JSONResponse(refusal.body(), status_code=refusal.error_code)
        finally:
            self._write_log(recorded)

    def _file(self, name: str) -> Response:
        """`/file/bot<token>/<file_path>`, which getFile told."""
        bot_name, _, path = name.partition("/")
        recorded = self._record("file", {"path": path})
        try:
            fault = self._fault_for(recorded)
            content = self._bot_of(bot_name).content(path)
            recorded.status = 0 if fault else 200
        except Refusal as refusal:
            recorded.status = refusal.error_code
            return JSONResponse(refusal.body(), status_code=refusal.error_code)
        finally:
            self._write_log(recorded)
        if fault:  # whatever it is: no byte of the file comes
            raise Dropped
        return Response(content, media_type="application/octet-stream")

    def _bot_of(self, head: str) -> EmulatedBot:
        if not head.startswith("bot"):
            raise Refusal(404, "Not Found")
        bot = self.bots.get(head.removeprefix("bot"))
        if bot is None:
            raise Refusal(401, "Unauthorized")
        return bot

    async def _carry_out(self, bot: EmulatedBot, recorded: Recorded) -> Response:
        method = bot.methods.get(recorded.method.lower())
        if method is None:
            raise Refusal(404, "Not Found")
        fault = self._fault_for(recorded)
        failure = await before(fault) if fault else None
        if failure is None:
            result = await method(recorded.params)
            if isinstance(result, dict):
                recorded.accepted_message_id = result.get("message_id")
            failure = after(fault) if fault else None
        answer = failure or JSONResponse({"ok": True, "result": result})
        recorded.status = answer.status_code
        return answer

    def _fault_for(self, recorded: Recorded) -> Fault | None:
        chat = str(recorded.params.get("chat_id", ""))
        for fault in self.faults:
            if fault.hits(recorded.method, chat):
                fault.times -= 1
                recorded.fault = fault.kind
                return fault
        return None

    def _record(self, method: str, params: Json) -> Recorded:
        recorded = Recorded(
            sequence=next(self._sequence),
            at=time.monotonic(),
            time=time.time(),
            method=method,
            params=params,
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
        arguments: Json = await request.json()
        if name == "fails":
            self.fails(**arguments)
            return JSONResponse({"ok": True})
        response: httpx.Response | None = await getattr(self, name)(**arguments)
        return JSONResponse({"ok": True, "webhook_status": response and response.status_code})


async def _parameters(request: Request) -> Json:
    """Query, JSON, urlencoded or multipart: the Bot API takes them all."""
    params: Json = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            body = await request.json()
        except ValueError:
            raise Refusal(400, "Bad Request: can't parse JSON object") from None
        return params | (body if isinstance(body, dict) else {})
    async with request.form() as form:
        return params | dict(form)


async def _drop(receive: Receive, send: Send) -> None:
    """Close the connection without a byte, where the server lets us reach it (uvicorn does)."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        return
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def create_emulator() -> TelegramEmulator:
    # A new server beside an old database: update ids used before would be taken as repeats.
    return TelegramEmulator(first_update_id=int(time.time()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--token", action="append", help="a bot's token; may be repeated")
    parser.add_argument("--log", type=Path, help="append every request to this JSONL file")
    arguments = parser.parse_args()
    tokens: list[str] = arguments.token or [DEFAULT_TOKEN]
    emulator = TelegramEmulator(tokens[0], log_path=arguments.log)
    for token in tokens[1:]:
        emulator.add_bot(token)
    uvicorn.run(
        emulator, host=arguments.host, port=arguments.port, log_level="warning", lifespan="off"
    )


if __name__ == "__main__":
    main()
