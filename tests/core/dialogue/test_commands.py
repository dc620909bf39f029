"""Commands that every bot has, choices picked in writing, and people the platform introduces."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field

from adapters.telegram.channel import TelegramChannel
from core.bots import Bot, Choice, Turn
from core.channels import Account, Address, Sender
from core.dialogue.commands import ASK_LANGUAGE, HELP, UNKNOWN_ZONE
from tests.apps import App
from tests.core.test_inbox import message
from tests.learners import Learner, on_telegram, work

MANY = [Choice(label=f"Option {n}", value=f"pick:{n}") for n in range(1, 22)]  # too many to tap


class Trip(BaseModel):
    people: int = Field(title="How many?", examples=["1", "5"])
    day: str = Field("", title="When?", examples=["Monday", "Friday"])


def menu_bot() -> Bot:
    bot = Bot(name="menu", persona="A menu.")

    @bot.command("many")
    async def many(turn: Turn) -> None:
        turn.say("Pick one.", choices=MANY)

    @bot.command("few")
    async def few(turn: Turn) -> None:
        turn.say("Pick one.", choices=["Stop", Choice(label="Tea", value="/tea")])

    @bot.command("tea")
    async def tea(turn: Turn) -> None:
        turn.say("tea")

    @bot.command("trip")
    async def trip(turn: Turn) -> None:
        turn.ask(Trip)

    @bot.form(Trip)
    async def booked(turn: Turn, form: Trip) -> None:
        turn.say(f"{form.people} on {form.day or 'no day'}")

    @bot.action("pick")
    async def pick(turn: Turn) -> None:
        turn.say(f"picked {turn.arguments}")

    @bot.command("who")
    async def who(turn: Turn) -> None:
        turn.say(f"{turn.contact_name} {turn.locale} {turn.timezone}")

    @bot.message(".*")
    async def other(turn: Turn) -> None:
        turn.say(f"said {turn.text}")

    return bot


@pytest.fixture
async def ada(school: App) -> AsyncIterator[Learner]:
    school.runtime.bots["menu"] = menu_bot()
    async with on_telegram(school, bot="menu") as learner:
        yield learner


async def answer(learner: Learner, text: str) -> str:
    return "\n".join(sent.text for sent in await learner.asks(text))


# --- picking in writing


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("2", "picked 2"),
        ("two", "picked 2"),
        ("#21", "picked 21"),
        ("option 3", "picked 3"),
        ("22", "said 22"),
        ("2 please", "said 2 please"),
    ],
)
async def test_a_number_picks_from_a_numbered_list(ada: Learner, text: str, answered: str) -> None:
    await ada.asks("/many")
    assert await answer(ada, text) == answered


async def test_an_offer_lapses_once_something_else_was_said(ada: Learner) -> None:
    await ada.asks("/many")
    await ada.asks("hello")
    assert await answer(ada, "2") == "said 2"


async def test_an_offer_lapses_with_time(ada: Learner) -> None:
    await ada.asks("/many")
    await ada.app.fetch(
        "UPDATE app.messages SET created_at = created_at - interval '13 hours'"
        " WHERE creator_id = $1 AND direction = 'out'"
    )
    assert await answer(ada, "2") == "said 2"


async def test_buttons_are_picked_by_their_label_and_not_by_number(ada: Learner) -> None:
    await ada.asks("/few")
    assert await answer(ada, "2") == "said 2"
    await ada.asks("/few")
    assert await answer(ada, "TEA") == "tea"


async def test_a_label_that_is_offered_is_no_opt_out(ada: Learner) -> None:
    await ada.asks("/few")
    assert await answer(ada, "stop") == "said Stop"


async def test_a_form_reads_its_own_numbers_first(ada: Learner) -> None:
    await ada.asks("/trip")
    assert "When?" in await answer(ada, "2")
    assert await answer(ada, "friday") == "2 on Friday"


async def test_a_commands_question_is_not_taken_for_a_form(ada: Learner) -> None:
    await ada.asks("/trip")
    await ada.asks("/timezone Berlin")
    assert "When?" in await answer(ada, "3")


async def test_in_a_room_a_form_is_of_who_began_it(ada: Learner) -> None:
    ada.emulator.bot.chats["-100"] = {"id": -100, "type": "group", "title": "Team"}
    said = (("1001", "/trip"), ("1002", "many of us"), ("1001", "4"), ("1001", "Friday"))
    for person, text in said:
        event = message(ada.account, text, person=person)
        place = Address(chat="-100", person=person)
        await ada.app.runtime.inbox.accept(
            event.model_copy(update={"address": place}), conversation_key="-100"
        )
        await work(ada.app)
    assert ada.emulator.texts() == ["How many?", "said many of us", "When?", "4 on Friday"]


# --- clock and language


async def contact(learner: Learner) -> Any:
    [row] = await learner.app.fetch("SELECT * FROM app.contacts WHERE creator_id = $1")
    return row


async def test_a_person_sets_their_time_zone(ada: Learner) -> None:
    assert "Asia/Tokyo" in await answer(ada, "/timezone tokyo")
    assert (await contact(ada))["timezone"] == "Asia/Tokyo"
    assert (await answer(ada, "/who")).endswith("Asia/Tokyo")
    assert await answer(ada, "/timezone Mars/X") == UNKNOWN_ZONE
    assert (await contact(ada))["timezone"] == "Asia/Tokyo"
    rows = await ada.app.fetch("SELECT action, detail FROM app.audit_log WHERE creator_id = $1")
    changed = [row["detail"] for row in rows if row["action"] == "contact.changed"]
    assert changed == [{"changed": ["timezone"]}]


async def test_a_person_sets_their_language(ada: Learner) -> None:
    assert "de" in await answer(ada, "/language german")
    assert (await contact(ada))["locale"] == "de"
    assert ASK_LANGUAGE.replace("`", "") in await answer(ada, "/language klingon")
    assert (await contact(ada))["locale"] == "de"


async def test_the_bots_own_command_wins(ada: Learner) -> None:
    @ada.app.runtime.bots["menu"].command("timezone")
    async def own(turn: Turn) -> None:
        turn.say("my own")

    assert await answer(ada, "/timezone tokyo") == "my own"
    assert (await contact(ada))["timezone"] is None


async def test_help_names_them_in_one_line(ada: Learner) -> None:
    told = (await answer(ada, "/help")).splitlines()
    assert HELP.replace("`", "") in told
    assert any("/many" in line for line in told)


# --- who the platform says they are


async def test_a_sender_fills_in_what_nobody_has_said(ada: Learner) -> None:
    async def writes(**sender: Any) -> Any:
        event = message(ada.account, "hello")
        who = Sender(address="1001", **sender)
        await ada.app.runtime.inbox.accept(
            event.model_copy(update={"sender": who}), conversation_key="1001"
        )
        row = await contact(ada)
        return row["name"], row["locale"], row["timezone"]

    assert await writes() == ("", None, None)
    assert await writes(timezone="Mars/X", locale="not a tag!") == ("", None, None)
    filled = ("Ada", "pt-BR", "Europe/Lisbon")
    assert await writes(name="Ada", locale="pt_BR", timezone="Europe/Lisbon") == filled
    assert await writes(name="Eve", locale="de", timezone="Asia/Tokyo") == filled


class Introducing(TelegramChannel):
    """A channel whose platform can be asked about people."""

    told: ClassVar[list[Address]] = []
    pause: ClassVar[float] = 0.0

    async def describe(self, address: Address, account: Account) -> Sender:
        self.told.append(address)
        await asyncio.sleep(self.pause)
        if address.person == "1002":
            raise RuntimeError("no such user")
        return Sender(address="", name="Eve", locale="pt-BR", timezone="America/Sao_Paulo")


@pytest.fixture
async def introduced(ada: Learner) -> AsyncIterator[Learner]:
    channel = Introducing()
    channel.told.clear()
    ada.app.runtime.channels["telegram"] = channel
    yield ada
    await channel.close()


async def test_the_platform_is_asked_once_before_the_first_turn(introduced: Learner) -> None:
    # Telegram tells name and language with the message; only the zone was missing.
    assert await answer(introduced, "/who") == "Ada en America/Sao_Paulo"
    assert await answer(introduced, "/who") == "Ada en America/Sao_Paulo"
    assert [place.person for place in Introducing.told] == ["1001"]


async def test_a_platform_that_fails_or_waits_holds_nothing_up(
    introduced: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    introduced.chat = 1002
    assert await answer(introduced, "/who") == "Ada en None"
    monkeypatch.setattr(Introducing, "pause", 60.0)
    introduced.chat = 1003
    assert await answer(introduced, "/who") == "Ada en None"
    assert len(Introducing.told) == 2
