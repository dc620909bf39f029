"""The routes of the emulated REST API: which operation a request is, who may ask, its answer."""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from adapters.sms.emulator_account import EmulatedAccount, Json, Text
from adapters.sms.emulator_rules import Refusal, not_found

_ACCOUNT = r"/2010-04-01/Accounts/(?P<account>\w+)"
_ROUTES = tuple(
    (method, re.compile(pattern), name)
    for method, pattern, name in (
        ("POST", rf"{_ACCOUNT}/Messages\.json", "messages.create"),
        ("GET", rf"{_ACCOUNT}/Messages\.json", "messages.list"),
        ("GET", rf"{_ACCOUNT}/Messages/(?P<sid>\w+)\.json", "messages.fetch"),
        ("GET", rf"{_ACCOUNT}/Messages/\w+/Media/(?P<sid>\w+)", "media.fetch"),
        ("GET", rf"{_ACCOUNT}/IncomingPhoneNumbers\.json", "numbers.list"),
        ("POST", rf"{_ACCOUNT}/IncomingPhoneNumbers/(?P<sid>\w+)\.json", "numbers.update"),
        ("GET", rf"{_ACCOUNT}/SMS/ShortCodes\.json", "short_codes.list"),
        ("POST", rf"{_ACCOUNT}/SMS/ShortCodes/(?P<sid>\w+)\.json", "short_codes.update"),
        ("GET", r"/v1/Services/(?P<sid>\w+)", "services.fetch"),
        ("POST", r"/v1/Services/(?P<sid>\w+)", "services.update"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Operation:
    name: str
    sid: str


def operation_of(request: Request) -> Operation | None:
    for method, pattern, name in _ROUTES:
        found = pattern.fullmatch(request.url.path) if request.method == method else None
        if found:
            return Operation(name=name, sid=found.groupdict().get("sid") or "")
    return None


async def parameters_of(request: Request) -> Json:
    """Query and form; a name that comes twice becomes a list."""
    body = (await request.body()).decode("utf-8", "replace")
    given = parse_qs(request.url.query, keep_blank_values=True)
    if request.method == "POST":
        given |= parse_qs(body, keep_blank_values=True)
    return {name: values[0] if len(values) == 1 else values for name, values in given.items()}


def basic_auth(request: Request, account: EmulatedAccount) -> None:
    """Raise the API's 401 unless the account asks with its token, and for itself."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        given = b""
    wanted = f"{account.sid}:{account.token}".encode()
    if scheme.lower() != "basic" or not hmac.compare_digest(given, wanted):
        raise Refusal(20003, status=401)
    owner = re.match(_ACCOUNT, request.url.path)
    if owner and owner["account"] != account.sid:
        raise not_found(request.url.path)


class Api:
    """Carries operations out on an account."""

    def __init__(self, account: EmulatedAccount) -> None:
        self._account = account

    def carry_out(self, name: str, sid: str, params: Json) -> tuple[Response, Text | None]:
        """The answer, and the message that was accepted, if one was."""
        account = self._account
        match name:
            case "messages.create":
                text = account.create_message(params, _listed(params.get("MediaUrl")))
                return JSONResponse(account.shown(text), status_code=201), text
            case "media.fetch":
                return self._redirected(sid), None
        reads: dict[str, Any] = {
            "messages.list": lambda: account.list_messages(params),
            "messages.fetch": lambda: account.shown(account.text(sid)),
            "numbers.list": lambda: account.list_numbers(params),
            "numbers.update": lambda: account.update_number(sid, params),
            "short_codes.list": lambda: account.list_short_codes(params),
            "short_codes.update": lambda: account.update_number(sid, params),
            "services.fetch": lambda: account.service(sid),
            "services.update": lambda: account.update_service(sid, params),
        }
        return JSONResponse(reads[name]()), None

    def file(self, sid: str) -> Response:
        """A file as Twilio's file server hands it to anybody who knows its address."""
        if sid not in self._account.files:
            return Response(status_code=404)
        media_type, content = self._account.files[sid]
        return Response(content, media_type=media_type)

    def _redirected(self, sid: str) -> Response:
        if sid not in self._account.files:
            raise not_found(f"/Media/{sid}")
        return RedirectResponse(f"/files/{sid}", status_code=307)


def _listed(value: Any) -> list[str]:
    if not value:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
