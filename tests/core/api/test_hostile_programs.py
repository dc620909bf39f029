"""Hostile bodies for what reaches out: clear refusals, no 500, nothing half kept."""

import gzip
import json
import re
from typing import Any
from uuid import uuid4

import pytest

from core.api.app import schema_app
from core.api.paging import Cursors
from core.programs.reading import read_program
from core.runtime import Runtime
from shared.errors import AppError
from shared.models.send_lists import Filters
from shared.settings import LimitSettings, Settings
from tests.core.api.conftest import TELEGRAM, Tenant, Visitor

NEW = {"segments", "broadcasts", "tickets", "policy", "programs", "goals", "check-ins"}
NEW |= {"consents", "enrolments", "preview", "erase", "contact_id", "unlink", "creator"}
PATHS: dict[str, dict[str, Any]] = schema_app().openapi()["paths"]
TAKES_JSON = [
    (method.upper(), path)
    for path, operations in PATHS.items()
    for method, operation in operations.items()
    if path.startswith("/api/v1")
    and not path.startswith("/api/v1/prompts")
    and NEW & set(re.split(r"[/{}]", path))
    and "application/json" in operation.get("requestBody", {}).get("content", {})
]
DEEP = 100_000
UNREADABLE = {
    "deep lists": b"[" * DEEP,
    "deep lists, closed": b"[" * 5000 + b"]" * 5000,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "NaN": b'{"name": NaN}',
    "infinity": b'{"name": -Infinity}',
    "too large a float": b'{"name": 1e999}',
    "too large a number": b'{"name": ' + b"9" * 400 + b"}",
    "a number without an end": b'{"name": ' + b"9" * 5000 + b"}",
    "a key twice": b'{"name": "a", "name": "b"}',
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "cut off": b'{"name": "a',
    "a list": b"[]",
    "a text": b'"name"',
    "a number": b"7",
    "unknown": b'{"creator_id": "00000000-0000-7000-8000-000000000000"}',
    "a blank": b" ",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No limit of calls stands between a body and the route that reads it."""
    return settings.model_copy(update={"limits": LimitSettings(api_per_second=10_000)})


@pytest.fixture
async def ids(runtime: Runtime, ada: Tenant, visitor: Visitor) -> dict[str, str]:
    """One of each kind that routes name in their paths."""
    contact = (await ada.api.get("/api/v1/contacts")).json()["items"][0]["id"]
    made = {
        "segment_id": ("segments", {"name": "Mine", "filter": {"all": []}}),
        "broadcast_id": (
            "broadcasts",
            {"name": "Mine", "content": {"en": "Hello"}, "filter": {"all": []}},
        ),
        "ticket_id": ("tickets", {"conversation_id": str(visitor.conversation_id)}),
        "goal_id": (f"contacts/{contact}/goals", {"title": "Run", "kind": "number"}),
        "program_id": (
            "programs",
            {"slug": "mine", "name": "Mine", "steps": [{"key": "a", "content": "Hello"}]},
        ),
    }
    ids = {"contact_id": contact, "conversation_id": str(visitor.conversation_id)}
    for name, (path, body) in made.items():
        response = await ada.api.post(f"/api/v1/{path}", json=body)
        assert response.status_code == 201, response.text
        ids[name] = response.json()["id"]
    await ada.api.post(f"/api/v1/programs/{ids['program_id']}/publish")
    telegram = await runtime.accounts.add(
        ada.id,
        runtime.channels["telegram"],
        name="t",
        bot="coach",
        credentials=TELEGRAM,
        settings={},
    )
    return ids | {"channel_id": str(telegram.channel_id), "enrolment_id": str(uuid4())}


async def test_what_is_no_body_is_refused_everywhere(ada: Tenant, ids: dict[str, str]) -> None:
    wrong = []
    for method, path in TAKES_JSON:
        for what, body in UNREADABLE.items():
            response = await ada.api.request(method, path.format(**ids), content=body, headers=JSON)
            is_refused = response.status_code in (400, 413, 422)
            if not is_refused or "Traceback" in response.text:
                wrong.append((method, path, what, response.status_code))
    assert len(TAKES_JSON) >= 18
    assert wrong == []


JSON = {"Content-Type": "application/json"}


HUGE = 2**64
EARLY, LATE = "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"
STEP = {"key": "a", "content": "Hello"}


def program(**fields: Any) -> dict[str, Any]:
    return {"slug": "other", "name": "Other", "steps": [STEP], **fields}


def with_step(**fields: Any) -> dict[str, Any]:
    return program(steps=[STEP | fields])


def news(**fields: Any) -> dict[str, Any]:
    everyone: dict[str, Any] = {"all": []}
    return {"name": "News", "content": {"en": "Hello"}, "filter": everyone, **fields}


def matching(*condition: Any) -> dict[str, Any]:
    fields = dict(zip(("field", "op", "value", "within"), condition, strict=False))
    return {"filter": {"all": [fields]}}


def agreed(at: str) -> dict[str, Any]:
    evidence = {"text": "on paper", "at": at}
    return {
        "channel_id": "{channel_id}",
        "action": "granted",
        "purposes": ["coaching"],
        "evidence": evidence,
    }


GOALS, CHECK_INS = "contacts/{contact_id}/goals", "contacts/{contact_id}/check-ins"
PROGRAM, CONSENTS = "programs/{program_id}", "contacts/{contact_id}/consents"
DEEP_FILTER: dict[str, Any] = {"all": []}
for _ in range(50):
    DEEP_FILTER = {"not": DEEP_FILTER}
REFUSED: dict[str, tuple[str, str, Any]] = {
    "goal: huge detail": ("POST", GOALS, {"title": "a", "detail": {"n": HUGE}}),
    "goal: huge target": ("POST", GOALS, {"title": "a", "target": 10**400}),
    "goal: owner": ("POST", GOALS, {"title": "a", "creator_id": str(uuid4())}),
    "goal: blank": ("POST", GOALS, {"title": "\u200b"}),
    "check-in: huge": ("POST", CHECK_INS, {"goal_id": "{goal_id}", "value": 10**300}),
    "check-in: in ages": (
        "POST",
        CHECK_INS,
        {"goal_id": "{goal_id}", "value": 1, "day": "9999-12-31"},
    ),
    "check-in: a list": ("POST", CHECK_INS, {"goal_id": "{goal_id}", "value": [1]}),
    "contact: huge": ("PATCH", "contacts/{contact_id}", {"attributes": {"n": HUGE}}),
    "contact: deep": ("PATCH", "contacts/{contact_id}", {"attributes": {"n": {"m": 1}}}),
    "contact: foreign channel": (
        "PATCH",
        "contacts/{contact_id}",
        {"preferred_channel_id": str(uuid4())},
    ),
    "segment: huge": ("POST", "segments/preview", matching("attribute:n", "gt", HUGE)),
    "segment: regex": ("POST", "segments/preview", matching("attribute:n", "regex", "(a+)+$")),
    "segment: like": ("POST", "segments/preview", matching("attribute:n", "like", "%")),
    "segment: quote": ("POST", "segments/preview", matching("attribute:n'; --\n", "eq", 1)),
    "segment: deep": ("POST", "segments/preview", {"filter": DEEP_FILTER}),
    "segment: wide": ("POST", "segments/preview", {"filter": {"all": [{"all": []}] * 5000}}),
    "segment: time": ("POST", "segments/preview", matching("created_at", "before", EARLY)),
    "segment: span": ("POST", "segments/preview", matching("silent", "for", "999999 weeks")),
    "segment: none": ("POST", "segments/preview", {"filter": {}}),
    "broadcast: owner": ("POST", "broadcasts", news(creator_id=str(uuid4()))),
    "broadcast: early": ("POST", "broadcasts", news(starts_at=EARLY)),
    "broadcast: late": ("POST", "broadcasts", news(starts_at=LATE)),
    "broadcast: seconds": ("POST", "broadcasts", news(starts_at=10**15)),
    "broadcast: expiry": ("POST", "broadcasts", news(expires_after="999999 weeks")),
    "broadcast: blank": ("POST", "broadcasts", news(content={"en": "\u200b"})),
    "broadcast: tongues": ("POST", "broadcasts", news(content={f"e{n}": "a" for n in range(99)})),
    "broadcast: long": ("POST", "broadcasts", news(content={"en": "a" * 4001})),
    "broadcast: price": ("POST", "broadcasts/{broadcast_id}/dry-run", {"price_per_segment": "NaN"}),
    "consent: early": ("POST", CONSENTS, agreed(EARLY)),
    "consent: late": ("POST", CONSENTS, agreed(LATE)),
    "consent: of all": (
        "POST",
        CONSENTS,
        agreed("2026-01-01T00:00Z") | {"purposes": ["*"]},
    ),
    "program: huge branch": (
        "POST",
        "programs",
        with_step(
            kind="question", branches=[{"op": "eq", "value": HUGE, "goto": "end"}], expects="number"
        ),
    ),
    "program: huge span": ("POST", "programs", with_step(when={"offset": {"n": 10**400}})),
    "program: long span": ("POST", "programs", with_step(when={"offset": "999999 months"})),
    "program: endless rule": (
        "POST",
        "programs",
        with_step(when={"rrule": "FREQ=SECONDLY;COUNT=" + "9" * 400}),
    ),
    "program: long rule": ("POST", "programs", with_step(when={"rrule": "FREQ=DAILY;" * 99})),
    "program: entry": ("POST", "programs", program(entry=DEEP_FILTER)),
    "program: entry huge": (
        "POST",
        "programs",
        program(entry={"field": "attribute:n", "op": "eq", "value": HUGE}),
    ),
    "program: crowded": ("POST", "programs", program(steps=[STEP] * 5000)),
    "program: preview": ("POST", f"{PROGRAM}/preview", {"sends": 10**9}),
    "program: version": ("POST", f"{PROGRAM}/publish", {"version": 10**9}),
    "enrolments: many": ("POST", f"{PROGRAM}/enrolments", {"contact_ids": ["x"] * 10_001}),
    "enrolments: both": (
        "POST",
        f"{PROGRAM}/enrolments",
        {"contact_ids": [str(uuid4())], "filter": {"all": []}},
    ),
    "policy: huge quota": ("PUT", "policy", {"quotas": {"sends": {"hard": HUGE}}}),
    "policy: foreign room": (
        "PUT",
        "policy",
        {"handoff": {"room": {"channel_id": str(uuid4()), "chat": "C1"}}},
    ),
    "policy: night": ("PUT", "policy", {"quiet_hours": {"start": 79200, "end": "8:00"}}),
    "policy: words": ("PUT", "policy", {"handoff": {"crisis_words": ["a" * 101]}}),
    "policy: tongues": (
        "PUT",
        "policy",
        {"handoff": {"crisis_texts": {f"e{n}": "a" * 9000 for n in range(99)}}},
    ),
    "ticket: note": ("POST", "tickets/{ticket_id}/notes", {"text": ""}),
    "ticket: reply": ("POST", "tickets/{ticket_id}/reply", {"text": "\u200b"}),
    "ticket: detail": (
        "POST",
        "tickets",
        {"conversation_id": "{conversation_id}", "detail": "a" * 10_000},
    ),
}


async def test_values_that_cannot_be_kept_are_refused(ada: Tenant, ids: dict[str, str]) -> None:
    wrong = {}
    for what, (method, path, body) in REFUSED.items():
        content = json.dumps(body)
        for name, id_ in ids.items():
            content = content.replace(f"{{{name}}}", id_)
        url = f"/api/v1/{path.format(**ids)}"
        response = await ada.api.request(method, url, content=content, headers=JSON)
        if response.status_code not in (404, 422):
            wrong[what] = (response.status_code, response.text[:200])
    assert not wrong, "\n".join(f"{k}: {v}" for k, v in wrong.items())


NOT_A_PROGRAM = {
    "deep flow": b"[" * DEEP,
    "deep block": b"- " * DEEP,
    "a bomb of aliases": b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]",
    "code": b"!!python/object/apply:os.system ['true']",
    "a truth": b"a: !!bool maybe",
    "a moment": b"a: !!timestamp never",
    "a number": b"a: !!int " + b"9" * 5000,
    "too large": b"slug: a\n" * 40_000,
    "too large a number": b"slug: " + b"9" * 400,
    "no number": b"slug: !!float .nan",
    "a merge": b"<<: {slug: a}",
    "a key of a list": b"? [a]\n: b",
    "two documents": b"slug: a\n---\nslug: b",
    "two of a key": b"slug: a\nslug: b",
    "a control": b"slug: \x07",
    "no text": b"\xff\xfe\xff",
    "nothing": b"",
}


@pytest.mark.parametrize("body", NOT_A_PROGRAM.values(), ids=NOT_A_PROGRAM)
def test_yaml_that_is_no_program(body: bytes) -> None:
    with pytest.raises(AppError) as refused:
        read_program(body, is_yaml=True)
    assert refused.value.status in (413, 422)


async def test_yaml_over_rest(ada: Tenant) -> None:
    for body in (b"[" * DEEP, b"a: &a [1]\nb: *a", b"a: !!bool maybe"):
        headers = {"Content-Type": "application/yaml"}
        response = await ada.api.post("/api/v1/programs", content=body, headers=headers)
        assert (response.status_code, response.json()["code"]) == (422, "malformed_yaml")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
async def test_a_packed_body_is_refused(ada: Tenant, encoding: str) -> None:
    body, headers = gzip.compress(b"{}"), JSON | {"Content-Encoding": encoding}
    for path in ("programs", "broadcasts", "contacts/import"):
        response = await ada.api.post(f"/api/v1/{path}", content=body, headers=headers)
        assert response.status_code == 415


async def test_cursors_of_others_and_forged_ones_are_refused(
    ada: Tenant, bob: Tenant, ids: dict[str, str]
) -> None:
    for name in ("One", "Two"):
        await ada.api.post("/api/v1/segments", json={"name": name, "filter": {"all": []}})
    page = (await ada.api.get("/api/v1/segments", params={"limit": 1})).json()
    contact, program_id = ids["contact_id"], ids["program_id"]
    everywhere = Filters(
        state=None,
        reason=None,
        contact_id=None,
        program_id=None,
        broadcast_id=None,
        enrolment_id=None,
    )
    forged = [
        (bob, "segments", page["next_cursor"]),
        (ada, "broadcasts", page["next_cursor"]),
        (ada, "segments", written("segments", ada, "x")),
        (ada, "scheduled-sends", written(f"sends {everywhere}", ada, EARLY, contact)),
        (ada, "scheduled-sends", written(f"sends {everywhere}", ada, "2026-01-01", contact)),
        (
            ada,
            f"programs/{program_id}/versions",
            written(f"versions {program_id}", ada, 10**30),
        ),
        (
            ada,
            f"contacts/{contact}/check-ins",
            written(f"check-ins:{contact}", ada, "0000-00-00", contact),
        ),
    ]
    for tenant, path, cursor in forged:
        response = await tenant.api.get(f"/api/v1/{path}", params={"cursor": cursor})
        assert (response.status_code, response.json().get("code")) == (422, "bad_cursor"), path


def written(name: str, tenant: Tenant, *position: object) -> str:
    return Cursors(name, tenant.id).write(*position)


QUERIES = ("limit=0", "limit=-1", f"limit={10**9}", f"limit={10**400}", "cursor=%ff", "cursor=")
LISTS = [
    path
    for path, operations in PATHS.items()
    if path.startswith("/api/v1")
    and "template_id" not in path
    and any(p["name"] == "limit" for p in operations.get("get", {}).get("parameters", ()))
]


async def test_limits_that_are_none_are_refused(ada: Tenant, ids: dict[str, str]) -> None:
    wrong = {}
    for path in LISTS:
        for query in QUERIES:
            response = await ada.api.get(f"{path.format(**ids)}?{query}")
            if response.status_code != 422:
                wrong[path, query] = response.status_code
    assert len(LISTS) >= 15
    assert not wrong, wrong
