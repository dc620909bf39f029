"""A check-in from its question to the next step: by button, number and word, and what is none."""

from datetime import timedelta
from typing import Any

import pytest

from core.optout_texts import TEXTS
from core.programs.check_ins.words import WORDS, words_in
from core.runtime import Runtime
from shared.models import goals
from shared.models.goals import NewGoal
from shared.utils.clock import Clock
from shared.utils.ids import new_id
from tests.core.programs.coaching import NOW, Coach, program, step
from tests.learners import Learner, work

DAY = timedelta(days=1)
EN = WORDS["en"]
MOOD = {"kind": "scale", "minimum": 1, "maximum": 10}
ROWS = """
SELECT subject, local_day, kind, value, met, source, step_key FROM app.check_ins
WHERE creator_id = $1 ORDER BY local_day, id
"""


@pytest.fixture
def clock(school_runtime: Runtime) -> Clock:
    """Noon of a Monday, on the clock that programs go by."""
    school_runtime.clock.move_to(NOW)
    return school_runtime.clock


@pytest.fixture
def coach(learner: Learner, clock: Clock) -> Coach:
    return Coach(database=learner.app.runtime.database, id=learner.app.creator_id)


def asks(key: str = "mood", expects: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A question each day at nine."""
    when = {"anchor": "enrolment", "at": "09:00", "rrule": "FREQ=DAILY"}
    content = {"en": {"text": "How was your day?"}, "de": {"text": "Wie war dein Tag?"}}
    return step(key, kind="check_in", when=when, content=content, expects=expects or MOOD, **fields)


async def enrol(coach: Coach, learner: Learner, *steps: dict[str, Any]) -> None:
    await learner.asks("/start")
    contact_id = (await learner.conversation())["contact_id"]
    await coach.enrols(await coach.runs(program(*steps)), [contact_id])


async def tomorrow(learner: Learner) -> list[str]:
    """A day passes; what the bot says by itself."""
    before = len(learner.emulator.sent)
    learner.app.runtime.clock.move(DAY)
    while await learner.app.runtime.scheduler.tick():
        pass
    await work(learner.app)
    return [sent.text for sent in learner.emulator.sent[before:]]


async def answered(learner: Learner, text: str) -> list[str]:
    return [sent.text for sent in await learner.asks(text)]


async def kept(coach: Coach) -> list[tuple[Any, str]]:
    return [(row["value"], row["source"]) for row in await coach.rows(ROWS)]


@pytest.mark.parametrize(
    ("text", "value", "source"),
    [("7", 7, "number"), ("7/10", 7, "number"), ("seven", 7, "words"), ("10 !", 10, "number")],
    ids=["figure", "of ten", "word", "top"],
)
async def test_a_written_answer_is_kept_and_told(
    coach: Coach, learner: Learner, text: str, value: int, source: str
) -> None:
    await enrol(coach, learner, asks())
    assert await tomorrow(learner) == ["How was your day?"]
    assert await answered(learner, text) == [f"Noted: {value}. 1 of 7 this week."]
    assert await kept(coach) == [(value, source)]


async def test_a_tapped_answer_is_kept_once(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner, asks())
    await tomorrow(learner)
    [sent] = await learner.taps("8")
    assert sent.text == "Noted: 8. 1 of 7 this week."
    [again] = await learner.taps("3")
    assert again.text == EN.answered_already
    assert await kept(coach) == [(8, "button")]


async def test_a_streak_grows_and_the_next_question_comes(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner, asks())
    told = []
    for value in ("6", "7", "8"):
        await tomorrow(learner)
        told += await answered(learner, value)
    assert told[1:] == [
        "Noted: 7. 2 days in a row; 2 of 7 this week.",
        "Noted: 8. 3 days in a row; 3 of 7 this week.",
    ]


async def test_an_answer_leads_on(coach: Coach, learner: Learner) -> None:
    when = {"offset": {"n": 1, "unit": "days"}, "at": "09:00"}
    question = step("ready", kind="question", when=when, expects={"kind": "bool"})
    branches = [{"op": "eq", "value": True, "goto": "go"}]
    fork = {"key": "fork", "kind": "branch", "branches": branches, "otherwise": "later"}
    now = {"offset": {"n": 0, "unit": "minutes"}}
    await enrol(coach, learner, question, fork, step("go", when=now), step("later"))
    assert await tomorrow(learner) == ["ready"]
    assert await answered(learner, "yes!") == ["Noted: Yes."]
    assert [s[0] for s in await coach.sends("waiting") if s[0]] == ["go"]
    assert await kept(coach) == []  # what only the program asks is nobody's progress


async def test_a_number_out_of_range_is_asked_about_once(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner, asks())
    await tomorrow(learner)
    [again] = await learner.asks("11")
    assert again.text == EN.between.format(low=1, high=10)
    [sent] = await learner.taps("4")
    assert sent.text.startswith("Noted: 4.")


async def test_what_is_likely_is_confirmed_first(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner, asks())
    await tomorrow(learner)
    assert await answered(learner, "it was about 7 I think") == ["Did you mean 7?"]
    assert await kept(coach) == []
    [again] = await learner.taps("No")
    assert again.text == EN.between.format(low=1, high=10)
    await learner.asks("a 7 or so")
    [sent] = await learner.taps("Yes")
    assert sent.text.startswith("Noted: 7.")
    assert await kept(coach) == [(7, "button")]


async def test_words_that_say_nothing_are_asked_about_once_without_a_model(
    coach: Coach, learner: Learner
) -> None:
    await enrol(coach, learner, asks(expects={"kind": "bool"}))
    await tomorrow(learner)
    assert await answered(learner, "so-so") == [EN.yes_or_no]
    [refusal] = await answered(learner, "so-so")
    assert refusal != EN.yes_or_no
    assert (await answered(learner, "yep"))[0].startswith("Noted: Yes.")


async def test_a_real_question_is_answered_and_the_check_in_stays_open(
    coach: Coach, learner: Learner
) -> None:
    await enrol(coach, learner, asks())
    await tomorrow(learner)
    [answer] = await answered(learner, "what is zone 2 training?")
    assert "rather not guess" in answer
    assert (await answered(learner, "9"))[0].startswith("Noted: 9.")


async def test_a_command_and_the_bots_own_words_come_first(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner, asks())
    await tomorrow(learner)
    assert "understand" in (await answered(learner, "/help"))[0]
    assert await answered(learner, "thanks!") == ["You're welcome. I'm here when you need me."]
    assert await kept(coach) == []


async def test_stop_in_the_middle_of_a_question_ends_it(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner, asks())
    await tomorrow(learner)
    assert await answered(learner, "stop") == [TEXTS["en"].stopped]
    assert await tomorrow(learner) == []
    assert await kept(coach) == []


async def test_a_question_closes_and_its_buttons_say_so(coach: Coach, learner: Learner) -> None:
    timeout = {"n": 2, "unit": "hours"}
    await enrol(coach, learner, asks(timeout=timeout))
    await tomorrow(learner)
    learner.app.runtime.clock.move(timedelta(hours=3))
    [late] = await learner.taps("5")
    assert late.text == EN.too_late
    assert await kept(coach) == []


async def test_a_question_is_answered_in_the_persons_language(
    coach: Coach, learner: Learner
) -> None:
    await learner.asks("/language de")
    await enrol(coach, learner, asks(expects={"kind": "number", "unit": "km"}))
    assert await tomorrow(learner) == ["Wie war dein Tag?"]
    assert await answered(learner, "siebeneinhalb") == ["Notiert: 7,5 km. 1 von 7 diese Woche."]
    assert words_in("de").noted.startswith("Notiert")


async def test_a_check_in_of_a_goal_counts_against_its_target(
    coach: Coach, learner: Learner
) -> None:
    expects = {"kind": "number", "unit": "km", "goal": "run"}
    await enrol(coach, learner, asks(expects=expects))
    contact_id = (await learner.conversation())["contact_id"]
    goal = NewGoal(
        id=new_id(), title="Run", slug="run", kind="number", unit="km", target=5, days_per_week=3
    )
    async with coach.database.transaction(coach.id) as db:
        await goals.add(db, coach.id, contact_id, goal, NOW)
    await tomorrow(learner)
    assert await answered(learner, "4,5") == ["Noted: 4.5 km. 0 of 3 this week."]
    await tomorrow(learner)
    assert await answered(learner, "6 km") == ["Noted: 6 km. 1 of 3 this week."]
    rows = await coach.rows(ROWS)
    assert [(row["subject"], row["met"]) for row in rows] == [
        (f"goal:{goal.id}", False),
        (f"goal:{goal.id}", True),
    ]


async def test_a_steps_own_thanks(coach: Coach, learner: Learner) -> None:
    thanks = {"en": {"text": "Thank you, {name}. {value} it is, {answer:mood}."}}
    await enrol(coach, learner, asks(expects=MOOD | {"thanks": thanks}))
    await tomorrow(learner)
    assert await answered(learner, "7") == ["Thank you, Ada. 7 it is, 7."]


async def test_a_forged_button_changes_nothing(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner, asks())
    await tomorrow(learner)
    [row] = await coach.rows(
        "SELECT id FROM app.scheduled_sends WHERE creator_id = $1 AND answer_until IS NOT NULL"
    )
    await learner.asks(f"answer:{row['id']}:7")
    assert await kept(coach) == []
