"""A reranker has the last word on the order, and none when it fails or is late."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from core.knowledge import Knowledge
from core.llm.embedded import WordLlama
from core.rag import rerank
from core.rag.rerank import Reranker, SentenceReranker
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.errors import ModelUnavailable
from tests.core.rag.conftest import Reachable, add

TEXTS = {
    "Habits": "A habit needs a cue.",
    "Goals": "A goal needs a date, and a habit to get there.",
}


class Backwards:
    async def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        return [float(place) for place in range(len(passages))]


class Failing:
    async def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        raise ModelUnavailable("away")


class Silent:
    async def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        await asyncio.Event().wait()
        return []


class Miscounting:
    async def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        return [1.0]


async def test_a_reranker_decides_the_order_and_is_explained(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: Reachable,
    creator: UUID,
) -> None:
    for title, text in TEXTS.items():
        await add(knowledge, creator, title, text)
    plain = await knowledge.search(creator, "Which cue does a habit need?")
    turned = await Knowledge(database, vectors, embedders, reranker=Backwards()).search(
        creator, "Which cue does a habit need?"
    )
    assert [one.title for one in turned.passages] == [one.title for one in plain.passages][::-1]
    assert [one.explain["rerank"] for one in turned.passages] == [1.0, 0.0]
    assert [one.explain["rerank"] for one in plain.passages] == [None, None]
    assert turned.confidence == plain.confidence


@pytest.mark.parametrize("reranker", [Failing(), Silent(), Miscounting(), None])
async def test_one_that_fails_or_is_late_has_no_say(reranker: Reranker | None) -> None:
    assert await rerank.scores(reranker, "why?", ["a", "b"], seconds=0.02) is None


async def test_sentences_decide_not_the_whole_passage(wordllama: WordLlama) -> None:
    filler = "The committee met on Tuesday and discussed the budget of the library. " * 5
    passages = [filler, filler + "A dark and cool room helps you to sleep better."]
    first, second = await SentenceReranker(wordllama).rerank("How do I sleep better?", passages)
    assert second > first
    assert await SentenceReranker(wordllama).rerank("why?", ["", "Because."]) == pytest.approx(
        [0.0, (await SentenceReranker(wordllama).rerank("why?", ["Because."]))[0]]
    )
