"""The Bot API over HTTP: aiogram's session with our deadlines, and failures told apart by whether
bytes had left. The bot token stands in every URL, so no error raised here carries one."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from functools import cache
from typing import Any, cast

import aiohttp
import certifi
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramNetworkError,
    TelegramRetryAfter,
)
from aiogram.methods import GetFile, TelegramMethod
from aiogram.methods.base import TelegramType

OFFICIAL_API = "https://api.telegram.org"
REQUEST_SECONDS = 10.0
CONNECT_SECONDS = 2.0
DOWNLOAD_SECONDS = 60.0  # a bot may fetch 20 MB
CHUNK_BYTES = 64 * 1024
KEEP_ALIVE_SECONDS = 4.0
"""Below the 5 s after which common servers close: a send that races with that close is lost to us
as "outcome unknown"."""


class NotSent(TelegramNetworkError):
    """The connection was never made: no byte of the request left."""


class NoAnswer(TelegramNetworkError):
    """The request left, or may have; no answer came."""


class UnreadableAnswer(TelegramNetworkError):
    """An answer came that is not the Bot API's: of a proxy, or of another server."""

    def __init__(self, method: TelegramMethod[Any], status: int) -> None:
        super().__init__(method=method, message=f"HTTP {status} without a Bot API body")
        self.status = status


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


class Session(AiohttpSession):
    """One connection pool per Bot API server, shared by every bot on it."""

    def __init__(self, base_url: str) -> None:
        super().__init__(api=TelegramAPIServer.from_base(base_url), timeout=REQUEST_SECONDS)
        self._connector_init |= {"ssl": _tls(), "keepalive_timeout": KEEP_ALIVE_SECONDS}

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,  # noqa: ASYNC109  (aiogram's signature)
    ) -> TelegramType:
        status, content = await self._post(bot, method, timeout or self.timeout)
        try:
            response = self.check_response(
                bot=bot, method=method, status_code=status, content=content
            )
        except ClientDecodeError:
            if status == 200:
                raise
            raise _unreadable(method, status) from None
        except TelegramAPIError as error:
            if status == 429 and not isinstance(error, TelegramRetryAfter):
                raise _retry_after(method) from None
            raise
        return cast(TelegramType, response.result)

    async def _post(self, bot: Bot, method: TelegramMethod[Any], seconds: float) -> tuple[int, str]:
        """Status and body. Our errors are raised outside the handlers: no cause, no URL in it."""
        session = await self.create_session()
        url = self.api.api_url(token=bot.token, method=method.__api_method__)
        try:
            async with session.post(
                url,
                data=self.build_form_data(bot=bot, method=method),
                timeout=aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS),
                allow_redirects=False,  # a redirected POST could be carried out twice
            ) as response:
                return response.status, (await response.read()).decode(errors="replace")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            failure: TelegramNetworkError = NotSent(method, type(error).__name__)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, UnicodeError) as error:
            # UnicodeError: a host name that can't be looked up.
            failure = NotSent(method, type(error).__name__)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            failure = NoAnswer(method, type(error).__name__)
        raise failure

    async def content(self, token: str, path: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file that getFile named. Asking twice is harmless: NotSent on any loss."""
        session = await self.create_session()
        method = GetFile(file_id="")
        failure: TelegramAPIError
        try:
            async with session.get(
                self.api.file_url(token, path),
                timeout=aiohttp.ClientTimeout(
                    total=DOWNLOAD_SECONDS, connect=CONNECT_SECONDS, sock_read=REQUEST_SECONDS
                ),
                allow_redirects=False,
            ) as response:
                if response.status == 200:
                    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                        yield chunk
                    return
                failure = _no_file(method, response.status)
        except (TimeoutError, aiohttp.ClientError, UnicodeError, OSError) as error:
            failure = NotSent(method, type(error).__name__)
        raise failure


def _no_file(method: TelegramMethod[Any], status: int) -> TelegramAPIError:
    if status == 429:
        return _retry_after(method)
    if status >= 500:
        return NotSent(method, f"HTTP {status}")
    return TelegramBadRequest(method, f"Bad Request: the file is not there (HTTP {status})")


def _unreadable(method: TelegramMethod[Any], status: int) -> TelegramAPIError:
    return _retry_after(method) if status == 429 else UnreadableAnswer(method, status)


def _retry_after(method: TelegramMethod[Any]) -> TelegramRetryAfter:
    """A 429 that doesn't say how long to wait."""
    return TelegramRetryAfter(method=method, message="Too Many Requests", retry_after=1)


class Clients:
    """The sessions in use, by server."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def bot(self, token: str, base_url: str | None) -> Bot:
        return Bot(token, session=self._session(base_url))

    def content(self, token: str, base_url: str | None, path: str) -> AsyncGenerator[bytes, None]:
        """See `Session.content`."""
        return self._session(base_url).content(token, path)

    def _session(self, base_url: str | None) -> Session:
        base = (base_url or OFFICIAL_API).rstrip("/")
        session = self._sessions.get(base)
        if session is None:
            session = self._sessions[base] = Session(base)
        return session

    async def close(self) -> None:
        sessions = list(self._sessions.values())
        self._sessions.clear()
        await asyncio.gather(*(session.close() for session in sessions))
