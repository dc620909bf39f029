"""One Twilio account on the emulated server: its numbers, services, messages and who left.

https://www.twilio.com/docs/messaging/api
"""

import secrets
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from adapters.sms import render
from adapters.sms.emulator_rules import Refusal, check_message, not_found

Json = dict[str, Any]
API = "/2010-04-01"
_MAX_PAGE = 1000


@dataclass(kw_only=True)
class Text:
    """One text message, in or out. `notice`: Twilio's own answer to STOP, START or HELP."""

    sid: str
    ours: str
    theirs: str
    body: str
    outbound: bool
    at: float
    status: str
    service: str | None = None
    media: list[str] = field(default_factory=list)
    error_code: int | None = None
    callback: str | None = None
    notice: bool = False
    params: Json = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        return self.body

    @property
    def chat(self) -> str:
        return self.theirs

    @property
    def segments(self) -> int:
        return render.segments(self.body)

    @property
    def encoding(self) -> str:
        return render.encoding_of(self.body)


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


class EmulatedAccount:
    """State of one account; methods take parameters and return resources as the API shows them."""

    def __init__(self, sid: str, token: str, number: str, service: str) -> None:
        self.sid = sid
        self.token = token
        self.numbers: dict[str, Json] = {}
        self.services: dict[str, Json] = {}
        self.texts: list[Text] = []
        self.opted_out: set[tuple[str, str]] = set()  # (our number or service, theirs)
        self.files: dict[str, tuple[str, bytes]] = {}  # media by SID: type and bytes
        self.revision = 0
        self.add_number(number)
        self.services[service] = {
            "sid": service,
            "account_sid": sid,
            "friendly_name": "Emulated",
            "inbound_request_url": None,
            "inbound_method": "POST",
            "status_callback": None,
            "use_inbound_webhook_on_number": False,
        }
        self.pool = number

    def add_number(self, number: str) -> None:
        """A long number, or a short code."""
        is_short = not number.startswith("+")
        self.numbers[number] = {
            "sid": new_sid("SC" if is_short else "PN"),
            "account_sid": self.sid,
            "short_code" if is_short else "phone_number": number,
            "friendly_name": number,
            "sms_url": "",
            "sms_method": "POST",
        }

    # --- messages

    def create_message(self, params: Json, media: list[str]) -> Text:
        check_message(params, media)
        service = str(params.get("MessagingServiceSid") or "") or None
        ours, theirs = str(params.get("From") or self.pool), str(params["To"])
        self._check_sides(service, ours, theirs)
        text = Text(
            sid=new_sid("MM" if media else "SM"),
            ours=ours,
            theirs=theirs,
            body=str(params.get("Body") or ""),
            outbound=True,
            at=time.time(),
            status="accepted" if service else "queued",
            service=service,
            media=media,
            callback=self._callback(params, service),
            params=params,
        )
        self.add(text)
        return text

    def _check_sides(self, service: str | None, ours: str, theirs: str) -> None:
        if service and service not in self.services:
            raise Refusal(21701, status=404)
        if ours not in self.numbers:
            raise Refusal(21606, ours)
        if (service or ours, theirs) in self.opted_out:
            raise Refusal(21610)

    def _callback(self, params: Json, service: str | None) -> str | None:
        callback = params.get("StatusCallback")
        if not callback and service:
            callback = self.services[service]["status_callback"]
        return str(callback) if callback else None

    def add(self, text: Text) -> None:
        self.texts.append(text)
        self.revision += 1

    def shown(self, text: Text) -> Json:
        """A message as the API shows it."""
        created = formatdate(text.at)
        uri = f"{API}/Accounts/{self.sid}/Messages/{text.sid}"
        waits = text.outbound and text.status in ("accepted", "queued")
        return {
            "account_sid": self.sid,
            "api_version": "2010-04-01",
            "body": text.body,
            "date_created": created,
            "date_sent": None if waits else created,
            "date_updated": created,
            "direction": _direction(text),
            "error_code": text.error_code,
            "error_message": None,
            "from": (
                (None if text.status == "accepted" else text.ours) if text.outbound else text.theirs
            ),
            "messaging_service_sid": text.service,
            "num_media": str(len(text.media)),
            "num_segments": "0" if text.status == "accepted" else str(text.segments),
            "price": None,
            "price_unit": "USD",
            "sid": text.sid,
            "status": text.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": text.theirs if text.outbound else text.ours,
            "uri": f"{uri}.json",
        }

    def list_messages(self, params: Json) -> Json:
        """Newest first, filtered by To and From, in pages."""
        found = [
            shown
            for shown in map(self.shown, reversed(self.texts))
            if params.get("To") in (None, shown["to"])
            and params.get("From") in (None, shown["from"])
        ]
        size = max(1, min(int(params.get("PageSize") or 50), _MAX_PAGE))
        page = int(params.get("Page") or 0)
        path = f"{API}/Accounts/{self.sid}/Messages.json"
        here = found[page * size : (page + 1) * size]
        is_more = len(found) > (page + 1) * size
        return {
            "messages": here,
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(0, len(here) - 1),
            "uri": f"{path}?PageSize={size}&Page={page}",
            "first_page_uri": f"{path}?PageSize={size}&Page=0",
            "previous_page_uri": f"{path}?PageSize={size}&Page={page - 1}" if page else None,
            "next_page_uri": _next(path, size, page, params) if is_more else None,
        }

    def text(self, sid: str) -> Text:
        for text in self.texts:
            if text.sid == sid:
                return text
        raise not_found(f"{API}/Accounts/{self.sid}/Messages/{sid}.json")

    # --- numbers and services

    def list_numbers(self, params: Json) -> Json:
        return self._numbers("incoming_phone_numbers", "phone_number", params.get("PhoneNumber"))

    def list_short_codes(self, params: Json) -> Json:
        return self._numbers("short_codes", "short_code", params.get("ShortCode"))

    def _numbers(self, collection: str, kind: str, wanted: Any) -> Json:
        ours = [number for number in self.numbers.values() if kind in number]
        found = [number for number in ours if wanted in (None, number[kind])]
        return {collection: found, "page": 0, "page_size": 50, "next_page_uri": None}

    def update_number(self, sid: str, params: Json) -> Json:
        for number in self.numbers.values():
            if number["sid"] == sid:
                names = {"SmsUrl": "sms_url", "SmsMethod": "sms_method"}
                number.update({names[k]: v for k, v in params.items() if k in names})
                return number
        raise not_found(f"{API}/Accounts/{self.sid}/{sid}.json")

    def service(self, sid: str) -> Json:
        if sid not in self.services:
            raise not_found(f"/Services/{sid}")
        return self.services[sid]

    def update_service(self, sid: str, params: Json) -> Json:
        names = {
            "InboundRequestUrl": "inbound_request_url",
            "InboundMethod": "inbound_method",
            "StatusCallback": "status_callback",
            "UseInboundWebhookOnNumber": "use_inbound_webhook_on_number",
        }
        service = self.service(sid)
        service.update({names[k]: v for k, v in params.items() if k in names})
        return service


def _direction(text: Text) -> str:
    if text.notice:
        return "outbound-reply"
    return "outbound-api" if text.outbound else "inbound"


def _next(path: str, size: int, page: int, params: Json) -> str:
    filters = "".join(
        f"&{name}={str(params[name]).replace('+', '%2B')}"
        for name in ("To", "From")
        if params.get(name)
    )
    return f"{path}?PageSize={size}&Page={page + 1}{filters}"
