"""Who may be written to first: grants by purpose, STOP and START, and what outlives a contact."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core import consent, optout
from core.channels import Account, OptEvent, Parsed
from core.consent import Person, Standing
from core.policies import Policy
from core.runtime import Runtime
from shared.models.consents import ALL, Said, address_hash, agree, refuse, standing
from tests.apps import App
from tests.core.test_contact_import import TWILIO
from tests.core.test_inbox import envelope, message
from tests.learners import Learner, new_school, work

SCOPE, TEXTS = "telegram/coach", "sms/concierge"
IMPLIED = Policy(broadcast_consent="implied")


@pytest.fixture
async def other(school_runtime: Runtime) -> AsyncIterator[App]:
    async with new_school(school_runtime) as app:
        yield app


async def stands(app: App, address: str, *purposes: str, scope: str = SCOPE) -> list[Standing]:
    key = address_hash(app.creator_id, scope, address)
    asked = [(scope, key, purpose) for purpose in purposes]
    async with app.runtime.database.transaction(app.creator_id) as connection:
        found = await standing(connection, app.creator_id, asked)
    return [found[one] for one in asked]


async def may(learner: Learner, purpose: str) -> str | None:
    [found] = await stands(learner.app, str(learner.chat), purpose)
    return consent.refusal(found, type_="telegram", purpose=purpose, policy=Policy())


async def events(app: App) -> list[tuple[str, str, str]]:
    rows = await app.fetch(
        "SELECT purpose, action, source FROM app.consent_events WHERE creator_id = $1"
        " ORDER BY id, purpose"
    )
    return [(row["purpose"], row["action"], row["source"]) for row in rows]


# --- the verdict


@pytest.mark.parametrize(
    ("is_out", "is_granted", "type_", "purpose", "policy", "expected"),
    [
        (False, True, "sms", "coaching", Policy(), None),
        (False, False, "telegram", "coaching", Policy(), "no_consent"),
        (True, True, "telegram", "coaching", Policy(), "opted_out"),
        (False, False, "telegram", "broadcast", Policy(), "no_consent"),
        (False, False, "telegram", "broadcast", IMPLIED, None),
        (False, False, "telegram", "coaching", IMPLIED, "no_consent"),
        (False, False, "sms", "broadcast", IMPLIED, "no_consent"),
        (True, False, "telegram", "broadcast", IMPLIED, "opted_out"),
    ],
    ids=[
        "granted", "not granted", "out", "explicit", "implied", "implied for news only",
        "never implied by text", "out though implied",
    ],
)  # fmt: skip
def test_the_verdict(
    is_out: bool, is_granted: bool, type_: str, purpose: str, policy: Policy, expected: str | None
) -> None:
    found = Standing(is_out, is_granted)
    assert consent.refusal(found, type_=type_, purpose=purpose, policy=policy) == expected


# --- what a first message agrees to


async def test_writing_first_agrees_to_coaching_once(learner: Learner) -> None:
    await learner.asks("/start")
    await learner.asks("/help")
    assert [await may(learner, one) for one in consent.PURPOSES] == [None, None, "no_consent"]
    assert await events(learner.app) == [
        ("coaching", "granted", "start"),
        ("reminder", "granted", "start"),
    ]


async def test_who_was_there_before_agrees_with_the_next_message(learner: Learner) -> None:
    await learner.asks("/help")
    for table in ("consents", "contact_identities SET agreed_at = NULL"):
        verb = "UPDATE" if "SET" in table else "DELETE FROM"
        await learner.app.fetch(f"{verb} app.{table} WHERE creator_id = $1")
    await learner.asks("/help")
    assert await may(learner, "coaching") is None


async def test_a_stop_as_the_first_word_agrees_to_nothing(learner: Learner) -> None:
    await learner.asks("STOP")
    assert await events(learner.app) == [(ALL, "withdrawn", "word")]
    await learner.asks("START")
    assert await may(learner, "coaching") is None  # to start is to ask for it


async def texted(app: App, account: Account, text: str) -> str:
    """What a text from a new number is answered."""
    accepted = await app.runtime.inbox.accept(
        message(account, text, person="+1"), conversation_key="+1"
    )
    await app.runtime.engine.take_turn(app.creator_id, accepted.conversation_id)
    rows = await app.fetch(
        "SELECT text FROM app.messages WHERE creator_id = $1 AND direction = 'out' ORDER BY seq"
    )
    return str(rows[-1]["text"])


async def test_a_text_message_agrees_to_nothing_and_join_does(school: App) -> None:
    sms = await school.add_channel("sms", bot="concierge", credentials=TWILIO)
    await texted(school, sms, "hello")
    assert await stands(school, "+1", "coaching", scope=TEXTS) == [(False, False)]
    assert "Reply HELP for help, STOP to cancel." in await texted(school, sms, "Join")
    found = await stands(school, "+1", "coaching", "reminder", "broadcast", scope=TEXTS)
    assert found == [(False, True), (False, True), (False, False)]
    assert await events(school) == [
        ("coaching", "granted", "word"),
        ("reminder", "granted", "word"),
    ]


async def opts(app: App, account: Account, choice: Any, number: int) -> None:
    event = OptEvent(choice=choice, **envelope(account, person="+1", external_id=f"opt:{number}"))
    adapter = app.runtime.channels["sms"]
    await app.runtime.inbox.receive(account, adapter, Parsed(events=(event,)))


async def test_the_carriers_start_agrees_only_for_who_had_not_left(school: App) -> None:
    """Nobody of that number was a contact: the wish is kept all the same."""
    sms = await school.add_channel("sms", bot="concierge", credentials=TWILIO)
    await opts(school, sms, "out", 1)
    await opts(school, sms, "out", 2)
    assert await stands(school, "+1", "coaching", scope=TEXTS) == [(True, False)]
    await opts(school, sms, "in", 3)
    assert await stands(school, "+1", "coaching", scope=TEXTS) == [(False, False)]
    await opts(school, sms, "in", 4)
    assert await stands(school, "+1", "coaching", scope=TEXTS) == [(False, True)]
    assert await events(school) == [
        (ALL, "withdrawn", "platform"),
        (ALL, "granted", "platform"),
        ("coaching", "granted", "platform"),
        ("reminder", "granted", "platform"),
    ]


# --- stopping and starting


async def test_start_brings_back_only_what_was_agreed_to(learner: Learner) -> None:
    await learner.asks("/start")
    await learner.asks("/subscribe broadcast")
    await learner.asks("/stop reminders")
    await learner.asks("stop")
    assert [await may(learner, one) for one in consent.PURPOSES] == ["opted_out"] * 3
    await learner.asks("START")
    assert [await may(learner, one) for one in consent.PURPOSES] == [None, "opted_out", None]
    await learner.asks("/subscribe reminder")
    assert await may(learner, "reminder") is None


async def test_every_wish_names_the_message_it_was_made_with(learner: Learner) -> None:
    await learner.asks("/help")
    await learner.asks("Stop!")
    written = (await learner.inbound())[-1]["id"]
    [row] = await learner.app.fetch(
        "SELECT * FROM app.consent_events WHERE creator_id = $1 AND purpose = '*'"
    )
    assert row["evidence"] == {"message_id": str(written), "words": "Stop!"}
    assert row["actor"] == f"contact:{row['contact_id']}"
    assert row["channel_id"] == learner.account.channel_id


def test_a_word_counts_in_the_language_it_is_meant_in() -> None:
    assert not optout.is_stop("dur", locale="fr-FR")  # "hard", to a French learner
    assert optout.is_stop("dur", locale="tr")
    assert optout.is_stop("CANCEL", channel="sms")
    assert not optout.is_stop("CANCEL", channel="telegram")


@pytest.mark.parametrize("text", ["Wypisz", "afmelden", "abonelikten çık", "opt out"])
def test_words_of_more_languages(text: str) -> None:
    assert optout.is_stop(text)


async def test_what_a_room_says_to_itself_stops_nobody(learner: Learner) -> None:
    await learner.asks("/help")
    inbox = learner.app.runtime.inbox
    event = message(learner.account, "stop").model_copy(update={"overheard": True})
    await inbox.accept(event, conversation_key="1001")
    await work(learner.app)
    assert await may(learner, "coaching") is None


# --- what outlives a contact


async def test_who_stopped_stays_out_when_made_anew(learner: Learner, other: App) -> None:
    await learner.asks("/help")
    await learner.asks("STOP")
    await learner.app.fetch("DELETE FROM app.contacts WHERE creator_id = $1")
    await learner.asks("/help")
    [row] = await learner.app.fetch("SELECT * FROM app.contact_identities WHERE creator_id = $1")
    assert row["opted_out_at"] is not None
    assert await may(learner, "coaching") == "opted_out"
    # The same person may be written to by somebody they never told to stop.
    [elsewhere] = await stands(other, str(learner.chat), "coaching")
    assert elsewhere == (False, False)
    await learner.asks("START")
    assert await may(learner, "coaching") is None


async def test_another_bot_of_the_channel_is_another_scope(learner: Learner) -> None:
    await learner.asks("STOP")
    scope = consent.scope_of("telegram", "standup")
    assert await stands(learner.app, str(learner.chat), ALL, scope=scope) == [(False, False)]


async def test_blocking_is_noted_and_takes_nothing_back(learner: Learner) -> None:
    await learner.asks("/help")
    for act in (learner.emulator.blocks, learner.emulator.unblocks):
        await act()
        await learner.arrive()
    assert (await events(learner.app))[2:] == [
        (ALL, "withdrawn", "platform"),
        (ALL, "granted", "platform"),
    ]
    assert await may(learner, "coaching") is None


async def test_what_stands_is_found_by_key_whatever_came_before(learner: Learner) -> None:
    await learner.asks("/help")
    app, key = learner.app, address_hash(learner.app.creator_id, SCOPE, "1001")
    person = Person(creator_id=app.creator_id, scope=SCOPE, address="1001")
    said = Said(source="word", actor="test", at=app.runtime.clock.now())
    async with app.runtime.database.transaction(app.creator_id) as connection:
        for _ in range(20):
            await refuse(connection, person, ["broadcast"], said)
            await agree(connection, person, ["broadcast"], said)
        counts = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM app.consents WHERE address_hash = $1) AS agreed,"
            " (SELECT count(*) FROM app.opt_outs WHERE address_hash = $1) AS refused",
            key,
        )
    assert counts is not None
    assert tuple(counts) == (3, 0)
