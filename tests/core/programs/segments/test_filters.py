"""Filters of contacts: the compiled SQL against their meaning in Python, and what is refused."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.programs.segments.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    check_filter,
    compile_filter,
    preview,
)
from shared.database import DatabaseManager
from shared.errors import InvalidInput
from tests.core.programs.segments.people import NOW, Made, matches
from tests.core.programs.segments.rows import BROADCAST, write

PEOPLE, FILTERS = 60, 400
SEED = 20_260_315
Condition = dict[str, Any]
TAGS = ["spring", "früh", "a'b", "x%_y"]
ORDER = ["lt", "le", "gt", "ge"]
STATES = ["active", "paused", "completed", "exited", "cancelled"]
VALUES: list[Any] = [0, 3, 3.5, -2, 10**12, "", "b", "B", "ä", "12", True, False]
DAYS = ["2026-03-10", "2026-03-20", "2025-12-31", "2026-03-15T08:00:00Z", "2026-13-99", "soon"]


def make_person(r: random.Random) -> Made:
    channels = r.sample(["telegram", "sms", "web"], r.randint(0, 2))
    enrolments = [
        (NOW - timedelta(days=n), r.choice(STATES[2:]), r.choice([{}, {"mood": r.choice(VALUES)}]))
        for n in r.sample(range(9), r.randint(0, 2))
    ]
    goal = r.choice([None, "active", "done", "dropped"])
    days = r.sample(range(12), r.randint(0, 4)) if goal else []
    return Made(
        tags=r.sample(TAGS, r.randint(0, 3)),
        attributes=r.choice([{}, {"n": r.choice(VALUES)}, {"n": None}, {"n": r.choice(DAYS)}]),
        locale=r.choice([None, "en", "pt", "pt-BR", "PT-pt", "de"]),
        timezone=r.choice([None, "Europe/Lisbon", "Asia/Tokyo"]),
        created_at=NOW - timedelta(days=r.choice([0, 2, 5, 5, 30])),
        channels=channels,
        heard=[r.choice([None, NOW - timedelta(days=r.choice([0, 1, 5, 9]))]) for _ in channels],
        enrolments=enrolments,
        goal=goal,
        check_ins=[(NOW - timedelta(days=n), r.choice([1, 2, 3, "x"])) for n in days],
        sent=[(NOW - timedelta(days=n), r.random() < 0.4) for n in r.sample(range(9), 3)],
        agreed=r.random() < 0.6,
        is_out=r.random() < 0.2,
        broadcast=r.choice([None, "sent", "skipped", "waiting"]),
    )


def scalar(r: random.Random, name: str, values: list[Any], ops: tuple[str, ...] = ()) -> Condition:
    op = r.choice(["eq", "ne", "in", "not_in", "known", "unknown", *ops])
    if op in ("known", "unknown"):
        return {"field": name, "op": op}
    listed = op in ("in", "not_in")
    return {"field": name, "op": op, "value": r.sample(values, 2) if listed else r.choice(values)}


def ordered(r: random.Random, name: str) -> Condition:
    values = [value for value in VALUES if value != ""]
    found = scalar(r, name, values, tuple(ORDER))
    if found["op"] in ORDER and isinstance(found["value"], bool):
        found["value"] = 3
    return found


def timed(r: random.Random, name: str, ops: tuple[str, ...] = ()) -> Condition:
    op = r.choice(["before", "after", "within_last", "longer_ago", *ops])
    value = r.choice(["2026-03-10", "2026-03-01"]) if op in ("before", "after") else "5 days"
    return {"field": name, "op": op, "value": value} if op not in ops else {"field": name, "op": op}


def dated(r: random.Random) -> Condition:
    op = r.choice(["before", "after", "on", "within_last", "within_next"])
    value = "1 weeks" if op.startswith("within") else r.choice(["2026-03-10", "2026-03-15"])
    return {"field": "attribute:n", "op": op, "value": value}


def tagged(r: random.Random) -> Condition:
    op = r.choice(["has", "any_of", "all_of", "none_of"])
    return {"field": "tags", "op": op, "value": "früh" if op == "has" else r.sample(TAGS, 2)}


def counted(r: random.Random, name: str) -> Condition:
    found = {"field": name, "op": r.choice(["eq", "ne", *ORDER]), "value": r.randint(0, 3)}
    return found | r.choice([{}, {"within": "5 days"}])


def among(r: random.Random, name: str, values: list[str]) -> Condition:
    op = r.choice(["eq", "ne", "in", "not_in"])
    return {"field": name, "op": op, "value": values[:2] if "in" in op else r.choice(values)}


MAKERS: dict[str, Callable[[random.Random], Condition]] = {
    "tags": tagged,
    "attribute": lambda r: ordered(r, "attribute:n"),
    "attribute-day": dated,
    "locale": lambda r: scalar(r, "locale", ["en", "pt", "PT-br", "fr"]),
    "timezone": lambda r: scalar(r, "timezone", ["Europe/Lisbon", "Asia/Tokyo", "UTC"]),
    "channel": lambda r: among(r, "channel", ["telegram", "sms", "web"]),
    "created_at": lambda r: timed(r, "created_at"),
    "last_inbound_at": lambda r: timed(r, "last_inbound_at", ("known", "unknown")),
    "silent": lambda r: {"field": "silent", "op": "for", "value": r.choice(["2 days", "5 days"])},
    "program": lambda r: scalar(r, "program:weekly", list(STATES)),
    "answer": lambda r: ordered(r, "answer:weekly/mood"),
    "goal": lambda r: scalar(r, "goal:walk", ["active", "done", "dropped"]),
    "check_ins": lambda r: counted(r, r.choice(["check_ins", "check_ins:walk"])),
    "latest": lambda r: ordered(r, "latest:walk"),
    "missed": lambda r: counted(r, "missed"),
    "consent": lambda r: {"field": "consent:broadcast", "op": "eq", "value": r.random() < 0.5},
    "broadcast": lambda r: scalar(r, f"broadcast:{BROADCAST}", ["sent", "skipped", "waiting"]),
}


def make_filter(r: random.Random, depth: int = 3) -> dict[str, Any]:
    kind = r.choice(["all", "any", "not", "field", "field"]) if depth else "field"
    if kind == "field":
        return r.choice(list(MAKERS.values()))(r)
    if kind == "not":
        return {"not": make_filter(r, depth - 1)}
    least = 0 if kind == "all" else 1
    return {kind: [make_filter(r, depth - 1) for _ in range(r.randint(least, 3))]}


async def test_a_filter_finds_exactly_whom_it_means(
    database: DatabaseManager, creator: UUID
) -> None:
    r = random.Random(SEED)  # noqa: S311 - the same people and filters in every run
    people = [make_person(r) for _ in range(PEOPLE)]
    filters = [make(r) for make in MAKERS.values() for _ in range(12)]
    filters += [make_filter(r) for _ in range(FILTERS)]
    told_apart = 0
    async with database.transaction(creator) as connection:
        await write(connection, creator, people)
        for one in filters:
            compiled = compile_filter(one, now=NOW)
            rows = await connection.fetch(compiled.sql, creator, *compiled.arguments)
            expected = {person.id for person in people if matches(one, person)}
            assert {row["id"] for row in rows} == expected, one
            told_apart += 0 < len(expected) < PEOPLE
    assert told_apart > len(filters) * 0.6


async def test_another_creators_contacts_are_never_found(
    database: DatabaseManager, creator: UUID, add_creator: Any
) -> None:
    other = await add_creator("Bob")
    async with database.transaction(other) as connection:
        await write(connection, other, [Made()])
    async with database.transaction(creator) as connection:
        assert await preview(connection, creator, {"all": []}, now=NOW, limit=5) == (0, [])
        assert await preview(connection, other, {"all": []}, now=NOW, limit=5) == (0, [])


def test_values_are_arguments_and_placeholders_are_numbered_from_where_asked() -> None:
    evil = "x'; DROP TABLE app.contacts --"
    one = {
        "all": [
            {"field": "tags", "op": "has", "value": evil},
            {"field": f"attribute:{evil}", "op": "eq", "value": evil},
        ]
    }
    compiled = compile_filter(one, now=NOW, first=5)
    assert evil not in compiled.sql
    assert compiled.arguments == ([evil], evil, evil)
    assert all(f"${n}::" in compiled.sql for n in (5, 6, 7))
    assert "$8" not in compiled.sql


def nested(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {"all": []}
    for _ in range(levels - 1):
        node = {"not": node}
    return node


TAG = {"field": "tags", "op": "has", "value": "a"}


def test_what_is_just_within_the_bounds_is_taken() -> None:
    check_filter(nested(MAX_DEPTH))
    check_filter({"any": [TAG] * MAX_CONDITIONS})


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        pytest.param({}, "filter: must hold one of", id="empty"),
        pytest.param({"all": [TAG], "any": [TAG]}, "filter: must hold one of", id="two-groups"),
        pytest.param({"all": TAG}, "filter.all: must be a list", id="no-list"),
        pytest.param({"any": []}, "filter.any: is empty", id="empty-any"),
        pytest.param({"all": ["tags"]}, "filter.all[0]: must be an object", id="no-object"),
        pytest.param({"not": [TAG]}, "filter.not: must be an object", id="not-list"),
        pytest.param(
            {"all": [TAG, {**TAG, "op": "like"}]}, "filter.all[1].op: tags has", id="operator"
        ),
        pytest.param({**TAG, "op": ["has"]}, "filter.op: tags has", id="operator-list"),
        pytest.param({**TAG, "field": "shoe"}, "filter.field: is not known", id="field"),
        pytest.param({**TAG, "field": 3}, "filter.field: must be a string", id="field-number"),
        pytest.param({**TAG, "field": "tags:x"}, "filter.field: must be written", id="key"),
        pytest.param({**TAG, "field": "attribute"}, "filter.field: needs a name", id="no-key"),
        pytest.param({**TAG, "regex": "x"}, "filter.regex: is not known", id="unknown-part"),
        pytest.param({**TAG, "within": "3 days"}, "filter.within: tags is not", id="within"),
        pytest.param({**TAG, "value": ""}, "filter.value: must be a text", id="no-text"),
        pytest.param(
            {"field": "silent", "op": "for", "value": "a while"},
            "filter.value: must be min",
            id="s",
        ),
        pytest.param(
            {"field": "silent", "op": "for", "value": "9000 weeks"},
            "filter.value: must be at",
            id="l",
        ),
        pytest.param(
            {"field": "timezone", "op": "eq", "value": "Mars/X"},
            "filter.value: is no time",
            id="zone",
        ),
        pytest.param(
            {"field": "created_at", "op": "after", "value": "2026-02-30"},
            "filter.value: must be a day",
            id="feb-30",
        ),
        pytest.param(
            {"field": "attribute:n", "op": "gt", "value": True},
            "filter.value: yes and no",
            id="bool",
        ),
        pytest.param(
            {"field": "attribute:n", "op": "eq", "value": 10**400},
            "filter.value: is too",
            id="huge",
        ),
        pytest.param(
            {"field": "program:x", "op": "in", "value": ["active", "gone"]},
            "filter.value[1]: must be one of",
            id="state",
        ),
        pytest.param(nested(MAX_DEPTH + 1), "is nested deeper", id="depth"),
        pytest.param({"any": [TAG] * (MAX_CONDITIONS + 1)}, "one condition too many", id="many"),
        pytest.param({"all": [{"all": []}] * 9000}, "one part too many", id="parts"),
        pytest.param(
            {"field": "attribute:group", "op": "eq", "value": "x" * 70_000}, "", id="large"
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(filter: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=r"^filter") as refused:
        check_filter(filter)
    assert message in refused.value.message
    assert refused.value.detail_code == "bad_filter"
