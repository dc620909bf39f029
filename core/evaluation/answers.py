"""How good whole answers are: asked, judged, spoken and cited as in a conversation, unsent."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from core.evaluation.golden import GoldenSet
from core.evaluation.ground import Asked, Ground, Progress
from core.evaluation.metrics import latency, mean, refusal, share
from core.knowledge import Passage
from core.llm.budget import AnswerRequest
from core.llm.chain import AnswerChain, Completion
from core.llm.citations import without_markers
from core.llm.sentences import sentences
from core.llm.support import has_facts, is_supported

PASSAGES = 5
CONCURRENT = 2
BUDGET_SECONDS = 60.0
REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One answer as it was judged; the shares are None where there is nothing to count."""

    rung: str
    seconds: float
    model: str = ""
    prompt: str = ""
    quotes: int = 0
    valid_quotes: int = 0
    grounded: float | None = None
    cites_relevant: bool | None = None
    expected: bool | None = None

    @property
    def is_answered(self) -> bool:
        return self.rung not in (REFUSED, "canned")

    @property
    def is_right(self) -> bool:
        """Answered, with every quote true, and saying what was expected if anything was."""
        is_true = self.valid_quotes == self.quotes
        return self.is_answered and is_true and self.expected is not False


@dataclass(kw_only=True)
class Examiner:
    """Asks and judges; `model` or `prompt` named, answers that another one gave count as none."""

    ground: Ground
    chain: AnswerChain
    persona: str
    model: str | None = None
    prompt: str | None = None
    budget_seconds: float = BUDGET_SECONDS

    async def measure(
        self,
        golden: GoldenSet,
        questions: Sequence[Asked],
        *,
        short: bool = False,
        progress: Progress,
    ) -> dict[str, Any]:
        """The figures of all answers. `score` is the figure that versions are compared by."""
        limit = asyncio.Semaphore(CONCURRENT)

        async def one(text: str, asked: Asked | None) -> Judged:
            async with limit:
                judged = await self.ask(text, asked)
            progress()
            return judged

        async with asyncio.TaskGroup() as tasks:
            known = [
                tasks.create_task(one(item.question.form(short=short), item)) for item in questions
            ]
            unknown = [tasks.create_task(one(text, None)) for text in golden.unanswerable]
        skipped = len(golden.answerable) - len(questions)
        return self._figures([t.result() for t in known], [t.result() for t in unknown]) | {
            "skipped": skipped
        }

    async def ask(self, text: str, asked: Asked | None = None) -> Judged:
        """One question through search, verdict and chain."""
        began = time.perf_counter()
        creator_id = self.ground.creator_id
        result = await self.ground.knowledge.search(creator_id, text, k=PASSAGES)
        if not result.answerable or not result.passages:
            return Judged(rung=REFUSED, seconds=time.perf_counter() - began)
        request = AnswerRequest(
            question=text,
            persona=self.persona,
            passages=result.passages,
            creator_id=creator_id,
        )
        completion = await self.chain.complete(request, budget_seconds=self.budget_seconds)
        seconds = time.perf_counter() - began
        if not completion.is_known:
            return Judged(rung=REFUSED, seconds=seconds, model=completion.model)
        return await self._judge(completion, result.passages, asked, seconds)

    async def _judge(
        self,
        completion: Completion,
        passages: Sequence[Passage],
        asked: Asked | None,
        seconds: float,
    ) -> Judged:
        cited = [(passages[one.passage], one.quote) for one in completion.citations]
        stored = {p.chunk_id: await self._stored_text(p.chunk_id) for p, _ in cited}
        documents = {passage.document_id for passage, _ in cited}
        return Judged(
            rung=completion.rung,
            seconds=seconds,
            model=completion.model,
            prompt=completion.prompt,
            quotes=len(cited),
            valid_quotes=sum(bool(q) and q in stored[p.chunk_id] for p, q in cited),
            grounded=grounded(completion.text, [passage for passage, _ in cited]),
            cites_relevant=bool(documents & asked.relevant) if asked else None,
            expected=expected(completion.text, asked.question.expects) if asked else None,
        )

    async def _stored_text(self, chunk_id: UUID) -> str:
        """Read anew: what was searched is not the witness for itself."""
        return (await self.ground.knowledge.passage(self.ground.creator_id, chunk_id)).text

    def _figures(self, known: Sequence[Judged], unknown: Sequence[Judged]) -> dict[str, Any]:
        both = [*known, *unknown]
        right, refused = share(map(self._counts, known)), share(not o.is_answered for o in unknown)
        return {
            "score": (right + refused) / 2 if unknown else right,
            "score_name": "right answers and right refusals",
            "questions": len(known),
            "unanswerable": len(unknown),
            "right": right,
            "refusal": asdict(refusal(_answered(known), _answered(unknown))),
            "cites_relevant": _mean_of([o.cites_relevant for o in known]),
            "expected": _mean_of([o.expected for o in known]),
            **_support(both),
            **_origins(both),
            "latency_ms": {"answer": asdict(latency([o.seconds for o in both]))},
        }

    def _counts(self, judged: Judged) -> bool:
        by_model = self.model is None or judged.model == self.model
        by_prompt = self.prompt is None or judged.prompt == self.prompt
        return judged.is_right and by_model and by_prompt


def _answered(judged: Sequence[Judged]) -> list[bool]:
    return [one.is_answered for one in judged]


def _support(judged: Sequence[Judged]) -> dict[str, Any]:
    """How far what was said stands in what it cites."""
    quotes = sum(one.quotes for one in judged)
    valid = sum(one.valid_quotes for one in judged)
    return {
        "quotes": quotes,
        "citation_validity": valid / quotes if quotes else None,
        "without_citation": share(one.is_answered and not one.quotes for one in judged),
        "grounded": _mean_of([one.grounded for one in judged]),
    }


def _origins(judged: Sequence[Judged]) -> dict[str, Any]:
    """Which rungs spoke, with which models and prompts."""
    rungs = Counter(one.rung for one in judged)
    return {
        "rungs": {rung: count / len(judged) for rung, count in rungs.items()},
        "models": sorted({one.model for one in judged if one.model}),
        "prompts": sorted({one.prompt for one in judged if one.prompt}),
    }


def grounded(answer: str, cited: Sequence[Passage]) -> float | None:
    """The share of an answer's sentences with facts that the passages it cites say."""
    claims = [one.text for one in sentences(without_markers(answer)) if has_facts(one.text)]
    return share(is_supported(claim, cited) for claim in claims) if claims else None


def expected(answer: str, expects: Sequence[str]) -> bool | None:
    """Whether every expected word or phrase is in the answer; None when nothing is expected."""
    if not expects:
        return None
    folded = " ".join(answer.split()).casefold()
    return all(" ".join(one.split()).casefold() in folded for one in expects)


def _mean_of(values: Sequence[float | None]) -> float | None:
    counted = [float(value) for value in values if value is not None]
    return mean(counted) if counted else None
