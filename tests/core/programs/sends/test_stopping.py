"""STOP puts aside what has nowhere else to go; after a START nothing missed is made up for."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from core.channels import Account
from shared.models.consents import Person, Said, agree
from shared.utils.ids import new_id
from tests.apps import App
from tests.learners import Learner

_PROGRAM = """
INSERT INTO app.coaching_programs (creator_id, id, slug, name, status)
VALUES ($1, $2, 'sleep', 'Sleep', 'live')
"""
_ENROLMENT = """
INSERT INTO app.enrolments (creator_id, id, program_id, contact_id, status, started_at, actor)
VALUES ($1, $2, $3, $4, $5, now(), 'test')
"""
_SEND = """
INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id, step_key,
  class, purpose, planned_at, due_at, channel_id, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)
"""


async def contact_of(learner: Learner) -> UUID:
    [row] = await learner.app.fetch("SELECT id FROM app.contacts WHERE creator_id = $1")
    found: UUID = row["id"]
    return found


async def enrol(app: App, contact_id: UUID, status: str = "active") -> UUID:
    program_id, enrolment_id = new_id(), new_id()
    await app.fetch("DELETE FROM app.coaching_programs WHERE creator_id = $1")
    await app.fetch(_PROGRAM, program_id)
    await app.fetch(_ENROLMENT, enrolment_id, program_id, contact_id, status)
    return enrolment_id


async def plan(
    app: App,
    contact_id: UUID,
    source_id: UUID,
    step: str,
    *,
    kind: str = "step",
    purpose: str = "coaching",
    at: datetime | None = None,
    channel_id: UUID | None = None,
    state: str = "waiting",
) -> None:
    planned = at or app.runtime.clock.now() + timedelta(hours=1)
    class_ = "broadcast" if kind == "broadcast" else "check_in"
    row = (kind, source_id, step, class_, purpose, planned, channel_id, state)
    await app.fetch(_SEND, new_id(), contact_id, *row)


async def states(app: App) -> dict[str, tuple[str, str | None]]:
    rows = await app.fetch(
        "SELECT step_key, state, skip_reason FROM app.scheduled_sends WHERE creator_id = $1"
    )
    return {row["step_key"]: (row["state"], row["skip_reason"]) for row in rows}


WAITING, STOPPED = ("waiting", None), ("cancelled", "stopped")


async def test_a_stop_cancels_all_that_waits_and_nothing_that_is_past(learner: Learner) -> None:
    await learner.asks("/help")
    app, contact_id = learner.app, await contact_of(learner)
    enrolment = await enrol(app, contact_id)
    await plan(app, contact_id, enrolment, "step")
    await plan(app, contact_id, new_id(), "news", kind="broadcast", purpose="broadcast")
    await plan(app, contact_id, enrolment, "past", state="sent")
    await plan(app, contact_id, enrolment, "held", state="claimed")
    await learner.asks("STOP")
    assert await states(app) == {
        "step": STOPPED,
        "news": STOPPED,
        "past": ("sent", None),
        "held": ("claimed", None),
    }


async def test_a_single_purpose_stops_alone(learner: Learner) -> None:
    await learner.asks("/subscribe broadcast")
    app, contact_id = learner.app, await contact_of(learner)
    await plan(app, contact_id, await enrol(app, contact_id), "step")
    await plan(app, contact_id, new_id(), "news", kind="broadcast", purpose="broadcast")
    await learner.asks("/stop news")
    assert await states(app) == {"step": WAITING, "news": STOPPED}


async def second_channel(learner: Learner, contact_id: UUID) -> Account:
    """The same person on another channel, where they agreed to coaching."""
    app = learner.app
    web = await app.add_channel("web")
    await app.fetch(
        "INSERT INTO app.contact_identities (creator_id, id, contact_id, channel_id, address)"
        " VALUES ($1, $2, $3, $4, 'visitor')",
        new_id(),
        contact_id,
        web.channel_id,
    )
    person = Person(creator_id=app.creator_id, scope="web/coach", address="visitor")
    said = Said(source="start", actor="test", at=app.runtime.clock.now())
    async with app.runtime.database.transaction(app.creator_id) as connection:
        await agree(connection, person, ["coaching"], said)
    return web


async def test_what_another_channel_may_carry_goes_on(learner: Learner) -> None:
    await learner.asks("/subscribe broadcast")
    app, contact_id = learner.app, await contact_of(learner)
    await second_channel(learner, contact_id)
    enrolment = await enrol(app, contact_id)
    await plan(app, contact_id, enrolment, "anywhere")
    await plan(app, contact_id, enrolment, "here", channel_id=learner.account.channel_id)
    await plan(app, contact_id, new_id(), "news", kind="broadcast", purpose="broadcast")
    await learner.asks("STOP")
    assert await states(app) == {"anywhere": WAITING, "here": STOPPED, "news": STOPPED}


async def test_implied_consent_carries_news_elsewhere(learner: Learner) -> None:
    await learner.asks("/subscribe broadcast")
    app, contact_id = learner.app, await contact_of(learner)
    await second_channel(learner, contact_id)
    await app.fetch(
        "INSERT INTO app.creator_policies (creator_id, policy) VALUES ($1, $2)",
        {"broadcast_consent": "implied"},
    )
    await plan(app, contact_id, new_id(), "news", kind="broadcast", purpose="broadcast")
    await learner.asks("STOP")
    assert await states(app) == {"news": WAITING}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE app.contact_identities SET reachable = 'blocked' WHERE address = 'visitor'",
        "UPDATE app.contact_identities SET opted_out_at = now() WHERE address = 'visitor'",
        "UPDATE app.channels SET status = 'disabled' WHERE type = 'web'",
        "DELETE FROM app.consents WHERE scope = 'web/coach'",
        "INSERT INTO app.opt_outs SELECT creator_id, scope, address_hash, '*', event_id, at"
        " FROM app.consents WHERE scope = 'web/coach'",
    ],
    ids=["blocked", "out by view", "disabled", "no consent", "out"],
)
async def test_a_channel_that_carries_nothing_is_no_other_way(
    learner: Learner, change: str
) -> None:
    await learner.asks("/help")
    app, contact_id = learner.app, await contact_of(learner)
    await second_channel(learner, contact_id)
    await plan(app, contact_id, await enrol(app, contact_id), "step")
    async with app.runtime.database.transaction(app.creator_id) as connection:
        await connection.execute(change)
    await learner.asks("STOP")
    assert await states(app) == {"step": STOPPED}


async def test_a_start_lets_programs_go_on_without_what_was_missed(learner: Learner) -> None:
    await learner.asks("/help")
    app, contact_id, clock = learner.app, await contact_of(learner), learner.app.runtime.clock
    enrolment = await enrol(app, contact_id)
    missed, later = clock.now() + timedelta(hours=1), clock.now() + timedelta(days=30)
    await plan(app, contact_id, enrolment, "missed", at=missed)
    await plan(app, contact_id, enrolment, "later", at=later)
    await plan(app, contact_id, new_id(), "news", kind="broadcast", purpose="broadcast")
    await learner.asks("STOP")
    clock.move(timedelta(days=10))
    await learner.asks("START")
    now = clock.now()
    rows = {
        row["step_key"]: row
        for row in await app.fetch("SELECT * FROM app.scheduled_sends WHERE creator_id = $1")
    }
    assert {key: row["state"] for key, row in rows.items()} == {
        "missed": "waiting",
        "later": "waiting",
        "news": "cancelled",
    }
    # Looked at now, and over by then: it expires, and the program plans what follows.
    assert rows["missed"]["due_at"] <= now
    assert rows["missed"]["window_end"] == missed
    assert (rows["later"]["due_at"], rows["later"]["window_end"]) == (later, None)


@pytest.mark.parametrize("status", ["completed", "exited", "cancelled"])
async def test_a_program_that_ended_meanwhile_stays_ended(learner: Learner, status: str) -> None:
    await learner.asks("/help")
    app, contact_id = learner.app, await contact_of(learner)
    await plan(app, contact_id, await enrol(app, contact_id), "step")
    await learner.asks("STOP")
    await app.fetch("UPDATE app.enrolments SET status = $2 WHERE creator_id = $1", status)
    await learner.asks("START")
    assert await states(app) == {"step": STOPPED}


async def test_what_was_planned_anew_meanwhile_is_not_doubled(learner: Learner) -> None:
    await learner.asks("/help")
    app, contact_id = learner.app, await contact_of(learner)
    enrolment = await enrol(app, contact_id)
    await plan(app, contact_id, enrolment, "step")
    await learner.asks("STOP")
    await app.fetch("UPDATE app.scheduled_sends SET generation = 0 WHERE creator_id = $1")
    await plan(app, contact_id, enrolment, "step")
    await learner.asks("START")
    rows = await app.fetch("SELECT state FROM app.scheduled_sends WHERE creator_id = $1")
    assert sorted(row["state"] for row in rows) == ["cancelled", "waiting"]


async def test_another_persons_sends_go_on(learner: Learner) -> None:
    await learner.asks("/help")
    app, contact_id = learner.app, new_id()
    await app.fetch(
        "INSERT INTO app.contacts (creator_id, id, name) VALUES ($1, $2, 'Bo')", contact_id
    )
    await plan(app, contact_id, await enrol(app, contact_id), "theirs")
    await learner.asks("STOP")
    assert await states(app) == {"theirs": WAITING}
