"""Creators' own templates in the database: versions, labels, and whose answers a contact."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid5

import pytest
from pydantic import SecretStr

from core.house import HOUSE, ensure_house
from core.llm.prompt_resolution import CACHE_SECONDS, ResolutionCache, bucket, locales_of
from core.llm.prompt_store import PromptStore
from core.llm.prompts import built_in
from shared.database import DatabaseManager
from shared.embedded import EmbeddedEngines
from shared.errors import Conflict, InvalidInput, NotFound
from shared.settings import DatabaseSettings
from tests.conftest import AddCreator
from tests.databases import cloned

BODY = """{% block system %}SAYS {{ unknown }}{% endblock %}
{% block user %}{% for p in passages %}{{ p.text }}{% endfor %} {{ question }}{% endblock %}"""
NAMESPACE = UUID("5e1f0000-0000-4000-8000-000000000000")
CONTACTS = [uuid5(NAMESPACE, str(number)) for number in range(2_000)]
BUILT_IN = built_in("answer")[0].reference


def says(what: str) -> str:
    return BODY.replace("SAYS", what)


@pytest.fixture(scope="module")
async def database(
    engines: EmbeddedEngines, template_database: None
) -> AsyncIterator[DatabaseManager]:
    """One for all these tests: each has creators of its own."""
    async with cloned(engines.urls) as urls:
        settings = DatabaseSettings(url=SecretStr(urls.app))
        manager = DatabaseManager(settings, application="tests")
        await manager.open()
        yield manager
        await manager.close()


@pytest.fixture
async def store(database: DatabaseManager) -> PromptStore:
    async with database.transaction(HOUSE) as connection:  # what a test before let all share
        await connection.execute("DELETE FROM app.prompt_templates WHERE creator_id = $1", HOUSE)
    return PromptStore(database=database)


async def save(store: PromptStore, owner: UUID, what: str, locale: str = "") -> int:
    saved = await store.save(owner, "answer", says(what), locale=locale, actor="test")
    return saved.version


async def publish(store: PromptStore, owner: UUID, what: str, locale: str = "") -> int:
    if owner == HOUSE:
        await ensure_house(store.database)
    version = await save(store, owner, what, locale)
    await store.set_label(owner, "answer", "production", version, locale=locale, actor="test")
    return version


async def reference(store: PromptStore, owner: UUID, locale: str = "") -> str:
    return (await store.resolve(owner, "answer", locale=locale)).reference


async def test_versions_are_numbered_by_language_and_the_same_text_is_one(
    store: PromptStore, creator: UUID
) -> None:
    saved = [await save(store, creator, what) for what in ("a", "b", "b", "a")]
    assert saved == [1, 2, 2, 3]
    assert await save(store, creator, "a", "de") == 1
    assert [v.version for v in await store.list(creator, "answer")] == [3, 2, 1]
    page = await store.list(creator, "answer", limit=1, before=3)
    assert [(v.version, v.variables) for v in page] == [(2, ["passages", "question", "unknown"])]


async def test_a_version_never_changes(store: PromptStore, creator: UUID) -> None:
    await save(store, creator, "first")
    before = await store.get(creator, "answer", 1)
    await publish(store, creator, "second")
    await store.set_label(creator, "answer", "candidate", 1, percent=5, actor="test")
    await store.rollback(creator, "answer", actor="test")
    assert await store.get(creator, "answer", 1) == before
    with pytest.raises(NotFound):
        await store.get(creator, "answer", 3)


async def test_savers_at_the_same_time_get_different_versions(
    store: PromptStore, creator: UUID
) -> None:
    saved = await asyncio.gather(*(save(store, creator, f"n{n}") for n in range(12)))
    assert sorted(saved) == list(range(1, 13))
    bodies = {v.body for v in await store.list(creator, "answer")}
    assert bodies == {says(f"n{n}") for n in range(12)}


Publish = tuple[str, str]  # whose, for which language


@pytest.mark.parametrize(
    ("published", "locale", "expected"),
    [
        ([], "pt-BR", BUILT_IN),
        ([("house", "")], "", "shared/answer@1"),
        ([("house", ""), ("house", "pt")], "pt-BR", "shared/answer.pt@1"),
        ([("house", "pt"), ("house", "pt-br")], "pt-BR", "shared/answer.pt-br@1"),
        ([("house", "pt")], "de", BUILT_IN),
        ([("own", "")], "", "answer@1"),
        ([("own", ""), ("house", "pt-br")], "pt-BR", "answer@1"),
        ([("own", ""), ("own", "pt")], "pt-BR", "answer.pt@1"),
        ([("own", "pt"), ("own", "pt-BR")], "pt-br", "answer.pt-br@1"),
        ([("own", "pt-BR"), ("own", "")], "pt", "answer@1"),
        ([("own", "pt")], "", BUILT_IN),
        ([("own", "pt"), ("house", "")], "de", "shared/answer@1"),
        ([("other", ""), ("other", "pt")], "pt", BUILT_IN),
    ],
)
async def test_the_closest_that_is_in_production_answers(
    store: PromptStore,
    add_creator: AddCreator,
    published: list[Publish],
    locale: str,
    expected: str,
) -> None:
    owners = {"own": await add_creator(), "other": await add_creator("Bob"), "house": HOUSE}
    for whose, language in published:
        await publish(store, owners[whose], "x", language)
    assert await reference(store, owners["own"], locale) == expected


def test_a_language_is_served_by_itself_its_first_part_and_any() -> None:
    assert locales_of("pt-BR") == ["pt-br", "pt", ""]
    assert locales_of("de") == ["de", ""]
    assert locales_of("") == [""]


async def test_what_is_not_in_production_answers_nobody(store: PromptStore, creator: UUID) -> None:
    await save(store, creator, "draft")
    await store.set_label(creator, "answer", "candidate", 1, actor="test")
    for contact in (None, CONTACTS[0]):
        found = await store.resolve(creator, "answer", contact_id=contact)
        assert found.reference == BUILT_IN


async def test_lower_versions_of_the_same_language_stand_behind(
    store: PromptStore, creator: UUID
) -> None:
    for what in "abcdef":
        await save(store, creator, what)
    await publish(store, creator, "other language", "de")
    await store.set_label(creator, "answer", "production", 5, actor="test")
    await store.set_label(creator, "answer", "candidate", 6, percent=100, actor="test")
    behind = [s.reference for s in (await store.resolve(creator, "answer")).sources]
    built_ins = [source.reference for source in built_in("answer")]
    assert behind == ["answer@5", "answer@4", "answer@3", "answer@2", *built_ins]
    candidate = await store.resolve(creator, "answer", contact_id=CONTACTS[0])
    assert [s.reference for s in candidate.sources] == ["answer@6", *behind]


@pytest.mark.parametrize("percent", [0, 10, 50, 100])
async def test_a_candidate_is_met_by_its_share_and_always_by_the_same(
    store: PromptStore, creator: UUID, percent: int
) -> None:
    await publish(store, creator, "now")
    await save(store, creator, "next")
    await store.set_label(creator, "answer", "candidate", 2, percent=percent, actor="test")

    async def met() -> list[UUID]:
        found = [await store.resolve(creator, "answer", contact_id=c) for c in CONTACTS]
        return [c for c, f in zip(CONTACTS, found, strict=True) if f.reference == "answer@2"]

    first = await met()
    assert first == [c for c in CONTACTS if bucket(c, "answer") < percent]
    assert abs(len(first) / len(CONTACTS) * 100 - percent) <= 3
    store.cache.forget(None)
    assert await met() == first
    assert await reference(store, creator) == "answer@1"  # nobody in particular


def test_who_meets_a_candidate_of_few_meets_that_of_many() -> None:
    assert [bucket(c, "answer") for c in CONTACTS[:6]] == [
        bucket(c, "answer") for c in CONTACTS[:6]
    ]
    assert any(bucket(c, "answer") != bucket(c, "other") for c in CONTACTS[:6])


async def test_a_rollback_returns_and_a_second_one_undoes_it(
    store: PromptStore, creator: UUID
) -> None:
    await publish(store, creator, "a")
    await publish(store, creator, "b")
    for expected in ("answer@1", "answer@2"):
        await store.rollback(creator, "answer", actor="test")
        assert await reference(store, creator) == expected


async def test_the_first_rollback_of_all_returns_to_what_is_shared(
    store: PromptStore, creator: UUID
) -> None:
    await publish(store, creator, "a")
    await publish(store, creator, "a")  # the same version again is no step
    assert await store.rollback(creator, "answer", actor="test") is None
    assert await reference(store, creator) == BUILT_IN
    with pytest.raises(NotFound):
        await store.rollback(creator, "answer", actor="test")


async def test_a_diff_shows_what_changed(store: PromptStore, creator: UUID) -> None:
    await save(store, creator, "old")
    await save(store, creator, "new")
    lines = (await store.diff(creator, "answer", 1, 2)).splitlines()
    assert lines[:2] == ["--- answer@1", "+++ answer@2"]
    assert lines[3].startswith("-{% block system %}old")
    assert lines[4].startswith("+{% block system %}new")
    assert await store.diff(creator, "answer", 2, 2) == ""
    assert "-{{ persona }}" in await store.diff(creator, "answer", 0, 1)
    with pytest.raises(NotFound):
        await store.diff(creator, "answer", 1, 9)


Act = Callable[[PromptStore, UUID], Awaitable[object]]


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda s, c: s.save(c, "nothing", BODY, actor="t"), NotFound),
        (lambda s, c: s.save(c, "answer", "{{ x }}", actor="t"), InvalidInput),
        (lambda s, c: s.save(c, "answer", BODY, locale="no_tag", actor="t"), InvalidInput),
        (lambda s, c: s.set_label(c, "answer", "production", 9, actor="t"), NotFound),
        (lambda s, c: s.set_label(c, "answer", "latest", 1, actor="t"), InvalidInput),
        (lambda s, c: s.set_label(c, "answer", "Prod", 1, actor="t"), InvalidInput),
        (
            lambda s, c: s.set_label(c, "answer", "production", 1, percent=5, actor="t"),
            InvalidInput,
        ),
        (
            lambda s, c: s.set_label(c, "answer", "candidate", 1, percent=101, actor="t"),
            InvalidInput,
        ),
        (lambda s, c: s.resolve(c, "nothing"), NotFound),
        (lambda s, c: s.rollback(c, "answer", actor="t"), NotFound),
    ],
)
async def test_what_cannot_be_done_is_refused(
    store: PromptStore, creator: UUID, act: Act, error: type[Exception]
) -> None:
    await save(store, creator, "a")
    with pytest.raises(error):
        await act(store, creator)


class _Gate:
    """Refuses what its test names, and notes what it was asked."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.asked: list[tuple[str, str | None]] = []

    async def check(self, creator_id: UUID, subject: str, against: str | None) -> None:
        self.asked.append((subject, against))
        if subject in self.refused:
            raise Conflict("worse")


async def test_the_gate_is_asked_before_production_only(
    database: DatabaseManager, creator: UUID
) -> None:
    gate = _Gate("prompt answer@2")
    store = PromptStore(database=database, gate=gate)
    await publish(store, creator, "a")
    await save(store, creator, "b")
    await store.set_label(creator, "answer", "candidate", 2, percent=10, actor="test")
    with pytest.raises(Conflict):
        await store.set_label(creator, "answer", "production", 2, actor="test")
    await publish(store, creator, "c", "de")
    assert await reference(store, creator) == "answer@1"
    assert gate.asked == [
        ("prompt answer@1", f"prompt {BUILT_IN}"),
        ("prompt answer@2", "prompt answer@1"),
        ("prompt answer.de@1", "prompt answer@1"),
    ]


async def test_nothing_of_another_creator_is_found(
    store: PromptStore, add_creator: AddCreator
) -> None:
    ada, bob = await add_creator(), await add_creator("Bob")
    await publish(store, ada, "CANARY")
    assert "CANARY" in (await store.resolve(ada, "answer")).sources[0].body
    for _ in range(2):  # read, and from memory
        found = await store.resolve(bob, "answer")
        assert all("CANARY" not in source.body for source in found.sources)
    assert await store.list(bob, "answer") == []
    assert await store.labels(bob, "answer") == []
    for version in (lambda: store.get(bob, "answer", 1), lambda: store.diff(bob, "answer", 0, 1)):
        with pytest.raises(NotFound):
            await version()
    with pytest.raises(NotFound):
        await store.set_label(bob, "answer", "production", 1, actor="test")
    assert {creator for creator, *_ in store.cache._known} == {ada, bob}


async def test_what_was_resolved_is_remembered_until_its_owner_writes(
    database: DatabaseManager, add_creator: AddCreator
) -> None:
    now = [0.0]
    store = PromptStore(database=database, cache=ResolutionCache(clock=lambda: now[0]))
    elsewhere = PromptStore(database=database)
    ada, bob = await add_creator(), await add_creator("Bob")
    await publish(store, ada, "a")
    assert (await reference(store, ada), await reference(store, bob)) == ("answer@1", BUILT_IN)
    await publish(elsewhere, ada, "b")  # by another process
    assert await reference(store, ada) == "answer@1"
    now[0] += CACHE_SECONDS
    assert await reference(store, ada) == "answer@2"
    await publish(store, ada, "c")
    assert await reference(store, ada) == "answer@3"
    await publish(store, HOUSE, "house")  # concerns everybody
    assert await reference(store, bob) == "shared/answer@1"


async def test_what_was_read_before_a_write_is_not_remembered_after_it(
    store: PromptStore, creator: UUID
) -> None:
    await publish(store, creator, "a")
    before = store.cache.writes
    stale = await store._read(creator, "answer", "")
    await publish(store, creator, "b")
    store.cache.put((creator, "answer", ""), stale, writes=before)
    assert await reference(store, creator) == "answer@2"


async def test_changes_are_noted(
    store: PromptStore, database: DatabaseManager, creator: UUID
) -> None:
    await publish(store, creator, "SECRET WORDS")
    await store.rollback(creator, "answer", actor="test")
    async with database.transaction(creator) as connection:
        noted = await connection.fetch(
            "SELECT actor, action, target, detail FROM app.audit_log ORDER BY id"
        )
    assert [row["action"] for row in noted] == [
        *("prompt.saved", "prompt.labelled", "prompt.rolled_back")
    ]
    assert {(row["actor"], row["target"]) for row in noted} == {("test", "answer@1")}
    assert "SECRET" not in str([row["detail"] for row in noted])
