"""What a handler can do besides answering: post elsewhere, keep records, know where it is."""

from collections.abc import AsyncIterator
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from core.bots import Attachment, Bot, Place, Turn
from core.dialogue.records import MAX_RECORDS
from core.runtime import Runtime
from tests.apps import App
from tests.learners import Learner, new_school, on_telegram, work

PICTURE = "https://cairn.example/progress.png"
ROOM = Place(chat="-100")
BEN = Place(chat="1002", person="1002")


def team_bot() -> Bot:
    bot = Bot(name="team", persona="A team's helper.")

    @bot.command("report")
    async def report(turn: Turn) -> None:
        turn.post(ROOM, f"first {turn.arguments}")
        turn.post(Place(chat="-200"), f"elsewhere {turn.arguments}", choices=["Fine"])
        turn.post(ROOM, f"second {turn.arguments}")
        turn.say("reported")

    @bot.command("tell")
    async def tell(turn: Turn) -> None:
        turn.post(BEN, turn.arguments)
        turn.say("told")

    @bot.command("put")
    async def put(turn: Turn) -> None:
        topic, key, value = turn.arguments.split()
        turn.put(topic, key, None if value == "-" else {"text": value})
        turn.say(str({k: v["text"] for k, v in (await turn.topic(topic)).items()}))

    @bot.command("topic")
    async def topic(turn: Turn) -> None:
        turn.say(str({k: v["text"] for k, v in (await turn.topic(turn.arguments)).items()}))

    @bot.command("many")
    async def many(turn: Turn) -> None:
        for number in range(MAX_RECORDS + 50):
            turn.put("many", f"{number:05}", {"text": "x"})

    @bot.command("count")
    async def count(turn: Turn) -> None:
        turn.say(f"{len(await turn.topic('many'))} kept")

    @bot.command("broken")
    async def broken(turn: Turn) -> None:
        turn.post(ROOM, "never seen")
        turn.put("day", "ada", {"text": "never kept"})
        raise RuntimeError("a bug of this bot")

    @bot.command("where")
    async def where(turn: Turn) -> None:
        now = turn.local_now()
        turn.say(f"{turn.channel} {turn.place.chat} {turn.origin.chat} {turn.timezone} {now:%z}")

    _with_pictures(bot)
    return bot


def _with_pictures(bot: Bot) -> None:
    @bot.command("picture")
    async def picture(turn: Turn) -> None:
        turn.say("", attachments=[Attachment(kind="image", url=PICTURE, name="Progress")])

    @bot.attachment
    async def look(turn: Turn) -> None:
        turn.say(f"I got a {turn.attachments[0].kind}.")


@pytest.fixture
async def ada(school: App) -> AsyncIterator[Learner]:
    school.runtime.bots["team"] = team_bot()
    async with on_telegram(school, bot="team") as learner:
        for room in ("-100", "-200"):
            learner.emulator.bot.chats[room] = {"id": int(room), "type": "group", "title": "Team"}
        yield learner


def sent_to(learner: Learner, chat: str) -> list[str]:
    return [s.text for s in learner.emulator.sent if s.chat == chat]


async def answer(learner: Learner, text: str) -> str:
    """What was answered in the learner's own chat."""
    sent = await learner.asks(text)
    return "\n".join(s.text for s in sent if s.chat == str(learner.chat))


# --- attachments


async def test_a_picture_goes_out_as_the_channel_shows_it(ada: Learner) -> None:
    await ada.asks("/picture")
    [call] = ada.emulator.calls("sendPhoto")
    assert call.params["photo"] == PICTURE


async def test_a_bot_may_answer_to_a_photo_without_words(ada: Learner) -> None:
    await ada.says("", photo=[{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}])
    await work(ada.app)
    assert ada.emulator.texts() == ["I got a photo."]


# --- posts


async def test_a_post_arrives_in_its_place_in_order(ada: Learner) -> None:
    assert await answer(ada, "/report one") == "reported"
    assert await answer(ada, "/report two") == "reported"
    assert sent_to(ada, "-100") == ["first one", "second one", "first two", "second two"]
    assert sent_to(ada, "-200") == ["elsewhere one", "elsewhere two"]


async def test_a_place_has_one_conversation_of_its_own(ada: Learner) -> None:
    for _ in range(2):
        await ada.asks("/report x")
    rows = await ada.app.fetch("SELECT key FROM app.ai_conversations WHERE creator_id = $1")
    assert sorted(row["key"] for row in rows) == ["1001", "post:/-100/", "post:/-200/"]


async def test_a_turn_that_is_thought_twice_posts_once(ada: Learner) -> None:
    await ada.says("/report once")
    [row] = await ada.inbound()
    # As if the worker had died while thinking: the message is begun, and begun again.
    await ada.app.fetch("UPDATE app.messages SET starts = 1 WHERE creator_id = $1")
    await work(ada.app)
    await work(ada.app)
    assert sent_to(ada, "-100") == ["first once", "second once"]
    ids = [r["id"] for r in await ada.outbound() if r["kind"] == "post"]
    assert len(ids) == len(set(ids)) == 3
    assert all(r["in_reply_to"] == row["id"] for r in await ada.outbound())


async def test_a_failed_turn_posts_and_keeps_nothing(ada: Learner) -> None:
    await ada.says("/broken")
    await work(ada.app)
    assert ada.emulator.sent == []
    assert await ada.app.fetch("SELECT key FROM app.bot_records WHERE creator_id = $1") == []
    assert (
        len(await ada.app.fetch("SELECT id FROM app.ai_conversations WHERE creator_id = $1")) == 1
    )


async def test_who_opted_out_is_not_posted_to(ada: Learner) -> None:
    ben = Learner(app=ada.app, emulator=ada.emulator, account=ada.account, chat=1002)
    await ben.asks("/where")
    await ada.asks("/tell hello")
    assert "hello" in sent_to(ada, "1002")
    await opt_out(ada, "1002")
    assert await answer(ada, "/tell again") == "told"
    assert "again" not in sent_to(ada, "1002")
    [row] = [r for r in await ada.outbound() if r["text"] == "again"]
    assert (row["status"], row["error_code"]) == ("canceled", "recipient_opted_out")
    # What the person asks is answered all the same.
    assert "telegram" in await answer(ben, "/where")


async def test_who_opts_out_before_the_delivery_is_not_posted_to(ada: Learner) -> None:
    ben = Learner(app=ada.app, emulator=ada.emulator, account=ada.account, chat=1002)
    await ben.asks("/where")
    await ada.says("/tell hello")
    await ada.app.runtime.engine.take_turn(ada.app.creator_id, await conversation_of(ada, "1001"))
    await opt_out(ada, "1002")
    await work(ada.app)
    assert "hello" not in sent_to(ada, "1002")
    [row] = [r for r in await ada.outbound() if r["text"] == "hello"]
    assert (row["status"], row["error_code"]) == ("canceled", "recipient_opted_out")


async def test_a_coach_writes_to_who_opted_out_once_they_have_written_again(ada: Learner) -> None:
    await ada.asks("/stop")
    desk, conversation = ada.app.runtime.desk, await conversation_of(ada, "1001")
    await desk.say(ada.app.creator_id, conversation, "unasked")
    await work(ada.app)
    assert "unasked" not in sent_to(ada, "1001")
    await ada.asks("/where")
    await desk.say(ada.app.creator_id, conversation, "asked")
    await work(ada.app)
    assert "asked" in sent_to(ada, "1001")


async def conversation_of(learner: Learner, key: str) -> UUID:
    rows = await learner.app.fetch(
        "SELECT id FROM app.ai_conversations WHERE creator_id = $1 AND key = $2", key
    )
    found: UUID = rows[0]["id"]
    return found


async def opt_out(learner: Learner, person: str) -> None:
    await learner.app.fetch(
        "UPDATE app.contact_identities SET opted_out_at = now()"
        " WHERE creator_id = $1 AND address = $2",
        person,
    )


# --- records


async def test_records_are_shared_by_the_bots_contacts(ada: Learner) -> None:
    ben = Learner(app=ada.app, emulator=ada.emulator, account=ada.account, chat=1002)
    assert await answer(ada, "/put day ada run") == "{'ada': 'run'}"
    assert await answer(ben, "/put day ben swim") == "{'ada': 'run', 'ben': 'swim'}"
    assert await answer(ada, "/put day ada rest") == "{'ada': 'rest', 'ben': 'swim'}"
    assert await answer(ben, "/topic night") == "{}"


async def test_none_forgets_a_record(ada: Learner) -> None:
    await ada.asks("/put day ada run")
    assert await answer(ada, "/put day ada -") == "{}"
    assert await answer(ada, "/topic day") == "{}"


async def test_records_stay_with_their_bot_and_creator(
    ada: Learner, school_runtime: Runtime
) -> None:
    await ada.asks("/put day ada run")
    async with (
        new_school(school_runtime) as other,
        on_telegram(other, bot="team") as stranger,
    ):
        assert await answer(stranger, "/topic day") == "{}"
    school_runtime.bots["namesake"] = team_bot()
    async with on_telegram(ada.app, bot="namesake") as learner:
        assert await answer(learner, "/topic day") == "{}"


async def test_a_topic_is_read_up_to_a_thousand_records(ada: Learner) -> None:
    await ada.asks("/many")
    assert await answer(ada, "/count") == f"{MAX_RECORDS} kept"


@pytest.mark.parametrize(("topic", "key"), [("", "k"), ("t", ""), ("t" * 301, "k")])
def test_a_topic_and_a_key_have_a_length(topic: str, key: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        Turn(text="").put(topic, key, 1)


# --- where and when


async def test_a_turn_knows_its_channel_place_and_clock(ada: Learner) -> None:
    assert await answer(ada, "/where") == "telegram 1001 1001 None +0000"
    await ada.app.fetch("UPDATE app.contacts SET timezone = 'Asia/Kolkata' WHERE creator_id = $1")
    assert await answer(ada, "/where") == "telegram 1001 1001 Asia/Kolkata +0530"


def test_the_local_time_is_the_contacts() -> None:
    assert Turn(text="", timezone="Asia/Tokyo").local_now().tzinfo == ZoneInfo("Asia/Tokyo")
