"""The emulated Twilio: limits, error bodies, pages, people, receipts, faults, the log."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from twilio.request_validator import RequestValidator

from adapters.sms.emulator import (
    DEFAULT_NUMBER,
    DEFAULT_SERVICE,
    DEFAULT_SID,
    DEFAULT_TOKEN,
    SmsEmulator,
    create_emulator,
)
from core.channels import Account
from core.emulators import Emulator
from tests.adapters.sms.accounts import ADA, BEN
from tests.serving import serving
from tests.waiting import eventually

BASE = f"/2010-04-01/Accounts/{DEFAULT_SID}"
SENT = {"To": ADA, "From": DEFAULT_NUMBER, "Body": "hi"}


class Webhook:
    """Where the emulator posts; keeps what came."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        self.forms.append(form)
        self.requests.append((str(request.url), form, dict(request.headers)))
        response: Response = PlainTextResponse("ok")
        await response(scope, receive, send)


@pytest.fixture
async def api(account: Account) -> AsyncIterator[httpx.AsyncClient]:
    auth = (DEFAULT_SID, DEFAULT_TOKEN)
    base = str(account.api_base_url)
    async with httpx.AsyncClient(base_url=base, auth=auth, trust_env=False) as client:
        yield client


@pytest.fixture
async def webhook(emulator: SmsEmulator) -> AsyncIterator[Webhook]:
    hook = Webhook()
    async with serving(hook, lifespan="off") as url:
        emulator.connect(f"{url}/webhooks/sms/route")
        yield hook
        await emulator.close()  # idle connections would hold the server's shutdown up


async def create(api: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    form = {name: value for name, value in (SENT | changes).items() if value is not None}
    return await api.post(f"{BASE}/Messages.json", data=form)


# --- the REST API


def test_it_is_an_emulator() -> None:
    emulator = create_emulator()

    assert isinstance(emulator, Emulator)
    assert emulator.credentials == {
        "account_sid": DEFAULT_SID,
        "auth_token": DEFAULT_TOKEN,
        "from_number": DEFAULT_NUMBER,
    }
    by_service = SmsEmulator(uses_service=True).credentials
    assert by_service["messaging_service_sid"] == DEFAULT_SERVICE
    assert "from_number" not in by_service


async def test_a_message_is_shown_as_twilio_shows_it(api: httpx.AsyncClient) -> None:
    response = await create(api, Body="a" * 161)
    shown = response.json()

    assert response.status_code == 201
    assert shown["sid"].startswith("SM")
    assert len(shown["sid"]) == 34
    assert shown["uri"] == f"{BASE}/Messages/{shown['sid']}.json"
    expected = {
        "account_sid": DEFAULT_SID,
        "body": "a" * 161,
        "direction": "outbound-api",
        "from": DEFAULT_NUMBER,
        "to": ADA,
        "num_segments": "2",
        "num_media": "0",
        "status": "queued",
        "error_code": None,
        "messaging_service_sid": None,
        "date_sent": None,
    }
    assert {name: shown[name] for name in expected} == expected
    fetched = (await api.get(shown["uri"])).json()
    assert fetched["sid"] == shown["sid"]


async def test_a_service_accepts_before_it_chooses_a_number(api: httpx.AsyncClient) -> None:
    shown = (await create(api, From=None, MessagingServiceSid=DEFAULT_SERVICE)).json()

    assert (shown["status"], shown["from"], shown["num_segments"]) == ("accepted", None, "0")
    assert shown["messaging_service_sid"] == DEFAULT_SERVICE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": None}, 21604),
        ({"To": "123"}, 0),  # a short code
        ({"To": "12"}, 21211),
        ({"To": "hello"}, 21211),
        ({"To": "12025550101"}, 21211),
        ({"From": None}, 21603),
        ({"From": "+12025550199"}, 21606),
        ({"From": None, "MessagingServiceSid": "MG" + "0" * 32}, 21701),
        ({"Body": None}, 21602),
        ({"Body": "  "}, 21602),
        ({"Body": "a" * 1600}, 0),
        ({"Body": "a" * 1601}, 21617),
        ({"Body": None, "MediaUrl": "https://cairn.example/a.png"}, 0),
        ({"MediaUrl": "not an address"}, 21620),
        ({"MediaUrl": ["https://cairn.example/a.png"] * 11}, 21623),
        ({"StatusCallback": "cairn.example"}, 21609),
        ({"StatusCallback": "https://under_score.example/"}, 21609),
        ({"ValidityPeriod": "36000"}, 0),
        ({"ValidityPeriod": "36001"}, 20001),
        ({"ValidityPeriod": "x"}, 20001),
        ({"To": "+15005550004"}, 21610),
        ({"To": "+15005550009"}, 21614),
    ],
    ids=str,
)
async def test_twilios_rules(api: httpx.AsyncClient, changes: dict[str, Any], code: int) -> None:
    response = await create(api, **changes)
    body = response.json()

    if code == 0:
        assert response.status_code == 201, body
        return
    assert response.status_code == body["status"] == (404 if code == 21701 else 400)
    assert body["code"] == code
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert set(body) == {"code", "message", "more_info", "status"}


async def test_only_the_account_itself_may_ask(api: httpx.AsyncClient) -> None:
    for auth in [None, (DEFAULT_SID, "wrong"), ("AC1", DEFAULT_TOKEN)]:
        async with httpx.AsyncClient(base_url=api.base_url, auth=auth, trust_env=False) as other:
            response = await other.post(f"{BASE}/Messages.json", data=SENT)
            assert (response.status_code, response.json()["code"]) == (401, 20003)
    foreign = await api.get("/2010-04-01/Accounts/AC1/Messages.json")
    unknown = await api.get(f"{BASE}/Calls.json")
    missing = await api.get(f"{BASE}/Messages/SM1.json")
    assert [r.json()["code"] for r in (foreign, unknown, missing)] == [20404] * 3


async def test_lists_are_newest_first_filtered_and_paged(
    api: httpx.AsyncClient, emulator: SmsEmulator
) -> None:
    for number in range(5):
        await create(api, Body=f"ada {number}")
    await create(api, To=BEN, Body="ben")
    emulator.message("from ada")
    listing = f"{BASE}/Messages.json"

    first = (await api.get(listing, params={"To": ADA, "PageSize": 3})).json()
    assert [m["body"] for m in first["messages"]] == ["ada 4", "ada 3", "ada 2"]
    second = (await api.get(first["next_page_uri"])).json()
    assert [m["body"] for m in second["messages"]] == ["ada 1", "ada 0"]
    assert second["next_page_uri"] is None
    theirs = (await api.get(listing, params={"From": ADA})).json()["messages"]
    assert [(m["body"], m["direction"]) for m in theirs] == [("from ada", "inbound")]


# --- people


async def test_what_a_person_writes_is_posted_and_signed(
    emulator: SmsEmulator, webhook: Webhook
) -> None:
    response = await emulator.says("Grüße & 🙂", chat=BEN)

    assert response is not None
    assert response.status_code == 200
    [(url, form, headers)] = webhook.requests
    assert (form["Body"], form["From"], form["To"]) == ("Grüße & 🙂", BEN, DEFAULT_NUMBER)
    assert form["SmsStatus"] == "received"
    assert form["MessageSid"] == form["SmsSid"] == form["SmsMessageSid"]
    validator = RequestValidator(DEFAULT_TOKEN)
    assert validator.validate(url, form, headers["x-twilio-signature"])


async def test_the_newer_signature_can_be_asked_for(
    emulator: SmsEmulator, webhook: Webhook
) -> None:
    emulator.algorithm = "HMAC_SHA256"
    emulator.webhook_secret = "shared"
    await emulator.says("hi")

    [(url, form, headers)] = webhook.requests
    assert headers["x-twilio-webhooks-signature-settings"].endswith("algorithm=HMAC_SHA256")
    validator = RequestValidator("shared")
    assert validator.validate(url, form, headers["x-twilio-signature"], "HMAC_SHA256")


async def test_stop_start_and_help_are_twilios_own(
    emulator: SmsEmulator, webhook: Webhook, api: httpx.AsyncClient
) -> None:
    await emulator.says("Stop")
    refused = await create(api)
    await create(api, To=BEN)
    await emulator.says("yes")
    await create(api, Body="welcome back")
    await emulator.says("yes")
    await emulator.says("HELP")

    assert refused.json()["code"] == 21610
    assert [form.get("OptOutType") for form in webhook.forms] == ["STOP", "START", None, "HELP"]
    notices = [b.text for b in emulator.view(ADA) if b.author == "notice"]
    assert len(notices) == 3
    assert emulator.texts(ADA) == ["welcome back"]


async def test_without_advanced_opt_out_the_field_is_missing(
    emulator: SmsEmulator, webhook: Webhook
) -> None:
    emulator.tells_opt_out_type = False
    await emulator.says("STOP")

    assert "OptOutType" not in webhook.forms[0]


async def test_a_choice_is_picked_by_its_number(
    emulator: SmsEmulator, webhook: Webhook, api: httpx.AsyncClient
) -> None:
    await create(api, Body="Which?\n\n1. Yes\n2. Not now")
    await emulator.taps("Not now")

    assert webhook.forms[0]["Body"] == "2"
    with pytest.raises(LookupError):
        await emulator.taps("Maybe")


async def test_nobody_is_called_where_no_webhook_is_set(emulator: SmsEmulator) -> None:
    assert await emulator.says("hello?") is None


# --- what becomes of messages


@pytest.mark.parametrize(
    ("fault", "states"),
    [
        (None, ["sent", "delivered"]),
        ({"kind": "undelivered", "code": 30003}, ["sent", "undelivered"]),
        ({"kind": "failed", "code": 30008}, ["failed"]),
        ({"kind": "silent"}, []),
        ({"kind": "out_of_order"}, ["delivered", "sent"]),
        ({"kind": "duplicate"}, ["sent", "sent", "delivered", "delivered"]),
    ],
    ids=str,
)
async def test_states_are_called_back_and_signed(
    emulator: SmsEmulator,
    webhook: Webhook,
    api: httpx.AsyncClient,
    fault: dict[str, Any] | None,
    states: list[str],
) -> None:
    if fault:
        emulator.fails(**fault)
    url = f"{emulator.account.numbers[DEFAULT_NUMBER]['sms_url']}?m=1&p=0"
    sid = (await create(api, StatusCallback=url)).json()["sid"]
    await emulator.settled()

    assert [form["MessageStatus"] for form in webhook.forms] == states
    validator = RequestValidator(DEFAULT_TOKEN)
    for called, form, headers in webhook.requests:
        assert called == url
        assert (form["MessageSid"], form["From"], form["To"]) == (sid, DEFAULT_NUMBER, ADA)
        assert validator.validate(called, form, headers["x-twilio-signature"])
        failed = form["MessageStatus"] in ("failed", "undelivered")
        assert ("ErrorCode" in form) is failed
    assert [reported.status for reported in emulator.reported] == [200] * len(states)


async def test_late_callbacks_wait_for_their_release(
    emulator: SmsEmulator, webhook: Webhook, api: httpx.AsyncClient
) -> None:
    emulator.fails("late")
    await create(api, StatusCallback=emulator.account.numbers[DEFAULT_NUMBER]["sms_url"])
    await emulator.settled()
    assert webhook.forms == []

    emulator.release()
    await emulator.settled()
    assert [form["MessageStatus"] for form in webhook.forms] == ["sent", "delivered"]


async def test_a_callback_nobody_takes_is_no_harm(
    emulator: SmsEmulator, api: httpx.AsyncClient, closed_port: int
) -> None:
    await create(api, StatusCallback=f"http://127.0.0.1:{closed_port}/x")
    await emulator.settled()

    assert [reported.status for reported in emulator.reported] == [0, 0]
    assert emulator.sent[0].status == "delivered"


async def test_faults_hit_the_number_they_name(
    emulator: SmsEmulator, api: httpx.AsyncClient
) -> None:
    emulator.fails("rate_limit", chat=BEN, seconds=7)

    assert (await create(api)).status_code == 201
    limited = await create(api, To=BEN)
    assert (limited.status_code, limited.json()["code"]) == (429, 20429)
    assert limited.headers["retry-after"] == "7"
    assert (await create(api, To=BEN)).status_code == 201
    assert [request.fault for request in emulator.calls("messages.create")] == [
        "",
        "rate_limit",
        "",
    ]


# --- for the simulator


async def test_phones_show_texts_with_ticks_and_segments(
    emulator: SmsEmulator, api: httpx.AsyncClient
) -> None:
    seen = emulator.revision
    await emulator.writes(ADA, "hello")
    await create(api, Body="Grüße 🙂 " * 12, MediaUrl="https://cairn.example/a.png")
    await emulator.settled()

    ada, ben = emulator.places()
    assert (ada.id, ada.kind, ada.person, ben.person) == (ADA, "phone", "Ada", "Ben")
    theirs, ours = emulator.view(ADA)
    assert (theirs.author, theirs.name, theirs.text) == ("person", "Ada", "hello")
    assert (ours.author, ours.state, ours.segments, ours.encoding) == (
        "bot",
        "delivered",
        2,
        "ucs2",
    )
    assert ours.images == ("https://cairn.example/a.png",)
    assert emulator.view(BEN) == ()
    assert emulator.revision > seen
    assert not emulator.is_typing(ADA)
    with pytest.raises(LookupError):
        await emulator.presses(ADA, ours.id, "x")


# --- alone


async def test_it_runs_alone_with_controls_and_a_log(tmp_path: Path, free_port: int) -> None:
    log = tmp_path / "requests.jsonl"
    command = [sys.executable, "-m", "adapters.sms.emulator", "--port", str(free_port)]
    process = await asyncio.create_subprocess_exec(*command, "--log", str(log))
    try:
        base, auth = f"http://127.0.0.1:{free_port}", (DEFAULT_SID, DEFAULT_TOKEN)
        async with httpx.AsyncClient(base_url=base, auth=auth, trust_env=False) as client:
            await eventually(lambda: answers(client))
            faulty = {"kind": "rate_limit", "seconds": 2}
            assert (await client.post("/control/fails", json=faulty)).json()["ok"]
            said = await client.post("/control/says", json={"text": "hi"})
            assert said.json() == {"ok": True, "webhook_status": None}
            assert (await create(client)).status_code == 429
            assert (await create(client)).status_code == 201
            assert (await client.post("/control/close", json={})).status_code == 404
    finally:
        process.terminate()
        await process.wait()

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    sends = [line for line in lines if line["method"] == "messages.create"]
    assert [line["status"] for line in sends] == [429, 201]
    assert sends[1]["accepted_message_id"].startswith("SM")


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get(f"{BASE}/Messages.json")).status_code == 200
    except httpx.TransportError:
        return False
