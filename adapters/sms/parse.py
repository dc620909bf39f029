"""Twilio's messaging webhooks to events: pure and total. What is not understood is Unsupported.

https://www.twilio.com/docs/messaging/guides/webhook-request, and for status callbacks
https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
"""

import hashlib
import re
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from adapters.sms.form import fields_of, is_form
from adapters.sms.numbers import timezone_of
from core.channels import (
    Account,
    Address,
    ChannelEvent,
    InboundAttachment,
    InboundRequest,
    MessageEvent,
    OptEvent,
    Parsed,
    ReceiptEvent,
    Reply,
    Sender,
    Unsupported,
)
from shared.utils.text import is_blank

# TwiML that says nothing: answers go out by the REST API.
NOTHING = Reply(
    body='<?xml version="1.0" encoding="UTF-8"?><Response/>', content_type="application/xml"
)
OPTED_OUT = "21610"  # https://www.twilio.com/docs/api/errors/21610
RETRIED = ("30001", "30008")  # a full queue, an unknown error

_SID = re.compile(r"[A-Za-z0-9]{1,64}")
_MAX_ADDRESS = 100
_MAX_MEDIA = 10  # https://www.twilio.com/docs/messaging/api/media-resource

State = Literal["queued", "sent", "delivered", "read", "failed", "undelivered", "canceled"]
_STATES: dict[str, State] = {
    "accepted": "queued",
    "scheduled": "queued",
    "queued": "queued",
    "sending": "queued",
    "sent": "sent",
    "partially_delivered": "sent",
    "delivered": "delivered",
    "read": "read",
    "failed": "failed",
    "undelivered": "undelivered",
    "canceled": "canceled",
}
_INBOUND = ("received", "receiving", "")

Opt = Literal["in", "out", "help"]
_OPT_TYPES: dict[str, Opt] = {"STOP": "out", "START": "in", "HELP": "help"}
# Twilio's own words: https://help.twilio.com/articles/223134027
_WORDS: dict[str, Opt] = {
    **dict.fromkeys(
        ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"), "out"
    ),
    **dict.fromkeys(("START", "YES", "UNSTOP"), "in"),
    **dict.fromkeys(("HELP", "INFO"), "help"),
}
_ALSO_AN_ANSWER = ("YES",)

_KINDS = {"image": "photo", "audio": "audio", "video": "video"}
_CONTACT_CARDS = ("text/vcard", "text/x-vcard", "text/directory")

Fields = dict[str, Any]
"""What every event of one request has: creator, channel, external id, time, address, sender."""


def parse_request(request: InboundRequest, account: Account) -> Parsed:
    """The events of one webhook; never raises."""
    fields: Fields = {
        "creator_id": account.creator_id,
        "channel_id": account.channel_id,
        "external_id": f"body:{hashlib.sha256(request.body).hexdigest()}",
        "occurred_at": request.received_at,
        "address": Address(chat="unknown"),
        "sender": Sender(address="unknown"),
    }
    if not is_form(request):
        return Parsed(events=(Unsupported(**fields, reason="content_type"),), reply=NOTHING)
    try:
        form = fields_of(request.body)
    except ValueError:
        return Parsed(events=(Unsupported(**fields, reason="shape"),), reply=NOTHING)
    return Parsed(events=_events(form, fields | {"raw": form}, request, account), reply=NOTHING)


def _events(
    form: dict[str, str], fields: Fields, request: InboundRequest, account: Account
) -> tuple[ChannelEvent, ...]:
    sid = _first(form, "MessageSid", "SmsMessageSid", "SmsSid")
    # An inbound message carries SmsStatus=received, so a status alone makes no callback.
    status = _first(form, "MessageStatus", "SmsStatus").lower()
    is_inbound = status in _INBOUND
    theirs = form.get("From" if is_inbound else "To", "").strip()
    ours = form.get("To" if is_inbound else "From", "").strip()
    if not _SID.fullmatch(sid) or not theirs or max(len(theirs), len(ours)) > _MAX_ADDRESS:
        return (Unsupported(**fields, reason="shape"),)
    fields |= _place(theirs, ours, form.get("MessagingServiceSid", ""), account)
    if is_inbound:
        return _inbound(form, fields | {"external_id": sid}, sid, account)
    fields |= {"external_id": f"{sid}:{status[:50]}"}
    if status not in _STATES:
        return (Unsupported(**fields, reason="status"),)
    return _receipt(form, fields, sid, _STATES[status], request)


def _first(form: dict[str, str], *names: str) -> str:
    """The first of these fields that says something."""
    return next((form[name] for name in names if form.get(name)), "")


def _place(theirs: str, ours: str, service: str, account: Account) -> Fields:
    """`space` is our side where it isn't the channel's own: another number, not of its service."""
    own_service = account.credentials.get("messaging_service_sid", "")
    is_own = ours in ("", account.credentials.get("from_number"))
    is_own = is_own or (own_service != "" and service in ("", own_service))
    space = None if is_own else ours
    return {
        "address": Address(chat=theirs, person=theirs, space=space),
        "sender": Sender(address=theirs, timezone=timezone_of(theirs)),
    }


# --- what people send


def _inbound(
    form: dict[str, str], fields: Fields, sid: str, account: Account
) -> tuple[ChannelEvent, ...]:
    text = form.get("Body", "")
    attachments = _attachments(form)
    if fields["sender"].address == account.credentials.get("from_number"):
        return (Unsupported(**fields, reason="own"),)  # a number that answers itself never stops
    word = text.strip().upper()
    choice = _OPT_TYPES.get(form.get("OptOutType", "").upper()) or _WORDS.get(word)
    if is_blank(text) and not attachments:
        return (Unsupported(**fields, reason="empty"),)
    message = MessageEvent(**fields, text=text, attachments=attachments, message_external_id=sid)
    if choice is None or (attachments and choice != "out"):
        return (message,)
    # Twilio subscribes again who had left, and lets everybody else's "yes" be an answer.
    is_answer = word in _ALSO_AN_ANSWER and not form.get("OptOutType")
    return (OptEvent(**fields, choice=choice, answer=message if is_answer else None),)


def _attachments(form: dict[str, str]) -> tuple[InboundAttachment, ...]:
    """Media by number; what is announced but has no address still came."""
    announced = form.get("NumMedia", "")
    count = int(announced) if announced.isascii() and announced.isdecimal() else 0
    numbers = [n for n in range(_MAX_MEDIA) if n < count or form.get(f"MediaUrl{n}")]
    return tuple(
        _attachment(form.get(f"MediaUrl{n}", ""), form.get(f"MediaContentType{n}", ""))
        for n in numbers
    )


def _attachment(url: str, media_type: str) -> InboundAttachment:
    kind = _KINDS.get(media_type.partition("/")[0].lower(), "document")
    if media_type.lower() in _CONTACT_CARDS:
        kind = "contact"
    return InboundAttachment(kind=kind, ref=url, media_type=media_type)


# --- what became of ours


def _receipt(
    form: dict[str, str], fields: Fields, sid: str, state: State, request: InboundRequest
) -> tuple[ChannelEvent, ...]:
    code = form.get("ErrorCode", "").strip()[:50]
    message_id, part = _own_name(request.url)
    receipt = ReceiptEvent(
        **fields,
        message_external_id=sid,
        message_id=message_id,
        part=part,
        state=state,
        error_code=code if code not in ("", "0") else None,
        retryable=code in RETRIED,
    )
    if code != OPTED_OUT:
        return (receipt,)
    # They left by a word that never came to us: to another number of the pool, to the carrier.
    opted = OptEvent(**fields | {"external_id": f"{fields['external_id']}:opt"}, choice="out")
    return receipt, opted


def _own_name(url: str) -> tuple[UUID | None, int]:
    """The message and part that `send` put into the callback's address."""
    try:
        query = parse_qs(urlsplit(url).query, max_num_fields=20)
        return UUID(query["m"][0]), int(query["p"][0][:4])
    except (ValueError, KeyError):
        return None, 0
