"""The facade end to end: a document goes in, its passages come out."""

import asyncio
from uuid import UUID

import pytest

from core.knowledge import Knowledge
from core.llm.embedded import WordLlama
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.errors import InvalidInput, NotFound
from shared.models import indexing
from tests.conftest import AddCreator
from tests.core.rag.conftest import add

HABITS = """# Habits

## How do I start a habit that sticks?

Choose one small action and tie it to a cue that already happens every day.

## What if I miss a day?

Missing a single day does not ruin a habit. Return at the very next cue.
"""
SPACE = "wordllama-256"


async def counts(database: DatabaseManager, creator_id: UUID) -> dict[str, int]:
    tables = ("documents", "chunks", "postings", "stats")
    async with database.transaction(creator_id) as db:
        found = {
            table: await db.fetchval(f"SELECT count(*) FROM app.knowledge_{table}")  # noqa: S608
            for table in tables
        }
        found["embeddings"] = await db.fetchval("SELECT count(*) FROM app.chunk_embeddings")
    return found


async def test_a_document_is_searchable_after_ingestion(
    knowledge: Knowledge, creator: UUID
) -> None:
    document_id = await add(knowledge, creator, "Habits", HABITS)
    document = await knowledge.get_document(creator, document_id)
    assert (document.status, document.chunk_count, document.progress) == ("ready", 2, 1.0)
    result = await knowledge.search(creator, "How do I start a habit that sticks?")
    best = result.passages[0]
    assert best.document_id == document_id
    assert best.heading == "Habits › How do I start a habit that sticks?"
    assert best.text.startswith("Choose one small action")
    assert best.explain["vector_rank"] == best.explain["lexical_rank"] == 1
    assert result.answerable
    assert not result.degraded


async def test_the_same_content_twice_is_one_document(knowledge: Knowledge, creator: UUID) -> None:
    first = await knowledge.add_document(creator, title="Habits", text=HABITS)
    again = await knowledge.add_document(
        creator, title="Other", data=HABITS.replace("\n", "\r\n").encode("utf-16")
    )
    assert (first.created, again.created) == (True, False)
    assert first.id == again.id
    assert len(await knowledge.list_documents(creator)) == 1


async def test_a_failed_document_is_tried_again_when_it_is_added_again(
    knowledge: Knowledge, database: DatabaseManager, creator: UUID
) -> None:
    document = await knowledge.add_document(creator, title="Habits", text=HABITS)
    async with database.transaction(creator) as db:
        await indexing.fail_document(db, creator, document.id, code="model_garbled", error="No.")
    assert await knowledge.pending(creator) == []
    again = await knowledge.add_document(creator, title="Habits", text=HABITS)
    assert (again.id, again.status, again.created) == (document.id, "pending", False)
    assert await knowledge.pending(creator) == [document.id]


async def test_twins_added_at_once_are_one_document(knowledge: Knowledge, creator: UUID) -> None:
    added = await asyncio.gather(
        *(knowledge.add_document(creator, title="Habits", text=HABITS) for _ in range(8))
    )
    assert len({document.id for document in added}) == 1
    assert sum(document.created for document in added) == 1


async def test_a_deleted_document_leaves_nothing(
    knowledge: Knowledge, database: DatabaseManager, vectors: ChromaVectors, creator: UUID
) -> None:
    document_id = await add(knowledge, creator, "Habits", HABITS)
    assert len(await vectors.ids(creator, SPACE)) == 2
    await knowledge.delete_document(creator, document_id)
    assert await vectors.ids(creator, SPACE) == set()
    left = await counts(database, creator)
    assert left == {"documents": 0, "chunks": 0, "postings": 0, "stats": 1, "embeddings": 0}
    result = await knowledge.search(creator, "How do I start a habit?")
    assert (result.passages, result.answerable) == ([], False)
    with pytest.raises(NotFound):
        await knowledge.delete_document(creator, document_id)


async def test_lists_are_paged_newest_first(knowledge: Knowledge, creator: UUID) -> None:
    ids = [
        (await knowledge.add_document(creator, title=f"T{n}", text=f"Text {n}")).id
        for n in range(5)
    ]
    first = await knowledge.list_documents(creator, limit=3)
    rest = await knowledge.list_documents(creator, limit=3, after=first[-1].id)
    assert [document.id for document in first + rest] == ids[::-1]


async def test_a_passage_opens_with_its_neighbours(knowledge: Knowledge, creator: UUID) -> None:
    await add(knowledge, creator, "Habits", HABITS)
    [first, *_] = (await knowledge.search(creator, "Choose one small action")).passages
    opened = await knowledge.passage(creator, first.chunk_id)
    assert (opened.text, opened.before) == (first.text, "")
    assert opened.after.startswith("Missing a single day")


async def test_passages_are_read_by_whichever_way_they_were_found(
    knowledge: Knowledge, creator: UUID
) -> None:
    await add(knowledge, creator, "Rest", "Go to bed early and sleep without a phone.")
    await add(knowledge, creator, "Slumber", "Kittens purr.")
    [worded, near] = (await knowledge.search(creator, "slumber")).passages
    assert (worded.title, near.title) == ("Slumber", "Rest")
    assert near.explain["lexical_rank"] is None
    assert near.text == "Go to bed early and sleep without a phone."


async def test_other_creators_see_nothing(
    knowledge: Knowledge, creator: UUID, add_creator: AddCreator
) -> None:
    document_id = await add(knowledge, creator, "Habits", HABITS)
    [best, *_] = (await knowledge.search(creator, "small action")).passages
    stranger = await add_creator("Eve")
    assert (await knowledge.search(stranger, "small action")).passages == []
    assert await knowledge.list_documents(stranger) == []
    for attempt in (
        knowledge.get_document(stranger, document_id),
        knowledge.delete_document(stranger, document_id),
        knowledge.passage(stranger, best.chunk_id),
    ):
        with pytest.raises(NotFound):
            await attempt
    await knowledge.ingest(stranger, document_id)
    assert (await knowledge.get_document(creator, document_id)).status == "ready"


async def test_ids_of_another_creator_planted_in_chroma_yield_nothing(
    knowledge: Knowledge,
    vectors: ChromaVectors,
    wordllama: WordLlama,
    creator: UUID,
    add_creator: AddCreator,
) -> None:
    await add(knowledge, creator, "Secret", "The launch code of the moon base is swordfish.")
    [secret] = await vectors.ids(creator, SPACE)
    thief = await add_creator("Eve")
    await add(knowledge, thief, "Tea", "Green tea is brewed with water below boiling.")
    [vector] = await wordllama.embed(["launch code of the moon base"], kind="query")
    await vectors.upsert(thief, SPACE, [secret], [vector])
    hits = await vectors.query(thief, SPACE, vector, 10)
    assert hits[0].chunk_id == secret
    result = await knowledge.search(thief, "launch code of the moon base")
    assert "swordfish" not in repr(result)
    assert not result.answerable


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"title": "", "text": "words"}, "no_title"),
        ({"title": "T", "text": " "}, "no_text"),
        ({"title": "T"}, "text_or_data"),
        ({"title": "T", "text": "a", "data": b"a"}, "text_or_data"),
        ({"title": "T", "data": b"\x00\x01"}, "unsupported_media_type"),
    ],
    ids=["no title", "no text", "neither", "both", "binary"],
)
async def test_bad_documents_are_refused_with_a_code(
    knowledge: Knowledge, creator: UUID, arguments: dict[str, str], code: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await knowledge.add_document(creator, **arguments)  # type: ignore[arg-type]
    assert caught.value.detail_code == code
    assert await knowledge.list_documents(creator) == []


@pytest.mark.parametrize(
    ("query", "k", "code"), [(" \x00", 5, "no_query"), ("a", 0, "bad_k"), ("a", 51, "bad_k")]
)
async def test_bad_queries_are_refused_with_a_code(
    knowledge: Knowledge, creator: UUID, query: str, k: int, code: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await knowledge.search(creator, query, k)
    assert caught.value.detail_code == code


@pytest.mark.parametrize(
    "query", ["'); DROP TABLE x; --", "🙂", "what is it", "x" * 20_000, "\ud800"]
)
async def test_any_text_is_a_query(knowledge: Knowledge, creator: UUID, query: str) -> None:
    await add(knowledge, creator, "Habits", HABITS)
    assert not (await knowledge.search(creator, query)).degraded


async def test_a_follow_up_finds_what_the_question_before_it_was_about(
    knowledge: Knowledge, creator: UUID
) -> None:
    await add(knowledge, creator, "Habits", HABITS)
    earlier = "What if I miss a day of my habit?"
    alone = await knowledge.search(creator, "and why?")
    joined = await knowledge.search(creator, "and why?", history=["Hello", earlier])
    assert (alone.query, alone.answerable) == ("and why?", False)
    assert (joined.query, joined.answerable) == (f"{earlier} and why?", True)
    assert joined.passages[0].heading.endswith("What if I miss a day?")


async def test_a_follow_up_that_names_what_is_known_changes_the_subject(
    knowledge: Knowledge, creator: UUID
) -> None:
    await add(knowledge, creator, "Habits", HABITS)
    await add(
        knowledge, creator, "Races", "# Tapering\n\nTapering means to run less before a race."
    )
    earlier = "What if I miss a day of my habit?"
    result = await knowledge.search(creator, "and what about tapering?", history=[earlier])
    assert (result.query, result.passages[0].title) == ("and what about tapering?", "Races")
    unknown = await knowledge.search(creator, "and what about opera?", history=[earlier])
    assert unknown.query == f"{earlier} and what about opera?"


async def test_a_search_says_what_its_verdict_rests_on(knowledge: Knowledge, creator: UUID) -> None:
    await add(knowledge, creator, "Habits", HABITS)
    result = await knowledge.search(creator, "Should I return after a missed day?")
    assert (result.space, result.calibration) == (SPACE, "built-in: wordllama")
    assert 0 < result.evidence["coverage"] <= 1
    assert 0 < result.confidence <= 1
