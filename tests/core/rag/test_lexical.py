"""BM25 in Postgres is BM25: its scores are compared with the formula worked out in Python."""

import math
import random
from uuid import UUID

import pytest

from core.knowledge import Knowledge
from core.rag import lexical
from core.rag.lexical import K1, B, LexicalMatch
from core.rag.tokenize import weighted_terms
from shared.database import DatabaseManager
from shared.models import chunks as tables
from tests.core.rag.conftest import add

TEXTS = {
    "Sleep": "Sleep well. Sleep long. A dark room helps.",
    "Goals": "A goal is a promise about work and sleep to yourself.",
    "Notes": "Paper, pencil, " + "words " * 40 + "goal",
}


async def search(database: DatabaseManager, creator_id: UUID, query: str) -> LexicalMatch:
    async with database.transaction(creator_id) as db:
        return await lexical.search(db, creator_id, query, 10)


def expected(term: str) -> list[float]:
    indexed = [weighted_terms(text, heading="", title=title) for title, text in TEXTS.items()]
    average = sum(length for _, length in indexed) / len(indexed)
    holding = [(terms[term], length) for terms, length in indexed if term in terms]
    idf = math.log(1 + (len(indexed) - len(holding) + 0.5) / (len(holding) + 0.5))
    scores = [
        idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * length / average)) for tf, length in holding
    ]
    return sorted(scores, reverse=True)


@pytest.mark.parametrize("term", ["sleep", "goal", "pencil"])
async def test_scores_are_those_of_the_formula(
    knowledge: Knowledge, database: DatabaseManager, creator: UUID, term: str
) -> None:
    for title, text in TEXTS.items():
        await add(knowledge, creator, title, text)
    match = await search(database, creator, term)
    assert [score for _, score in match.hits] == pytest.approx(expected(term))


async def test_statistics_follow_what_is_added_and_removed(
    knowledge: Knowledge, database: DatabaseManager, creator: UUID
) -> None:
    ids = [await add(knowledge, creator, title, text) for title, text in TEXTS.items()]
    for document_id in ids[:2]:
        await knowledge.delete_document(creator, document_id)
    async with database.transaction(creator) as db:
        stats = await tables.corpus_stats(db, creator)
        counted = await db.fetchrow(
            "SELECT count(*) AS chunks, sum(length) AS total_length FROM app.knowledge_chunks"
        )
    assert counted is not None
    assert (stats.chunks, stats.total_length) == (1, counted["total_length"])


async def test_unknown_words_and_no_words_find_nothing(
    knowledge: Knowledge, database: DatabaseManager, creator: UUID
) -> None:
    await add(knowledge, creator, "Sleep", TEXTS["Sleep"])
    unknown = await search(database, creator, "Ulaanbaatar")
    assert (unknown.hits, unknown.known) == ([], frozenset())
    assert (await search(database, creator, "what is it")).hits == []


async def test_statistics_equal_a_recount_whatever_happened(
    knowledge: Knowledge, database: DatabaseManager, creator: UUID
) -> None:
    """Random additions, replacements and deletions; the same ones in every run."""
    dice = random.Random(7)  # noqa: S311 - the same in every run
    ids: dict[str, UUID] = {}
    for step in range(12):
        source, action = f"note-{dice.randrange(4)}", dice.choice(["store", "store", "delete"])
        if action == "store":
            text = " ".join(dice.choices(["sleep", "goal", "habit", "cue", "walk"], k=30 + step))
            document = await knowledge.add_document(
                creator, title="Note", text=text, source_uri=source
            )
            await knowledge.ingest(creator, document.id)
            ids[source] = document.id
        elif source in ids:
            await knowledge.delete_document(creator, ids.pop(source))
        assert await counted(database, creator) == await recounted(database, creator)


async def counted(database: DatabaseManager, creator_id: UUID) -> tuple[int, int]:
    async with database.transaction(creator_id) as db:
        stats = await tables.corpus_stats(db, creator_id)
    return stats.chunks, stats.total_length


async def recounted(database: DatabaseManager, creator_id: UUID) -> tuple[int, int]:
    """From the postings: each chunk's length stands in every one of them."""
    async with database.transaction(creator_id) as db:
        row = await db.fetchrow("""
            SELECT count(*) AS chunks, coalesce(sum(length), 0) AS length
            FROM (SELECT DISTINCT chunk_id, length FROM app.knowledge_postings) p
            """)
    assert row is not None
    return row["chunks"], row["length"]


async def test_the_shares_of_the_words_add_up_to_the_score(
    knowledge: Knowledge, creator: UUID
) -> None:
    for title, text in TEXTS.items():
        await add(knowledge, creator, title, text)
    result = await knowledge.search(creator, "sleep in a dark room, sleep for goals")
    for passage in result.passages:
        shares = passage.explain["bm25_by_term"]
        assert isinstance(shares, dict)
        assert sum(shares.values()) == pytest.approx(passage.explain["bm25"] or 0.0, abs=1e-3)
    assert result.passages[0].explain["weights"] == {"vector": 1.0, "lexical": 4.0, "k": 0}
