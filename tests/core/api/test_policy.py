"""A creator's policy over REST: read, replaced whole, never overwritten unseen."""

from typing import Any
from uuid import uuid4

import pytest

from core.policies import Policy, load_policy
from core.runtime import Runtime
from shared.models import policies
from tests.core.api.conftest import Tenant

PATH = "/api/v1/policy"


async def test_who_set_nothing_has_the_defaults(ada: Tenant) -> None:
    response = await ada.api.get(PATH)
    body = response.json()
    assert (body["version"], response.headers["etag"]) == (0, '"0"')
    assert body["policy"]["caps"]["check_in"] == {"per_day": 6, "per_week": None}
    assert body["policy"]["silence_days"] == [2, 5, 10]
    assert body["policy"]["broadcast_consent"] == "explicit"


async def test_a_policy_is_replaced_whole_and_counts_at_once(
    runtime: Runtime, ada: Tenant, bob: Tenant
) -> None:
    quiet = {"start": "20:00:00", "end": "09:30:00"}
    first = await ada.api.put(PATH, json={"quiet_hours": quiet, "retention_days": 90})
    assert (first.status_code, first.json()["version"]) == (200, 1)
    second = await ada.api.put(PATH, json={"retention_days": 30})
    assert second.json()["policy"]["quiet_hours"] is None
    for tenant, days in ((ada, 30), (bob, None)):
        async with runtime.database.transaction(tenant.id) as connection:
            assert (await load_policy(connection, tenant.id)).retention_days == days


async def test_what_was_changed_meanwhile_is_not_overwritten(ada: Tenant) -> None:
    read = (await ada.api.get(PATH)).headers["etag"]
    headers = {"If-Match": read}
    assert (await ada.api.put(PATH, json={}, headers=headers)).status_code == 200
    late = await ada.api.put(PATH, json={"retention_days": 1}, headers=headers)
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    assert (await ada.api.get(PATH)).json()["policy"]["retention_days"] is None
    assert (await ada.api.put(PATH, json={}, headers={"If-Match": "*"})).status_code == 200


async def test_of_two_at_once_one_is_told(runtime: Runtime, ada: Tenant) -> None:
    async with runtime.database.transaction(ada.id) as connection:
        assert await policies.write(connection, ada.id, {}, 0) == 1
        assert await policies.write(connection, ada.id, {}, 0) is None
        assert await policies.write(connection, ada.id, {}, 1) == 2
        assert await policies.write(connection, ada.id, {}, 1) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"quiet": {}},
        {"quiet_hours": {"start": "25:00", "end": "08:00"}},
        {"caps": {"nudge": {"per_day": -1}}},
        {"caps": {"reply": {"per_day": 1}}},
        {"silence_days": [5, 2]},
        {"silence_days": [0]},
        {"handoff": {"sla_minutes": 0}},
        {"handoff": {"rules": [{"words": []}]}},
        {"quotas": {"tokens": {"soft": 5, "hard": 1}}},
        {"broadcast_consent": "assumed"},
        {"retention_days": 0},
        {"creator_id": str(uuid4())},
    ],
    ids=lambda wrong: "-".join(wrong),
)
async def test_what_makes_no_sense_is_refused(ada: Tenant, wrong: dict[str, Any]) -> None:
    response = await ada.api.put(PATH, json=wrong)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
    assert (await ada.api.get(PATH)).json()["version"] == 0


async def test_the_teams_room_is_on_a_channel_of_ones_own(ada: Tenant, bob: Tenant) -> None:
    room = {"channel_id": bob.web["id"], "chat": "C1"}
    response = await ada.api.put(PATH, json={"handoff": {"room": room}})
    assert response.status_code == 422
    room["channel_id"] = ada.web["id"]
    assert (await ada.api.put(PATH, json={"handoff": {"room": room}})).status_code == 200


async def test_fields_of_a_newer_version_stop_nothing(runtime: Runtime, ada: Tenant) -> None:
    stored = {"retention_days": 7, "tomorrow": 1, "caps": {"nudge": {"per_day": 3, "per_hour": 1}}}
    async with runtime.database.transaction(ada.id) as connection:
        await policies.write(connection, ada.id, stored, 0)
        policy = await load_policy(connection, ada.id)
    assert (policy.retention_days, policy.caps.nudge.per_day) == (7, 3)
    assert policy.caps.of("reply").per_day is None
    assert policy.caps.of("broadcast") == Policy().caps.broadcast
