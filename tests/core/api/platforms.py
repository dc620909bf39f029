"""Platforms as they post to us: a person's words in each one's shape, signed as each one signs.

Written from the platforms' own pages and apart from the adapters, so that both may disagree.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

Json = dict[str, Any]
FORM = "application/x-www-form-urlencoded"
NOW = 1_780_000_000
OUR_NUMBER = "+15005550006"


@dataclass(frozen=True, kw_only=True)
class Platform:
    """`says(text, number)` is the payload of a message; `sign(body, url, credentials, at)` its
    headers at that second; `alone`, `own` and `strange` are payloads that are no words to us."""

    type: str
    credentials: dict[str, str]
    secret: str  # the credential that signs
    is_form: bool
    signs_body: bool
    says: Callable[[str, int], Json]
    sign: Callable[[bytes, str, dict[str, str], int], dict[str, str]]
    alone: Json  # a picture or a voice and nothing else
    own: tuple[Json, ...]  # what a bot wrote, ours or another
    strange: tuple[Json, ...]

    def encode(self, payload: Json) -> bytes:
        if self.is_form:
            return urlencode(payload, errors="surrogatepass").encode()
        return json.dumps(payload).encode()

    @property
    def content_type(self) -> str:
        return FORM if self.is_form else "application/json"

    @property
    def others(self) -> dict[str, str]:
        """Another creator's credentials."""
        return self.credentials | {self.secret: self.credentials[self.secret][::-1]}


# --- Telegram: https://core.telegram.org/bots/api#setwebhook


def _telegram(text: str, number: int, /, **message: Any) -> Json:
    person = {"id": 7, "is_bot": False, "first_name": "Grace", "language_code": "en"}
    chat = {"id": 7, "type": "private", "first_name": "Grace"}
    said = {"message_id": number, "date": NOW, "chat": chat, "from": person}
    content = message or {"text": text}
    return {"update_id": number, "message": {**said, **content}}


def _telegram_headers(
    body: bytes, url: str, credentials: dict[str, str], at: int
) -> dict[str, str]:
    return {"X-Telegram-Bot-Api-Secret-Token": credentials["secret_token"]}


_VOICE = {"file_id": "AwAC", "file_unique_id": "AgAD", "duration": 2, "mime_type": "audio/ogg"}
_BOT = {"id": 123456789, "is_bot": True, "first_name": "Coach", "username": "coach_bot"}

TELEGRAM = Platform(
    type="telegram",
    credentials={"bot_token": "123456789:" + "a" * 35, "secret_token": "s3cret-of-the-webhook"},
    secret="secret_token",
    is_form=False,
    signs_body=False,
    says=_telegram,
    sign=_telegram_headers,
    alone=_telegram("", 900, voice=_VOICE),
    own=(_telegram("", 901, **{"from": _BOT, "text": "/help"}),),
    strange=(
        {"update_id": 1, "novelty": {}},
        {"update_id": 2, "poll_answer": {"poll_id": "5", "option_ids": []}},
        {"update_id": 3, "message": "text"},
        {"update_id": "4", "message": []},
        {},
    ),
)

# --- Slack: https://docs.slack.dev/authentication/verifying-requests-from-slack


def _slack(text: str, number: int, /, **event: Any) -> Json:
    ts = f"{NOW}.{number:06d}"
    inner = {"type": "message", "channel": "D07ADACOACH", "channel_type": "im", "user": "U07ADA01"}
    inner |= {"text": text, "ts": ts, "event_ts": ts, "team": "T07WORKSPACE"}
    bot = {"team_id": "T07WORKSPACE", "user_id": "U07COACHBOT", "is_bot": True}
    return {
        "type": "event_callback",
        "team_id": "T07WORKSPACE",
        "api_app_id": "A07CAIRN",
        "event": inner | event,
        "event_id": f"Ev{number:06d}",
        "event_time": NOW,
        "authorizations": [{**bot, "enterprise_id": None, "is_enterprise_install": False}],
    }


def _slack_headers(body: bytes, url: str, credentials: dict[str, str], at: int) -> dict[str, str]:
    signed = b"v0:%d:%b" % (at, body)
    digest = hmac.new(credentials["signing_secret"].encode(), signed, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": f"v0={digest}"}


_CLIP = {
    "id": "F07VOICE",
    "name": "voice.m4a",
    "mimetype": "audio/mp4",
    "size": 1000,
    "url_private_download": "https://files.slack.com/files-pri/T07-F07/download/voice.m4a",
}

SLACK = Platform(
    type="slack",
    credentials={
        "bot_token": "xoxb-1111111111-2222222222-" + "a" * 24,
        "signing_secret": "0123456789abcdef0123456789abcdef",
    },
    secret="signing_secret",
    is_form=False,
    signs_body=True,
    says=_slack,
    sign=_slack_headers,
    alone=_slack("", 900, subtype="file_share", files=[_CLIP]),
    own=(
        _slack("/help", 901, bot_id="B07COACH", user="U07COACHBOT"),
        _slack("/help", 902, bot_id="B07OTHER", subtype="bot_message"),
        _slack("/help", 903, user="USLACKBOT"),
    ),
    strange=(
        _slack("hello", 904, type="novelty"),
        {"type": "event_callback", "event": "text"},
        {"type": "event_callback", "team_id": "T07WORKSPACE", "event": {"type": "message"}},
        {"type": "novelty"},
        {},
    ),
)

# --- Twilio: https://www.twilio.com/docs/usage/webhooks/webhooks-security


def _sms(text: str, number: int, /, **fields: Any) -> Json:
    sid = f"SM{number:032x}"
    return {
        "ToCountry": "US",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "SmsSid": sid,
        "SmsStatus": "received",
        "Body": text,
        "To": OUR_NUMBER,
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": SMS_ACCOUNT,
        "From": "+14155550101",
        "ApiVersion": "2010-04-01",
    } | fields


def _sms_headers(body: bytes, url: str, credentials: dict[str, str], at: int) -> dict[str, str]:
    pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    values = [(_utf8(name), _utf8(value)) for name, value in pairs]
    signed = url + "".join(f"{name}{value}" for name, value in sorted(set(values)))
    digest = hmac.new(credentials["auth_token"].encode(), signed.encode(), hashlib.sha1).digest()
    return {"X-Twilio-Signature": base64.b64encode(digest).decode()}


def _utf8(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "replace")


SMS_ACCOUNT = "AC" + "0" * 32
_PICTURE = {
    "NumMedia": "1",
    "MediaContentType0": "image/jpeg",
    "MediaUrl0": f"https://api.twilio.com/2010-04-01/Accounts/{SMS_ACCOUNT}/Messages/MM1/Media/ME1",
}

SMS = Platform(
    type="sms",
    credentials={
        "account_sid": SMS_ACCOUNT,
        "auth_token": "0123456789abcdef0123456789abcdef",
        "from_number": OUR_NUMBER,
    },
    secret="auth_token",
    is_form=True,
    signs_body=True,
    says=_sms,
    sign=_sms_headers,
    alone=_sms("", 900, **_PICTURE),
    own=(_sms("/help", 901, From=OUR_NUMBER),),
    strange=(
        {"Novelty": "1"},
        _sms("hello", 902, SmsStatus="novel"),
        _sms("hello", 903, MessageSid="", SmsSid="", SmsMessageSid=""),
        _sms("hello", 904, From=""),
    ),
)

PLATFORMS = {platform.type: platform for platform in (TELEGRAM, SLACK, SMS)}
