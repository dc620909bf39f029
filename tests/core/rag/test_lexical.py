"""BM25 in Postgres is BM25: its scores are compared with the formula worked out in Python."""

import math
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
    assert (await search(database, creator, "what is it")).hits == ()
