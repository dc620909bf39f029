"""Programs over REST: written, compared, published and watched, each by its creator alone."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.consent import COACHING, Person, Said, grant, scope_of
from core.runtime import Runtime
from tests.core.api.conftest import Tenant
from tests.core.programs.coaching import NOW, SENDS, Coach, daily, step

PROGRAMS = "/api/v1/programs"
YAML = """
slug: fit
name: Fit in a week
steps:
  - key: welcome
    content: {en: {text: "Hi {name}"}, no: {text: "Hei {name}"}}
  - key: mood
    kind: check_in
    when: {anchor: enrolment, at: 10:30, rrule: FREQ=DAILY}
    content: {en: {text: "How was it?"}}
    expects: {kind: scale, minimum: 1, maximum: 5}
"""
NIGHT = {"start": "00:00", "end": "23:59"}


def declared(*steps: dict[str, Any], slug: str = "fit", **fields: Any) -> dict[str, Any]:
    return {"slug": slug, "name": "Fit", "steps": list(steps) or [step("welcome")], **fields}


async def add(tenant: Tenant, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    response = await tenant.api.post(PROGRAMS, json=declared(*steps, **fields))
    assert response.status_code == 201, response.text
    added: dict[str, Any] = response.json()
    return added


async def publish(tenant: Tenant, *steps: dict[str, Any], **fields: Any) -> str:
    program_id: str = (await add(tenant, *steps, **fields))["id"]
    response = await tenant.api.post(f"{PROGRAMS}/{program_id}/publish")
    assert response.status_code == 200, response.text
    return program_id


def coach_of(runtime: Runtime, tenant: Tenant) -> Coach:
    return Coach(database=runtime.database, id=tenant.id)


async def test_a_program_is_written_in_yaml_read_saved_again_and_compared(ada: Tenant) -> None:
    headers = {"Content-Type": "application/yaml; charset=utf-8"}
    added = await ada.api.post(PROGRAMS, content=YAML, headers=headers, params={"note": "first"})
    assert added.status_code == 201, added.text
    path = f"{PROGRAMS}/{added.json()['id']}"
    read = (await ada.api.get(path)).json()
    assert (read["status"], read["version"], read["live_version"]) == ("draft", 1, None)
    assert read["definition"]["steps"][1]["when"]["at"] == "10:30:00"
    again = await ada.api.put(path, content=YAML, headers=headers)
    assert again.json()["version"] == 1
    longer = YAML.replace("a week", "a month")
    assert (await ada.api.put(path, content=longer, headers=headers)).json()["version"] == 2
    versions = (await ada.api.get(f"{path}/versions")).json()["items"]
    assert [(v["version"], v["note"]) for v in versions] == [(2, ""), (1, "first")]
    changed = (await ada.api.get(f"{path}/diff", params={"from": 1, "to": 2})).json()["diff"]
    assert "-name: Fit in a week" in changed
    assert "+name: Fit in a month" in changed
    steps = (await ada.api.get(f"{path}/steps", params={"version": 1})).json()
    assert [(one["key"], one["kind"]) for one in steps["items"]] == [
        ("welcome", "message"),
        ("mood", "check_in"),
    ]
    [listed] = (await ada.api.get(PROGRAMS, params={"status": "draft"})).json()["items"]
    assert listed["name"] == "Fit in a month"


async def test_who_edits_what_somebody_else_changed_is_told(ada: Tenant) -> None:
    added = await ada.api.post(PROGRAMS, json=declared())
    path, read = f"{PROGRAMS}/{added.json()['id']}", added.headers["etag"]
    edits = [declared(step("welcome"), step(key)) for key in ("mine", "yours")]
    answers = await asyncio.gather(
        *(ada.api.put(path, json=edit, headers={"If-Match": read}) for edit in edits)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert (await ada.api.get(path)).json()["version"] == 2
    late = await ada.api.post(f"{path}/publish", headers={"If-Match": read})
    assert (late.status_code, late.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        pytest.param({"timezone": "Mars/X"}, "timezone", id="zone"),
        pytest.param({"steps": []}, "steps", id="no-steps"),
        pytest.param({"steps": [step("a"), step("a")]}, "two steps", id="twice-the-key"),
        pytest.param({"steps": [step("a", on_timeout="zz")]}, "zz", id="no-such-step"),
        pytest.param({"steps": [step("a", when={"rrule": "0 9 * * *"})]}, "rrule", id="cron"),
        pytest.param({"steps": [step("a", when={"rrule": "FREQ=SOMETIMES"})]}, "rrule", id="rrule"),
        pytest.param(
            {"steps": [step("a", when={"exdates": ["2026-02-30"]})]}, "exdates", id="feb-30"
        ),
        pytest.param(
            {"steps": [step("a", when={"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"})]},
            "BYMONTHDAY",
            id="feb-30-of-each-year",
        ),
        pytest.param({"steps": [step("a", when={"at": "25:00"})]}, "at", id="hour-25"),
        pytest.param({"steps": [step("a", content={})]}, "nothing is said", id="says-nothing"),
        pytest.param({"entry": {"any": []}}, "entry", id="entry-of-nobody"),
        pytest.param(
            {"exit": {"field": "nonsense", "op": "is", "value": 1}}, "exit", id="exit-unknown"
        ),
        pytest.param({"bot": "nobody"}, "bot", id="no-such-bot"),
        pytest.param({"creator_id": str(uuid4())}, "creator_id", id="creator-id"),
        pytest.param({"slug": "Not a slug"}, "slug", id="slug"),
    ],
)
async def test_what_is_wrong_with_a_program_is_told_by_its_place(
    ada: Tenant, change: dict[str, Any], place: str
) -> None:
    response = await ada.api.post(PROGRAMS, json=declared() | change)
    assert (response.status_code, response.json()["code"]) == (422, "bad_program")
    assert place in response.json()["detail"]
    listed = (await ada.api.get(PROGRAMS)).json()["items"]
    assert [one["slug"] for one in listed if one["origin"] == "api"] == []


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ("a: &a [1]\nb: *a", "application/yaml", 422, "malformed_yaml"),
        ("a: [", "application/yaml", 422, "malformed_yaml"),
        ("[" * 5000, "application/yaml", 422, "malformed_yaml"),
        ('{"slug": NaN}', "application/json", 400, "malformed_json"),
        ("slug: fit", "text/plain", 415, "unsupported_encoding"),
        ("- fit", "application/yaml", 422, "bad_program"),
        ("#" * 300_000, "application/yaml", 413, "payload_too_large"),
    ],
    ids=["alias", "open-list", "nested", "nan", "plain-text", "a-list", "too-large"],
)
async def test_a_body_that_is_no_program_is_refused(
    ada: Tenant, body: str, kind: str, status: int, code: str
) -> None:
    response = await ada.api.post(PROGRAMS, content=body, headers={"Content-Type": kind})
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_contacts_enrol_are_paused_go_on_and_leave(ada: Tenant, runtime: Runtime) -> None:
    coach = coach_of(runtime, ada)
    fit = await publish(ada, daily("mood"))
    people = [str(await coach.meets(name)) for name in ("Ada", "Ben", "Cem")]
    path = f"{PROGRAMS}/{fit}/enrolments"
    dry = await ada.api.post(path, json={"contact_ids": people, "dry_run": True})
    expected = {"matched": 3, "enrolled": 3, "already": 0}
    assert dry.json() == {**expected, "dry_run": True}
    assert (await ada.api.get(path)).json()["items"] == []
    await ada.api.post(path, json={"contact_ids": people[:1]})
    everybody = await ada.api.post(path, json={"filter": {"all": []}})
    assert everybody.json() == {"matched": 3, "enrolled": 2, "already": 1, "dry_run": False}
    nobody = {"field": "tags", "op": "has", "value": "nobody"}
    assert (await ada.api.post(path, json={"filter": nobody})).json()["matched"] == 0

    page = (await ada.api.get(path, params={"limit": 2})).json()
    rest = (await ada.api.get(path, params={"cursor": page["next_cursor"]})).json()
    assert len(page["items"]) + len(rest["items"]) == 3
    one = f"{path}/{page['items'][0]['id']}"
    paused = (await ada.api.post(f"{one}/pause")).json()
    assert (paused["status"], paused["reason"]) == ("paused", "coach")
    assert (await ada.api.post(f"{one}/pause")).status_code == 409
    assert len(await coach.sends("waiting")) == 2
    assert (await ada.api.post(f"{one}/resume")).json()["status"] == "active"
    assert (await ada.api.post(f"{one}/resume")).status_code == 409
    assert len(await coach.sends("waiting")) == 3
    assert (await ada.api.post(f"{one}/exit")).json()["status"] == "exited"
    assert (await ada.api.post(f"{one}/exit")).status_code == 409
    details = (await ada.api.get(f"{PROGRAMS}/{fit}")).json()
    assert details["enrolments"] == {"active": 2, "exited": 1}


async def test_sends_are_listed_by_what_became_of_them_and_why(
    ada: Tenant, runtime: Runtime
) -> None:
    coach = coach_of(runtime, ada)
    fit = await publish(ada, daily("mood"), daily("lunch", "13:00"))
    other = await publish(ada, daily("walk"), slug="walking")
    ben, cem = str(await coach.meets("Ben")), str(await coach.meets("Cem"))
    for program in (fit, other):
        body = {"contact_ids": [ben, cem]}
        await ada.api.post(f"{PROGRAMS}/{program}/enrolments", json=body)
    await coach.rows(
        "UPDATE app.scheduled_sends SET defer_reason = 'quiet_hours'"
        " WHERE creator_id = $1 AND step_key = 'mood' RETURNING id"
    )
    await ada.api.post(f"{PROGRAMS}/{other}/archive")

    async def listed(**filters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            params = {**filters, "limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await ada.api.get("/api/v1/scheduled-sends", params=params)).json()
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    assert len(await listed(program=fit)) == 4
    assert [one["due_at"] for one in await listed()] == sorted(
        one["due_at"] for one in await listed()
    )
    assert {one["step_key"] for one in await listed(program=fit)} == {"mood", "lunch"}
    assert len(await listed(contact=ben, program=other)) == 1
    assert await listed(contact=ben, program=other, state="waiting") == []
    held = await listed(reason="quiet_hours")
    assert {one["why"] for one in held} == {
        "It would have come in quiet hours; it waits for their end."
    }
    gone = await listed(state="cancelled", reason="enrolment_ended")
    assert {(one["step_key"], one["class"]) for one in gone} == {("walk", "check_in")}
    assert await listed(broadcast=str(uuid4())) == []
    read = await ada.api.get(f"/api/v1/scheduled-sends/{gone[0]['id']}")
    assert read.json() == gone[0]
    bad = await ada.api.get("/api/v1/scheduled-sends", params={"state": "lost"})
    assert bad.status_code == 422


async def test_a_paused_program_can_go_on_and_an_archived_one_be_published(
    ada: Tenant, runtime: Runtime
) -> None:
    fit = await publish(ada, daily("mood"))
    coach = coach_of(runtime, ada)
    path, body = f"{PROGRAMS}/{fit}", {"contact_ids": [str(await coach.meets())]}
    await ada.api.post(f"{path}/enrolments", json=body)
    assert (await ada.api.post(f"{path}/pause")).json()["status"] == "paused"
    again = await ada.api.post(f"{path}/pause")
    assert (again.status_code, again.json()["code"]) == (409, "program_status")
    await ada.api.put(path, json=declared(daily("mood", "10:00")))
    assert (await ada.api.post(f"{path}/publish")).json()["program"]["status"] == "paused"
    assert (await ada.api.post(f"{path}/resume")).json()["status"] == "live"
    assert (await ada.api.post(f"{path}/archive")).json() == {"cancelled": 1, "ended": 1}
    refused = await ada.api.post(f"{path}/enrolments", json=body)
    assert refused.status_code == 409
    assert (await ada.api.post(f"{path}/publish")).json()["program"]["status"] == "live"
    assert (await ada.api.post(f"{path}/enrolments", json=body)).json()["enrolled"] == 1
    assert (await ada.api.post(f"{path}/delete")).json() == {"cancelled": 1, "ended": 1}
    assert (await ada.api.get(path)).status_code == 404


async def test_a_slug_is_one_programs_and_what_code_declares_is_copied(ada: Tenant) -> None:
    fit = (await add(ada))["id"]
    twice = await ada.api.post(PROGRAMS, json=declared())
    assert (twice.status_code, twice.json()["code"]) == (409, "program_exists")
    renamed = await ada.api.put(f"{PROGRAMS}/{fit}", json=declared(slug="other"))
    assert renamed.status_code == 422
    [declared_one] = [
        one for one in (await ada.api.get(PROGRAMS)).json()["items"] if one["origin"] == "code"
    ]
    path = f"{PROGRAMS}/{declared_one['id']}"
    edited = await ada.api.put(path, json=declared(slug=declared_one["slug"]))
    deleted = await ada.api.post(f"{path}/delete")
    for refused in (edited, deleted):
        assert (refused.status_code, refused.json()["code"]) == (409, "program_in_code")
    mine = await ada.api.post(f"{path}/copy", json={"slug": "mine", "name": "Mine"})
    assert (mine.json()["origin"], mine.json()["name"]) == ("api", "Mine")
    assert (await ada.api.post(f"{path}/pause")).json()["status"] == "paused"
    copied = await ada.api.post(f"{PROGRAMS}/{fit}/copy", json={"slug": "fitter"})
    assert (copied.status_code, copied.json()["status"]) == (201, "draft")


async def test_a_preview_tells_who_gets_what_when_and_what_stands_in_the_way(
    ada: Tenant, runtime: Runtime
) -> None:
    coach = coach_of(runtime, ada)
    content = {"en": {"text": "Hello {name}"}, "de": {"text": "Hallo {name}"}}
    fit = (await add(ada, step("welcome", content=content), daily("mood"), quiet_hours=NIGHT))["id"]
    tokyo = await coach.meets("Kim", timezone="Asia/Tokyo")
    await coach.rows("UPDATE app.contacts SET locale = 'de-CH' WHERE creator_id = $1 RETURNING id")
    await _talks_on_the_web(coach, UUID(ada.web["id"]), tokyo)
    await coach.meets("Lee", timezone="America/Lima")
    before = await coach.rows("SELECT count(*) FROM app.scheduled_sends WHERE creator_id = $1")
    body = {"sends": 3, "contacts": 2}
    response = await ada.api.post(f"{PROGRAMS}/{fit}/preview", json=body)
    assert response.status_code == 200, response.text
    lee, kim = response.json()["items"]
    assert [lee["name"], kim["name"]] == ["Lee", "Kim"]
    assert len(kim["sends"]) == 3
    welcome = next(one for one in kim["sends"] if one["step_key"] == "welcome")
    assert welcome["text"] == "Hallo Kim"
    assert (welcome["channel"], welcome["verdict"]) == ("web", "send")
    # Held for all of the day: it leaves in the only minute that isn't quiet, in Tokyo.
    assert (welcome["reason"], welcome["local_time"][10:]) == ("quiet_hours", "T23:59+09:00")
    assert {(one["verdict"], one["reason"]) for one in lee["sends"]} == {("skip", "no_channel")}
    assert (
        await coach.rows("SELECT count(*) FROM app.scheduled_sends WHERE creator_id = $1") == before
    )
    wrong = await ada.api.post(f"{PROGRAMS}/{fit}/preview", json={"contact_ids": [str(uuid4())]})
    assert wrong.status_code == 404


async def test_another_zone_or_date_of_a_contact_plans_anew(ada: Tenant, runtime: Runtime) -> None:
    coach = coach_of(runtime, ada)
    before = {"anchor": "date", "attribute": "exam", "offset": {"n": -1}, "at": "18:00"}
    fit = await publish(ada, daily("mood"), step("eve", when=before))
    contact = await coach.meets(timezone="Asia/Tokyo", exam="2099-05-20")
    path = f"/api/v1/contacts/{contact}"
    await ada.api.post(f"{PROGRAMS}/{fit}/enrolments", json={"contact_ids": [str(contact)]})
    assert ("eve", "2099-05-19T18:00", "waiting") in await coach.sends()
    changes = {
        "timezone": "America/Lima",
        "attributes": {"exam": "2099-06-20", "group": "b"},
        "tags": ["spring", "spring"],
        "quiet_hours": {"start": "22:00", "end": "07:30"},
        "preferred_channel_id": ada.web["id"],
    }
    patched = await ada.api.patch(path, json=changes)
    assert patched.status_code == 200, patched.text
    assert patched.json() == (await ada.api.get(path)).json()
    assert (patched.json()["tags"], patched.json()["name"]) == (["spring"], "Ada")
    assert ("eve", "2099-06-19T18:00", "waiting") in await coach.sends("waiting")
    dues = {row["due_at"].hour for row in await coach.rows(SENDS) if row["state"] == "waiting"}
    assert dues == {14, 23}  # nine and six o'clock in Lima
    for bad in ({"preferred_channel_id": str(uuid4())}, {"attributes": {"Exam": 1}}, {"tags": [1]}):
        assert (await ada.api.patch(path, json=bad)).status_code == 422


async def _talks_on_the_web(coach: Coach, channel_id: UUID, contact_id: UUID) -> None:
    address = "kim-on-the-web"
    await coach.rows(
        "INSERT INTO app.contact_identities (creator_id, id, contact_id, channel_id, address)"
        " VALUES ($1, $2, $3, $4, $5) RETURNING id",
        *(uuid4(), contact_id, channel_id, address),
    )
    await coach.rows(
        "INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key, address)"
        " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        *(uuid4(), channel_id, contact_id, address, {"chat": address, "person": address}),
    )
    person = Person(creator_id=coach.id, scope=scope_of("web", "coach"), address=address)
    async with coach.database.transaction(coach.id) as db:
        await grant(db, person, [COACHING], Said(source="api", actor="tests", at=NOW))


ROUTES = (
    *(("GET", path) for path in ("", "/versions", "/steps", "/diff?from=1&to=1", "/enrolments")),
    *(("POST", f"/{verb}") for verb in ("publish", "pause", "resume", "archive", "delete")),
    *(("POST", f"/{verb}") for verb in ("preview", "copy", "enrolments")),
    *(("POST", f"/enrolments/ENROLMENT/{verb}") for verb in ("pause", "resume", "exit")),
    ("PUT", ""),
    ("GET", "/enrolments/ENROLMENT"),
)


async def test_another_creators_ids_are_unknown(ada: Tenant, bob: Tenant, runtime: Runtime) -> None:
    fit = await publish(ada, daily("mood"))
    coach = coach_of(runtime, ada)
    contact = str(await coach.meets())
    await ada.api.post(f"{PROGRAMS}/{fit}/enrolments", json={"contact_ids": [contact]})
    [enrolment] = await coach.rows("SELECT id FROM app.enrolments WHERE creator_id = $1")
    bodies = {"copy": {"slug": "mine"}, "enrolments": {"contact_ids": [contact]}}
    for method, path in ROUTES:
        body = declared() if method == "PUT" else bodies.get(path.rsplit("/", 1)[-1])
        url = f"{PROGRAMS}/{fit}{path}".replace("ENROLMENT", str(enrolment["id"]))
        response = await bob.api.request(method, url, json=body)
        assert response.status_code == 404, (method, path, response.text)
    for [send] in await coach.rows("SELECT id FROM app.scheduled_sends WHERE creator_id = $1"):
        assert (await bob.api.get(f"/api/v1/scheduled-sends/{send}")).status_code == 404
    filters = {"contact": contact, "program": fit, "enrolment": str(enrolment["id"])}
    for name, value in filters.items():
        listed = await bob.api.get("/api/v1/scheduled-sends", params={name: value})
        assert listed.json()["items"] == []
    assert len(await coach.sends("waiting")) == 1


async def test_nobody_enrols_another_creators_contacts(
    ada: Tenant, bob: Tenant, runtime: Runtime
) -> None:
    fit = await publish(bob, daily("mood"))
    theirs = str(await coach_of(runtime, ada).meets())
    mine = str(await coach_of(runtime, bob).meets())
    path = f"{PROGRAMS}/{fit}/enrolments"
    response = await bob.api.post(path, json={"contact_ids": [mine, theirs]})
    assert response.status_code == 404
    assert (await bob.api.get(path)).json()["items"] == []
