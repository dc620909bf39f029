"""Tickets: who is called, who is silent, who may take them, and what is noted when nobody comes."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from core import tickets
from core.dialogue.crisis import crisis_text
from core.optout_texts import TEXTS
from core.ticket_watch import watch_tickets
from core.tickets import Opening, TicketClosed, TicketTaken
from shared.database import PgConnection
from shared.errors import NotFound
from shared.utils.ids import new_id
from tests.apps import App
from tests.learners import Learner, work

DANGER = "I want to die"
_HELD = """
INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id, occurrence,
                                 class, purpose, planned_at, due_at, defer_reason)
VALUES ($1, $2, $3, 'broadcast', $2, '', 'broadcast', 'broadcast', $4, $4, $5) RETURNING id
"""
_DUE = """
SELECT id FROM app.scheduled_sends WHERE creator_id = $1 AND state = 'waiting' AND due_at <= $2
"""
_TICKETS = "SELECT * FROM app.tickets WHERE creator_id = $1 ORDER BY id"


async def only_ticket(school: App) -> Any:
    [row] = await school.fetch(_TICKETS)
    return row


async def set_policy(school: App, policy: dict[str, Any]) -> None:
    await school.fetch(
        "INSERT INTO app.creator_policies (creator_id, policy) VALUES ($1, $2)"
        " ON CONFLICT (creator_id) DO UPDATE SET policy = excluded.policy RETURNING 1",
        policy,
    )


def texts(sent: list[Any]) -> list[str]:
    return [each.text for each in sent]


async def test_words_of_danger_get_the_fixed_text_and_an_urgent_ticket(learner: Learner) -> None:
    [answer] = await learner.asks(DANGER)
    assert "findahelpline.com" in answer.text
    stored = await learner.last()
    assert (stored["rung"], stored["model"], stored["text"]) == (None, None, crisis_text("en"))
    ticket = await only_ticket(learner.app)
    assert (ticket["reason"], ticket["is_urgent"], ticket["state"]) == ("crisis", True, "queued")
    assert ticket["message_id"] == (await learner.inbound())[0]["id"]
    assert (await learner.conversation())["status"] == "queued"


async def test_words_of_danger_come_before_an_open_form_and_a_person(learner: Learner) -> None:
    await learner.asks("/goal")
    assert "findahelpline.com" in (await learner.asks(DANGER))[0].text
    await taken(learner)
    assert "findahelpline.com" in (await learner.asks("suicide"))[0].text


async def test_asking_for_a_person_twice_opens_one_ticket(learner: Learner) -> None:
    await learner.asks("/human")
    await learner.asks("/human")
    ticket = await only_ticket(learner.app)
    assert (ticket["reason"], ticket["is_urgent"]) == ("asked", False)
    assert ticket["respond_by"] - ticket["opened_at"] == timedelta(minutes=60)


async def test_the_bot_goes_on_until_somebody_comes_and_is_silent_then(learner: Learner) -> None:
    await learner.asks("/human")
    assert await learner.asks("/goals") != []
    await taken(learner)
    assert await learner.asks("/goals") == []
    assert await learner.asks("Are you there?") == []
    assert {row["status"] for row in await learner.inbound()} == {"answered"}


async def test_stop_is_heard_while_a_person_answers(learner: Learner) -> None:
    await learner.asks("/human")
    await taken(learner)
    assert texts(await learner.asks("STOP"))[0].startswith(TEXTS["en"].stopped[:20])


async def test_a_coach_who_writes_has_the_conversation_and_gives_it_back(learner: Learner) -> None:
    await learner.asks("/human")
    app, conversation_id = learner.app, await learner.conversation_id()
    await app.runtime.desk.say(app.creator_id, conversation_id, "Ada here.", actor="ada")
    await work(app)
    assert learner.emulator.texts()[-1] == "Ada here."
    ticket = await only_ticket(app)
    assert (ticket["state"], ticket["taken_by"]) == ("human", "ada")
    assert ticket["answered_at"] is not None
    async with app.runtime.database.transaction(app.creator_id) as connection:
        await tickets.give_back(connection, app.creator_id, ticket["id"], "ada", now(app))
    assert (await learner.conversation())["status"] == "returned"
    assert await learner.asks("/goals") != []


async def test_a_later_cause_opens_a_new_ticket(learner: Learner) -> None:
    await learner.asks("/human")
    first = await taken(learner)
    async with learner.app.runtime.database.transaction(learner.app.creator_id) as connection:
        owner = learner.app.creator_id
        await tickets.close(connection, owner, first, "ada", now(learner.app))
        with pytest.raises(TicketClosed):
            await tickets.take(connection, owner, first, "ada")
    await learner.asks("/human")
    rows = await learner.app.fetch(_TICKETS)
    assert [row["state"] for row in rows] == ["closed", "queued"]


async def test_one_of_two_who_take_it_at_once_has_it(learner: Learner) -> None:
    await learner.asks("/human")
    ticket_id = (await only_ticket(learner.app))["id"]
    app = learner.app

    async def take(actor: str) -> str:
        async with app.runtime.database.transaction(app.creator_id) as connection:
            return (await tickets.take(connection, app.creator_id, ticket_id, actor)).taken_by or ""

    outcomes = await asyncio.gather(take("ada"), take("ben"), return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(won) == 1
    assert [type(each) for each in outcomes if not isinstance(each, str)] == [TicketTaken]
    assert (await only_ticket(app))["taken_by"] == won[0]


async def test_a_rule_calls_a_person_and_the_bot_still_answers(learner: Learner) -> None:
    rule = {"words": ["refund", "my money back"], "note": "about money"}
    await set_policy(learner.app, {"handoff": {"rules": [rule], "sla_minutes": 5}})
    assert await learner.asks("Where is my refund?") != []
    ticket = await only_ticket(learner.app)
    assert (ticket["reason"], ticket["detail"]) == ("rule", "about money")
    assert ticket["respond_by"] - ticket["opened_at"] == timedelta(minutes=5)


async def test_what_nobody_took_in_time_is_noted_once(learner: Learner) -> None:
    app, clock = learner.app, learner.app.runtime.clock
    await learner.asks("/human")
    database = app.runtime.database
    await watch_tickets(database, clock.now())
    assert (await only_ticket(app))["overdue_at"] is None
    later = clock.now() + timedelta(minutes=61)
    assert await watch_tickets(database, later) == 1
    assert await watch_tickets(database, later) == 0
    assert (await only_ticket(app))["overdue_at"] == later
    actions = await app.fetch(
        "SELECT action FROM app.audit_log WHERE creator_id = $1 AND action = 'ticket.overdue'"
    )
    assert len(actions) == 1


async def test_a_ticket_that_was_taken_is_never_overdue(learner: Learner) -> None:
    await learner.asks("/human")
    await taken(learner)
    later = now(learner.app) + timedelta(days=1)
    assert await watch_tickets(learner.app.runtime.database, later) == 0


async def test_another_creators_ticket_is_not_there(learner: Learner) -> None:
    await learner.asks("/human")
    ticket_id, stranger = (await only_ticket(learner.app))["id"], uuid4()
    async with learner.app.runtime.database.transaction(stranger) as connection:
        with pytest.raises(NotFound):
            await tickets.take(connection, stranger, ticket_id, "mallory")


async def test_an_urgent_cause_makes_an_open_ticket_urgent(learner: Learner) -> None:
    await learner.asks("/human")
    await learner.asks(DANGER)
    ticket = await only_ticket(learner.app)
    assert (ticket["reason"], ticket["is_urgent"]) == ("crisis", True)
    assert ticket["message_id"] == (await learner.inbound())[-1]["id"]


async def test_a_late_ticket_that_becomes_urgent_may_be_late_once_more(learner: Learner) -> None:
    app = learner.app
    await learner.asks("/human")
    assert await watch_tickets(app.runtime.database, now(app) + timedelta(minutes=61)) == 1
    app.runtime.clock.move(timedelta(hours=5))
    await learner.asks(DANGER)
    ticket = await only_ticket(app)
    assert ticket["overdue_at"] is None
    assert timedelta(minutes=59) < ticket["respond_by"] - now(app) <= timedelta(minutes=60)
    assert await watch_tickets(app.runtime.database, now(app) + timedelta(minutes=61)) == 1


async def test_what_waited_for_a_person_goes_on_when_they_give_back(learner: Learner) -> None:
    app = learner.app
    await learner.asks("/human")
    ticket_id = await taken(learner)
    contact_id = (await learner.conversation())["contact_id"]
    at_once, later = new_id(), new_id()
    for send_id, reason in ((at_once, "human"), (later, "cap")):
        await app.fetch(_HELD, send_id, contact_id, now(app) + timedelta(minutes=15), reason)
    async with app.runtime.database.transaction(app.creator_id) as connection:
        await tickets.give_back(connection, app.creator_id, ticket_id, "ada", now(app))
    due = await app.fetch(_DUE, now(app))
    assert [row["id"] for row in due] == [at_once]


async def test_a_ticket_that_somebody_has_stays_theirs(learner: Learner) -> None:
    await learner.asks("/human")
    await taken(learner)
    row = await learner.conversation()
    opening = Opening(conversation_id=row["id"], contact_id=row["contact_id"], reason="silence")
    async with learner.app.runtime.database.transaction(learner.app.creator_id) as connection:
        await reopened(connection, learner.app, opening)
    assert (await only_ticket(learner.app))["state"] == "human"
    assert (await learner.conversation())["status"] == "human"


async def reopened(connection: PgConnection, app: App, opening: Opening) -> None:
    opened = await tickets.open_ticket(connection, app.creator_id, opening, now(app))
    assert (opened.is_new, opened.is_raised) == (False, False)


async def taken(learner: Learner) -> UUID:
    app = learner.app
    [row] = await app.fetch("SELECT id FROM app.tickets WHERE creator_id = $1 AND state = 'queued'")
    async with app.runtime.database.transaction(app.creator_id) as connection:
        await tickets.take(connection, app.creator_id, row["id"], "ada")
    ticket_id: UUID = row["id"]
    return ticket_id


def now(app: App) -> Any:
    return app.runtime.clock.now()
