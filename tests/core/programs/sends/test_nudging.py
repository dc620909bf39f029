"""Nudges that a model writes: what it is told, what may not be sent, and what is said instead."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from core.llm.emulator import OllamaEmulator
from core.llm.emulator.models import CHAT_MODEL
from core.programs.sends.nudging import LONGEST, is_alike, objection, tidied
from core.runtime import open_runtime
from shared.models import goals, policies
from shared.models.goals import NewGoal
from shared.settings import Settings
from shared.utils.ids import new_id
from tests.core.programs.coaching import NOW, Coach, program, step
from tests.core.test_answering import with_ollama
from tests.learners import Learner, new_school, on_telegram, work
from tests.serving import serving
from tests.waiting import eventually

WRITTEN = "How is the running going, {name}? Ten minutes are enough."
GOOD = "Ada, three days without shoes on: shall we take the shortest way round the park today?"
LAST = """
SELECT text, model, prompt, rung FROM app.messages
WHERE creator_id = $1 AND direction = 'out' ORDER BY created_at DESC, seq DESC LIMIT 1
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Ready for a small run, Ada?", None),
        ("See https://tips.example/run for more.", None),
        ("  ", "empty"),
        ("word " * (LONGEST // 4), "long"),
        ("Look at https://evil.example/win now.", "link"),
        ("Look at www.evil.com now.", "link"),
        ("**Run!** You can do it.", "markup"),
        ("<b>Run</b> today.", "markup"),
        ("Hello {name}, are you running?", "placeholder"),
        ("Hello [Your Name], are you running?", "placeholder"),
        ("Trust me, I'm a real person and I ran too.", "human"),
        ("Glaub mir, ich bin ein Mensch wie du.", "human"),
        ("As an AI language model I think you should run.", "about_itself"),
        ("Sure! Here is a message: run today.", "about_itself"),
        ("You have already run 42 times!", "figures"),
        ("Wie geht es dir mit dem Laufen und was ist heute dran?", "language"),
        ("How is your running going today?", "repeated"),
    ],
)
def test_what_may_be_sent(text: str, reason: str | None) -> None:
    recent = ["How is your running going, today?"]
    written = "More at https://tips.example/run. Ten minutes."
    assert objection(text, written=written, recent=recent, language="en") == reason


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Ready for a run?", "ready for a RUN", True),
        ("Ready for a small run today, Ada?", "Ready for a small run today, Ben?", True),
        ("Ready for a small run today?", "What about ten minutes in the park?", False),
        ("", "", False),
    ],
    ids=["case and signs", "one word exchanged", "another text", "nothing"],
)
def test_texts_that_say_the_same_again(one: str, other: str, alike: bool) -> None:
    assert is_alike(one, other) is alike


@pytest.mark.parametrize(
    ("text", "bare"),
    [('"Run today."', "Run today."), ("„Lauf!“", "Lauf!"), ("Say\n\n yes ", "Say yes")],
    ids=["quoted", "in german", "in lines"],
)
def test_texts_are_tidied(text: str, bare: str) -> None:
    assert tidied(text) == bare


# --- the whole way


@dataclass(kw_only=True)
class Class:
    learner: Learner
    coach: Coach
    ollama: OllamaEmulator

    async def nudged(self) -> Any:
        """A day passes: the nudge that came, as stored."""
        self.learner.app.runtime.clock.move(timedelta(days=1))
        before = len(self.learner.emulator.sent)
        while await self.learner.app.runtime.scheduler.tick():
            pass
        await work(self.learner.app)
        assert len(self.learner.emulator.sent) == before + 1
        [row] = await self.coach.rows(LAST)
        assert self.learner.emulator.sent[-1].text == row["text"]
        return row

    @property
    def prompt(self) -> str:
        [*_, last] = self.ollama.requests_to("/api/chat")
        return "\n".join(message["content"] for message in last.body["messages"])


@pytest.fixture
async def lesson(settings: Settings) -> AsyncIterator[Class]:
    ollama = OllamaEmulator(models=(CHAT_MODEL,))
    async with (
        serving(ollama.app) as host,
        open_runtime(with_ollama(settings, host)) as runtime,
        new_school(runtime) as app,
        on_telegram(app) as learner,
    ):
        runtime.clock.move_to(NOW)
        coach = Coach(database=runtime.database, id=app.creator_id)
        await learner.asks("/start")
        yield Class(learner=learner, coach=coach, ollama=ollama)
        ollama.heal()
        await eventually(lambda: ollama.active == 0 and ollama.waiting == 0)


async def begin(lesson: Class) -> None:
    contact_id = (await lesson.learner.conversation())["contact_id"]
    async with lesson.coach.database.transaction(lesson.coach.id) as db:
        goal = NewGoal(id=new_id(), title="Run five kilometres <<<END")
        await goals.add(db, lesson.coach.id, contact_id, goal, NOW)
        await policies.write(db, lesson.coach.id, {"silence_days": [30]}, 0)
    when = {"anchor": "enrolment", "at": "10:00", "rrule": "FREQ=DAILY"}
    content = {"en": {"text": WRITTEN}}
    nudge = step("nudge", kind="nudge", template="nudge", when=when, content=content)
    now = lesson.learner.app.runtime.clock.now()
    await lesson.coach.enrols(await lesson.coach.runs(program(nudge)), [contact_id], now)


async def test_a_models_words_are_sent_with_who_wrote_them(lesson: Class) -> None:
    await begin(lesson)
    lesson.ollama.say_next(f'"{GOOD}"')
    row = await lesson.nudged()
    assert row["text"] == GOOD
    assert (row["model"], row["prompt"], row["rung"]) == ("answers@0", "builtin/nudge@1", "ollama")
    assert "How is the running going, Ada?" in lesson.prompt
    assert "Goal: Run five kilometres <<END" in lesson.prompt


async def test_the_same_again_is_replaced_by_the_written_text(lesson: Class) -> None:
    await begin(lesson)
    lesson.ollama.say_next(GOOD)
    await lesson.nudged()
    lesson.ollama.say_next(GOOD.replace("today", "now"))
    row = await lesson.nudged()
    assert row["text"] == "How is the running going, Ada? Ten minutes are enough."
    assert (row["model"], row["prompt"]) == (None, None)
    assert GOOD in lesson.prompt


async def test_a_model_that_fails_is_not_waited_for(lesson: Class) -> None:
    await begin(lesson)
    lesson.ollama.keep_failing("garbage")
    row = await lesson.nudged()
    assert row["text"].startswith("How is the running going, Ada?")


async def test_what_a_model_takes_an_answer_for_is_confirmed(lesson: Class) -> None:
    contact_id = (await lesson.learner.conversation())["contact_id"]
    when = {"anchor": "enrolment", "at": "10:00", "rrule": "FREQ=DAILY"}
    mood = step(
        "mood", kind="check_in", when=when, expects={"kind": "scale", "minimum": 1, "maximum": 5}
    )
    await lesson.coach.enrols(await lesson.coach.runs(program(mood)), [contact_id])
    await lesson.nudged()
    lesson.ollama.say_next('{"is_answer": true, "value": 4}')
    [sure] = await lesson.learner.asks("pretty good, all in all")
    assert sure.text == "Did you mean 4?"
    assert "a number from 1.0 to 5.0" in lesson.prompt
    [noted] = await lesson.learner.taps("Yes")
    assert noted.text.startswith("Noted: 4.")


@pytest.mark.parametrize(
    "said",
    ['{"is_answer": false, "value": 4}', '{"is_answer": true, "value": 9}', "four, I guess"],
    ids=["none", "out of range", "no json"],
)
async def test_what_a_model_does_not_know_is_asked_again(lesson: Class, said: str) -> None:
    contact_id = (await lesson.learner.conversation())["contact_id"]
    mood = step("mood", kind="check_in", expects={"kind": "scale", "minimum": 1, "maximum": 5})
    await lesson.coach.enrols(await lesson.coach.runs(program(mood)), [contact_id])
    await lesson.nudged()
    lesson.ollama.say_next(said)
    [again] = await lesson.learner.asks("pretty good, all in all")
    assert again.text == "Please answer with a number from 1 to 5."
