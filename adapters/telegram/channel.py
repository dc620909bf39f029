"""Telegram: verify, parse, send and classify over the Bot API, by webhook or by long polling."""

import hmac
import re
from collections.abc import AsyncGenerator
from typing import Any, ClassVar
from urllib.parse import urlsplit

import structlog
from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramBadRequest
from aiogram.methods import (
    AnswerCallbackQuery,
    DeleteWebhook,
    SendChatAction,
    SendMessage,
    SetWebhook,
    TelegramMethod,
)
from aiogram.types import LinkPreviewOptions

from adapters.telegram import buttons, errors, poll, render
from adapters.telegram.client import Clients
from adapters.telegram.parse import parse_update
from adapters.telegram.poll import ALLOWED_UPDATES, SECRET_HEADER
from core.channels import (
    Account,
    Address,
    Capabilities,
    ChannelEvent,
    InboundRequest,
    OutboundPart,
    Parsed,
    SendResult,
)
from shared.errors import ChannelError, InvalidInput, VerificationError

log = structlog.get_logger()

MAX_CONNECTIONS = 40

_BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}")
_SECRET_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")


class TelegramChannel:
    """A ChannelAdapter that also types, acknowledges taps, listens and connects webhooks."""

    name: ClassVar[str] = "telegram"
    credential_names: ClassVar[frozenset[str]] = frozenset({"bot_token", "secret_token"})
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_text=4096,
        text_unit="utf16",
        marks=frozenset({"bold", "italic", "strike", "code", "pre", "link", "quote"}),
        buttons=20,
        button_value_bytes=buttons.CALLBACK_BYTES - len("v:"),
        edit=True,
        delete=True,
        reactions=True,
        threads=True,
        typing_seconds=5.0,
        streaming="none",
        ack_seconds=60.0,
    )

    def __init__(self) -> None:
        self._clients = Clients()

    # --- accounts

    def check_account(self, account: Account) -> None:
        """Raise InvalidInput, without showing a secret, when the account can't work."""
        if not _BOT_TOKEN.fullmatch(account.credentials.get("bot_token", "")):
            raise InvalidInput("bot_token must look like 123456:ABC-DEF; BotFather gives it.")
        if not _SECRET_TOKEN.fullmatch(account.credentials.get("secret_token", "")):
            raise InvalidInput("secret_token must be 1 to 256 letters, digits, _ or -.")
        if account.settings.get("mode", "webhook") not in ("webhook", "poll"):
            raise InvalidInput('mode must be "webhook" or "poll".')
        if account.api_base_url is not None:
            _check_base_url(account.api_base_url)

    def _bot(self, account: Account) -> Bot:
        return self._clients.bot(account.credentials["bot_token"], account.api_base_url)

    # --- inbound

    async def verify(self, request: InboundRequest, account: Account) -> None:
        """Compare the secret Telegram repeats; without one configured nothing passes."""
        expected = account.credentials.get("secret_token", "")
        given = request.headers.get(SECRET_HEADER, "")
        if not expected or not hmac.compare_digest(_bytes(given), _bytes(expected)):
            raise VerificationError

    def parse(self, request: InboundRequest, account: Account) -> Parsed:
        return parse_update(request, account)

    def conversation(self, event: ChannelEvent) -> str:
        """The chat, which in a private chat is the person; a forum topic is its own."""
        address = event.address
        return f"{address.chat}/{address.thread}" if address.thread else address.chat

    # --- outbound

    async def send(self, to: Address, part: OutboundPart, account: Account) -> SendResult:
        method = SendMessage(
            chat_id=to.chat,
            message_thread_id=int(to.thread) if to.thread else None,
            text=part.text.text,
            entities=render.entities(part.text) or None,
            reply_markup=buttons.keyboard(part),
            link_preview_options=LinkPreviewOptions(is_disabled=True),
            parse_mode=None,
        )
        try:
            message_id = (await self._bot(account)(method)).message_id
        except ClientDecodeError as error:
            message_id = _message_id(error)
        return SendResult(external_ids=(f"{to.chat}:{message_id}",))

    def classify(self, error: Exception) -> ChannelError:
        return errors.classify(error)

    async def typing(self, to: Address, account: Account) -> None:
        await self._bot(account)(
            SendChatAction(
                chat_id=to.chat,
                message_thread_id=int(to.thread) if to.thread else None,
                action="typing",
            )
        )

    async def ack_action(self, ack: str, account: Account) -> None:
        try:
            await self._bot(account)(AnswerCallbackQuery(callback_query_id=ack))
        except TelegramBadRequest:  # "query is too old": the spinner has stopped by itself
            log.info("telegram.ack_too_late", channel_id=str(account.channel_id))

    # --- where updates come from

    async def connect(self, account: Account, webhook_url: str) -> None:
        """Point the bot at our webhook; a polled bot must have none. Raises ChannelError."""
        if account.settings.get("mode") == "poll":
            await self.disconnect(account)
            return
        await self._call(
            account,
            SetWebhook(
                url=webhook_url,
                secret_token=account.credentials["secret_token"],
                allowed_updates=ALLOWED_UPDATES,
                max_connections=MAX_CONNECTIONS,
            ),
        )

    async def disconnect(self, account: Account) -> None:
        await self._call(account, DeleteWebhook())

    def listen(self, account: Account) -> AsyncGenerator[InboundRequest, None]:
        """Long-poll for ever; see `poll.listen`."""
        return poll.listen(self._bot(account), account)

    async def _call(self, account: Account, method: TelegramMethod[Any]) -> None:
        try:
            await self._bot(account)(method)
        except Exception as error:
            raise errors.classify(error) from None

    async def close(self) -> None:
        await self._clients.close()


def create_adapter() -> TelegramChannel:
    return TelegramChannel()


def _message_id(error: ClientDecodeError) -> int:
    """The id in an answer that says ok but lacks fields aiogram wants: the message is out."""
    answer = error.data if isinstance(error.data, dict) else {}
    result = answer.get("result")
    if answer.get("ok") is True and isinstance(result, dict):
        message_id = result.get("message_id")
        if isinstance(message_id, int):
            return message_id
    raise error


def _bytes(header: str) -> bytes:
    return header.encode("utf-8", "surrogatepass")


def _check_base_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_valid = is_valid and parts.port != 0 and not parts.username and not parts.password
        (parts.hostname or "").encode("idna")
    except ValueError:  # of which UnicodeError is one
        is_valid = False
    # Braces would be read as placeholders, a query or fragment would swallow the method's name.
    if not is_valid or re.search(r"[{}?#\s]", url):
        raise InvalidInput("api_base_url must be a plain http(s) address of a Bot API server.")
