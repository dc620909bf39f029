"""The router: what a message is decides who answers it; forms outlive the process."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from core.bots import Bot, Choice, Turn
from core.dialogue.answering import REFUSAL
from core.dialogue.dispatch import CANCELLED, NOTHING_TO_CANCEL, ONLY_TEXT
from core.dialogue.guard import APOLOGY, MAX_FAILURES
from core.runtime import open_runtime
from shared.settings import Settings
from tests.apps import App, quick
from tests.learners import Learner, on_telegram, work, worked_until

LONG = "value-" * 20  # too long for a button's 64 bytes


class Plan(BaseModel):
    goal: str = Field(title="What?", min_length=3)
    when: Literal["Morning", "Evening"] = Field(title="When?")


def probe_bot() -> Bot:
    bot = Bot(name="probe", persona="A probe.", greeting="Welcome!", suggestions=("One", "Two"))

    @bot.command("echo", help="say it back")
    async def echo(turn: Turn) -> None:
        turn.say(f"echo: {turn.arguments}")

    @bot.command("menu")
    async def menu(turn: Turn) -> None:
        turn.say(
            "Pick one.",
            choices=[
                Choice(label="Short", value="pick:short"),
                Choice(label="Long", value=f"pick:{LONG}"),
                Choice(label="Question", value="What is the capital of Mongolia?"),
            ],
        )

    @bot.action("pick")
    async def pick(turn: Turn) -> None:
        turn.say(f"picked {turn.arguments}")

    @bot.command("plan")
    async def plan(turn: Turn) -> None:
        turn.ask(Plan)

    @bot.form(Plan)
    async def planned(turn: Turn, form: Plan) -> None:
        turn.memory["plans"] = [*turn.memory.get("plans", []), form.goal]
        turn.say(f"{form.goal} in the {form.when}; plan {len(turn.memory['plans'])}")

    @bot.message(r"^count$")
    async def count(turn: Turn) -> None:
        turn.memory["count"] = turn.memory.get("count", 0) + 1
        turn.say(f"count {turn.memory['count']}")

    @bot.message(r"coun")
    async def second(turn: Turn) -> None:
        turn.say("second pattern")

    @bot.command("person")
    async def person(turn: Turn) -> None:
        turn.call_human()
        turn.say("Somebody will come.")

    @bot.command("broken")
    async def broken(turn: Turn) -> None:
        turn.say("never seen")
        turn.memory["spoiled"] = True
        raise RuntimeError("a bug of this bot")

    return bot


@pytest.fixture
async def pupil(school: App) -> AsyncIterator[Learner]:
    school.runtime.bots["probe"] = probe_bot()
    async with on_telegram(school, bot="probe") as learner:
        yield learner


async def said(pupil: Learner, text: str) -> str:
    return "\n".join(sent.text for sent in await pupil.asks(text))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/start", "Welcome!"),
        ("/start deep-link", "Welcome!"),
        ("/echo one  two ", "echo: one  two"),
        ("/ECHO x", "echo: x"),
        ("/cancel", NOTHING_TO_CANCEL),
        ("count", "count 1"),
        ("counting", "second pattern"),
        ("COUNT", "count 1"),
    ],
)
async def test_a_message_finds_its_handler(pupil: Learner, text: str, answer: str) -> None:
    assert await said(pupil, text) == answer


async def test_help_and_an_unknown_command_list_the_commands(pupil: Learner) -> None:
    for text in ("/help", "/nonsense"):
        answer = await said(pupil, text)
        assert "/echo say it back" in answer
        assert ("I don't know" in answer) == (text == "/nonsense")


async def test_what_nobody_handles_is_answered_from_knowledge_or_refused(pupil: Learner) -> None:
    assert REFUSAL.split("`")[0] in await said(pupil, "What is the capital of Mongolia?")
    assert (await pupil.last())["rung"] == "refused"


async def test_an_attachment_without_words_is_asked_for_in_words(pupil: Learner) -> None:
    await pupil.says("", photo=[{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}])
    await work(pupil.app)
    assert pupil.emulator.texts() == [ONLY_TEXT]
    assert (await pupil.inbound())[0]["payload"]["attachments"] == [
        {"kind": "photo", "ref": "f", "media_type": "image/jpeg"}
    ]


# --- choices


async def test_buttons_reach_their_action_however_long_their_value(pupil: Learner) -> None:
    [menu] = await pupil.asks("/menu")
    assert menu.buttons["Short"].startswith("v:")
    assert menu.buttons["Long"].startswith("i:")
    assert [sent.text for sent in await pupil.taps("Short")] == ["picked short"]
    assert [sent.text for sent in await pupil.taps("Long")] == [f"picked {LONG}"]


async def test_a_choice_without_an_action_is_said(pupil: Learner) -> None:
    await pupil.asks("/menu")
    [answer] = await pupil.taps("Question")
    assert REFUSAL.split("`")[0] in answer.text


@pytest.mark.parametrize(
    "value", ["{message}:9", "00000000-0000-0000-0000-000000000000:0", "-" * 36 + ":0"]
)
async def test_a_reference_to_no_choice_is_not_an_error(pupil: Learner, value: str) -> None:
    await pupil.asks("/menu")
    value = value.format(message=(await pupil.last())["id"])
    await pupil.emulator.deliver(
        pupil.emulator.bot.update(
            callback_query={
                "id": "1",
                "from": {"id": pupil.chat, "is_bot": False, "first_name": "Ada"},
                "chat_instance": "1",
                "data": f"choice:{value}",
                "message": {
                    "message_id": 1,
                    "date": 1,
                    "chat": {"id": pupil.chat, "type": "private"},
                    "text": "Pick one.",
                },
            }
        )
    )
    await pupil.arrive()
    await work(pupil.app)
    assert [row["status"] for row in await pupil.inbound()] == ["answered", "answered"]


async def test_a_choice_of_another_learners_conversation_is_not_resolved(
    pupil: Learner,
) -> None:
    [menu] = await pupil.asks("/menu")
    stranger = Learner(
        app=pupil.app, emulator=pupil.emulator, account=pupil.account, chat=pupil.chat + 1
    )
    await stranger.says("/help")
    await work(pupil.app)
    pupil.emulator.bot.sent[-1].params["reply_markup"] = menu.params["reply_markup"]
    answers = await stranger.taps("Long")
    assert LONG not in "".join(answer.text for answer in answers)


# --- forms


async def test_a_form_asks_again_with_the_reason_and_then_goes_on(pupil: Learner) -> None:
    assert await said(pupil, "/plan") == "What?"
    assert "at least 3 characters" in await said(pupil, "x")
    [when] = await pupil.asks("Run")
    assert list(when.buttons) == ["Morning", "Evening"]
    assert "Please pick one of: Morning, Evening." in await said(pupil, "at noon")
    assert await said(pupil, "2") == "Run in the Evening; plan 1"
    # The next message belongs to no form any more.
    assert await said(pupil, "count") == "count 1"


async def test_a_form_comes_before_patterns_and_cancel_ends_it(pupil: Learner) -> None:
    await pupil.asks("/plan")
    assert "When?" in await said(pupil, "count")
    assert await said(pupil, "/cancel") == CANCELLED
    assert await said(pupil, "count") == "count 1"


async def test_a_typing_slip_does_not_end_a_form_and_a_command_does(pupil: Learner) -> None:
    await pupil.asks("/plan")
    assert "I don't know" in await said(pupil, "/plam")
    assert "When?" in await said(pupil, "Run")
    await pupil.asks("/echo x")
    assert await said(pupil, "count") == "count 1"


async def test_a_form_survives_a_restart_in_the_middle(settings: Settings, pupil: Learner) -> None:
    await pupil.asks("/plan")
    await pupil.asks("Run")
    async with open_runtime(quick(settings)) as restarted:
        restarted.bots["probe"] = probe_bot()
        again = Learner(
            app=App(runtime=restarted, creator_id=pupil.app.creator_id),
            emulator=pupil.emulator,
            account=pupil.account,
        )
        [done] = await again.taps("Morning")
    assert done.text == "Run in the Morning; plan 1"


async def test_a_form_that_the_bot_no_longer_has_is_forgotten(pupil: Learner) -> None:
    await pupil.asks("/plan")
    pupil.app.runtime.bots["probe"].forms.clear()
    assert await said(pupil, "count") == "count 1"


# --- what a turn leaves behind


async def test_calling_a_person_marks_the_conversation(pupil: Learner) -> None:
    assert await said(pupil, "/person") == "Somebody will come."
    assert (await pupil.conversation())["status"] == "queued"


async def test_a_handler_that_fails_says_and_remembers_nothing(pupil: Learner) -> None:
    await pupil.says("/broken")
    await work(pupil.app)
    [row] = await pupil.inbound()
    assert (row["status"], row["failures"], row["error_code"]) == ("pending", 1, "RuntimeError")
    assert pupil.emulator.sent == []


async def test_after_enough_failures_there_is_one_apology_and_the_talk_goes_on(
    pupil: Learner,
) -> None:
    await pupil.says("/broken")
    await pupil.says("/echo later")

    async def is_over() -> bool:
        return all(row["status"] != "pending" for row in await pupil.inbound())

    await worked_until(pupil.app, is_over)
    await work(pupil.app)
    broken, echo = await pupil.inbound()
    assert (broken["status"], broken["failures"]) == ("dead", MAX_FAILURES)
    assert echo["status"] == "answered"
    assert pupil.emulator.texts() == [APOLOGY, "echo: later"]
    [contact] = await pupil.app.fetch("SELECT memory FROM app.contacts WHERE creator_id = $1")
    assert contact["memory"] == {}


async def test_messages_are_answered_in_the_order_they_came(pupil: Learner) -> None:
    for n in range(6):
        await pupil.says(f"/echo {n}")
    await work(pupil.app)
    assert pupil.emulator.texts() == [f"echo: {n}" for n in range(6)]


async def test_a_bot_that_is_not_installed_is_a_failure_that_heals(pupil: Learner) -> None:
    bot = pupil.app.runtime.bots.pop("probe")
    await pupil.says("/echo x")
    await work(pupil.app)
    assert (await pupil.inbound())[0]["error_code"] == "configuration_error"
    pupil.app.runtime.bots["probe"] = bot

    async def is_answered() -> bool:
        return bool((await pupil.inbound())[0]["status"] == "answered")

    await worked_until(pupil.app, is_answered)
