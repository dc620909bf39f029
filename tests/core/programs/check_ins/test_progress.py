"""Progress as it is told and drawn; its pictures' addresses, which tell nobody whose they are."""

from datetime import date, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from PIL import Image

from core.channels import Account
from core.programs.check_ins import picture, progress
from core.programs.check_ins.picture import Calendar
from core.programs.check_ins.pictures import LIFETIME, Pictures, Shot
from core.programs.check_ins.progress import Line, Progress, days_per_week_of, noted, told
from core.programs.definition import When
from core.runtime import Runtime
from shared.errors import NotFound
from shared.models import check_ins, goals
from shared.models.check_ins import CheckInRow, subject_of_goal
from shared.models.goals import NewGoal
from shared.security import KeyRing
from shared.settings import Settings
from shared.utils.ids import new_id
from tests.core.programs.coaching import NOW, Coach, program, step
from tests.learners import Learner, work

TODAY = date(2026, 11, 26)  # a Thursday


def row(day: date, value: Any = True, *, met: bool = True) -> CheckInRow:
    return CheckInRow(
        id=uuid4(),
        contact_id=UUID(int=1),
        subject="goal:1",
        local_day=day,
        kind="bool",
        value=value,
        met=met,
        source="button",
        at=NOW,
    )


def line(*back: int, title: str = "Run", **fields: Any) -> Line:
    days = {TODAY - timedelta(days=n): row(TODAY - timedelta(days=n)) for n in back}
    return Line(subject="goal:1", title=title, days=days, **fields)


def test_standing_is_told_newest_goal_first() -> None:
    found = Progress(today=TODAY, lines=[line(0, 1, 2), line(1, title="Read_", days_per_week=3)])
    assert told(found, "progress", "en").text == (
        "**Your progress**\n\n"
        "1. **Read\\_**: 1 of 3 this week (best: 1)\n"
        "2. **Run**: 3 days in a row; 3 of 7 this week (best: 3)"
    )


def test_a_week_is_told_day_by_day() -> None:
    days = {
        date(2026, 11, 23): row(date(2026, 11, 23), 7.5),
        date(2026, 11, 25): row(date(2026, 11, 25), 2, met=False),
    }
    found = Progress(today=TODAY, lines=[Line(subject="s", title="Lauf", unit="km", days=days)])
    assert told(found, "week", "de-AT").text == (
        "**Deine Woche**\n\n"
        "1. **Lauf**: 1 von 7 diese Woche\n   Mo 7,5 km · Di – · Mi 2 km · Do –"
    )


def test_nobody_has_nothing_to_show() -> None:
    shown = told(Progress(today=TODAY), "progress", "fr")
    assert "rien à montrer" in shown.text
    assert shown.description == ""


def test_what_is_noted_names_the_streak_only_when_there_is_one() -> None:
    assert noted("7 km", line(0, 1), TODAY, "en") == (
        "Noted: 7 km. 2 days in a row; 2 of 7 this week."
    )
    assert noted("a_b", None, TODAY, "it") == "Segnato: a\\_b."


@pytest.mark.parametrize(
    ("when", "days"),
    [
        ({}, None),
        ({"rrule": "FREQ=DAILY"}, 7),
        ({"rrule": "FREQ=DAILY", "weekdays": ["mo", "we"]}, 2),
        ({"rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"}, 5),
        ({"rrule": "FREQ=WEEKLY"}, 1),
        ({"rrule": "FREQ=DAILY;INTERVAL=2"}, None),
        ({"rrule": "FREQ=MONTHLY"}, None),
    ],
    ids=["once", "daily", "two weekdays", "workdays", "weekly", "every other day", "monthly"],
)
def test_days_of_a_week_that_are_asked_about(when: dict[str, Any], days: int | None) -> None:
    assert days_per_week_of(When.model_validate(when)) == days


# --- the picture


def test_a_picture_has_a_calendar_for_each_goal() -> None:
    one = Calendar(marks={TODAY: "kept"}, streak=1, this_week=1, days_per_week=7)
    sizes = []
    for count in (0, 1, 4, 9):
        image = Image.open(BytesIO(picture.draw([one] * count, TODAY)))
        image.load()
        assert image.format == "PNG"
        sizes.append(image.size)
    assert {width for width, _ in sizes} == {720}
    heights = [height for _, height in sizes]
    assert heights[0] == heights[1] < heights[2] == heights[3]


def test_a_picture_shows_what_was_kept() -> None:
    nothing = Calendar(marks={}, streak=0, this_week=0, days_per_week=7)
    kept = Calendar(marks={TODAY: "kept"}, streak=1, this_week=1, days_per_week=7)
    short = Calendar(marks={TODAY: "short"}, streak=0, this_week=0, days_per_week=7)
    # Thursday of the last row, beside its figure.
    colours = [
        Image.open(BytesIO(picture.draw([each], TODAY))).convert("RGB").getpixel((424, 216))
        for each in (nothing, kept, short)
    ]
    assert colours[0] == (255, 255, 255)
    assert len(set(colours)) == 3


# --- its address


def shot(at: datetime = NOW) -> Shot:
    return Shot(creator_id=uuid4(), contact_id=uuid4(), at=at)


def account(type_: str, api_base_url: str | None = None) -> Account:
    settings = {"api_base_url": api_base_url} if api_base_url else {}
    return Account(
        creator_id=UUID(int=1),
        channel_id=UUID(int=2),
        type=type_,
        route_key="r",
        credentials={},
        settings=settings,
    )


@pytest.fixture
def pictures(settings: Settings, school_runtime: Runtime) -> Pictures:
    return Pictures(
        keys=KeyRing(settings.secret_keys),
        base_url="https://cairn.example",
        channels=school_runtime.channels,
    )


def token_of(pictures: Pictures, taken: Shot) -> str:
    attachment = pictures.attachment(account("telegram"), taken, "Run: 3 days")
    assert attachment is not None
    assert attachment.description == "Run: 3 days"
    return attachment.url.removeprefix("https://cairn.example/pictures/").removesuffix(".png")


def test_an_address_is_read_back_and_tells_nothing(pictures: Pictures) -> None:
    taken = shot()
    token = token_of(pictures, taken)
    assert pictures.read(token, NOW) == taken
    assert token_of(pictures, taken) != token
    assert taken.contact_id.hex not in token


def test_an_address_runs_out(pictures: Pictures) -> None:
    token = token_of(pictures, shot())
    pictures.read(token, NOW + LIFETIME - timedelta(seconds=1))
    with pytest.raises(NotFound):
        pictures.read(token, NOW + LIFETIME)


@pytest.mark.parametrize("spoil", ["", "x", "é", "A" * 92, "A" * 500, "====", "a/b"])
def test_no_other_address_works(pictures: Pictures, spoil: str) -> None:
    with pytest.raises(NotFound):
        pictures.read(spoil, NOW)


def test_a_changed_address_does_not_work(pictures: Pictures) -> None:
    token = token_of(pictures, shot())
    for place in (0, 20, 60, len(token) - 3):
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(NotFound):
            pictures.read(token[:place] + other + token[place + 1 :], NOW)


@pytest.mark.parametrize(
    ("base_url", "type_", "api_base_url", "is_shown"),
    [
        ("https://cairn.example", "telegram", None, True),
        ("http://127.0.0.1:8000", "telegram", None, False),
        ("http://localhost:8000", "slack", None, False),
        ("http://127.0.0.1:8000", "telegram", "http://127.0.0.1:9999", True),
        ("http://127.0.0.1:8000", "web", None, True),
        ("https://cairn.example", "sms", None, False),
    ],
    ids=["public", "loopback", "localhost", "emulated", "our own page", "paid by the picture"],
)
def test_pictures_are_for_who_can_fetch_them(
    pictures: Pictures, base_url: str, type_: str, api_base_url: str | None, is_shown: bool
) -> None:
    here = Pictures(keys=pictures.keys, base_url=base_url, channels=pictures.channels)
    assert here.is_shown(account(type_, api_base_url)) is is_shown


# --- asked for


async def test_progress_is_shown_on_request(learner: Learner) -> None:
    runtime = learner.app.runtime
    runtime.clock.move_to(NOW)
    [empty] = await learner.asks("/progress")
    assert (empty.text, empty.media) == (
        "There is nothing to show yet. It begins with your first check-in.",
        "",
    )
    coach = Coach(database=runtime.database, id=learner.app.creator_id)
    contact_id = (await learner.conversation())["contact_id"]
    await keeps(coach, contact_id, "Run five kilometres", NOW.date())
    [shown] = await learner.asks("/progress")
    assert "1. Run five kilometres: 1 of 7 this week (best: 1)" in shown.text
    assert "/pictures/" in shown.media
    assert (await learner.last())["payload"]["attachments"][0]["description"] == (
        "The last four weeks: Run five kilometres: 1 of 7 this week"
    )


async def test_a_digest_comes_with_its_picture(learner: Learner) -> None:
    runtime = learner.app.runtime
    runtime.clock.move_to(NOW)
    await learner.asks("/start")
    coach = Coach(database=runtime.database, id=learner.app.creator_id)
    contact_id = (await learner.conversation())["contact_id"]
    await keeps(coach, contact_id, "Run", NOW.date())
    digest = step("week", show="week", content={"en": {"text": "Here it is, {name}."}})
    await coach.enrols(await coach.runs(program(digest)), [contact_id], runtime.clock.now())
    runtime.clock.move(timedelta(days=1))
    await runtime.scheduler.tick()
    await work(learner.app)
    last = learner.emulator.sent[-1]
    assert last.text.startswith("Here it is, Ada.")
    assert "Mon ✓ · Tue –" in last.text
    assert "/pictures/" in last.media


async def keeps(coach: Coach, contact_id: UUID, title: str, *days: date) -> UUID:
    goal = NewGoal(id=new_id(), title=title)
    async with coach.database.transaction(coach.id) as db:
        await goals.add(db, coach.id, contact_id, goal, NOW)
        for day in days:
            kept = CheckInRow(
                **{**vars(row(day)), "contact_id": contact_id, "goal_id": goal.id}
                | {"subject": subject_of_goal(goal.id), "id": new_id()}
            )
            await check_ins.put(db, coach.id, kept)
    return goal.id


async def test_each_contact_is_read_on_their_own_calendar(coach: Coach) -> None:
    at = datetime.fromisoformat("2026-11-23T23:30:00+00:00")
    ada = await coach.meets(timezone="Asia/Tokyo")
    ben = await coach.meets(timezone="America/Lima")
    for contact in (ada, ben):
        await keeps(coach, contact, "Run", date(2026, 11, 23), date(2026, 11, 24))
    async with coach.database.transaction(coach.id) as db:
        found = await progress.read_progress(db, coach.id, [ada, ben], at)
        shown = await progress.show_many(db, coach.id, {ada: "en", ben: "de"}, "progress", at)
    assert found[ada].today == date(2026, 11, 24)
    assert found[ben].today == date(2026, 11, 23)
    assert "2 days in a row" in shown[ada].text
    assert "1 von 7 diese Woche" in shown[ben].text
