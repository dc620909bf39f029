"""Goals and check-ins over REST, and the pictures that platforms fetch."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from core.programs.check_ins.pictures import LIFETIME, Shot
from core.runtime import Runtime
from shared.utils.ids import new_id
from tests.core.api.conftest import Tenant

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RUN = {"title": "Run", "slug": "run", "kind": "number", "unit": "km", "target": 5}


async def new_contact(runtime: Runtime, tenant: Tenant, timezone: str | None = None) -> UUID:
    contact_id = new_id()
    async with runtime.database.transaction(tenant.id) as db:
        await db.execute(
            "INSERT INTO app.contacts (creator_id, id, name, timezone) VALUES ($1, $2, 'C', $3)",
            tenant.id,
            contact_id,
            timezone,
        )
    return contact_id


@pytest.fixture
async def contact(runtime: Runtime, ada: Tenant) -> str:
    runtime.clock.move_to(NOW)
    return f"/api/v1/contacts/{await new_contact(runtime, ada, 'Asia/Tokyo')}"


async def add(tenant: Tenant, contact: str, **fields: Any) -> dict[str, Any]:
    response = await tenant.api.post(f"{contact}/goals", json=RUN | fields)
    assert response.status_code == 201, response.text
    goal: dict[str, Any] = response.json()
    return goal


async def test_a_goal_is_added_read_changed_and_forgotten(ada: Tenant, contact: str) -> None:
    goal = await add(ada, contact, days_per_week=3)
    assert goal["streak"] == {"current": 0, "longest": 0, "this_week": 0}
    url = f"{contact}/goals/{goal['id']}"
    read = await ada.api.get(url)
    assert read.json() == goal
    changed = await ada.api.patch(
        url, json={"title": "Walk", "target": None}, headers={"If-Match": read.headers["ETag"]}
    )
    assert (changed.json()["title"], changed.json()["target"]) == ("Walk", None)
    assert changed.json()["days_per_week"] == 3
    stale = await ada.api.patch(
        url, json={"title": "Swim"}, headers={"If-Match": read.headers["ETag"]}
    )
    assert stale.status_code == 409
    assert (await ada.api.patch(url, json={"status": "done"})).json()["streak"] is None
    assert (await ada.api.delete(url)).status_code == 204
    assert (await ada.api.get(url)).status_code == 404
    assert (await ada.api.delete(url)).status_code == 404


async def test_goals_are_listed_newest_first(ada: Tenant, contact: str) -> None:
    for title in ("one", "two", "three"):
        await add(ada, contact, title=title)
    first = (await ada.api.get(f"{contact}/goals", params={"limit": 2})).json()
    assert [goal["title"] for goal in first["items"]] == ["three", "two"]
    rest = await ada.api.get(f"{contact}/goals", params={"cursor": first["next_cursor"]})
    assert [goal["title"] for goal in rest.json()["items"]] == ["one"]
    done = await ada.api.get(f"{contact}/goals", params={"status": "done"})
    assert done.json()["items"] == []


async def test_check_ins_are_noted_one_a_day(ada: Tenant, contact: str) -> None:
    goal = await add(ada, contact)
    url = f"{contact}/check-ins"
    for value, day in ((3, None), (6.5, None), (5, "2026-11-22")):
        body = {"goal_id": goal["id"], "value": value, "day": day}
        response = await ada.api.post(url, json=body)
        assert response.status_code == 201, response.text
    listed = (await ada.api.get(url, params={"goal_id": goal["id"]})).json()["items"]
    assert [(c["day"], c["value"], c["met"], c["source"]) for c in listed] == [
        ("2026-11-23", 6.5, True, "api"),
        ("2026-11-22", 5, True, "api"),
    ]
    read = await ada.api.get(f"{contact}/goals/{goal['id']}")
    assert read.json()["streak"] == {"current": 2, "longest": 2, "this_week": 1}


async def test_check_ins_are_paged(ada: Tenant, contact: str) -> None:
    goal = await add(ada, contact)
    for day in range(1, 6):
        body = {"goal_id": goal["id"], "value": day, "day": date(2026, 11, day).isoformat()}
        await ada.api.post(f"{contact}/check-ins", json=body)
    seen: list[int] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await ada.api.get(f"{contact}/check-ins", params=params)).json()
        seen += [each["value"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": " \u200b "},
        {"title": "x" * 301},
        {"slug": "Not a slug"},
        {"kind": "colour"},
        {"days_per_week": 0},
        {"days_per_week": 8},
        {"grace_days": 7},
        {"creator_id": "00000000-0000-0000-0000-000000000001"},
        {"detail": {str(n): n for n in range(60)}},
    ],
    ids=lambda body: next(iter(body)),
)
async def test_bad_goals_are_refused(ada: Tenant, contact: str, body: dict[str, Any]) -> None:
    assert (await ada.api.post(f"{contact}/goals", json=RUN | body)).status_code == 422


@pytest.mark.parametrize(
    ("value", "day"),
    [("far", None), (True, None), (5, "2026-11-24"), (5, "2026-02-30"), (None, None)],
    ids=["words", "yes", "tomorrow", "no such day", "nothing"],
)
async def test_bad_check_ins_are_refused(
    ada: Tenant, contact: str, value: Any, day: str | None
) -> None:
    goal = await add(ada, contact)
    body = {"goal_id": goal["id"], "value": value, "day": day}
    assert (await ada.api.post(f"{contact}/check-ins", json=body)).status_code == 422


async def test_other_creators_goals_are_not_there(
    runtime: Runtime, ada: Tenant, bob: Tenant, contact: str
) -> None:
    goal = await add(ada, contact, title="CANARY")
    own = f"/api/v1/contacts/{await new_contact(runtime, bob)}"
    for method, url, body in (
        ("GET", f"{contact}/goals", None),
        ("POST", f"{contact}/goals", RUN),
        ("GET", f"{contact}/goals/{goal['id']}", None),
        ("GET", f"{own}/goals/{goal['id']}", None),
        ("PATCH", f"{own}/goals/{goal['id']}", {"title": "x"}),
        ("DELETE", f"{own}/goals/{goal['id']}", None),
        ("GET", f"{contact}/check-ins", None),
        ("POST", f"{own}/check-ins", {"goal_id": goal["id"], "value": 1}),
        ("GET", f"/api/v1/contacts/{uuid4()}/goals", None),
    ):
        response = await bob.api.request(method, url, json=body)
        assert response.status_code == 404, (method, url)
        assert "CANARY" not in response.text


# --- pictures


async def picture_url(runtime: Runtime, tenant: Tenant, contact_id: UUID) -> str:
    [record] = [
        await runtime.accounts.get(tenant.id, UUID(tenant.web["id"])),
    ]
    shot = Shot(creator_id=tenant.id, contact_id=contact_id, at=runtime.clock.now())
    attachment = runtime.pictures.attachment(record.account, shot, "Run")
    assert attachment is not None
    return attachment.url


async def test_a_picture_is_fetched_without_a_key(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient, contact: str
) -> None:
    contact_id = UUID(contact.rsplit("/", 1)[-1])
    url = await picture_url(runtime, ada, contact_id)
    response = await client.get(url)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Cache-Control"].startswith("private")
    assert response.content.startswith(b"\x89PNG")
    assert str(ada.id) not in url
    assert str(contact_id) not in url
    runtime.clock.move(LIFETIME)
    assert (await client.get(url)).status_code == 404


async def test_pictures_of_nobody(
    runtime: Runtime, ada: Tenant, bob: Tenant, client: httpx.AsyncClient, contact: str
) -> None:
    contact_id = UUID(contact.rsplit("/", 1)[-1])
    foreign = await picture_url(runtime, bob, contact_id)
    for url in (foreign, "/pictures/x.png", f"/pictures/{'A' * 92}.png", "/pictures/.png"):
        assert (await client.get(url)).status_code == 404
    url = await picture_url(runtime, ada, contact_id)
    async with runtime.database.transaction(ada.id) as db:
        await db.execute("DELETE FROM app.contacts WHERE creator_id = $1", ada.id)
    assert (await client.get(url)).status_code == 404
