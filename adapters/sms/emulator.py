"""Twilio's messaging API, faked at the wire: an ASGI app for tests, `cairn dev`, bot authors.

It speaks the REST API with its limits and error bodies, reports what becomes of messages, plays
the people who text (`says`), fails on request (`fails`), and logs every request.
Alone: `python -m adapters.sms.emulator --port 8083 [--log requests.jsonl]`; people and faults are
then driven by POST `/control/<says|taps|fails|connect|release>` with a JSON body.
"""

import argparse
import asyncio
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

from adapters.sms.emulator_account import EmulatedAccount, Json, Text
from adapters.sms.emulator_api import Api, basic_auth, operation_of, parameters_of
from adapters.sms.emulator_faults import Dropped, Fault, FaultKind, after, before
from adapters.sms.emulator_people import ADA, BEN
from adapters.sms.emulator_reports import Reports
from adapters.sms.emulator_rules import Refusal
from adapters.sms.emulator_view import bubbles
from core.emulators import Bubble, Place

DEFAULT_SID = "AC" + "c0ffee00" * 4
DEFAULT_TOKEN = "e" * 32
DEFAULT_NUMBER = "+12025550100"
DEFAULT_SERVICE = "MG" + "5e11ce00" * 4
_CONTROLS = ("says", "taps", "fails", "connect", "release")
_NAMES = {ADA: "Ada", BEN: "Ben"}


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
    accepted_message_id: str | None = None


class SmsEmulator(Reports):
    """The server: an ASGI app with one account. `uses_service`: a messaging service sends."""

    name: ClassVar[str] = "sms"

    def __init__(
        self,
        *,
        account_sid: str = DEFAULT_SID,
        auth_token: str = DEFAULT_TOKEN,
        number: str = DEFAULT_NUMBER,
        uses_service: bool = False,
        log_path: Path | None = None,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__()
        self.client = client
        self.account = EmulatedAccount(account_sid, auth_token, number, DEFAULT_SERVICE)
        self.uses_service = uses_service
        self.api = Api(self.account)
        self.requests: list[Recorded] = []
        self.faults: list[Fault] = []
        self._sequence = count(1)
        self._log = log_path.open("a", encoding="utf-8") if log_path else None

    @property
    def credentials(self) -> dict[str, str]:
        keys = {"account_sid": self.account.sid, "auth_token": self.account.token}
        if self.uses_service:
            return keys | {"messaging_service_sid": self.service_sid}
        return keys | {"from_number": self.number}

    def connect(self, webhook_url: str) -> None:
        if self.uses_service:
            self.account.services[self.service_sid]["inbound_request_url"] = webhook_url
        self.account.numbers[self.number]["sms_url"] = webhook_url

    @property
    def sent(self) -> list[Text]:
        """Accepted messages of the bot, in order."""
        return [text for text in self.account.texts if text.outbound and not text.notice]

    def texts(self, place: str | None = None) -> list[str]:
        return [text.body for text in self.sent if place in (None, text.theirs)]

    def calls(self, method: str) -> list[Recorded]:
        return [request for request in self.requests if request.method == method]

    def fails(self, kind: FaultKind, **details: Any) -> None:
        """Script a Fault for calls to come; see `emulator_faults`."""
        self.faults.append(Fault(kind=kind, **details))

    async def close(self) -> None:
        await self.stop_reporting()
        if self.client:
            await self.client.aclose()
            self.client = None
        if self._log:
            self._log.close()
            self._log = None

    # --- for the simulator

    @property
    def revision(self) -> int:
        return self.account.revision

    def places(self) -> tuple[Place, ...]:
        known = dict.fromkeys([ADA, BEN, *(text.theirs for text in self.account.texts)])
        return tuple(
            Place(
                id=number,
                title=f"{_NAMES[number]} · {number}" if number in _NAMES else number,
                kind="phone",
                person=_NAMES.get(number, number),
            )
            for number in known
        )

    def view(self, place: str) -> tuple[Bubble, ...]:
        return bubbles(self.account, place, _NAMES.get(place, place))

    def is_typing(self, place: str) -> bool:
        return False  # text messages have no such sign

    async def writes(self, place: str, text: str, *, thread: str | None = None) -> None:
        await self.says(text, chat=place)

    async def presses(self, place: str, bubble: str, value: str) -> None:
        raise LookupError("text messages have no buttons")

    # --- the wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            if request.url.path.startswith("/control/"):
                response = await self._control(request.url.path[9:], request)
            else:
                response = await self._serve(request)
        except Dropped:
            await _drop(receive, send)
            return
        await response(scope, receive, send)

    async def _serve(self, request: Request) -> Response:
        if request.url.path.startswith("/files/"):
            return self.api.file(request.url.path[7:])
        operation = operation_of(request)
        params = await parameters_of(request)
        recorded = self._record(operation.name if operation else request.url.path, params)
        try:
            basic_auth(request, self.account)
            if operation is None:
                raise Refusal(20404, request.url.path, status=404)
            fault = self._fault_for(recorded)
            failure = await before(fault) if fault else None
            answer = failure or self._carry_out(operation.name, operation.sid, recorded, fault)
            recorded.status = answer.status_code
        except Refusal as refusal:
            recorded.status = refusal.status
            return JSONResponse(refusal.body(), status_code=refusal.status)
        finally:
            self._write_log(recorded)
        return answer

    def _carry_out(self, name: str, sid: str, recorded: Recorded, fault: Fault | None) -> Response:
        answer, text = self.api.carry_out(name, sid, recorded.params)
        if text is not None:
            recorded.accepted_message_id = text.sid
            self.report(text, fault)
        return (after(fault) if fault else None) or answer

    def _fault_for(self, recorded: Recorded) -> Fault | None:
        for fault in self.faults:
            if fault.hits(recorded.method, str(recorded.params.get("To", ""))):
                fault.times -= 1
                recorded.fault = fault.kind
                return fault
        return None

    # --- the log, and acts from outside

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
        result = getattr(self, name)(**arguments)
        response: httpx.Response | None = await result if asyncio.iscoroutine(result) else None
        return JSONResponse({"ok": True, "webhook_status": response and response.status_code})


async def _drop(receive: Receive, send: Send) -> None:
    """Close the connection without a byte, where the server lets us reach it (uvicorn does)."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        return
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def create_emulator() -> SmsEmulator:
    return SmsEmulator()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8083)
    parser.add_argument("--account-sid", default=DEFAULT_SID)
    parser.add_argument("--number", default=DEFAULT_NUMBER, help="the number that sends")
    parser.add_argument("--webhook", help="where people's messages are posted")
    parser.add_argument("--log", type=Path, help="append every request to this JSONL file")
    arguments = parser.parse_args()
    emulator = SmsEmulator(
        account_sid=arguments.account_sid, number=arguments.number, log_path=arguments.log
    )
    if arguments.webhook:
        emulator.connect(arguments.webhook)
    uvicorn.run(
        emulator, host=arguments.host, port=arguments.port, log_level="warning", lifespan="off"
    )


if __name__ == "__main__":
    main()
