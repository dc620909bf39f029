"""Twilio's REST API over HTTP: the library's client with our deadlines and addresses, and failures
told apart by whether bytes had left. Account and numbers stand in URLs, so no error carries one."""

import asyncio
import json
import ssl
from base64 import b64encode
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import certifi
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

# Imported now: on first use they would hold the event loop up.
from twilio.rest.api.v2010.account import message as _message  # noqa: F401
from twilio.rest.messaging.v1 import service as _service  # noqa: F401

from core.channels import Account

OFFICIAL_API = "https://api.twilio.com"
REQUEST_SECONDS = 10.0
CONNECT_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 4.0
"""Below the 5 s after which common servers close: a send that races with that close is lost to us
as "outcome unknown"."""
DEFAULT_RETRY_SECONDS = 1.0


class NotSent(Exception):
    """The connection was never made: no byte of the request left."""


class NoAnswer(Exception):
    """The request left, or may have; no answer came."""


class TooManyRequests(Exception):
    """429: nothing was taken; `retry_after` in seconds."""

    def __init__(self, retry_after: float, code: int) -> None:
        super().__init__("Too Many Requests")
        self.retry_after = retry_after
        self.code = code


@cache
def tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


class HttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]  # the library has no types
    """One connection pool for every account on one API; the library's own logging shows numbers
    and is left out."""

    def __init__(self, base_url: str | None) -> None:
        super().__init__(pool_connections=False, timeout=REQUEST_SECONDS)
        self._base = base_url.rstrip("/") if base_url else None
        self._pool: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  (twilio's signature)
        allow_redirects: bool = False,
    ) -> Response:
        """Once, without retries. Our errors are raised outside the handlers: no cause, no URL."""
        sent = {
            "params": _strings(params),
            "data": urlencode(data, doseq=True) if data else None,
            "headers": (headers or {}) | (basic_auth(*auth) if auth else {}),
        }
        try:
            answer = await self._exchange(method, self.address(url), sent)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            failure: Exception = NotSent(type(error).__name__)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, UnicodeError) as error:
            # UnicodeError: a host name that can't be looked up.
            failure = NotSent(type(error).__name__)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            failure = NoAnswer(type(error).__name__)
        else:
            if answer.status_code != 429:
                return answer
            failure = _too_many(answer)
        raise failure

    async def _exchange(self, method: str, url: str, sent: dict[str, Any]) -> Response:
        async with self._session().request(
            method,
            url,
            **sent,
            timeout=aiohttp.ClientTimeout(total=self.timeout, connect=CONNECT_SECONDS),
            allow_redirects=False,  # a redirected POST could be carried out twice
        ) as response:
            text = (await response.read()).decode(errors="replace")
            return Response(response.status, text, response.headers)

    def address(self, url: str) -> str:
        """The library knows Twilio's hosts only; ours stands in for all of them."""
        if self._base is None:
            return url
        parts = urlsplit(url)
        return f"{self._base}{parts.path}" + (f"?{parts.query}" if parts.query else "")

    def _session(self) -> aiohttp.ClientSession:
        if self._pool is None or self._pool.closed:
            self._pool = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls(), keepalive_timeout=KEEP_ALIVE_SECONDS)
            )
        return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None


def basic_auth(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


class Clients:
    """The connection pools in use, by API address."""

    def __init__(self) -> None:
        self._https: dict[str | None, HttpClient] = {}

    def client(self, account: Account) -> Client:
        http = self._https.get(account.api_base_url)
        if http is None:
            http = self._https[account.api_base_url] = HttpClient(account.api_base_url)
        credentials = account.credentials
        # An empty environment: the library would look for other people's credentials in ours.
        return Client(
            credentials["account_sid"], credentials["auth_token"], http_client=http, environment=_NO
        )

    async def close(self) -> None:
        https = list(self._https.values())
        self._https.clear()
        await asyncio.gather(*(http.close() for http in https))


_NO = {"": ""}  # true, or the library would take the real one


def _strings(params: dict[str, object] | None) -> dict[str, str] | None:
    return {name: str(value) for name, value in params.items()} if params else None


def _too_many(answer: Response) -> TooManyRequests:
    try:
        code = int(json.loads(answer.text)["code"])
    except (ValueError, TypeError, KeyError):
        code = 20429
    return TooManyRequests(_seconds(answer.headers), code)


def _seconds(headers: Any) -> float:
    """Of Retry-After, when it is a sensible number."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return DEFAULT_RETRY_SECONDS
    return seconds if 0 < seconds <= 86_400 else DEFAULT_RETRY_SECONDS
