"""Every rule that holds a send back, through the real database: with its reason, and its end."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core import consent
from core.consent import Person, Said
from shared.utils.ids import new_id
from tests.core.programs.coaching import NOW, daily, step
from tests.core.programs.sends.sending import DAY, Sending, sending
from tests.learners import CHAT, Learner

HOUR = timedelta(hours=1)
EVENING = {"offset": {"n": 0}, "anchor": "enrolment", "at": "22:30"}


@pytest.fixture
async def sent(learner: Learner) -> Sending:
    return await sending(learner)


async def says(sent: Sending, purposes: tuple[str, ...], *, out: bool) -> None:
    scope = consent.scope_of("telegram", "coach")
    person = Person(creator_id=sent.coach.id, scope=scope, address=str(CHAT))
    said = Said(source="api", actor="tests", at=sent.clock.now())
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        speak = consent.withdraw if out else consent.grant
        await speak(connection, person, purposes, said)


# --- what is never sent


async def test_who_said_stop_gets_nothing(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    await says(sent, ("*",), out=True)
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("skipped", "opted_out")


async def test_who_took_one_purpose_back_gets_nothing_of_it(sent: Sending) -> None:
    await sent.enrol(step("hello"), purpose="coaching")
    await says(sent, ("coaching",), out=True)
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("skipped", "opted_out")


async def test_what_nobody_agreed_to_is_not_sent(sent: Sending) -> None:
    await sent.enrol(step("hello"), purpose="offers")
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("skipped", "no_consent")


async def test_who_blocked_the_bot_is_unreachable(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    await sent.change(
        "UPDATE app.contact_identities SET reachable = 'blocked' WHERE creator_id = $1"
    )
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("skipped", "unreachable")


async def test_a_program_of_another_bot_has_no_channel_here(sent: Sending) -> None:
    await sent.enrol(step("hello"), bot="concierge")
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("skipped", "no_channel")


async def test_an_enrolment_that_ended_sends_nothing_more(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    await sent.change("UPDATE app.enrolments SET status = 'exited' WHERE creator_id = $1")
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("skipped", "enrolment_ended")


async def test_a_step_that_is_gone_sends_nothing(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    await sent.change("UPDATE app.scheduled_sends SET step_key = 'gone' WHERE creator_id = $1")
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("skipped", "step_gone")


async def test_what_is_over_expires_and_the_program_goes_on(sent: Sending) -> None:
    await sent.enrol(step("hello", expires_after={"n": 1, "unit": "hours"}), step("more"))
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("expired", "expired")
    assert await sent.after(DAY) == ["more"]


@pytest.mark.parametrize(
    ("policy", "arrives"),
    [("send", ["water"]), ("skip", []), ("collapse", ["water"])],
    ids=["send", "skip", "collapse"],
)
async def test_a_slot_missed_by_three_days(sent: Sending, policy: str, arrives: list[str]) -> None:
    await sent.enrol(daily("water", late_policy=policy))
    assert await sent.after(3 * DAY) == arrives
    assert await sent.after(DAY - 3 * HOUR) == ["water"], "life goes on, from the next slot"


async def test_a_text_of_nothing_but_a_name_is_not_sent_without_one(sent: Sending) -> None:
    await sent.change("UPDATE app.contacts SET name = '' WHERE creator_id = $1")
    await sent.enrol(step("hello", content={"en": {"text": "{name}"}}))
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("skipped", "no_content")


async def test_a_nudge_the_inbox_could_not_cancel_is_not_sent_after_a_reply(sent: Sending) -> None:
    await sent.enrol(step("hello", kind="nudge"))
    await sent.change(
        "UPDATE app.contact_identities SET last_inbound_at = $2 WHERE creator_id = $1", NOW + HOUR
    )
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("skipped", "replied")


# --- what is put off


async def test_a_person_in_the_conversation_is_not_interrupted(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    await sent.change("UPDATE app.ai_conversations SET status = 'human' WHERE creator_id = $1")
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("waiting", "human")
    await sent.change("UPDATE app.ai_conversations SET status = 'returned' WHERE creator_id = $1")
    assert await sent.after(HOUR) == ["hello"]


async def test_a_paused_program_waits_and_goes_on(sent: Sending) -> None:
    program_id = await sent.enrol(step("hello"))
    publishing = sent.coach.publishing
    await publishing.pause(sent.coach.id, program_id, actor="tests")
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("waiting", "program_paused")
    await publishing.resume(sent.coach.id, program_id, actor="tests", now=sent.clock.now())
    assert await sent.after(timedelta()) == ["hello"]


async def test_a_suspended_creator_waits(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    sent.clock.move(DAY)
    await sent.change("UPDATE app.creators SET status = 'suspended' WHERE creator_id = $1")
    await sent.scheduler.tick()
    assert await sent.outcome() == ("waiting", "suspended")


async def test_a_channel_that_is_switched_off_waits(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    await sent.change("UPDATE app.channels SET status = 'disabled' WHERE creator_id = $1")
    assert await sent.after(DAY) == []
    assert await sent.outcome() == ("waiting", "no_channel")
    await sent.change("UPDATE app.channels SET status = 'active' WHERE creator_id = $1")
    assert await sent.after(HOUR) == ["hello"]


QUIET = {"start": "22:00", "end": "07:00"}
WHOSE = ["contact", "program", "creator"]


@pytest.mark.parametrize("whose", WHOSE)
async def test_quiet_hours_move_what_is_due_to_their_end(sent: Sending, whose: str) -> None:
    await sent.change("UPDATE app.contacts SET timezone = 'Asia/Tokyo' WHERE creator_id = $1")
    if whose == "contact":
        sql = "UPDATE app.contacts SET quiet_hours = $2 WHERE creator_id = $1"
        await sent.change(sql, QUIET)
    if whose == "creator":
        await sent.set_policy(quiet_hours=QUIET)
    fields: dict[str, Any] = {"quiet_hours": QUIET} if whose == "program" else {}
    await sent.enrol(step("hello", when=EVENING), **fields)
    assert await sent.after(2 * HOUR) == []
    assert await sent.outcome() == ("waiting", "quiet_hours")
    assert await sent.due_at() == datetime(2026, 11, 23, 22, 0, tzinfo=UTC)  # seven in Tokyo
    assert await sent.after(9 * HOUR) == ["hello"]


async def test_the_cap_of_a_day_moves_the_loser_to_the_next_one(sent: Sending) -> None:
    await sent.set_policy(caps={"check_in": {"per_day": 1}})
    await sent.enrol(daily("first"), daily("second", at="10:00"))
    assert await sent.after(DAY) == ["first"]
    assert await sent.outcome() == ("sent", None)
    assert await sent.due_at() == datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    [row] = await sent.coach.rows(
        "SELECT due_at, defer_reason FROM app.scheduled_sends"
        " WHERE creator_id = $1 AND step_key = 'second' AND state = 'waiting'"
    )
    assert (row["defer_reason"], row["due_at"]) == ("cap", datetime(2026, 11, 25, 10, tzinfo=UTC))


async def test_the_cap_of_a_week_lasts_until_monday(sent: Sending) -> None:
    await sent.set_policy(caps={"check_in": {"per_week": 2}})
    await sent.enrol(daily("water"))
    assert [await sent.after(DAY) for _ in range(3)] == [["water"], ["water"], []]
    assert await sent.due_at() == datetime(2026, 11, 30, 9, tzinfo=UTC)


async def test_a_paused_broadcast_waits_and_a_cancelled_one_is_over(sent: Sending) -> None:
    await says(sent, ("broadcast",), out=False)
    broadcast_id = await broadcast(sent, "paused")
    assert await sent.after(HOUR) == []
    assert await sent.outcome() == ("waiting", "broadcast_paused")
    await set_broadcast(sent, broadcast_id, "cancelled")
    assert await sent.after(HOUR) == []
    assert await sent.outcome() == ("skipped", "broadcast_cancelled")


async def broadcast(sent: Sending, state: str) -> UUID:
    broadcast_id = new_id()
    await sent.change(
        "INSERT INTO app.broadcasts (creator_id, id, name, content, filter, actor, state)"
        " VALUES ($1, $2, 'News', $3, '{}', 'tests', $4)",
        broadcast_id,
        {"en": {"text": "News"}},
        state,
    )
    await sent.change(
        "INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id,"
        " class, purpose, planned_at, due_at)"
        " VALUES ($1, $2, $3, 'broadcast', $4, 'broadcast', 'broadcast', $5, $5)",
        new_id(),
        sent.contact_id,
        broadcast_id,
        NOW,
    )
    return broadcast_id


async def set_broadcast(sent: Sending, broadcast_id: UUID, state: str) -> None:
    sql = "UPDATE app.broadcasts SET state = $3 WHERE creator_id = $1 AND id = $2"
    await sent.change(sql, broadcast_id, state)


# --- where it goes


async def sms_channel(sent: Sending, address: str = "+15005550001") -> UUID:
    """A number that was imported, and has never written."""
    account = await sent.learner.app.add_channel(
        "sms",
        credentials={
            "account_sid": "AC" + "0" * 32,
            "auth_token": "secret",
            "from_number": "+15005550006",
        },
    )
    await sent.change(
        "INSERT INTO app.contact_identities (creator_id, id, contact_id, channel_id, address)"
        " VALUES ($1, $2, $3, $4, $5)",
        new_id(),
        sent.contact_id,
        account.channel_id,
        address,
    )
    return account.channel_id


async def channels(sent: Sending) -> list[UUID]:
    rows = await sent.coach.rows(
        "SELECT channel_id FROM app.messages"
        " WHERE creator_id = $1 AND kind = 'program' ORDER BY seq"
    )
    return [row["channel_id"] for row in rows]


async def agrees_to_texts(sent: Sending) -> None:
    scope = consent.scope_of("sms", "coach")
    person = Person(creator_id=sent.coach.id, scope=scope, address="+15005550001")
    said = Said(source="import", actor="tests", at=NOW)
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await consent.grant(connection, person, ("coaching",), said)


async def test_a_number_that_never_wrote_gets_a_conversation_with_the_first_text(
    sent: Sending,
) -> None:
    channel_id = await sms_channel(sent)
    await agrees_to_texts(sent)
    await sent.change(
        "UPDATE app.contacts SET preferred_channel_id = $2 WHERE creator_id = $1", channel_id
    )
    await sent.enrol(step("hello"))
    sent.clock.move(DAY)
    assert await sent.scheduler.tick() == 1
    assert await channels(sent) == [channel_id]
    [row] = await sent.coach.rows(
        "SELECT key, address ->> 'chat' AS chat FROM app.ai_conversations"
        " WHERE creator_id = $1 AND channel_id = $2",
        channel_id,
    )
    assert (row["key"], row["chat"]) == ("+15005550001", "+15005550001")


async def test_texts_are_not_sent_at_night_unless_somebody_says_so(sent: Sending) -> None:
    channel_id = await sms_channel(sent)
    await agrees_to_texts(sent)
    await sent.change(
        "UPDATE app.contacts SET preferred_channel_id = $2 WHERE creator_id = $1", channel_id
    )
    await sent.enrol(step("hello", when=EVENING))
    sent.clock.move(11 * HOUR)
    assert await sent.scheduler.tick() == 1
    assert await sent.outcome() == ("waiting", "quiet_hours")
    assert await sent.due_at() == datetime(2026, 11, 24, 8, tzinfo=UTC)


async def test_without_consent_there_the_next_channel_carries_it(sent: Sending) -> None:
    channel_id = await sms_channel(sent)
    await sent.change(
        "UPDATE app.contacts SET preferred_channel_id = $2 WHERE creator_id = $1", channel_id
    )
    await sent.enrol(step("hello"))
    assert await sent.after(DAY) == ["hello"]
    assert await channels(sent) == [sent.learner.account.channel_id]
