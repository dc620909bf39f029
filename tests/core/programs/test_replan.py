"""Editing what is live: what waits is kept, moved or cancelled, and nothing is sent again."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.programs import enrolling, replan
from core.programs.keeping import ProgramBusy
from core.programs.replan import Counts, replan_contact
from shared.errors import AppError, Conflict
from shared.models import enrolments
from tests.core.programs.coaching import NOW, SENDS, Coach, daily, program, step

ENROLMENTS = "SELECT status, reason, ended_at FROM app.enrolments WHERE creator_id = $1"


async def test_only_the_next_slot_of_each_armed_step_waits(coach: Coach) -> None:
    fit = await coach.runs(program(step("welcome"), step("second"), daily("mood", "18:00")))
    ada = await coach.meets(timezone="Europe/Lisbon")
    assert await coach.enrols(fit, [ada]) == 1
    assert await coach.sends() == [
        ("mood", "2026-11-23T18:00", "waiting"),
        ("welcome", "2026-11-24T09:00", "waiting"),
    ]


async def test_a_second_enrolment_is_no_other_one(coach: Coach) -> None:
    fit = await coach.runs(program(step("welcome")))
    ada, ben = await coach.meets(), await coach.meets("Ben")
    assert await coach.enrols(fit, [ada]) == 1
    assert await coach.enrols(fit, [ada, ben, ada]) == 1
    assert len(await coach.rows(ENROLMENTS)) == 2
    assert (await coach.audit("program.enrolled"))[-1] == {"enrolled": 1, "already": 1}


async def test_two_who_enrol_at_once_enrol_once(coach: Coach) -> None:
    fit = await coach.runs(program(step("welcome")))
    contacts = [await coach.meets() for _ in range(5)]
    added = await asyncio.gather(*(coach.enrols(fit, contacts) for _ in range(4)))
    assert sum(added) == 5
    assert len(await coach.sends("waiting")) == 5


async def test_a_draft_takes_nobody_in(coach: Coach) -> None:
    draft = (await coach.programs.put(coach.id, program(step("welcome")), actor="tests")).row
    with pytest.raises(Conflict, match="not live"):
        await coach.enrols(draft.id, [await coach.meets()])


@pytest.mark.parametrize("people", [2, 120], ids=["few", "many"])
async def test_an_edit_moves_keeps_cancels_and_counts(coach: Coach, people: int) -> None:
    fit = await coach.runs(program(step("welcome"), daily("mood"), daily("old"), daily("late")))
    await coach.enrols(fit, [await coach.meets() for _ in range(people)])
    published = await coach.edits(
        program(step("welcome"), daily("mood"), daily("late", "20:00"), daily("fresh", "07:00"))
    )
    expected = {"kept": 2 * people, "moved": people, "cancelled": people, "planned": people}
    assert asdict(published.counts) == {**expected, "ended": 0}
    assert (await coach.audit("program.published"))[-1] == {
        "slug": "fit",
        "version": 2,
        **asdict(published.counts),
    }
    assert sorted(set(await coach.sends())) == [
        ("fresh", "2026-11-24T07:00", "waiting"),
        ("late", "2026-11-23T20:00", "waiting"),
        ("mood", "2026-11-24T09:00", "waiting"),
        ("old", "2026-11-24T09:00", "cancelled"),
        ("welcome", "2026-11-24T09:00", "waiting"),
    ]
    rows = await coach.rows(SENDS)
    assert {r["generation"] for r in rows if r["state"] == "waiting"} == {published.row.generation}
    assert {r["skip_reason"] for r in rows if r["state"] == "cancelled"} == {"step_gone"}


async def test_what_was_handled_is_not_sent_again(coach: Coach) -> None:
    fit = await coach.runs(program(daily("mood", "13:00"), daily("done", "14:00")))
    await coach.enrols(fit, [await coach.meets()])
    await coach.handles("mood", "sent")
    await coach.handles("done", "skipped")
    # The same minute again, by another rule: the slots of today were handled.
    again = program(
        daily("mood", "13:00", expires_after={"n": 1, "unit": "hours"}), daily("done", "14:00")
    )
    for edit in (again, program(daily("mood", "13:00"), daily("done", "14:00"), step("more"))):
        await coach.edits(edit, NOW + timedelta(minutes=30))
    assert await coach.sends("waiting") == [
        ("done", "2026-11-24T14:00", "waiting"),
        ("mood", "2026-11-24T13:00", "waiting"),
    ]
    assert [s for s in await coach.sends() if s[1].startswith("2026-11-23")] == [
        ("done", "2026-11-23T14:00", "skipped"),
        ("mood", "2026-11-23T13:00", "sent"),
    ]


async def test_a_slot_that_was_put_off_stays_put_off(coach: Coach) -> None:
    fit = await coach.runs(program(daily("mood")))
    await coach.enrols(fit, [await coach.meets()])
    until = datetime(2026, 11, 24, 11, tzinfo=UTC)
    await coach.rows(
        "UPDATE app.scheduled_sends SET due_at = $2, defer_reason = 'quiet_hours', deferrals = 1"
        " WHERE creator_id = $1 RETURNING id",
        until,
    )
    published = await coach.edits(program(daily("mood"), daily("more")))
    assert published.counts == Counts(kept=1, planned=1)
    [mood] = [row for row in await coach.rows(SENDS) if row["step_key"] == "mood"]
    assert mood["due_at"] == until


async def test_nothing_changes_when_the_live_version_is_published_again(coach: Coach) -> None:
    fit = await coach.runs(program(daily("mood")))
    await coach.enrols(fit, [await coach.meets()])
    before = await coach.rows(SENDS)
    published = await coach.publishing.publish(coach.id, fit, actor="tests", now=NOW)
    assert published.counts == Counts()
    assert await coach.rows(SENDS) == before


async def test_of_two_edits_at_once_one_wins_and_the_other_is_told(coach: Coach) -> None:
    fit = await coach.runs(program(daily("mood")))
    await coach.enrols(fit, [await coach.meets() for _ in range(20)])
    for hour in range(10, 14):
        await coach.programs.put(coach.id, program(daily("mood", f"{hour}:00")), actor="tests")

    async def publish(version: int) -> Any:
        try:
            return await coach.publishing.publish(
                coach.id, fit, version=version, actor="tests", now=NOW
            )
        except AppError as error:
            return error

    results = await asyncio.gather(*(publish(version) for version in range(2, 6)))
    lost = [result for result in results if isinstance(result, AppError)]
    assert lost
    assert all(isinstance(error, ProgramBusy) for error in lost), lost
    row = await coach.programs.get(coach.id, fit)
    assert row.generation == 2 + (len(results) - len(lost))  # of those that came in turn
    hour = 8 + (row.live_version or 0)
    assert {occurrence for _, occurrence, _ in await coach.sends("waiting")} == {
        f"2026-11-{23 if hour >= 12 else 24}T{hour:02}:00"
    }


@pytest.mark.parametrize("action", ["archive", "delete"])
async def test_a_program_that_goes_takes_what_waits_with_it(coach: Coach, action: str) -> None:
    fit = await coach.runs(program(step("welcome"), daily("mood")))
    await coach.enrols(fit, [await coach.meets() for _ in range(3)])
    await coach.handles("welcome")
    away = await getattr(coach.publishing, action)(coach.id, fit, actor="tests", now=NOW)
    assert (away.cancelled, away.ended) == (3, 3)
    assert await coach.sends("waiting") == []
    assert len(await coach.sends("sent")) == 3
    reasons = {row["skip_reason"] for row in await coach.rows(SENDS) if row["skip_reason"]}
    assert reasons == {"enrolment_ended"}
    ended = [(row["status"], row["reason"]) for row in await coach.rows(ENROLMENTS)]
    assert ended == ([("cancelled", "program_archived")] * 3 if action == "archive" else [])
    [noted] = await coach.audit("program.archived" if action == "archive" else "program.deleted")
    assert (noted["cancelled"], noted["ended"]) == (3, 3)


async def test_a_paused_enrolment_goes_on_where_it_was(coach: Coach) -> None:
    fit = await coach.runs(program(step("welcome"), daily("mood", "18:00")))
    await coach.enrols(fit, [await coach.meets()])
    async with coach.database.transaction(coach.id) as db:
        [row] = await enrolments.open_of_program(db, coach.id, fit)
        assert await enrolling.leave(db, coach.id, row.id, status="paused", reason="coach", now=NOW)
    assert await coach.sends("waiting") == []
    async with coach.database.transaction(coach.id) as db:
        later = NOW + timedelta(days=3)
        assert await enrolling.resume(db, coach.id, row.id, now=later)
    # What was missed meanwhile is the scheduler's to judge, by each step's late policy.
    assert await coach.sends("waiting") == [
        ("mood", "2026-11-23T18:00", "waiting"),
        ("welcome", "2026-11-24T09:00", "waiting"),
    ]


async def test_who_leaves_gets_nothing_more(coach: Coach) -> None:
    fit = await coach.runs(program(step("welcome"), daily("mood")))
    await coach.enrols(fit, [await coach.meets()])
    async with coach.database.transaction(coach.id) as db:
        [row] = await enrolments.open_of_program(db, coach.id, fit)
        ended: dict[str, Any] = {"status": "exited", "reason": "coach", "now": NOW}
        assert await enrolling.leave(db, coach.id, row.id, **ended)
        assert not await enrolling.leave(db, coach.id, row.id, **ended)
    assert {state for _, _, state in await coach.sends()} == {"cancelled"}
    assert [tuple(row) for row in await coach.rows(ENROLMENTS)] == [("exited", "coach", NOW)]


async def test_another_clock_moves_what_waits_and_repeats_nothing(coach: Coach) -> None:
    fit = await coach.runs(program(step("welcome"), daily("mood"), daily("lunch", "13:00")))
    ada = await coach.meets(timezone="Europe/Lisbon")
    await coach.enrols(fit, [ada])
    await coach.handles("lunch")
    await coach.rows(
        "UPDATE app.contacts SET timezone = 'America/New_York'"
        " WHERE creator_id = $1 RETURNING id"
    )
    async with coach.database.transaction(coach.id) as db:
        counts = await replan_contact(db, coach.id, ada, NOW + timedelta(hours=3))
    assert counts == Counts(moved=2, planned=1)
    rows = {r["step_key"]: r for r in await coach.rows(SENDS) if r["state"] == "waiting"}
    assert rows["welcome"]["due_at"] == datetime(2026, 11, 24, 14, tzinfo=UTC)
    assert rows["mood"]["due_at"] == datetime(2026, 11, 24, 14, tzinfo=UTC)
    # Today's lunch was sent at one in Lisbon: not at one in New York once more.
    assert rows["lunch"]["occurrence"] == "2026-11-24T13:00"


async def test_a_changed_row_is_decided_anew_although_it_was_prepared(coach: Coach) -> None:
    fit = await coach.runs(program(daily("mood"), daily("lunch", "13:00")))
    await coach.enrols(fit, [await coach.meets() for _ in range(2)])
    row = (
        await coach.programs.put(
            coach.id, program(daily("mood", "15:00"), daily("lunch", "13:00")), actor="tests"
        )
    ).row
    async with coach.database.transaction(coach.id) as db:
        live = await coach.publishing.as_live(db, coach.id, row, 2)
        found = await replan.read_active(db, coach.id, live, NOW)
    before = replan.prepared(found, await replan.decide_many(found, NOW))
    await coach.handles("lunch")  # meanwhile
    async with coach.database.transaction(coach.id) as db:
        fresh = await replan.read_active(db, coach.id, live, NOW)
        decided = await replan.decide_many(fresh, NOW, before)
    assert {plan.step_key for moves in decided for plan in moves.plans} == {"mood", "lunch"}
