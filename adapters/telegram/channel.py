"""Telegram: verify, parse, send and classify over the Bot API, by webhook or by long polling."""

import hmac
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

import structlog
from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramBadRequest
from aiogram.methods import (
    AnswerCallbackQuery,
    DeleteWebhook,
    GetFile,
    GetMe,
    SendChatAction,
    SetWebhook,
    TelegramMethod,
)
from aiogram.types import Message

from adapters.telegram import buttons, errors, media, poll, stream
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
    Rate,
    SendResult,
)
from shared.errors import ChannelError, InvalidInput, MessageRejected, VerificationError

log = structlog.get_logger()
T = TypeVar("T")

MAX_CONNECTIONS = 40

_BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}")
_SECRET_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")


class TelegramChannel:
    """A ChannelAdapter that also types, acknowledges taps, grows answers, downloads, listens and
    connects webhooks."""

    name: ClassVar[str] = "telegram"
    credential_names: ClassVar[frozenset[str]] = frozenset({"bot_token", "secret_token"})
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_text=stream.MAX_TEXT,
        text_unit="utf16",
        marks=frozenset({"bold", "italic", "strike", "code", "pre", "link", "quote"}),
        buttons=20,
        button_value_bytes=buttons.CALLBACK_BYTES - len("v:"),
        edit=True,
        delete=True,
        reactions=True,
        threads=True,
        typing_seconds=5.0,
        attachments=frozenset({"image", "file"}),
        caption_max=media.MAX_CAPTION,
        streaming="edit",
        stream_seconds=1.0,
        # https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this: about
        # 30 a second, one a second in a chat with short bursts, 20 a minute in a group (here any
        # minute: five at once and a quarter a second).
        account_rate=Rate(per_second=30, burst=30),
        conversation_rate=Rate(per_second=1, burst=3),
        group_rate=Rate(per_second=0.25, burst=5),
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
        if part.attachments:
            return await self._send_media(to, part, account)
        return await self._post(to, stream.message(to, part.text, part), account)

    async def _send_media(self, to: Address, part: OutboundPart, account: Account) -> SendResult:
        """One attachment with its caption; what Telegram can't fetch becomes a link."""
        attachment = part.attachments[0]
        if media.is_sendable(attachment):
            try:
                return await self._post(to, media.method(to, part, attachment), account)
            except TelegramBadRequest as error:
                if not media.was_not_fetched(error):
                    raise
        linked = replace(part, text=media.as_link(part, attachment), attachments=())
        result = await self.send(to, linked, account)
        return replace(result, warnings=("attachment_as_link",))

    async def _post(
        self, to: Address, method: TelegramMethod[Message], account: Account
    ) -> SendResult:
        try:
            message_id = (await self._bot(account)(method)).message_id
        except ClientDecodeError as error:
            message_id = _message_id(error)
        return SendResult(external_ids=(f"{to.chat}:{message_id}",))

    # --- answers that grow

    async def start_stream(self, to: Address, markdown: str, account: Account) -> str:
        result = await self._post(to, stream.message(to, stream.fitted(markdown)), account)
        return result.external_ids[0]

    async def grow_stream(
        self, to: Address, external_id: str, shown: str, markdown: str, account: Account
    ) -> None:
        await self._edit(stream.edit(external_id, stream.fitted(markdown)), account)

    async def end_stream(
        self, to: Address, external_id: str, part: OutboundPart, account: Account
    ) -> SendResult:
        """The part in place of what grew; MessageRejected when its chat has moved away."""
        if not stream.is_in(external_id, to):
            raise MessageRejected("The growing message stands in another chat.", code="chat_moved")
        await self._edit(stream.edit(external_id, part.text, part), account)
        return SendResult(external_ids=(external_id,))

    async def _edit(self, method: TelegramMethod[Any], account: Account) -> None:
        try:
            await self._bot(account)(method)
        except ClientDecodeError as error:
            _message_id(error)
        except TelegramBadRequest as error:
            if not stream.stands_already(error):
                raise

    # --- what people sent

    async def download(self, ref: str, account: Account) -> AsyncGenerator[bytes, None]:
        """The content of a file by its `file_id`. Raises ChannelError."""
        token, base_url = account.credentials["bot_token"], account.api_base_url
        try:
            file = await self._bot(account)(GetFile(file_id=ref))
            async for chunk in self._clients.content(token, base_url, file.file_path or ""):
                yield chunk
        except Exception as error:
            raise errors.classify(error) from None

    def classify(self, error: Exception) -> ChannelError:
        return errors.classify(error)

    # --- signs of life

    async def typing(self, to: Address, account: Account) -> None:
        await self._bot(account)(
            SendChatAction(
                chat_id=to.chat,
                message_thread_id=stream.thread_of(to),
                action="typing",
            )
        )

    async def ack_action(self, ack: str, account: Account) -> None:
        try:
            await self._bot(account)(AnswerCallbackQuery(callback_query_id=ack))
        except TelegramBadRequest:  # "query is too old": the spinner has stopped by itself
            log.info("telegram.ack_too_late", channel_id=str(account.channel_id))

    # --- where updates come from

    async def connect(self, account: Account, webhook_url: str) -> Mapping[str, str]:
        """Point the bot at our webhook, or at none if it is polled; its name, for @mentions.

        Raises ChannelError.
        """
        me = await self._call(account, GetMe())
        if account.settings.get("mode") == "poll":
            await self.disconnect(account)
        else:
            await self._call(
                account,
                SetWebhook(
                    url=webhook_url,
                    secret_token=account.credentials["secret_token"],
                    allowed_updates=ALLOWED_UPDATES,
                    max_connections=MAX_CONNECTIONS,
                ),
            )
        return {"bot_username": me.username} if me.username else {}

    async def disconnect(self, account: Account) -> None:
        await self._call(account, DeleteWebhook())

    def listen(self, account: Account) -> AsyncGenerator[InboundRequest, None]:
        """Long-poll for ever; see `poll.listen`."""
        return poll.listen(self._bot(account), account)

    async def _call(self, account: Account, method: TelegramMethod[T]) -> T:
        try:
            return await self._bot(account)(method)
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
