"""One person on two channels: a code joins them, once, and every join can be taken back."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from core import linking
from core.bots import Bot, Turn
from core.channels import Address
from core.dialogue import commands
from core.dialogue.commands import IN_PRIVATE, NOTHING_LINKED, UNLINKED
from core.linking import ALPHABET, CODE_LENGTH, CONTACT_GUESSES, MAX_OPEN, Attempt, Linking
from shared.errors import Conflict, NotFound
from shared.utils.ids import new_id
from tests.apps import App
from tests.core.test_inbox import message
from tests.learners import Learner, new_school, on_telegram, work

# As Telegram shows them: code is a mark there, not a sign in the text.
LINKED = commands.LINKED.replace("`", "")
NO_SUCH_CODE = commands.NO_SUCH_CODE.replace("`", "")


def memo_bot() -> Bot:
    bot = Bot(name="memo", persona="A memo.")

    @bot.command("remember")
    async def remember(turn: Turn) -> None:
        key, value = turn.arguments.split()
        turn.memory[key] = value
        turn.memory["all"] = [*turn.memory.get("all", []), value]

    @bot.command("memory")
    async def memory(turn: Turn) -> None:
        turn.say("; ".join(f"{k}={v}" for k, v in sorted(turn.memory.items())))

    return bot


@pytest.fixture
async def ada(school: App) -> AsyncIterator[Learner]:
    school.runtime.bots["memo"] = memo_bot()
    async with on_telegram(school, bot="memo") as learner:
        yield learner


@pytest.fixture
async def elsewhere(ada: Learner) -> AsyncIterator[Learner]:
    """The same person on another channel of the same creator, under another name there."""
    async with on_telegram(ada.app, bot="memo") as learner:
        learner.chat = 2002
        yield learner


async def answer(learner: Learner, text: str) -> str:
    return "\n".join(sent.text for sent in await learner.asks(text))


async def code_of(learner: Learner) -> str:
    found = re.search(rf"/link ([{ALPHABET}]{{{CODE_LENGTH}}})\b", await answer(learner, "/link"))
    assert found
    return found[1]


async def contact_of(learner: Learner) -> UUID:
    [row] = await learner.app.fetch(
        "SELECT contact_id FROM app.contact_identities"
        " WHERE creator_id = $1 AND channel_id = $2 AND address = $3",
        learner.account.channel_id,
        str(learner.chat),
    )
    found: UUID = row["contact_id"]
    return found


async def links(learner: Learner) -> list[Any]:
    return await learner.app.fetch(
        "SELECT * FROM app.contact_links WHERE creator_id = $1 ORDER BY linked_at"
    )


async def noted(learner: Learner) -> list[str]:
    rows = await learner.app.fetch(
        "SELECT action FROM app.audit_log WHERE creator_id = $1 AND action LIKE '%link%'"
        " ORDER BY id"
    )
    return [row["action"] for row in rows]


async def test_a_code_makes_two_channels_one_contact(ada: Learner, elsewhere: Learner) -> None:
    await ada.asks("/remember colour red")
    await elsewhere.asks("/remember animal cat")
    code = await code_of(ada)
    assert await answer(elsewhere, f"/link {code.lower()}") == LINKED
    assert await contact_of(elsewhere) == await contact_of(ada)
    for learner in (ada, elsewhere):
        assert await answer(learner, "/memory") == "all=['red', 'cat']; animal=cat; colour=red"
        assert (await learner.conversation())["contact_id"] == await contact_of(ada)
    assert await noted(ada) == ["contact.linked"]


async def test_the_older_contacts_values_win_and_nothing_is_dropped(
    ada: Learner, elsewhere: Learner
) -> None:
    await ada.asks("/remember colour red")
    await elsewhere.asks("/remember colour blue")
    # The younger contact gives the code: its own value stands back all the same.
    code = await code_of(elsewhere)
    assert await answer(ada, f"/link {code}") == LINKED
    assert await answer(elsewhere, "/memory") == "all=['red', 'blue']; colour=red"
    [link] = await links(ada)
    assert link["set_aside"] == {"colour": "blue"}


async def test_the_same_code_works_once(ada: Learner, elsewhere: Learner) -> None:
    code = await code_of(ada)
    assert await answer(elsewhere, f"/link {code}") == LINKED
    async with on_telegram(ada.app, bot="memo") as third:
        assert await answer(third, f"/link {code}") == NO_SUCH_CODE


async def test_every_code_that_does_not_work_is_told_alike(
    ada: Learner, elsewhere: Learner
) -> None:
    own = await code_of(ada)
    assert await answer(ada, f"/link {own}") == NO_SUCH_CODE
    assert await answer(elsewhere, "/link AAAAAAAA") == NO_SUCH_CODE
    assert await answer(elsewhere, "/link " + "🦊" * 300) == NO_SUCH_CODE
    await ada.app.fetch("UPDATE app.link_codes SET expires_at = now() WHERE creator_id = $1")
    assert await answer(elsewhere, f"/link {own}") == NO_SUCH_CODE
    assert await links(ada) == []


async def test_a_code_of_another_creator_does_not_work(ada: Learner) -> None:
    code = await code_of(ada)
    async with (
        new_school(ada.app.runtime) as other,
        on_telegram(other, bot="memo") as stranger,
    ):
        assert await answer(stranger, f"/link {code}") == NO_SUCH_CODE
    assert await links(ada) == []


async def test_guesses_run_out(ada: Learner, elsewhere: Learner) -> None:
    code = await code_of(ada)
    for _ in range(CONTACT_GUESSES):
        assert await answer(elsewhere, "/link BBBBBBBB") == NO_SUCH_CODE
    assert await answer(elsewhere, f"/link {code}") == NO_SUCH_CODE


async def test_only_the_newest_codes_stay_open(ada: Learner, elsewhere: Learner) -> None:
    codes = [await code_of(ada) for _ in range(MAX_OPEN + 1)]
    rows = await ada.app.fetch("SELECT digest FROM app.link_codes WHERE creator_id = $1")
    assert len(rows) == MAX_OPEN
    assert not any(code.encode() in row["digest"] for row in rows for code in codes)
    assert await answer(elsewhere, f"/link {codes[0]}") == NO_SUCH_CODE
    assert await answer(elsewhere, f"/link {codes[-1]}") == LINKED


async def test_of_two_who_use_one_code_at_once_one_wins(ada: Learner, elsewhere: Learner) -> None:
    third = Learner(app=ada.app, emulator=elsewhere.emulator, account=elsewhere.account, chat=3003)
    await elsewhere.asks("/memory")
    await third.asks("/memory")
    code = await code_of(ada)
    linker = linker_of(ada)
    tries = [await attempt(one, code) for one in (elsewhere, third)]
    won = await asyncio.gather(*(linker.redeem(one) for one in tries))
    assert sorted(won) == [False, True]
    assert len(await links(ada)) == 1


async def test_a_turn_that_is_thought_twice_links_once(ada: Learner, elsewhere: Learner) -> None:
    await elsewhere.asks("/memory")
    tried = await attempt(elsewhere, await code_of(ada))
    linker = linker_of(ada)
    assert await linker.redeem(tried)
    assert await linker.redeem(tried)
    assert len(await links(ada)) == 1


async def test_in_a_room_there_are_no_codes(ada: Learner) -> None:
    ada.emulator.bot.chats["-100"] = {"id": -100, "type": "group", "title": "Team"}
    event = message(ada.account, "/link").model_copy(
        update={"address": Address(chat="-100", person="1001")}
    )
    await ada.app.runtime.inbox.accept(event, conversation_key="-100")
    await work(ada.app)
    assert [sent.text for sent in ada.emulator.sent] == [IN_PRIVATE]
    assert await ada.app.fetch("SELECT * FROM app.link_codes WHERE creator_id = $1") == []


async def test_a_message_that_waits_is_answered_with_the_joined_memory(
    ada: Learner, elsewhere: Learner
) -> None:
    await ada.asks("/remember colour red")
    code = await code_of(ada)
    await elsewhere.says(f"/link {code}")
    await elsewhere.says("/memory")
    await work(ada.app)
    assert [sent.text for sent in elsewhere.emulator.sent] == [LINKED, "all=['red']; colour=red"]


async def test_one_memory_written_from_two_channels_loses_nothing(
    ada: Learner, elsewhere: Learner
) -> None:
    await elsewhere.asks(f"/link {await code_of(ada)}")
    await ada.says("/remember colour red")
    await elsewhere.says("/remember animal cat")
    conversations = [(await one.conversation())["id"] for one in (ada, elsewhere)]
    await asyncio.gather(
        *(ada.app.runtime.engine.take_turn(ada.app.creator_id, one) for one in conversations)
    )
    told = await answer(ada, "/memory")
    assert "animal=cat" in told
    assert "colour=red" in told


# --- taking it back


async def test_unlink_takes_the_last_link_back(ada: Learner, elsewhere: Learner) -> None:
    await ada.asks("/remember colour red")
    await elsewhere.asks("/remember animal cat")
    before = await contact_of(elsewhere)
    await elsewhere.asks(f"/link {await code_of(ada)}")
    assert await answer(ada, "/unlink") == UNLINKED
    assert await contact_of(elsewhere) == before
    assert (await elsewhere.conversation())["contact_id"] == before
    assert await answer(elsewhere, "/memory") == "all=['cat']; animal=cat"
    assert await answer(ada, "/unlink") == NOTHING_LINKED
    assert await noted(ada) == ["contact.linked", "contact.unlinked"]


async def test_linking_again_doubles_nothing(ada: Learner, elsewhere: Learner) -> None:
    await ada.asks("/remember colour red")
    await elsewhere.asks("/remember animal cat")
    for _ in range(2):
        await elsewhere.asks(f"/link {await code_of(ada)}")
        await ada.asks("/unlink")
    await elsewhere.asks(f"/link {await code_of(ada)}")
    assert await answer(ada, "/memory") == "all=['red', 'cat']; animal=cat; colour=red"
    assert [link["undone_at"] is None for link in await links(ada)] == [False, False, True]


async def test_only_a_standing_link_of_this_contact_is_taken_back(
    ada: Learner, elsewhere: Learner
) -> None:
    await elsewhere.asks(f"/link {await code_of(ada)}")
    [link] = await links(ada)
    creator_id, contact_id = ada.app.creator_id, await contact_of(ada)
    async with ada.app.runtime.database.transaction(creator_id) as connection:
        for wrong in ((link["from_contact"], link["id"]), (contact_id, new_id())):
            with pytest.raises(NotFound):
                await linking.unlink(connection, creator_id, *wrong, actor="test")
        await linking.unlink(connection, creator_id, contact_id, link["id"], actor="test")
        with pytest.raises(Conflict):
            await linking.unlink(connection, creator_id, contact_id, link["id"], actor="test")


def linker_of(learner: Learner) -> Linking:
    runtime = learner.app.runtime
    return Linking(database=runtime.database, limiter=runtime.limiter, keys=runtime.keys)


async def attempt(learner: Learner, code: str) -> Attempt:
    return Attempt(
        creator_id=learner.app.creator_id,
        contact_id=await contact_of(learner),
        channel_id=learner.account.channel_id,
        address=str(learner.chat),
        message_id=new_id(),
        code=code,
    )
