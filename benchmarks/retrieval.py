"""How well and how fast knowledge is found: `python -m benchmarks.retrieval --data DIR`.

Starts its own engines in a temporary folder, ingests the documents through the facade with the
embedded WordLlama, and asks every question: by vectors alone, by words alone, and as the product
does. Latency stands beside the bare Chroma query with the same filter, taken in turns.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import golden
from benchmarks.golden import GoldenSet, Question
from core.knowledge import Knowledge
from core.llm.base import Embedder
from core.llm.embedded import WordLlama
from core.rag import lexical
from core.rag.vectors import ChromaVectors
from migrations import runner
from shared.database import DatabaseManager
from shared.embedded import EmbeddedEngines
from shared.settings import ChromaSettings, DatabaseSettings
from shared.utils.ids import new_id

DEPTH = 50
DATABASE = "cairn_bench"
CONCURRENT_DOCUMENTS = 4
QUIET = Console(stderr=True)


class OneEmbedder:
    """WordLlama and nothing else, so that every run measures the same."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def preferred(self) -> Embedder:
        return self._embedder

    async def find(self, space: str) -> Embedder | None:
        return self._embedder if space == self._embedder.space.name else None


@dataclass(frozen=True, kw_only=True)
class Bench:
    database: DatabaseManager
    vectors: ChromaVectors
    embedder: WordLlama
    knowledge: Knowledge
    creator_id: UUID


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Bench]:
    async with EmbeddedEngines(folder) as urls:
        await runner.bootstrap(urls.postgres_admin, DATABASE)
        await runner.prepare(urls.postgres_url("postgres", database=DATABASE), DATABASE)
        await runner.migrate(urls.postgres_url("cairn_migrate", database=DATABASE))
        url = SecretStr(urls.postgres_url("cairn_app", database=DATABASE))
        database = DatabaseManager(DatabaseSettings(url=url))
        await database.open()
        vectors = ChromaVectors(ChromaSettings(url=urls.chroma, timeout_seconds=10))
        embedder = WordLlama()
        knowledge = Knowledge(database, vectors, OneEmbedder(embedder))
        try:
            yield Bench(
                database=database,
                vectors=vectors,
                embedder=embedder,
                knowledge=knowledge,
                creator_id=await _add_creator(database),
            )
        finally:
            await vectors.close()
            await database.close()


async def _add_creator(database: DatabaseManager) -> UUID:
    creator_id = new_id()
    async with database.transaction(creator_id) as db:
        await db.execute(
            "INSERT INTO app.creators (creator_id, name) VALUES ($1, 'bench')", creator_id
        )
    return creator_id


async def ingest(bench: Bench, data: GoldenSet) -> tuple[dict[str, UUID], float]:
    """Every document through the facade; their ids by name, and the seconds it took.

    The same text under two names is one document, so two names may have one id.
    """
    id_by_name: dict[str, UUID] = {}
    limit = asyncio.Semaphore(CONCURRENT_DOCUMENTS)

    async def one(name: str, title: str, text: str) -> None:
        async with limit:
            added = await bench.knowledge.add_document(bench.creator_id, title=title, text=text)
            id_by_name[name] = added.id
            await bench.knowledge.ingest(bench.creator_id, added.id)

    began = time.perf_counter()
    documents = [(name, *content) for name, content in data.documents.items()]
    for start in track(range(0, len(documents), 50), "Ingesting", console=QUIET):
        await asyncio.gather(*(one(*document) for document in documents[start : start + 50]))
    return id_by_name, time.perf_counter() - began


async def rankings(bench: Bench, queries: Sequence[str]) -> dict[str, list[list[UUID]]]:
    """Distinct documents, best first, by each way of searching."""
    document_by_chunk = await _documents(bench)
    found: dict[str, list[list[UUID]]] = {"vector": [], "lexical": [], "hybrid": [], "shown": []}
    for query in track(queries, "Asking", console=QUIET):
        for way, chunks in (
            ("vector", await _by_vector(bench, query)),
            ("lexical", await _by_words(bench, query)),
        ):
            found[way].append(_distinct(document_by_chunk[chunk] for chunk in chunks))
        deep = await bench.knowledge.search(bench.creator_id, query, k=DEPTH)
        hybrid = [passage.document_id for passage in deep.passages]
        found["hybrid"].append(_distinct(hybrid))
        # As a caller sees k passages: two of one document take two places.
        found["shown"].append(hybrid)
    return found


async def _documents(bench: Bench) -> dict[UUID, UUID]:
    async with bench.database.transaction(bench.creator_id) as db:
        rows = await db.fetch("SELECT id, document_id FROM app.knowledge_chunks")
    return {row["id"]: row["document_id"] for row in rows}


async def _by_vector(bench: Bench, query: str) -> list[UUID]:
    [vector] = await bench.embedder.embed([query], kind="query")
    space = bench.embedder.space.name
    return [
        hit.chunk_id for hit in await bench.vectors.query(bench.creator_id, space, vector, DEPTH)
    ]


async def _by_words(bench: Bench, query: str) -> list[UUID]:
    async with bench.database.transaction(bench.creator_id) as db:
        match = await lexical.search(db, bench.creator_id, query, DEPTH)
    return [chunk_id for chunk_id, _ in match.hits]


def _distinct(documents: Iterable[UUID]) -> list[UUID]:
    return list(dict.fromkeys(documents))


async def verdicts(bench: Bench, queries: Sequence[str]) -> list[bool]:
    return [(await bench.knowledge.search(bench.creator_id, query)).answerable for query in queries]


async def latencies(bench: Bench, queries: Sequence[str]) -> dict[str, dict[str, float]]:
    """Milliseconds of a search and of the bare Chroma query, in turns."""
    vectors = await bench.embedder.embed(queries, kind="query")
    space = bench.embedder.space.name
    samples: dict[str, list[float]] = {"search": [], "bare Chroma query": []}
    for query, vector in zip(queries, vectors, strict=True):
        search = bench.knowledge.search(bench.creator_id, query)
        samples["search"].append(await _milliseconds(search))
        bare = bench.vectors.query(bench.creator_id, space, vector, DEPTH)
        samples["bare Chroma query"].append(await _milliseconds(bare))
    return {
        name: {
            "p50": statistics.median(values),
            "p95": statistics.quantiles(values, n=20)[-1],
        }
        for name, values in samples.items()
    }


async def _milliseconds(call: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await call
    return (time.perf_counter() - began) * 1000


async def measure(data: GoldenSet) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as folder:
        async with opened(Path(folder)) as bench:
            id_by_name, seconds = await ingest(bench, data)
            chunks = len(await _documents(bench))
            figures: dict[str, Any] = {
                "documents": len(set(id_by_name.values())),
                "chunks": chunks,
                "ingested_chunks_per_second": chunks / seconds,
            }
            for form in ("text", "headline"):
                figures[form] = await _quality(bench, id_by_name, data, form)
            figures["latency_ms"] = await latencies(
                bench, [question.headline for question in data.answerable]
            )
            return figures


async def _quality(
    bench: Bench, id_by_name: dict[str, UUID], data: GoldenSet, form: str
) -> dict[str, Any]:
    queries = [_form(question, form) for question in data.answerable]
    found = await rankings(bench, queries)
    relevant = [
        frozenset(id_by_name[name] for name in question.relevant if name in id_by_name)
        for question in data.answerable
    ]
    refused = golden.refusal(
        await verdicts(bench, queries), await verdicts(bench, data.unanswerable)
    )
    return {
        "ranking": {way: asdict(golden.rank(of, relevant)) for way, of in found.items()},
        "refusal": asdict(refused),
    }


def _form(question: Question, form: str) -> str:
    return question.text if form == "text" else question.headline


def show(figures: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"{figures['documents']} documents, {figures['chunks']} chunks,"
        f" {figures['ingested_chunks_per_second']:.0f} chunks/s ingested"
    )
    for form, title in (("text", "full questions"), ("headline", "headlines only")):
        ranking = figures[form]["ranking"]
        _print(console, f"Ranking, {title}", "by", {k: v.values() for k, v in ranking.items()},
               ["recall@1", "recall@5", "recall@10", "MRR@10", "nDCG@10"], 3)  # fmt: skip
        refused = figures[form]["refusal"]
        _print(console, f"Refusal, {title}", "", {"gate": refused.values()},
               ["precision", "recall", "F1", "answerable recall"], 3)  # fmt: skip
    latency = figures["latency_ms"]
    _print(console, "Latency (ms)", "", {k: v.values() for k, v in latency.items()},
           ["p50", "p95"], 2)  # fmt: skip


def _print(
    console: Console,
    title: str,
    corner: str,
    rows: dict[str, Iterable[float]],
    columns: Sequence[str],
    digits: int,
) -> None:
    table = Table(corner, *columns, title=title)
    for name, values in rows.items():
        table.add_row(name, *(f"{value:.{digits}f}" for value in values))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with .jsonl files")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    figures = asyncio.run(measure(golden.load(arguments.data)))
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
