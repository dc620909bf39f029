"""Sending, connecting and checking accounts against the emulated REST API."""

import base64
import dataclasses
import logging
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from adapters.sms.channel import SmsChannel, callback_url
from adapters.sms.emulator import DEFAULT_SERVICE, DEFAULT_SID, DEFAULT_TOKEN, SmsEmulator
from adapters.sms.media import PublicOnly
from core.channels import Account, Address, Connects, Downloads, OutboundPart, Reconciles
from shared.errors import (
    AuthRevoked,
    ChannelError,
    InvalidInput,
    MessageRejected,
    NetworkError,
    OutcomeUnknown,
    RateLimited,
    RecipientUnreachable,
)
from shared.messages import Attachment
from shared.richtext import RichText
from tests.adapters.sms.accounts import ADA, OURS, account_at
from tests.serving import serving

TO_ADA = Address(chat=ADA, person=ADA)
MESSAGE = UUID(int=7)
PICTURE = Attachment(kind="image", url="https://cairn.example/cat.png", description="a cat")
PUBLIC = "https://cairn.example/base"


def part_of(text: str, **details: Any) -> OutboundPart:
    return OutboundPart(message_id=MESSAGE, index=2, count=3, text=RichText(text=text), **details)


async def refused(channel: SmsChannel, part: OutboundPart, account: Account) -> ChannelError:
    with pytest.raises(Exception) as failure:  # noqa: PT011 - whatever it is, it is classified
        await channel.send(TO_ADA, part, account)
    return channel.classify(failure.value)


# --- accounts


def test_good_accounts_are_accepted() -> None:
    channel = SmsChannel()
    channel.check_account(account_at())
    channel.check_account(account_at("http://127.0.0.1:8083", service=True, mms=True))
    short_code = dataclasses.replace(
        account_at(), credentials={**account_at().credentials, "from_number": "24273"}
    )
    channel.check_account(short_code)


@pytest.mark.parametrize(
    "change",
    [
        {"account_sid": ""},
        {"account_sid": "AC123"},
        {"account_sid": "SK" + "0" * 32},
        {"account_sid": "AC" + "0" * 31 + "/"},
        {"auth_token": ""},
        {"auth_token": "with space"},
        {"auth_token": "sécret"},
        {"auth_token": "line\n"},
        {"webhook_secret": "with space"},
        {"from_number": "12025550100"},
        {"from_number": "+1 202 555 0100"},
        {"from_number": "Cairn"},
        {"from_number": ""},
        {"messaging_service_sid": DEFAULT_SERVICE},
        {"from_number": "", "messaging_service_sid": "MG1"},
    ],
    ids=str,
)
def test_unusable_credentials_are_refused_without_showing_them(change: dict[str, str]) -> None:
    account = account_at()
    account = dataclasses.replace(account, credentials={**account.credentials, **change})

    with pytest.raises(InvalidInput) as refusal:
        SmsChannel().check_account(account)

    assert not any(value and value in refusal.value.message for value in change.values())


@pytest.mark.parametrize(
    "settings",
    [
        {"mms": "yes"},
        {"api_base_url": "ftp://host"},
        {"api_base_url": "https://user:pass@host"},
        {"api_base_url": "https://host/?a=b"},
        {"api_base_url": "https://[::1"},
    ],
    ids=str,
)
def test_unusable_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        SmsChannel().check_account(account_at(**settings))


def test_the_optional_abilities_are_found() -> None:
    for ability in (Connects, Downloads, Reconciles):
        assert isinstance(SmsChannel(), ability)


# --- sending


async def test_a_text_is_sent_and_its_cost_told(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    result = await channel.send(TO_ADA, part_of("It’s “on” – " + "a" * 160), account)

    [sent] = emulator.sent
    assert result.external_ids == (sent.sid,)
    assert result.warnings == ("segments=2 encoding=gsm7",)
    assert (sent.ours, sent.theirs, sent.segments) == (OURS, ADA, 2)
    assert sent.body == 'It\'s "on" - ' + "a" * 160
    assert set(sent.params) == {"To", "From", "Body"}
    [request] = emulator.requests
    assert (request.method, request.status) == ("messages.create", 201)


async def test_any_character_arrives(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    text = '50% & more = "a+b"; 你好 👋🏾\nназавтра?'
    await channel.send(TO_ADA, part_of(text), account)

    assert emulator.texts(ADA) == [text]


async def test_callback_and_validity_go_with_it(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    account = dataclasses.replace(account, public_base_url=PUBLIC)
    for seconds in (0.2, 90.9, 1e9):
        emulator.fails("silent")
        await channel.send(TO_ADA, part_of("x", valid_seconds=seconds), account)

    assert [sent.params["ValidityPeriod"] for sent in emulator.sent] == ["1", "90", "36000"]
    url = urlsplit(emulator.sent[0].params["StatusCallback"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{PUBLIC}/webhooks/sms/route"
    assert parse_qs(url.query) == {"m": [str(MESSAGE)], "p": ["2"]}


@pytest.mark.parametrize("public", ["", "http://127.0.0.1:8000", "http://localhost"])
def test_twilio_is_not_told_to_call_this_machine(public: str) -> None:
    assert callback_url(part_of("x"), account_at(public=public)) is None


async def test_a_service_or_another_number_sends_where_it_was_written_to(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    service = {**account_at(service=True).credentials}
    by_service = dataclasses.replace(account, credentials=service)
    emulator.account.add_number("+12025550199")

    await channel.send(TO_ADA, part_of("a"), by_service)
    elsewhere = TO_ADA.model_copy(update={"space": "+12025550199"})
    await channel.send(elsewhere, part_of("b"), by_service)
    await channel.send(elsewhere, part_of("c"), account)

    first, second, third = (sent.params for sent in emulator.sent)
    assert (first["MessagingServiceSid"], first.get("From")) == (DEFAULT_SERVICE, None)
    assert second["From"] == third["From"] == "+12025550199"
    assert "MessagingServiceSid" not in second


async def test_pictures_are_links_unless_mms_is_allowed(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    part = part_of("Look", attachments=(PICTURE,))
    linked = await channel.send(TO_ADA, part, account)
    mms = dataclasses.replace(account, settings={**account.settings, "mms": True})
    await channel.send(TO_ADA, part, mms)
    await channel.send(TO_ADA, part_of("", attachments=(PICTURE, PICTURE)), mms)

    assert "attachment_as_link" in linked.warnings
    first, second, third = emulator.sent
    assert (first.body, first.media) == ("Look\n\na cat\nhttps://cairn.example/cat.png", [])
    assert (second.body, second.media) == ("Look", [PICTURE.url])
    assert (third.body, third.media) == ("", [PICTURE.url] * 2)
    assert third.sid.startswith("MM")


async def test_what_is_too_long_is_refused_before_it_leaves(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    error = await refused(channel, part_of("a" * 1601), account)

    assert isinstance(error, MessageRejected)
    assert emulator.requests == []


# --- what goes wrong


@pytest.mark.parametrize(
    ("fault", "kind", "arrived"),
    [
        ({"kind": "drop_before"}, OutcomeUnknown, 0),
        ({"kind": "drop_after_accept"}, OutcomeUnknown, 1),
        ({"kind": "server_error", "status": 500}, OutcomeUnknown, 0),
        ({"kind": "server_error", "status": 503}, OutcomeUnknown, 0),
        ({"kind": "server_error_after_accept", "status": 504}, OutcomeUnknown, 1),
        ({"kind": "rate_limit", "seconds": 3}, RateLimited, 0),
        ({"kind": "refused", "code": 21610}, RecipientUnreachable, 0),
    ],
    ids=["drop", "drop-after", "500", "503", "504-after", "429", "21610"],
)
async def test_faults_have_their_class_and_are_not_repeated(
    emulator: SmsEmulator,
    channel: SmsChannel,
    account: Account,
    fault: dict[str, Any],
    kind: type[ChannelError],
    arrived: int,
) -> None:
    emulator.fails(**fault)
    error = await refused(channel, part_of("x"), account)

    assert type(error) is kind
    assert len(emulator.sent) == arrived
    assert len(emulator.requests) == 1
    if isinstance(error, RateLimited):
        assert error.retry_after == 3.0


async def test_nobody_listening_is_surely_unsent(channel: SmsChannel, closed_port: int) -> None:
    error = await refused(channel, part_of("x"), account_at(f"http://127.0.0.1:{closed_port}"))

    assert isinstance(error, NetworkError)


async def test_a_wrong_token_is_noticed_and_not_shown(
    channel: SmsChannel, account: Account
) -> None:
    wrong = dataclasses.replace(
        account, credentials={**account.credentials, "auth_token": "canary-3f9a1c"}
    )
    error = await refused(channel, part_of("x"), wrong)

    assert isinstance(error, AuthRevoked)
    assert "canary" not in repr(error) + repr(error.__cause__) + repr(error.__context__)


async def test_an_answer_without_a_name_is_unknown(channel: SmsChannel) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async with serving(app, lifespan="off") as url:
        error = await refused(channel, part_of("x"), account_at(url))
        await channel.close()

    assert isinstance(error, OutcomeUnknown)


async def test_a_redirect_is_not_followed(channel: SmsChannel, emulator: SmsEmulator) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"location", b"/elsewhere")]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app, lifespan="off") as url:
        error = await refused(channel, part_of("x"), account_at(url))
        await channel.close()

    assert isinstance(error, MessageRejected)


async def test_nothing_of_a_person_or_a_secret_is_logged(
    channel: SmsChannel, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await channel.send(TO_ADA, part_of("private words"), account)

    token = base64.b64encode(f"{DEFAULT_SID}:{DEFAULT_TOKEN}".encode()).decode()
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("uvicorn")]
    for secret in (ADA, "%2B12025550101", "private", DEFAULT_TOKEN, token, DEFAULT_SID):
        assert secret not in " ".join(ours)


async def test_the_environment_lends_no_credentials(
    channel: SmsChannel, account: Account, emulator: SmsEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCOUNT_SID", "AUTH_TOKEN", "REGION", "EDGE"):
        monkeypatch.setenv(f"TWILIO_{name}", "other")

    await channel.send(TO_ADA, part_of("x"), account)

    assert emulator.texts() == ["x"]


# --- connecting


async def test_connect_points_the_number_at_us_and_disconnect_takes_it_back(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    number = emulator.account.numbers[OURS]
    await channel.connect(account, "https://cairn.example/webhooks/sms/route")
    assert (number["sms_url"], number["sms_method"]) == (
        "https://cairn.example/webhooks/sms/route",
        "POST",
    )

    await channel.disconnect(account)
    assert number["sms_url"] == ""


async def test_a_service_is_connected_as_a_whole(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    by_service = dataclasses.replace(account, credentials=account_at(service=True).credentials)
    service = emulator.account.services[DEFAULT_SERVICE]
    await channel.connect(by_service, "https://cairn.example/webhooks/sms/route")
    assert service["inbound_request_url"] == "https://cairn.example/webhooks/sms/route"
    assert service["use_inbound_webhook_on_number"] == "false"

    await channel.disconnect(by_service)
    assert service["inbound_request_url"] == ""


async def test_a_short_code_is_connected_too(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    emulator.account.add_number("24273")
    credentials = {**account.credentials, "from_number": "24273"}
    await channel.connect(
        dataclasses.replace(account, credentials=credentials), "https://cairn.example/hook"
    )

    assert emulator.account.numbers["24273"]["sms_url"] == "https://cairn.example/hook"
    assert emulator.account.numbers[OURS]["sms_url"] == ""


async def test_somebody_elses_webhook_is_left_alone(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    emulator.connect("https://other.example/sms")
    await channel.disconnect(account)

    assert emulator.account.numbers[OURS]["sms_url"] == "https://other.example/sms"


async def test_a_number_of_nobody_is_said_so(channel: SmsChannel, account: Account) -> None:
    foreign = {**account.credentials, "from_number": "+12025550177"}
    with pytest.raises(ChannelError) as failure:
        await channel.connect(
            dataclasses.replace(account, credentials=foreign), "https://x.example"
        )

    assert failure.value.detail_code == "number_not_found"


# --- media


async def test_what_people_send_is_downloaded(
    emulator: SmsEmulator, channel: SmsChannel, account: Account
) -> None:
    picture = b"\x89PNG" + b"x" * 200_000
    form = emulator.message("", media=[("image/png", picture)])

    chunks = [chunk async for chunk in channel.download(form["MediaUrl0"], account)]

    assert b"".join(chunks) == picture
    assert len(chunks) > 1


@pytest.mark.parametrize(
    "ref",
    [
        "https://evil.example/x",
        "http://api.twilio.com/x",
        "https://api.twilio.com.evil.example/x",
        "https://api.twilio.com@evil.example/x",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "//api.twilio.com/x",
        "",
    ],
)
async def test_credentials_go_nowhere_else(channel: SmsChannel, ref: str) -> None:
    with pytest.raises(ChannelError):
        [chunk async for chunk in channel.download(ref, account_at())]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://10.0.0.1/x",
        "https://user:pass@files.example/x",
        "https://localhost/x",
        "https://2130706433/x",
        "ftp://files.example/x",
        "",
    ],
)
async def test_a_redirect_into_our_own_network_is_refused(
    channel: SmsChannel, location: str
) -> None:
    hits: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        hits.append(scope["path"])
        headers = [(b"location", location.encode())]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app, lifespan="off") as url:
        with pytest.raises(ChannelError):
            [chunk async for chunk in channel.download(f"{url}/Media/ME1", account_at(url))]

    assert hits[0] == "/Media/ME1"


async def test_names_of_our_own_network_are_not_resolved() -> None:
    resolver = PublicOnly()
    for host in ("localhost", "127.0.0.1", "10.0.0.1", "::1"):
        with pytest.raises(OSError, match="not a public address"):
            await resolver.resolve(host, 443)
    await resolver.close()


async def test_since_is_a_moment(channel: SmsChannel, account: Account) -> None:
    """A find without a send: nothing was taken, but the list may not know it yet."""
    with pytest.raises(OutcomeUnknown):
        await channel.find(TO_ADA, part_of("x"), account, datetime.now(UTC))
