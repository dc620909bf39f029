"""Limits of a month: told once at the soft one, kept at the hard one, and nothing accepted lost."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core import usage
from core.dialogue.over_limit import LINES
from core.policies import Policy, Quotas
from core.runtime import Runtime
from core.usage import Meter, Standing, month_of
from shared.database import DatabaseManager
from shared.errors import KnowledgeQuota
from shared.models import policies
from shared.models import usage as counters
from shared.utils.clock import utc_now
from tests.apps import App
from tests.core.test_answering import Classroom, classroom  # noqa: F401 - a fixture
from tests.learners import Learner

NOW = utc_now()


async def limit(app: App, **quotas: Any) -> None:
    async with app.runtime.database.transaction(app.creator_id) as db:
        await policies.write(db, app.creator_id, {"quotas": quotas}, 0)
    # What was counted a moment ago is seen at once.
    app.runtime.engine._router._meter._fresh_seconds = 0.0


async def count(database: DatabaseManager, creator_id: UUID, **counts: int) -> None:
    async with database.transaction(creator_id) as db:
        await counters.add(db, creator_id, NOW.date(), counts)


@pytest.mark.parametrize(
    ("used", "soft", "hard", "state"),
    [
        (0, None, None, "ok"),
        (5, 5, 9, "soft"),
        (4, 5, 9, "ok"),
        (9, 5, 9, "hard"),
        (9, None, 9, "hard"),
        (0, None, 0, "hard"),
    ],
)
def test_a_limit_is_reached_when_as_much_is_used(
    used: int, soft: int | None, hard: int | None, state: str
) -> None:
    assert Standing(used=used, soft=soft, hard=hard).state == state


def test_a_month_ends_where_the_next_begins() -> None:
    december = datetime(2027, 12, 31, 23, 59, tzinfo=UTC)
    assert [str(day) for day in month_of(december)] == ["2027-12-01", "2028-01-01"]


async def test_without_a_limit_nothing_is_read(database: DatabaseManager, creator: UUID) -> None:
    await database.close()
    meter = Meter(database)
    assert not await meter.is_over(creator, None, "messages")
    assert not await meter.is_over(creator, Quotas(), "tokens")


async def test_a_database_that_is_away_stops_nobody(
    database: DatabaseManager, creator: UUID
) -> None:
    quotas = Quotas.model_validate({"messages": {"hard": 0}})
    await database.close()
    assert not await Meter(database).is_over(creator, quotas, "messages")


async def test_over_the_limit_of_messages_one_line_a_day_is_said(learner: Learner) -> None:
    assert await learner.asks("/help")
    await limit(learner.app, messages={"hard": 1})
    first = await learner.asks("What is a habit?")
    assert [sent.text.split(",")[0] for sent in first] == [LINES["en"].split(",")[0]]
    assert await learner.asks("Hello?") == []
    inbound = await learner.inbound()
    assert [(m["text"], m["status"]) for m in inbound][1:] == [
        ("What is a habit?", "answered"),
        ("Hello?", "answered"),
    ]


async def test_stop_and_words_of_danger_are_heard_over_the_limit(learner: Learner) -> None:
    await learner.asks("/help")
    await limit(learner.app, messages={"hard": 1})
    crisis = await learner.asks("I want to kill myself")
    assert len(crisis) == 1
    assert not crisis[0].text.startswith(LINES["en"][:30])
    await learner.asks("STOP")
    (identity,) = await learner.app.fetch(
        "SELECT opted_out_at FROM app.contact_identities WHERE creator_id = $1"
    )
    assert identity["opted_out_at"] is not None


async def test_tokens_are_counted_and_over_the_limit_no_model_is_asked(
    classroom: Classroom,  # noqa: F811
) -> None:
    answer = await classroom.asks()
    assert answer["rung"] == "ollama"
    rows = await classroom.app.fetch(
        "SELECT metric, value FROM app.usage_counters WHERE creator_id = $1"
    )
    counted = {row["metric"]: row["value"] for row in rows}
    assert counted["tokens_in"] > counted["tokens_out"] > 0
    await limit(classroom.app, tokens={"soft": 1, "hard": counted["tokens_in"]})
    answering = classroom.app.runtime.engine._router._answering
    assert answering.meter is classroom.app.runtime.engine._router._meter
    again = await classroom.asks("How do I start a habit?")
    assert again["rung"] == "extractive"
    assert again["payload"]["citations"]


async def test_what_may_still_be_sent_is_told_in_one_read(school: App) -> None:
    database, creator_id = school.runtime.database, school.creator_id

    async def left() -> int | None:
        async with database.transaction(creator_id) as db:
            return await usage.sends_left(db, creator_id, NOW)

    assert await left() is None
    await limit(school, sends={"hard": 10}, messages={"hard": 100})
    assert await left() == 10
    async with database.transaction(creator_id) as db:
        await usage.count_sends(db, creator_id, NOW, 4)
        await usage.count_sends(db, creator_id, NOW - timedelta(days=40), 6)
    assert await left() == 6
    await count(database, creator_id, messages_in=60, messages_out=37)
    assert await left() == 3
    await count(database, creator_id, messages_out=9)
    assert await left() == 0


async def test_a_limit_is_told_once_a_month(school: App) -> None:
    database, creator_id = school.runtime.database, school.creator_id
    await limit(school, tokens={"soft": 10, "hard": 20})
    await count(database, creator_id, tokens_in=12)
    for moment in (NOW, NOW):
        async with database.transaction(creator_id) as db:
            await usage.sends_left(db, creator_id, moment)
    await count(database, creator_id, tokens_out=9)
    async with database.transaction(creator_id) as db:
        await usage.sends_left(db, creator_id, NOW)
    rows = await school.fetch(
        "SELECT action, target, detail FROM app.audit_log"
        " WHERE creator_id = $1 AND action LIKE 'quota%' ORDER BY id"
    )
    assert [(r["action"], r["target"], r["detail"]["used"]) for r in rows] == [
        ("quota.soft", "tokens", 12),
        ("quota.hard", "tokens", 21),
    ]


async def test_a_full_storage_refuses_uploads_and_a_smaller_one_fits(school: App) -> None:
    add = school.runtime.knowledge.add_document
    await limit(school, storage={"hard": 100})
    await add(school.creator_id, title="Short", text="It fits.")
    with pytest.raises(KnowledgeQuota):
        await add(school.creator_id, title="Long", text="It does not fit. " * 20)


async def test_storage_counts_what_is_said_too(learner: Learner) -> None:
    await learner.asks("/help")
    app = learner.app
    async with app.runtime.database.transaction(app.creator_id) as db:
        stored = await usage.storage(db, app.creator_id, Policy(), NOW)
    assert stored > 100


async def test_one_creators_use_is_no_others(
    school: App, runtime_of_another: tuple[Runtime, UUID]
) -> None:
    runtime, other = runtime_of_another
    await limit(school, sends={"hard": 1})
    await count(runtime.database, school.creator_id, sends=5)
    async with runtime.database.transaction(other) as db:
        assert await usage.sends_left(db, other, NOW) is None
        found = await usage.standings(db, other, Policy(), NOW)
    assert {name: standing.used for name, standing in found.items()} == dict.fromkeys(
        usage.NAMES, 0
    )


@pytest.fixture
async def runtime_of_another(school: App) -> tuple[Runtime, UUID]:
    from core.creators import add_creator

    created = await add_creator(school.runtime.database, "Another school")
    return school.runtime, created.id
