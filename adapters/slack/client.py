"""Slack's Web API over HTTP: slack_sdk's client with our deadlines and without its retries, and
failures told apart by whether bytes had left."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

import aiohttp
import certifi
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

OFFICIAL_API = "https://slack.com/api/"
REQUEST_SECONDS = 8.0  # within the ten that a send has, with what belongs to it
CONNECT_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 4.0
"""Below the 5 s after which common servers close: a send that races with that close is lost to us
as "outcome unknown"."""
MAX_ANSWER_BYTES = 10 * 2**20


class CallFailed(Exception):
    """A call to Slack has no answer of Slack's."""

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(f"{method}: {reason}")
        self.reason = reason


class NotSent(CallFailed):
    """The connection was never made: no byte of the request left."""


class NoAnswer(CallFailed):
    """The request left, or may have; no answer came."""


class UnreadableAnswer(CallFailed):
    """An answer came that is not Slack's: of a proxy, or of another server."""

    def __init__(self, method: str, status: int) -> None:
        super().__init__(method, f"HTTP {status} without a Slack body")
        self.status = status


class SlackClient(AsyncWebClient):
    """One attempt a call; a refusal of Slack's is raised as slack_sdk's SlackApiError."""

    def __init__(self, token: str | None, base_url: str, session: aiohttp.ClientSession) -> None:
        super().__init__(token=token, base_url=base_url, session=session, retry_handlers=[])
        self.proxy = None  # slack_sdk takes one from the environment, for loopback too

    async def oauth_v2_access(
        self, *, client_id: str, client_secret: str, **arguments: Any
    ) -> AsyncSlackResponse:
        """With the secret in the form, which Slack takes too: aiohttp will do without the
        BasicAuth that slack_sdk makes a header of."""
        given = {name: value for name, value in arguments.items() if value is not None}
        form = given | {"client_id": client_id, "client_secret": client_secret}
        return await self.api_call("oauth.v2.access", data=form)

    async def _request(
        self, *, http_verb: str, api_url: str, req_args: dict[str, Any]
    ) -> dict[str, Any]:
        method = api_url.removeprefix(self.base_url)
        status, headers, content = await self._exchange(method, http_verb, api_url, req_args)
        data = _json_object(content)
        if data is None:
            if status != 429:
                raise UnreadableAnswer(method, status)
            data = {"ok": False, "error": "ratelimited"}
        return {"data": data, "headers": headers, "status_code": status}

    async def _exchange(
        self, method: str, http_verb: str, api_url: str, req_args: dict[str, Any]
    ) -> tuple[int, Mapping[str, str], bytes]:
        assert self.session is not None  # noqa: S101 - the constructor takes no other
        try:
            async with self.session.request(
                http_verb,
                api_url,
                **req_args,
                allow_redirects=False,  # a redirected POST could be carried out twice
            ) as response:
                content = await response.content.read(MAX_ANSWER_BYTES)
                while not response.content.at_eof() and len(content) < MAX_ANSWER_BYTES:
                    content += await response.content.read(MAX_ANSWER_BYTES - len(content))
                return response.status, response.headers, content
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            failure: CallFailed = NotSent(method, type(error).__name__)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, UnicodeError) as error:
            # UnicodeError: a host name that can't be looked up.
            failure = NotSent(method, type(error).__name__)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            failure = NoAnswer(method, type(error).__name__)
        # Raised outside the handlers: aiohttp's own error holds the request's headers.
        raise failure


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


class Clients:
    """One connection pool; clients are made for each call, since each has its own token."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def api(self, token: str | None, base_url: str | None) -> SlackClient:
        base = (base_url or OFFICIAL_API).rstrip("/") + "/"
        return SlackClient(token, base, self.session())

    def session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=_tls(), keepalive_timeout=KEEP_ALIVE_SECONDS),
                timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),  # tenants share nothing, cookies neither
            )
        return self._session

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await asyncio.sleep(0)  # let transports see their close
