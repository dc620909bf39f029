"""Weeks of all three bots in a minute: what people are asked when, and what is never said."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from adapters.sms.emulator_people import ADA, BEN
from core.dialogue.crisis import TEXTS
from core.optout_texts import TEXTS as OPTOUT_TEXTS
from shared.embedded.engines import discard
from tests.e2e.dev import Dev, developing
from tests.e2e.walking import MINUTE, Person, Walk
from tests.waiting import eventually

LISBON, LONDON = ZoneInfo("Europe/Lisbon"), ZoneInfo("Europe/London")
DENVER = ZoneInfo("America/Denver")
APPOINTMENT = (
    "Riverside Practice: your visit is tomorrow, Thursday at 14:30. Does that still suit you?"
)
MONDAY, WEDNESDAY, THURSDAY, FRIDAY = 0, 2, 3, 4
ASKED = "Did you work on Read every day today?"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("walk") / "cairn"
    yield folder
    discard(folder)


@pytest.fixture(scope="module")
async def dev(data_dir: Path) -> AsyncIterator[Dev]:
    async with developing(data_dir, CAIRN_WORKER__TICK_SECONDS="0.1") as running:
        yield running


@pytest.fixture(scope="module")
async def walk(dev: Dev) -> AsyncIterator[Walk]:
    async with httpx.AsyncClient(base_url=dev.url, timeout=30.0) as client:
        walk = Walk(client=client, api_key=(dev.data_dir / "demo-api-key").read_text().strip())
        await walk.lets_all_through()
        yield walk


def on_telegram(walk: Walk, chat: str) -> Person:
    return Person(walk=walk, pane="telegram", place=chat, address=chat, zone=LISBON)


@pytest.fixture
async def ada(walk: Walk) -> AsyncIterator[Person]:
    ada = on_telegram(walk, "1001")
    yield ada
    await ada.leaves()


@pytest.fixture
async def ben(walk: Walk) -> AsyncIterator[Person]:
    ben = on_telegram(walk, "1002")
    yield ben
    await ben.leaves()


# --- the coach on Telegram


async def sets_a_goal(person: Person) -> None:
    """On a Monday at ten, on the person's own clock."""
    await person.reads_all()
    await person.says("/start", "I'm your coach")
    await person.changes(timezone=str(person.zone))
    await person.walk.until(await person.walk.next_weekday(MONDAY, "10:00", person.zone))
    await person.says("/goal", "What would you like to achieve?")
    await person.says("Read every day", "Why does it matter")
    await person.says("It calms me", "On how many days")
    await person.says("5", "When suits you best?")
    await person.taps("Evening", "Noted: Read every day, on 5 days a week")


async def test_evenings_are_answered_by_button_and_by_word(ada: Person) -> None:
    await sets_a_goal(ada)
    assert ada.clock(await ada.walk.passes()) == "Mon 19:00"
    await ada.hears(ASKED)
    await ada.taps("Yes", "Noted: Yes. 1 of 5 this week.")
    assert ada.clock(await ada.walk.passes()) == "Tue 19:00"
    await ada.hears(ASKED)
    await ada.says("no", "Noted: No. 1 of 5 this week.")
    await ada.says("/progress")
    progress = await ada.hears("1. Read every day: 1 of 5 this week")
    assert len(progress["images"]) == 1
    assert await ada.times(ASKED) == 2
    noted = [(one["value"], one["source"]) for one in await ada.about("check-ins")]
    assert noted == [(False, "words"), (True, "button")]


async def test_silence_is_answered_twice_and_then_shown_to_the_coach(ben: Person) -> None:
    await sets_a_goal(ben)
    began = await ben.walk.now()
    await ben.walk.until(began + timedelta(days=10) - MINUTE)
    assert await ben.walk.api("GET", "tickets", params={"contact_id": await ben.contact_id()}) == []
    await ben.walk.passes()
    assert ((await ben.walk.now()).date() - began.date()).days == 10
    ticket = await ben.ticket()
    assert (ticket["reason"], ticket["detail"]) == ("silence", "No word for 10 days.")
    silences = [send for send in await ben.sends() if send["source_kind"] == "silence"]
    assert [(ben.clock(s["settled_at"])[:3], s["state"]) for s in silences] == [
        ("Wed", "sent"),
        ("Sat", "sent"),
        ("Thu", "skipped"),
    ]
    await each_was_said_once(ben)


async def each_was_said_once(person: Person) -> None:
    """Ten evenings, and the other hours of a week, on the person's own clock."""
    sent = await person.sends(state="sent")
    times = [person.clock(send["settled_at"]) for send in sent if send["step_key"] == "evening"]
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")
    assert times == [f"{day} 19:00" for day in days]
    weekly = {s["step_key"]: person.clock(s["settled_at"]) for s in sent if s["step_key"]}
    del weekly["evening"]
    assert weekly == {"encourage": "Wed 12:15", "week": "Sun 18:00", "plan": "Mon 08:30"}
    said = {
        ASKED: 10,
        "I haven't heard from you": 1,
        "It has been quiet for a while": 1,
        "Half of the week, Ben": 2,
        "Your week, Ben": 1,
        "A new week, Ben": 1,
    }
    assert {text: await person.times(text) for text in said} == said


async def test_a_person_takes_over_and_gives_back(ada: Person) -> None:
    await sets_a_goal(ada)
    await ada.says("I want to die", TEXTS["en"].partition("{line}")[0].strip())
    ticket = await ada.ticket(urgent=True)
    assert (ticket["reason"], ticket["state"]) == ("crisis", "queued")
    await ada.walk.api("POST", f"tickets/{ticket['id']}/take")
    await ada.says("are you there?")
    await ada.walk.passes(9 * 60 + 5)
    assert await ada.news() == []
    [held] = await ada.sends("evening", state="waiting")
    assert (held["reason"], ada.clock(held["planned_at"])) == ("human", "Mon 19:00")

    words = {"text": "Ada here. What happened?"}
    await ada.walk.api("POST", f"tickets/{ticket['id']}/reply", json=words)
    await ada.hears("Ada here. What happened?")
    await ada.walk.api("POST", f"tickets/{ticket['id']}/return")
    await ada.hears(ASKED)
    assert await ada.news() == []
    assert (await ada.ticket(state="returned"))["id"] == ticket["id"]


async def test_nothing_comes_after_a_stop_and_no_burst_after_a_start(ben: Person) -> None:
    await sets_a_goal(ben)
    asked_before = await ben.times(ASKED)
    await ben.walk.passes()
    await ben.hears(ASKED)
    await ben.says("STOP", OPTOUT_TEXTS["en"].stopped)
    await ben.walk.until(await ben.walk.next_weekday(THURSDAY, "12:00", ben.zone))
    assert await ben.news() == []
    assert await ben.sends(state="waiting") == []
    await ben.says("/start", OPTOUT_TEXTS["en"].resumed)
    await ben.hears("I'm your coach")
    await ben.walk.passes(60)
    assert await ben.news() == []
    assert ben.clock(await ben.walk.passes()) == "Thu 19:00"
    assert await ben.news() == [ASKED]
    assert await ben.times(ASKED) == asked_before + 2


# --- the concierge on SMS


def by_phone(walk: Walk, number: str, zone: ZoneInfo) -> Person:
    return Person(walk=walk, pane="sms", place=number, address=number, zone=zone)


async def test_an_appointment_is_reminded_of_the_day_before(walk: Walk) -> None:
    await walk.uses("concierge", "sms")
    ben, ada = by_phone(walk, BEN, LONDON), by_phone(walk, ADA, DENVER)
    await books(ben)
    await agreed_with_evidence(ben)
    await ada.says("Hi", "Riverside Practice")
    await walk.until(await walk.next_weekday(MONDAY, "12:00", LONDON))
    day = f"{await walk.next_weekday(THURSDAY, '14:30', LONDON):%Y-%m-%dT%H:%M}"
    for person in (ada, ben):
        about = {"appointment_at": day, "appointment_text": "Thursday at 14:30"}
        await person.changes(timezone=str(person.zone), attributes=about)
        await eventually(partial(person.sends, "day-before"))
    await walk.until(await walk.next_weekday(WEDNESDAY, "20:00", LONDON))
    await ben.hears(APPOINTMENT)
    assert await ada.news() == []  # who has not agreed is not reminded

    await ben.says("2", "We will text you another time within one working day.")
    [reminded] = await ben.sends("day-before")
    assert (reminded["state"], ben.clock(reminded["settled_at"])) == ("sent", "Wed 10:00")
    ticket = await ben.ticket()
    assert (ticket["reason"], ticket["detail"]) == ("step", "Wants another time for the visit.")
    [left_out] = await ada.sends("day-before")
    assert (left_out["state"], left_out["reason"]) == ("skipped", "no_consent")
    assert await ben.times("your visit is tomorrow") == 1


async def books(person: Person) -> None:
    await person.says("Hi", "Riverside Practice")
    await person.says("book", "What is it for?")
    await person.says("2", "Which day suits you?")
    await person.says("Thursday", "What time of day?")
    await person.says("Afternoon", "Which number may we call")
    await person.says("No call", "Follow-up, Thursday, afternoon, no call. Shall we send it?")
    await person.says("1", "Sent. We will text you a time within one working day.")
    await person.says("And remind me", "You'll get reminders from me from now on.")


async def agreed_with_evidence(person: Person) -> None:
    consents = await person.about("consents")
    [event] = consents["events"]["items"]
    assert (event["purpose"], event["action"], event["source"]) == ("reminder", "granted", "word")
    assert event["evidence"]["words"] == event["evidence"]["choice"] == "And remind me"
    assert event["evidence"]["asked"] == "Sent. We will text you a time within one working day."
    [current] = consents["current"]
    assert (current["scope"], current["state"]) == ("sms/concierge", "granted")


# --- the stand-up on Slack


async def test_a_team_is_asked_on_weekdays_and_its_room_told_once(walk: Walk) -> None:
    await walk.uses("standup", "slack")
    await walk.until(await walk.next_weekday(FRIDAY, "14:00", DENVER))
    places = [one for one in await walk.simulator.places("slack") if one["person"] == "Ada"]
    window = {one["kind"]: one["id"] for one in places}
    ada = Person(walk=walk, pane="slack", place=window["dm"], address="U0ADA", zone=DENVER)
    room = replace(ada, place=window["channel"])
    await room.says("/team")
    await ada.hears("From now on your stand-ups go to the channel where you said that.")
    await ada.changes(timezone=str(DENVER))
    await ada.says("/standup", "What did you finish since the last stand-up?")
    await reports(ada, "Friday")
    await room.hears("Ada reported for Friday")

    assert ada.clock(await walk.passes()) == "Mon 09:30"
    await ada.hears("Good morning, Ada. Four short questions for your team's stand-up?")
    await ada.taps("Start my stand-up", "What did you finish since the last stand-up?")
    await reports(ada, "Monday")
    await room.hears("Ada reported for Monday")
    assert ada.clock(await walk.passes()) == "Mon 11:00"
    await each_was_told_once(ada, room)
    await ada.leaves()


async def each_was_told_once(ada: Person, room: Person) -> None:
    summary = await room.hears("Stand-up, Monday")
    assert "1 person has reported" in summary["text"]
    assert "Ship it on Monday" in summary["text"]
    assert await room.times("1 person has reported") == 1
    assert await ada.times("Good morning, Ada.") == 1
    sent = [
        (one["step_key"], ada.clock(one["settled_at"])) for one in await ada.sends(state="sent")
    ]
    assert sent == [("ask", "Mon 09:30"), ("summary", "Mon 11:00")]


async def reports(person: Person, day: str) -> None:
    await person.says("Reviewed two pull requests", "What will you work on today?")
    await person.says(f"Ship it on {day}", "Is anything in your way?")
    await person.says("No blockers", "How is your day")
    await person.says("4", "I've told your team.")
