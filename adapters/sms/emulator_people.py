"""The people who text with an emulated account: what they do becomes a signed webhook.

STOP, START and HELP are dealt with as Twilio does: it answers by itself and still calls us.
https://help.twilio.com/articles/223134027
"""

import re
import time
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import urlencode

import httpx

from adapters.sms import signature
from adapters.sms.emulator_account import EmulatedAccount, Json, Text, new_sid
from adapters.sms.render import segments

ADA = "+12025550101"
BEN = "+447700900102"
WEBHOOK_SECONDS = 15.0  # https://www.twilio.com/docs/api/errors/11200

_STOP = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE")
_START = ("START", "YES", "UNSTOP")
_ANSWERS = {
    "STOP": "You have successfully been unsubscribed. You will not receive any more messages from "
    "this number. Reply START to resubscribe.",
    "START": "You have successfully been re-subscribed to messages from this number. Reply HELP "
    "for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
    "HELP": "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}


class People:
    """Person-level acts. Each returns the webhook's response, None when no webhook is set."""

    account: EmulatedAccount
    client: httpx.AsyncClient | None
    uses_service: bool
    algorithm: Literal["HMAC_SHA1", "HMAC_SHA256"] = "HMAC_SHA1"
    webhook_secret = ""  # of a shared key; the auth token without one
    tells_opt_out_type = True  # False: as accounts without Advanced Opt-Out

    @property
    def number(self) -> str:
        return self.account.pool

    @property
    def service_sid(self) -> str:
        return next(iter(self.account.services))

    async def says(
        self,
        text: str,
        *,
        chat: str = ADA,
        media: Iterable[tuple[str, bytes]] = (),
        **extra: Any,
    ) -> httpx.Response | None:
        """A person texts us; `media` are pictures as (type, bytes), `extra` further fields."""
        return await self.deliver(self.message(text, chat=chat, media=media, **extra))

    async def taps(self, label: str, *, chat: str = ADA) -> httpx.Response | None:
        """Answer the newest numbered list with this label's number: there is nothing to tap."""
        line = re.compile(rf"^(\d+)\. {re.escape(label)}$", re.MULTILINE)
        for text in reversed(self.account.texts):
            found = line.search(text.body) if text.outbound and text.theirs == chat else None
            if found:
                return await self.says(found[1], chat=chat)
        raise LookupError(f"no choice {label!r} for {chat}")

    def message(
        self,
        text: str,
        *,
        chat: str = ADA,
        media: Iterable[tuple[str, bytes]] = (),
        **extra: Any,
    ) -> Json:
        """The form of a message, not yet delivered: `deliver` it as often as a test likes."""
        files = list(media)
        sid = new_sid("MM" if files else "SM")
        ours = str(extra.get("To", self.number))
        form = self._form(sid, text, chat, ours) | self._media(sid, files)
        self.account.add(
            Text(
                sid=sid,
                ours=ours,
                theirs=chat,
                body=text,
                outbound=False,
                at=time.time(),
                status="received",
                service=self.service_sid if self.uses_service else None,
                media=[form[f"MediaUrl{n}"] for n in range(len(files))],
            )
        )
        return form | self._opting(text, chat, ours) | extra

    def _form(self, sid: str, text: str, chat: str, ours: str) -> Json:
        form = {
            "ToCountry": "US",
            "ToState": "DC",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "ToCity": "",
            "FromZip": "",
            "SmsSid": sid,
            "FromState": "",
            "SmsStatus": "received",
            "FromCity": "",
            "Body": text,
            "FromCountry": "",
            "To": ours,
            "ToZip": "",
            "NumSegments": str(segments(text)),
            "MessageSid": sid,
            "AccountSid": self.account.sid,
            "From": chat,
            "ApiVersion": "2010-04-01",
        }
        return form | ({"MessagingServiceSid": self.service_sid} if self.uses_service else {})

    def _media(self, sid: str, files: list[tuple[str, bytes]]) -> Json:
        form: Json = {"NumMedia": str(len(files))}
        for index, (media_type, content) in enumerate(files):
            media = new_sid("ME")
            self.account.files[media] = (media_type, content)
            form[f"MediaContentType{index}"] = media_type
            form[f"MediaUrl{index}"] = (
                f"https://api.twilio.com/2010-04-01/Accounts/{self.account.sid}"
                f"/Messages/{sid}/Media/{media}"
            )
        return form

    def _opting(self, text: str, chat: str, ours: str) -> Json:
        """Twilio's side of STOP, START and HELP: its list, its answer, its field."""
        side = self.service_sid if self.uses_service else ours
        is_out = (side, chat) in self.account.opted_out
        kind = _kind(text.strip().upper(), is_out)
        if not kind:
            return {}
        if kind == "STOP":
            self.account.opted_out.add((side, chat))
        elif kind == "START":
            self.account.opted_out.discard((side, chat))
        if not (kind == "HELP" and is_out):
            self._answer(_ANSWERS[kind], chat, ours)
        return {"OptOutType": kind} if self.tells_opt_out_type else {}

    def _answer(self, body: str, chat: str, ours: str) -> None:
        self.account.add(
            Text(
                sid=new_sid("SM"),
                ours=ours,
                theirs=chat,
                body=body,
                outbound=True,
                at=time.time(),
                status="delivered",
                notice=True,
            )
        )

    # --- webhooks

    async def deliver(self, form: Json) -> httpx.Response | None:
        """Post a message's form to where the number or service says, once."""
        service = self.account.services[self.service_sid]
        url = service["inbound_request_url"] if self.uses_service else None
        url = url or self.account.numbers[str(form["To"])]["sms_url"]
        return await self.post(str(url), form) if url else None

    async def post(self, url: str, form: Json) -> httpx.Response:
        """Post a form, signed as Twilio signs."""
        if self.client is None:
            self.client = httpx.AsyncClient(timeout=WEBHOOK_SECONDS, trust_env=False)
        pairs = [(name, str(value)) for name, value in form.items()]
        secret = self.webhook_secret or self.account.token
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signature.sign(secret, url, pairs, self.algorithm),
            "I-Twilio-Idempotency-Token": new_sid(""),
            "User-Agent": "TwilioProxy/1.1",
        }
        if self.algorithm == "HMAC_SHA256":
            settings = f"key=webhooks_sharedkey_emulated,algorithm={self.algorithm}"
            headers["X-Twilio-Webhooks-Signature-Settings"] = settings
        return await self.client.post(url, content=urlencode(pairs).encode(), headers=headers)


def _kind(word: str, is_out: bool) -> str:
    """Which of Twilio's keywords a text is; a YES of somebody who is in is an answer."""
    if word in _STOP:
        return "STOP"
    if word in _START and (is_out or word != "YES"):
        return "START"
    return "HELP" if word in ("HELP", "INFO") else ""
