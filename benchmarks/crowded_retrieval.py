"""Retrieval among a crowd: many creators share the index, each must find as if it were alone.

Every creator's notes are made of the same words as its neighbours', so the nearest vectors of a
bucket belong mostly to others. Filled through the facade; a search and the bare query with the same
filter, by Chroma's own client, are taken in turns.
"""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import chromadb
import numpy as np
from chromadb.api.models.AsyncCollection import AsyncCollection
from pydantic import SecretStr

from benchmarks.report import Figure
from benchmarks.stage import Stage
from core.evaluation.candidates import OneEmbedder
from core.knowledge import Knowledge
from core.llm.embedded import WordLlama
from core.rag.vectors import TENANT_KEY, ChromaVectors, collection_name
from shared.database import DatabaseManager
from shared.settings import ChromaSettings, DatabaseSettings
from shared.utils.ids import new_id

DATABASE = "bench_crowd"
NOTES = 20  # chunks a creator: 2,000 creators have 40,000
DEPTH = 50
CONCURRENT = 4
_THINGS = ("habit", "goal", "plan", "walk", "meal", "talk", "budget", "song", "garden", "lesson")
_WAYS = ("slowly", "daily", "together", "outdoors", "in the morning", "before sleep", "on Sundays")
_ENDS = ("energy", "calm", "focus", "strength", "trust", "patience", "joy", "order")


@dataclass(frozen=True, kw_only=True)
class Crowd:
    database: DatabaseManager
    vectors: ChromaVectors
    embedder: WordLlama
    knowledge: Knowledge
    chroma: str
    buckets: int


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question with the heading of the note that answers it."""

    creator_id: UUID
    question: str
    heading: str


async def run(stage: Stage) -> list[Figure]:
    creators, measured, rounds = (60, 10, 1) if stage.quick else (2000, 50, 4)
    await stage.make_database(DATABASE)
    database = DatabaseManager(DatabaseSettings(url=SecretStr(stage.url(DATABASE))))
    settings = ChromaSettings(url=stage.urls.chroma, timeout_seconds=10)
    vectors, embedder = ChromaVectors(settings), WordLlama()
    await database.open()
    crowd = Crowd(
        database=database,
        vectors=vectors,
        embedder=embedder,
        knowledge=Knowledge(database, vectors, OneEmbedder(embedder=embedder)),
        chroma=stage.urls.chroma,
        buckets=settings.buckets,
    )
    try:
        asked = [one async for one in _questions(crowd, measured)]
        alone = [await _hits(crowd, one) for one in asked]
        seconds = await _fill(crowd, range(measured, creators))
        among = [await _hits(crowd, one) for one in asked]
        samples = await _latencies(crowd, asked * rounds)
    finally:
        await vectors.close()
        await database.close()
    return [
        *_speed(samples, creators),
        *_recall(asked, alone, among),
        Figure(
            name=f"ingested, documents of {NOTES} chunks",
            value=(creators - measured) * NOTES / seconds,
            unit="chunks/s",
            bound=200,
            bound_name="the aim",
            at_least=1.0,
        ),
    ]


async def _questions(crowd: Crowd, measured: int) -> AsyncIterator[Asked]:
    for number in range(measured):
        creator_id = await _add(crowd, number)
        for heading, question, _ in list(_notes(number))[::4]:
            yield Asked(creator_id=creator_id, question=question, heading=heading)


def _notes(number: int) -> Iterator[tuple[str, str, str]]:
    """Heading, question and text of each note of a creator; the same number, the same notes."""
    dice = random.Random(number)
    combinations = [(thing, way, end) for thing in _THINGS for way in _WAYS for end in _ENDS]
    for thing, way, end in dice.sample(combinations, NOTES):
        yield (
            f"{thing} {way} for {end}",
            f"How does a {thing} done {way} bring {end}?",
            f"A {thing} done {way} brings {end}. Begin with one small step, write it down, and"
            f" look back at your {thing} after a week. What helped with {end} stays.",
        )


async def _fill(crowd: Crowd, numbers: Sequence[int]) -> float:
    limit = asyncio.Semaphore(CONCURRENT)

    async def one(number: int) -> None:
        async with limit:
            await _add(crowd, number)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(one(number))
    return time.perf_counter() - began


async def _add(crowd: Crowd, number: int) -> UUID:
    """A creator with one document of its notes, by the way every document takes."""
    creator_id = new_id()
    async with crowd.database.transaction(creator_id) as db:
        await db.execute(
            "INSERT INTO app.creators (creator_id, name) VALUES ($1, 'crowd')", creator_id
        )
    text = "\n\n".join(f"## {heading}\n\n{text}" for heading, _, text in _notes(number))
    added = await crowd.knowledge.add_document(
        creator_id, title=f"Notes {number}", data=text.encode(), filename="notes.md"
    )
    await crowd.knowledge.ingest(creator_id, added.id)
    return creator_id


async def _hits(crowd: Crowd, asked: Asked) -> list[str]:
    """The headings of what is found, best first."""
    result = await crowd.knowledge.search(asked.creator_id, asked.question)
    return [passage.heading for passage in result.passages]


async def _latencies(crowd: Crowd, asked: Sequence[Asked]) -> dict[str, list[float]]:
    """Milliseconds of a search and of the bare Chroma query, in turns."""
    space = crowd.embedder.space.name
    vectors = await crowd.embedder.embed([one.question for one in asked], kind="query")
    server = urlsplit(crowd.chroma)
    client = await chromadb.AsyncHttpClient(host=server.hostname or "", port=server.port or 8000)
    collections: dict[str, AsyncCollection] = {}
    samples: dict[str, list[float]] = {"search": [], "bare": []}
    for one, vector in zip(asked, vectors, strict=True):
        search = crowd.knowledge.search(one.creator_id, one.question)
        samples["search"].append(await _milliseconds(search))
        name = collection_name(space, one.creator_id, crowd.buckets)
        if name not in collections:
            collections[name] = await client.get_collection(name, embedding_function=None)
        bare = collections[name].query(
            query_embeddings=np.asarray([vector], dtype=np.float32),
            n_results=DEPTH,
            where={TENANT_KEY: str(one.creator_id)},
            include=["distances"],
        )
        samples["bare"].append(await _milliseconds(bare))
    return samples


async def _milliseconds(call: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await call
    return (time.perf_counter() - began) * 1000


def _speed(samples: dict[str, list[float]], creators: int) -> list[Figure]:
    figures = []
    for name, cut in (("p50", statistics.median), ("p95", _p95)):
        figures.append(
            Figure(
                name=f"{name} of a search among {creators:,} creators",
                value=cut(samples["search"]),
                unit="ms",
                bound=cut(samples["bare"]),
                bound_name="the bare query, by Chroma's client",
                at_most=1.5 if name == "p50" else None,
            )
        )
    return figures


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _recall(
    asked: Sequence[Asked], alone: Sequence[list[str]], among: Sequence[list[str]]
) -> list[Figure]:
    def found(hits: Sequence[list[str]]) -> float:
        pairs = zip(asked, hits, strict=True)
        return statistics.fmean(any(one.heading in at for at in got) for one, got in pairs)

    same = statistics.fmean(set(one) == set(other) for one, other in zip(alone, among, strict=True))
    return [
        Figure(
            name="recall@5 of a creator's own questions",
            value=found(among),
            unit="",
            bound=found(alone),
            bound_name="the same before the others came",
            at_least=1.0,
        ),
        Figure(
            name="questions with the same hits",
            value=same,
            unit="",
            bound=1.0,
            bound_name="all of them",
            at_least=1.0,
        ),
    ]
