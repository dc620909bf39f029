"""Messaging webhooks to events: texts, pictures, opt-outs, receipts, and what nobody foresaw."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sms.channel import SmsChannel
from adapters.sms.emulator import DEFAULT_SERVICE
from adapters.sms.numbers import can_send, timezone_of
from core.channels import (
    Account,
    Address,
    ChannelEvent,
    InboundAttachment,
    MessageEvent,
    OptEvent,
    ReceiptEvent,
    Unsupported,
)
from core.loader import ROOT
from tests.adapters.sms.accounts import (
    ADA,
    BEN,
    OURS,
    RECEIVED_AT,
    URL,
    account_at,
    inbound,
    request_with,
    status,
)

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "twilio_inbound_chat_sdk.json"
SAMPLES = ROOT / "adapters" / "sms" / "samples"


def events_of(form: Any, account: Account | None = None, **request: Any) -> list[ChannelEvent]:
    parsed = SmsChannel().parse(request_with(form, **request), account or account_at())
    assert (parsed.reply.status, parsed.reply.content_type) == (200, "application/xml")
    assert parsed.reply.body.endswith("<Response/>")
    return list(parsed.events)


def message_of(form: Any, account: Account | None = None) -> MessageEvent:
    [event] = events_of(form, account)
    assert isinstance(event, MessageEvent)
    return event


# --- texts


def test_a_text_becomes_a_message() -> None:
    event = message_of(inbound("How do I start?"))

    assert (event.text, event.external_id, event.message_external_id) == (
        "How do I start?",
        "SM1",
        "SM1",
    )
    assert event.address == Address(chat=ADA, person=ADA)
    assert event.sender.address == ADA
    assert event.occurred_at == RECEIVED_AT
    assert event.raw["Body"] == "How do I start?"


def test_two_people_who_text_one_number_are_two_conversations() -> None:
    channel = SmsChannel()
    ada, ben = message_of(inbound()), message_of(inbound(From=BEN))

    assert channel.conversation(ada) != channel.conversation(ben)


def test_another_number_of_ours_is_another_conversation_and_answers_itself() -> None:
    channel = SmsChannel()
    own, other = message_of(inbound()), message_of(inbound(To="+12025550199"))

    assert other.address.space == "+12025550199"
    assert channel.conversation(own) != channel.conversation(other)


def test_all_numbers_of_a_service_are_one_conversation() -> None:
    account = account_at(service=True)
    named = inbound(MessagingServiceSid=DEFAULT_SERVICE)
    addresses = {
        message_of(form, account).address
        for form in (named, named | {"To": "+12025550199"}, inbound())
    }
    foreign = message_of(inbound(MessagingServiceSid="MG" + "0" * 32), account)

    assert addresses == {Address(chat=ADA, person=ADA)}
    assert foreign.address.space == OURS


def test_what_a_database_refuses_is_cleaned() -> None:
    body = b"MessageSid=SM1&From=%2B12025550101&To=%2B12025550100&Body=a%00b%ff%ED%A0%80c\xffd"

    assert message_of(body).text == "ab\ufffd\ufffd\ufffd\ufffdc\ufffdd"


def test_a_long_text_is_kept_whole() -> None:
    assert message_of(inbound("x" * 40_000)).text == "x" * 40_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Body": ""}, "empty"),
        ({"Body": " \u200b "}, "empty"),
        ({"From": OURS}, "own"),
        ({"From": ""}, "shape"),
        ({"From": "+1" * 100}, "shape"),
        ({"MessageSid": ""}, "shape"),
        ({"MessageSid": "SM 1"}, "shape"),
        ({"MessageSid": "S" * 65}, "shape"),
    ],
    ids=str,
)
def test_what_is_no_message_is_counted(changes: dict[str, str], reason: str) -> None:
    [event] = events_of(inbound(**changes))

    assert isinstance(event, Unsupported)
    assert event.reason == reason


# --- pictures


def test_a_picture_without_text_is_a_message() -> None:
    url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1"
    form = inbound(NumMedia="1", MediaUrl0=url, MediaContentType0="image/jpeg")
    for body in ({"Body": ""}, {}):
        event = message_of({k: v for k, v in form.items() if k != "Body"} | body)

        assert event.text == ""
        assert event.attachments == (
            InboundAttachment(kind="photo", ref=url, media_type="image/jpeg"),
        )


def test_media_keep_their_order_and_kinds() -> None:
    types = ("image/png", "video/mp4", "audio/amr", "text/x-vcard", "application/pdf")
    form = inbound("look", NumMedia=str(len(types)))
    for n, media_type in enumerate(types):
        form |= {f"MediaUrl{n}": f"https://api.twilio.com/{n}", f"MediaContentType{n}": media_type}

    event = message_of(form)
    assert event.text == "look"
    assert [a.kind for a in event.attachments] == ["photo", "video", "audio", "contact", "document"]
    assert [a.ref[-1] for a in event.attachments] == list("01234")


@pytest.mark.parametrize("count", ["x", "", "-1", "²", "99999999999999999999", "1e9"])
def test_a_strange_count_of_media_is_no_harm(count: str) -> None:
    event = message_of(inbound("hi", NumMedia=count, MediaUrl0="https://api.twilio.com/0"))

    assert 1 <= len(event.attachments) <= 10
    assert event.attachments[0].ref == "https://api.twilio.com/0"


# --- opting out and in

OUT = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE")


@pytest.mark.parametrize(
    ("word", "choice"),
    [
        *((word, "out") for word in OUT),
        ("START", "in"),
        ("UNSTOP", "in"),
        ("HELP", "help"),
        ("INFO", "help"),
    ],
)
@pytest.mark.parametrize("form", ["{}", " {}\n", "{} lower"])
def test_twilios_words_are_no_messages(word: str, choice: str, form: str) -> None:
    text = word.lower() if "lower" in form else form.format(word)
    [event] = events_of(inbound(text))

    assert isinstance(event, OptEvent)
    assert (event.choice, event.external_id, event.sender.address) == (choice, "SM1", ADA)


@pytest.mark.parametrize(
    ("said", "choice"), [("STOP", "out"), ("START", "in"), ("HELP", "help"), ("stop", "out")]
)
def test_twilio_names_other_words_too(said: str, choice: str) -> None:
    [event] = events_of(inbound("Arrêt", OptOutType=said))

    assert isinstance(event, OptEvent)
    assert event.choice == choice


def test_a_yes_may_be_an_answer_too() -> None:
    [opted] = events_of(inbound("Yes"))
    [named] = events_of(inbound("Yes", OptOutType="START"))
    [unstop] = events_of(inbound("UNSTOP"))

    for event in (opted, named, unstop):
        assert isinstance(event, OptEvent)
        assert event.choice == "in"
        assert (event.answer is not None) is (event is opted)
    assert isinstance(opted, OptEvent)
    assert opted.answer is not None
    assert opted.answer.text == "Yes"


def test_whoever_leaves_with_a_picture_leaves() -> None:
    form = inbound("stop", NumMedia="1", MediaUrl0="https://api.twilio.com/0")
    [event] = events_of(form)
    [other] = events_of(form | {"Body": "help"})

    assert isinstance(event, OptEvent)
    assert isinstance(other, MessageEvent)


@pytest.mark.parametrize("text", ["stop it", "please stop", "STOP.", "end of day", "I need help"])
def test_only_single_words_count(text: str) -> None:
    assert message_of(inbound(text)).text == text


# --- receipts

STATES = {
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


@pytest.mark.parametrize(("state", "expected"), STATES.items(), ids=STATES)
def test_states_become_receipts(state: str, expected: str) -> None:
    [event] = events_of(status(state))

    assert isinstance(event, ReceiptEvent)
    assert (event.state, event.message_external_id) == (expected, "SM1")
    assert event.external_id == f"SM1:{state}"
    assert event.address == Address(chat=ADA, person=ADA)
    assert event.error_code is None
    assert (event.message_id, event.part) == (None, 0)


def test_a_callback_hands_our_own_name_back() -> None:
    ours = uuid4()
    [event] = events_of(status("delivered"), url=f"{URL}?m={ours}&p=3")

    assert isinstance(event, ReceiptEvent)
    assert (event.message_id, event.part) == (ours, 3)


@pytest.mark.parametrize("query", ["m=x&p=1", "m=&p=", f"m={UUID(int=1)}", "p=1", "m=%ff&p=%00"])
def test_a_strange_name_is_none(query: str) -> None:
    [event] = events_of(status("delivered"), url=f"{URL}?{query}")

    assert isinstance(event, ReceiptEvent)
    assert event.message_id is None


def test_a_failure_tells_its_code() -> None:
    [event] = events_of(status("undelivered", ErrorCode="30003"))

    assert isinstance(event, ReceiptEvent)
    assert event.error_code == "30003"


@pytest.mark.parametrize(
    ("code", "passes"), [("30001", True), ("30008", True), ("30003", False), ("30007", False)]
)
def test_some_failures_are_worth_one_more_send(code: str, passes: bool) -> None:
    [event] = events_of(status("undelivered", ErrorCode=code))

    assert isinstance(event, ReceiptEvent)
    assert event.retryable is passes


def test_opting_out_may_be_told_by_a_failure_alone() -> None:
    receipt, opted = events_of(status("failed", ErrorCode="21610"))

    assert isinstance(receipt, ReceiptEvent)
    assert isinstance(opted, OptEvent)
    assert (receipt.error_code, opted.choice, opted.sender.address) == ("21610", "out", ADA)
    assert receipt.external_id != opted.external_id


def test_a_status_nobody_knows_is_counted() -> None:
    [event] = events_of(status("teleported"))

    assert isinstance(event, Unsupported)


def test_an_old_callback_has_only_the_old_name() -> None:
    [event] = events_of({"SmsSid": "SM1", "SmsStatus": "sent", "From": OURS, "To": ADA})

    assert isinstance(event, ReceiptEvent)


# --- published examples, samples, anything


@pytest.mark.skipif(not FIXTURES.exists(), reason="the shared fixtures are not here")
def test_published_forms_are_read_as_published() -> None:
    kinds = {"text": MessageEvent, "status": ReceiptEvent}
    for case in json.loads(FIXTURES.read_text())["cases"]:
        [event] = events_of(case["form"])
        expected = case["expect"]
        assert isinstance(event, kinds[expected["kind"]])
        if isinstance(event, ReceiptEvent):
            assert event.state == expected["messageStatus"]
        elif isinstance(event, MessageEvent):
            assert event.text == expected.get("body", case["form"]["Body"])
            assert event.message_external_id == case["form"]["MessageSid"]
            media = [{"contentType": a.media_type, "url": a.ref} for a in event.attachments]
            assert media == expected.get("media", [])


def test_the_samples_are_what_their_names_say() -> None:
    kinds = {"stop": OptEvent, "start": OptEvent, "help": OptEvent, "mms": MessageEvent}
    seen = 0
    for path in SAMPLES.glob("*.form"):
        first = events_of(path.read_bytes())[0]
        kind = kinds.get(path.stem.split("_")[0])
        if kind and "sentence" not in path.stem:
            assert isinstance(first, kind), path.name
            seen += 1
    assert seen >= 8
    assert len(list(SAMPLES.iterdir())) >= 20


def test_other_bodies_than_forms_are_counted() -> None:
    [event] = events_of(b'{"a": 1}', content_type="application/json")
    [endless] = events_of(b"&".join(b"a=1" for _ in range(5000)))

    assert isinstance(event, Unsupported)
    assert isinstance(endless, Unsupported)


names = st.sampled_from(sorted({*inbound(), *status("sent"), "MediaUrl0", "OptOutType"}))


@given(form=st.dictionaries(names, st.text(max_size=30)), query=st.text(max_size=30))
def test_any_form_has_events_that_can_be_kept(form: dict[str, str], query: str) -> None:
    body = urlencode(form, errors="surrogatepass").encode()
    for event in events_of(body, url=f"{URL}?{query}"):
        assert 0 < len(event.external_id) <= 300
        assert SmsChannel().conversation(event)
        assert "\x00" not in event.model_dump_json()


# --- what a number tells

ZONES = {
    "+447700900102": "Europe/London",
    "+4915112345678": "Europe/Berlin",
    "+33612345678": "Europe/Paris",
    "+919812345678": "Asia/Calcutta",
    "whatsapp:+33612345678": "Europe/Paris",
    "+12125551234": None,
    "+34612345678": None,
    "+61412345678": None,
    "24273": None,
    "unknown": None,
    "": None,
}


@pytest.mark.parametrize(("number", "zone"), ZONES.items(), ids=ZONES)
def test_a_zone_is_told_only_where_it_is_certain(number: str, zone: str | None) -> None:
    assert timezone_of(number) == zone


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+15550000002", True),
        ("+447700900102", True),
        ("24273", True),
        ("", False),
        ("+0123456789", False),
        ("15550000002", False),
        ("+1 555 000 0002", False),
        ("+١٢٣٤٥٦٧٨", False),
        ("+15550000002\n", False),
        ("Cairn", False),
    ],
)
def test_a_number_of_ours_is_recognised(number: str, expected: bool) -> None:
    assert can_send(number) is expected
