"""How well and how fast knowledge is found: `python -m benchmarks.retrieval --data DIR`.

Starts its own engines in a temporary folder, ingests the documents through the facade with the
embedded WordLlama, and asks every question: by vectors alone, by words alone, and as the product
does. Latency stands beside the bare Chroma query with the same filter, taken in turns.

With `--vectors FILE.npz` the vectors of another model take WordLlama's place: `keys` are the
SHA-256 of each text in hex, `vectors` one row a key. `--texts FILE` writes, one JSON string a
line, which texts that file has to cover.
"""

import argparse
import asyncio
import hashlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import golden
from benchmarks.golden import GoldenSet
from core.evaluation import ground, retrieval
from core.evaluation.candidates import OneEmbedder
from core.evaluation.ground import Ground
from core.evaluation.rankings import documents
from core.knowledge import Knowledge
from core.llm.base import Embedder, EmbeddingSpace, Kind
from core.llm.embedded import WordLlama
from core.rag.vectors import ChromaVectors
from migrations import runner
from shared.database import DatabaseManager
from shared.embedded import EmbeddedEngines
from shared.settings import ChromaSettings, DatabaseSettings

DATABASE = "cairn_bench"
QUIET = Console(stderr=True)
FORMS = (("text", "full questions"), ("headline", "headlines only"))


class Precomputed:
    """Vectors that another program computed."""

    def __init__(self, file: Path) -> None:
        with np.load(file) as stored:
            keys, vectors = stored["keys"].tolist(), stored["vectors"]
        self._vectors = dict(zip(keys, vectors, strict=True))
        size = int(vectors.shape[1])
        self.space = EmbeddingSpace(name=f"{file.stem}-{size}", model=file.stem, dimensions=size)

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
        return [self._vector(text).tolist() for text in texts]

    def _vector(self, text: str) -> Any:
        found = self._vectors.get(hashlib.sha256(text.encode()).hexdigest())
        if found is None:
            raise SystemExit(f"no vector for the text that begins {text[:60]!r}; see --texts")
        return found / np.linalg.norm(found)


class Listing:
    """Notes what is to be embedded; its own vectors are those of WordLlama."""

    def __init__(self) -> None:
        self._inner = WordLlama()
        self.space = self._inner.space
        self.texts: dict[str, None] = {}

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
        self.texts.update(dict.fromkeys(texts))
        return await self._inner.embed(texts, kind=kind)


@asynccontextmanager
async def opened(folder: Path, embedder: Embedder) -> AsyncIterator[Ground]:
    """Engines of its own with one creator, who is gone at the end."""
    async with EmbeddedEngines(folder) as urls:
        await runner.bootstrap(urls.postgres_admin, DATABASE)
        await runner.prepare(urls.postgres_url("postgres", database=DATABASE), DATABASE)
        await runner.migrate(urls.postgres_url("cairn_migrate", database=DATABASE))
        url = SecretStr(urls.postgres_url("cairn_app", database=DATABASE))
        database = DatabaseManager(DatabaseSettings(url=url))
        await database.open()
        vectors = ChromaVectors(ChromaSettings(url=urls.chroma, timeout_seconds=10))
        embedders = OneEmbedder(embedder=embedder)
        knowledge = Knowledge(database, vectors, embedders)
        try:
            async with ground.throwaway(database, vectors, embedders, knowledge) as opened:
                yield opened
        finally:
            await vectors.close()
            await database.close()


async def measure(data: GoldenSet, embedder: Embedder | None = None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as folder:
        async with opened(Path(folder), embedder or WordLlama()) as bench:
            with Progress(console=QUIET) as bar:
                return await _measure(bench, data, bar)


async def _measure(bench: Ground, data: GoldenSet, bar: Progress) -> dict[str, Any]:
    reading = bar.add_task("Ingesting", total=len(data.documents))
    began = time.perf_counter()
    id_by_name = await ground.fill(bench, data, lambda: bar.advance(reading))
    seconds = time.perf_counter() - began
    chunks = len(await documents(bench))
    figures: dict[str, Any] = {
        "documents": len(set(id_by_name.values())),
        "chunks": chunks,
        "ingested_chunks_per_second": chunks / seconds,
    }
    questions = ground.asked(
        data, {ground.key(name): frozenset({one}) for name, one in id_by_name.items()}
    )
    for form, title in FORMS:
        asking = bar.add_task(f"Asking, {title}", total=retrieval.total(data, questions))
        figures[form] = await retrieval.measure(
            bench,
            data,
            questions,
            short=form == "headline",
            progress=lambda task=asking: bar.advance(task),  # type: ignore[misc]
        )
    figures["latency_ms"] = figures["headline"].pop("latency_ms")
    return figures


def show(figures: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"{figures['documents']} documents, {figures['chunks']} chunks,"
        f" {figures['ingested_chunks_per_second']:.0f} chunks/s ingested"
    )
    for form, title in FORMS:
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


async def list_texts(data: GoldenSet, file: Path) -> None:
    """Ask everything once with an embedder that writes down what it is asked."""
    listing = Listing()
    await measure(data, listing)
    lines = (json.dumps(text) + "\n" for text in listing.texts)
    file.write_text("".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with .jsonl files")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--vectors", type=Path, help="vectors of another model, as .npz")
    parser.add_argument("--texts", type=Path, help="only write which texts need a vector")
    arguments = parser.parse_args()
    data = golden.load(arguments.data)
    if arguments.texts:
        asyncio.run(list_texts(data, arguments.texts))
        return
    embedder = Precomputed(arguments.vectors) if arguments.vectors else None
    figures = asyncio.run(measure(data, embedder))
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
