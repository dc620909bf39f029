"""Read what a caller of the emulated Web API sent: who it is, and the arguments."""

import base64
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Send

from adapters.slack.emulator_bodies import known_room, needed_scope
from adapters.slack.emulator_oauth import Credentials
from adapters.slack.emulator_rules import Json, Refusal
from adapters.slack.emulator_state import EmulatedBot


def check_scope(bot: EmulatedBot, scope: str, params: Mapping[str, Any]) -> None:
    needed = needed_scope(scope, known_room(bot, dict(params)))
    if needed and needed not in bot.scopes:
        raise Refusal("missing_scope", needed=needed, provided=",".join(bot.scopes))


def bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def arguments(request: Request) -> tuple[Credentials, Json]:
    """Who calls, and the arguments from a query, a form or JSON."""
    params: Json = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/json"):
        params |= await json_body(request)
    elif request.method == "POST":
        async with request.form() as form:
            params |= dict(form)
    named = str(params.pop("token", ""))
    client_id, client_secret = _basic(request)
    credentials = Credentials(
        token=bearer(request) or named,
        client_id=client_id or str(params.pop("client_id", "")),
        client_secret=client_secret or str(params.pop("client_secret", "")),
    )
    return credentials, params


def _basic(request: Request) -> tuple[str, str]:
    """Client id and secret, as oauth.v2.access prefers them."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        raise Refusal("invalid_auth") from None
    return name, secret


async def json_body(request: Request) -> Json:
    try:
        body = await request.json()
    except ValueError:
        raise Refusal("invalid_json") from None
    if not isinstance(body, dict):
        raise Refusal("json_not_object")
    return body


async def drop(receive: Receive, send: Send) -> None:
    """Close the connection without a byte, where the server lets us reach it (uvicorn does)."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        return
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
