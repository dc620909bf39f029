"""Text messages through Twilio: verify, parse, send and classify; receipts, media, opt-outs."""

import re
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from twilio.rest import Client

from adapters.sms import errors, find, hooks, media, signature
from adapters.sms.client import Clients
from adapters.sms.numbers import can_send
from adapters.sms.parse import parse_request
from adapters.sms.render import MAX_BODY, Rendered, render
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
from shared.errors import ChannelError, InvalidInput, MessageRejected, OutcomeUnknown
from shared.messages import Attachment

_ACCOUNT_SID = re.compile(r"AC[0-9A-Za-z]{32}")
_SERVICE_SID = re.compile(r"MG[0-9A-Za-z]{32}")
_SECRET = re.compile(r"[!-~]{1,200}")
_VALID_SECONDS = (1, 36_000)
"""https://www.twilio.com/docs/messaging/api/message-resource: ValidityPeriod"""


class SmsChannel:
    """A ChannelAdapter that also connects webhooks, looks sends up and downloads media."""

    name: ClassVar[str] = "sms"
    credential_names: ClassVar[frozenset[str]] = frozenset(
        ("account_sid", "auth_token", "from_number", "messaging_service_sid", "webhook_secret")
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_text=MAX_BODY,
        text_unit="gsm7_or_ucs2",
        attachments=frozenset({"image"}),
        # A long code sends one segment a second; Twilio queues what comes at once.
        # https://help.twilio.com/articles/115002943027
        account_rate=Rate(per_second=1.0, burst=60),
        conversation_rate=Rate(per_second=1.0, burst=10),
        ack_seconds=15.0,
    )

    def __init__(self) -> None:
        self._clients = Clients()

    # --- accounts

    def check_account(self, account: Account) -> None:
        """Raise InvalidInput, without showing a secret, when the account can't work."""
        given = account.credentials
        if not _ACCOUNT_SID.fullmatch(given.get("account_sid", "")):
            raise InvalidInput("account_sid must be AC and 32 hexadecimal digits.")
        if not _SECRET.fullmatch(given.get("auth_token", "")):
            raise InvalidInput("auth_token must be the account's Auth Token, without spaces.")
        if given.get("webhook_secret") and not _SECRET.fullmatch(given["webhook_secret"]):
            raise InvalidInput("webhook_secret must be a shared key's secret, without spaces.")
        _check_sender(given.get("from_number"), given.get("messaging_service_sid"))
        _check_settings(account)

    # --- inbound

    async def verify(self, request: InboundRequest, account: Account) -> None:
        """The signature by the auth token, or by the shared key where one is configured."""
        given = account.credentials
        signature.check(request, (given.get("auth_token", ""), given.get("webhook_secret", "")))

    def parse(self, request: InboundRequest, account: Account) -> Parsed:
        return parse_request(request, account)

    def conversation(self, event: ChannelEvent) -> str:
        """Their number, and ours where it isn't the channel's own number or service."""
        address = event.address
        return f"{address.chat}/{address.space}" if address.space else address.chat

    def place_of(self, address: str) -> tuple[str, Address]:
        """A number can be texted before it has written."""
        return address, Address(chat=address, person=address)

    # --- outbound

    def segments(self, part: OutboundPart) -> int:
        return render(part.text.text).segments

    async def send(self, to: Address, part: OutboundPart, account: Account) -> SendResult:
        rendered, pictures, warnings = fitted(part, account)
        parameters: dict[str, Any] = {
            **sender_of(to, account),
            "body": rendered.body or None,
            "media_url": pictures or None,
            "status_callback": callback_url(part, account),
            "validity_period": validity_of(part),
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        message = await self._client(account).messages.create_async(to=to.chat, **given)
        if not message.sid:
            raise OutcomeUnknown("Twilio's answer names no message.")
        return SendResult(external_ids=(message.sid,), warnings=(rendered.note, *warnings))

    def classify(self, error: Exception) -> ChannelError:
        return errors.classify(error)

    async def find(
        self, to: Address, part: OutboundPart, account: Account, since: datetime
    ) -> SendResult | None:
        """See `find.find`: certain only where exactly one message can be it, or none."""
        rendered, pictures, _ = fitted(part, account)
        if pictures:
            raise OutcomeUnknown("A picture message can't be told from its listing.")
        try:
            sid = await find.find(self._client(account), to.chat, rendered.body, since)
        except Exception as error:
            raise errors.classify(error) from None
        return SendResult(external_ids=(sid,), warnings=(rendered.note,)) if sid else None

    def download(self, ref: str, account: Account) -> AsyncGenerator[bytes, None]:
        return media.download(ref, account)

    # --- where webhooks go

    async def connect(self, account: Account, webhook_url: str) -> None:
        """Point the number, or the service, at our webhook. Raises ChannelError."""
        try:
            await hooks.connect(self._client(account), account, webhook_url)
        except Exception as error:
            raise errors.classify(error) from None

    async def disconnect(self, account: Account) -> None:
        """Take our webhook back; somebody else's stays. Raises ChannelError."""
        try:
            await hooks.disconnect(self._client(account), account)
        except Exception as error:
            raise errors.classify(error) from None

    def _client(self, account: Account) -> Client:
        return self._clients.client(account)

    async def close(self) -> None:
        await self._clients.close()


def create_adapter() -> SmsChannel:
    return SmsChannel()


# --- one part as Twilio's parameters


def fitted(part: OutboundPart, account: Account) -> tuple[Rendered, list[str], tuple[str, ...]]:
    """Body, pictures and warnings: pictures go as such in MMS, which must be allowed, else as
    links. https://help.twilio.com/articles/223179808: MMS is for the USA and Canada."""
    text = part.text.text
    pictures = [attachment.url for attachment in part.attachments]
    if pictures and account.settings.get("mms") is not True:
        lines = [text, *map(_as_text, part.attachments)]
        return _within_limit("\n\n".join(filter(None, lines))), [], ("attachment_as_link",)
    return _within_limit(text), pictures, ()


def _as_text(attachment: Attachment) -> str:
    return "\n".join(filter(None, (attachment.description or attachment.name, attachment.url)))


def _within_limit(text: str) -> Rendered:
    rendered = render(text)
    if len(rendered.body) > MAX_BODY:
        raise MessageRejected(f"The text is longer than {MAX_BODY} characters.", code="too_long")
    return rendered


def sender_of(to: Address, account: Account) -> dict[str, str]:
    """The number that the person wrote to; by default the channel's own number or service."""
    given = account.credentials
    ours = to.space or given.get("messaging_service_sid") or given.get("from_number") or ""
    return {"messaging_service_sid" if _SERVICE_SID.fullmatch(ours) else "from_": ours}


def callback_url(part: OutboundPart, account: Account) -> str | None:
    """Where the message's states are reported, with our own name of the part."""
    if not account.webhook_url or not _is_reachable(account):
        return None
    return f"{account.webhook_url}?m={part.message_id}&p={part.index}"


def _is_reachable(account: Account) -> bool:
    """Twilio refuses a message whose callback is on a machine without a public name."""
    host = urlsplit(account.webhook_url).hostname or ""
    return account.api_base_url is not None or not (
        host in ("localhost", "::1") or host.startswith("127.")
    )


def validity_of(part: OutboundPart) -> int | None:
    """Seconds that the message may wait in Twilio's queue."""
    if part.valid_seconds is None:
        return None
    least, most = _VALID_SECONDS
    return int(min(max(part.valid_seconds, least), most))


# --- checks


def _check_sender(from_number: str | None, service_sid: str | None) -> None:
    if bool(from_number) == bool(service_sid):
        raise InvalidInput("Give either from_number or messaging_service_sid.")
    if from_number and not can_send(from_number):
        raise InvalidInput("from_number must look like +15550001111, or be a short code.")
    if service_sid and not _SERVICE_SID.fullmatch(service_sid):
        raise InvalidInput("messaging_service_sid must be MG and 32 hexadecimal digits.")


def _check_settings(account: Account) -> None:
    if not isinstance(account.settings.get("mms", False), bool):
        raise InvalidInput("mms must be true or false.")
    if account.api_base_url is not None:
        _check_base_url(account.api_base_url)


def _check_base_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_valid = is_valid and parts.port != 0 and not parts.username and not parts.password
        (parts.hostname or "").encode("idna")
    except ValueError:  # of which UnicodeError is one
        is_valid = False
    if not is_valid or re.search(r"[?#\s]", url):
        raise InvalidInput("api_base_url must be a plain http(s) address of Twilio's API.")
