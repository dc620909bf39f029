"""An index that is asked all the while its embedding model is changed, and what came of it."""

import asyncio
import itertools
import math
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from core.knowledge import Knowledge, SearchResult
from core.llm.embedded import WordLlama
from core.rag.backfill import passage_text
from core.seed import handbook
from shared.errors import Unavailable
from shared.models.embeddings import PendingChunk
from tests.chaos.stage import Stage
from tests.core.rag.conftest import Reachable

CHUNKS_A_DOCUMENT = 100
WORDS_A_CHUNK, WORDS_A_QUESTION = 30, 12
QUESTIONS = 40
AMONG = 10
ATTEMPTS = 5
AT_ONCE = 8
# Cosines come back as 32-bit distances.
SAME = 2e-3


@dataclass(frozen=True, kw_only=True)
class Question:
    """Some words of one exercise, which should find it."""

    exercise: int
    text: str


@dataclass(kw_only=True)
class Library:
    """Exercises made of words of the handbook, in documents of a hundred."""

    stage: Stage
    chance: random.Random
    exercises: list[list[str]] = field(default_factory=list)
    wordllama: WordLlama = field(default_factory=WordLlama)

    def __post_init__(self) -> None:
        text = "\n".join(p.read_text(encoding="utf-8") for p in handbook(self.stage.runtime))
        self._words = sorted({word.lower() for word in re.findall(r"[A-Za-z]{5,}", text)})
        database, vectors = self.stage.runtime.database, self.stage.runtime.vectors
        # Its index begins in the space of the only embedder that this one knows.
        self._knowledge = Knowledge(database, vectors, Reachable(self.wordllama))

    async def fill(self, chunks: int) -> None:
        for start in range(0, chunks, CHUNKS_A_DOCUMENT):
            await self.add(self._knowledge, min(CHUNKS_A_DOCUMENT, chunks - start))

    async def add(self, knowledge: Knowledge, chunks: int) -> UUID:
        """One more document, indexed as a worker does it."""
        first = len(self.exercises)
        for _ in range(chunks):
            self.exercises.append(self.chance.sample(self._words, WORDS_A_CHUNK))
        parts = [
            f"# Exercise {number}\n\n{' '.join(self.exercises[number])}."
            for number in range(first, first + chunks)
        ]
        creator_id = self.stage.creator_id
        document = await knowledge.add_document(
            creator_id, title=f"Part {first}", text="\n\n".join(parts), filename="part.md"
        )
        for _ in range(ATTEMPTS):
            try:
                await knowledge.ingest(creator_id, document.id)
            except Unavailable:  # as a worker does when too many want the database at once
                continue
            break
        return document.id

    def questions(self) -> list[Question]:
        return [
            Question(exercise=number, text=" ".join(self.chance.sample(words, WORDS_A_QUESTION)))
            for number, words in self.chance.sample(list(enumerate(self.exercises)), QUESTIONS)
        ]

    def cosine(self, question: str, heading: str, text: str) -> float:
        """The truth: an emulated model turns WordLlama's vectors, so likeness is the same."""
        chunk = PendingChunk(id=UUID(int=0), title="", heading=heading, text=text)
        one, other = self.wordllama.encode([question, passage_text(chunk)])
        return float(one @ other)


@dataclass(kw_only=True)
class Answer:
    question: Question
    space: str | None
    degraded: bool
    is_found: bool
    seconds: float
    passages: list[tuple[UUID, float]]

    @classmethod
    def of(cls, question: Question, result: SearchResult, seconds: float) -> "Answer":
        near = [
            passage
            for passage in result.passages
            if 0 < _number(passage.explain["vector_rank"]) <= AMONG
        ]
        heading = f"Exercise {question.exercise}"
        return cls(
            question=question,
            space=result.space,
            degraded=result.degraded,
            is_found=any(passage.heading.endswith(heading) for passage in near),
            seconds=seconds,
            passages=[(p.chunk_id, _number(p.explain["similarity"])) for p in near],
        )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


@dataclass(kw_only=True)
class Asking:
    """Somebody who asks on and on, so often a second, whatever happens."""

    stage: Stage
    questions: Sequence[Question]
    per_second: float
    answers: list[Answer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        asking = asyncio.create_task(self._ask_on())
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def round(self) -> dict[int, bool]:
        """Each question once: which of them find their exercise."""
        asked = [await self._ask(question) for question in self.questions]
        return {one.question.exercise: one.is_found for one in asked}

    async def _ask_on(self) -> None:
        """On a machine that is slower than the pace, as often as it can."""
        under_way: set[asyncio.Task[None]] = set()
        for number in itertools.count():
            due = time.monotonic() + 1 / self.per_second
            task = asyncio.create_task(self._note(self.questions[number % len(self.questions)]))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            if len(under_way) >= AT_ONCE:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _note(self, question: Question) -> None:
        try:
            self.answers.append(await self._ask(question))
        except Exception as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    async def _ask(self, question: Question) -> Answer:
        started = time.monotonic()
        result = await self.stage.runtime.knowledge.search(
            self.stage.creator_id, question.text, k=AMONG
        )
        return Answer.of(question, result, time.monotonic() - started)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What all the answers say together."""

    asked: int
    failed: int
    by_words_alone: int
    mixed: int
    found: int
    least: int
    spaces: dict[str | None, int]
    p50: float
    p99: float

    def __str__(self) -> str:
        return (
            f"{self.asked} questions: {self.failed} failed, {self.by_words_alone} by words alone,"
            f" {self.mixed} mixed; recall {self.found / self.asked:.3f},"
            f" the lower of both models {self.least / self.asked:.3f}; {self.spaces};"
            f" p50 {self.p50 * 1000:.0f} ms, p99 {self.p99 * 1000:.0f} ms"
        )


async def judge(
    library: Library, asking: Asking, before: dict[int, bool], after: dict[int, bool]
) -> Told:
    """`before` and `after`: which questions find their exercise in the old and the new space."""
    answers = asking.answers
    rows = await library.stage.fetch("SELECT id, heading, text FROM app.knowledge_chunks")
    chunk_by_id = {row["id"]: (row["heading"], row["text"]) for row in rows}
    truth: dict[tuple[str, UUID], float] = {}
    both = {exercise for exercise, found in before.items() if found and after[exercise]}
    asked = [one.question.exercise for one in answers]

    def is_true(question: str, chunk_id: UUID, similarity: float) -> bool:
        if chunk_id not in chunk_by_id:
            return True  # deleted since
        key = (question, chunk_id)
        if key not in truth:
            truth[key] = library.cosine(question, *chunk_by_id[chunk_id])
        return math.isclose(truth[key], similarity, abs_tol=SAME)

    def is_mixed(one: Answer) -> bool:
        return not all(is_true(one.question.text, *passage) for passage in one.passages)

    seconds = sorted(one.seconds for one in answers)
    return Told(
        asked=len(answers),
        failed=len(asking.failures),
        by_words_alone=sum(one.degraded for one in answers),
        mixed=sum(map(is_mixed, answers)),
        found=sum(one.is_found for one in answers),
        least=sum(map(both.__contains__, asked)),
        spaces=dict(Counter(one.space for one in answers)),
        p50=seconds[len(seconds) // 2],
        p99=seconds[int(len(seconds) * 0.99)],
    )
