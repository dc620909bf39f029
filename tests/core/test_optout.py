"""Who says stop is left alone, in several languages; who asks afterwards is still answered."""

from typing import Any

import pytest

from core import optout
from core.channels import OptEvent, Parsed
from core.optout_texts import TEXTS
from tests.core.test_inbox import envelope
from tests.learners import Learner, work

EN = TEXTS["en"]


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop",
        " Stop. ",
        "«Stop!»",
        "¡ALTO!",
        "unsubscribe",
        "Opt-out",
        "STOPP",
        "Abmelden",
        "ARRÊT",
        "arre\u0302t",
        "arret",
        "baja",
        "parar",
        "Sair",
        "basta",
        "disiscrivimi",
    ],
)
def test_customary_words_end_messages(text: str) -> None:
    assert optout.is_stop(text)
    assert not optout.is_start(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stop it",
        "don't stop",
        "full stop",
        "stops",
        "non-stop",
        "🛑",
        "...",
        "s t o p",
        "cancel",
    ],
)
def test_other_texts_end_nothing(text: str) -> None:
    assert not optout.is_stop(text)


@pytest.mark.parametrize("text", ["START", "unstop", "Start!", "alta", "reprendre"])
def test_customary_words_begin_messages_again(text: str) -> None:
    assert optout.is_start(text)


async def identity(learner: Learner) -> Any:
    [row] = await learner.app.fetch(
        "SELECT reachable, opted_out_at FROM app.contact_identities WHERE creator_id = $1"
    )
    return row


async def noted(learner: Learner) -> list[tuple[str, str]]:
    rows = await learner.app.fetch(
        "SELECT action, detail FROM app.audit_log WHERE creator_id = $1"
        " AND action LIKE 'contact.opted%' ORDER BY id"
    )
    return [(row["action"], row["detail"]["by"]) for row in rows]


@pytest.mark.parametrize("text", ["/stop", "STOP", "stopp"])
async def test_stop_is_confirmed_once_and_remembered(learner: Learner, text: str) -> None:
    [sent] = await learner.asks(text)
    assert sent.text == EN.stopped
    row = await identity(learner)
    assert (row["reachable"], row["opted_out_at"] is not None) == ("yes", True)
    await learner.asks(text)
    assert await noted(learner) == [("contact.opted_out", "person")]


async def test_who_asks_after_stopping_is_answered(learner: Learner) -> None:
    await learner.asks("/stop")
    [sent] = await learner.asks("/help")
    assert "/goal" in sent.text
    assert (await identity(learner))["opted_out_at"] is not None


@pytest.mark.parametrize("text", ["/start", "START"])
async def test_start_begins_again(learner: Learner, text: str) -> None:
    await learner.asks("/stop")
    sent = await learner.asks(text)
    assert sent[0].text == EN.resumed
    assert (await identity(learner))["opted_out_at"] is None
    assert [action for action, _ in await noted(learner)] == [
        "contact.opted_out",
        "contact.opted_in",
    ]


async def test_start_without_an_opt_out_only_greets(learner: Learner) -> None:
    sent = await learner.asks("/start")
    assert all(one.text != EN.resumed for one in sent)
    assert await noted(learner) == []


async def test_a_stop_in_the_middle_of_a_form_ends_it(learner: Learner) -> None:
    await learner.asks("/goal")
    [sent] = await learner.asks("STOP")
    assert sent.text == EN.stopped
    [sent] = await learner.asks("/cancel")
    assert "nothing to cancel" in sent.text


# --- the platform's own opt-out


async def happens(learner: Learner, choice: Any) -> None:
    event = OptEvent(choice=choice, **envelope(learner.account))
    await learner.app.runtime.inbox.receive(
        learner.account, learner.adapter, Parsed(events=(event,))
    )
    await work(learner.app)


async def test_the_platforms_opt_out_blocks_everything_and_is_not_answered(
    learner: Learner,
) -> None:
    await learner.asks("/help")
    before = len(learner.emulator.sent)
    await happens(learner, "out")
    await happens(learner, "out")
    assert len(learner.emulator.sent) == before
    assert (await identity(learner))["reachable"] == "opted_out"
    assert await learner.asks("/help") == []
    assert (await learner.last())["error_code"] == "recipient_opted_out"
    # What they write themselves, in words the platform doesn't know, ends nothing.
    assert await learner.asks("/start") == []
    assert (await identity(learner))["reachable"] == "opted_out"
    await happens(learner, "in")
    assert len(await learner.asks("/help")) == 1
    assert await noted(learner) == [
        ("contact.opted_out", "platform"),
        ("contact.opted_in", "person"),
        ("contact.opted_in", "platform"),
    ]


async def test_unblocking_does_not_end_an_opt_out(learner: Learner) -> None:
    await learner.asks("/help")
    await happens(learner, "out")
    for act in (learner.emulator.blocks, learner.emulator.unblocks):
        await act()
        await learner.arrive()
    assert (await identity(learner))["reachable"] == "opted_out"
