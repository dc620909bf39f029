"""Whether the passages found can answer the question at all. If not, the bot says it doesn't know.

A logistic model of the evidence, one for each kind of embedding space. Fitted on the 417 questions
of a counselling forum (the long form and the headline alone), 100 off-topic questions, and 40 + 40
written for the coaching handbook, so that it holds for 2,500 chunks and for 130. On the same data
with WordLlama, by `python -m benchmarks.retrieval --data DIR`: 99.5 % of the questions pass
(headlines 94.5 %), 90 % of the off-topic ones are refused; refusal F1 0.94 (0.85). Handbook: 85 %
pass, and 97 % of what it cannot answer is refused. Such fits judge questions that they have not
seen a little worse: F1 0.90 (0.84), by cross-validation in five parts.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self
from uuid import UUID

from core.rag.fusion import Weights


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a search tells about a question.

    similarity: cosine of the nearest passage.
    coverage: share of the question's information (its words by idf) in the best passage, 0 to 1.
    matched: the same, counted in words as rare as one that stands nowhere.
    known: share of the question's information that the corpus has words for, 0 to 1.
    bm25: the best lexical score, counted in words as rare as one that stands nowhere.
    agreement: share of the first ten that both rankings have in common, 0 to 1.

    The distance between the first and the other hits was measured too, and told nothing more.
    """

    similarity: float = 0.0
    coverage: float = 0.0
    matched: float = 0.0
    known: float = 0.0
    bm25: float = 0.0
    agreement: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`confidence` is the probability, from 0 to 1, that the question can be answered."""

    is_answerable: bool = False
    confidence: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How to rank and to judge in one kind of embedding space; `name` says where it comes from."""

    name: str = "stored"
    weights: Weights
    bias: float
    similarity: float = 0.0
    coverage: float = 0.0
    matched: float = 0.0
    known: float = 0.0
    bm25: float = 0.0
    agreement: float = 0.0
    threshold: float = 0.5

    def confidence(self, evidence: Evidence) -> float:
        total = (
            self.bias
            + self.similarity * evidence.similarity
            + self.coverage * evidence.coverage
            + self.matched * evidence.matched
            + self.known * evidence.known
            + self.bm25 * evidence.bm25
            + self.agreement * evidence.agreement
        )
        return 1 / (1 + math.exp(-max(min(total, 50.0), -50.0)))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError when it isn't one."""
        fields = dict(stored)
        weights = fields.pop("weights")
        name = str(fields.pop("name", "stored"))
        numbers = {field: float(value) for field, value in fields.items()}
        if not all(map(math.isfinite, numbers.values())):
            raise ValueError("a calibration holds finite numbers only")
        return cls(name=name, weights=Weights(**weights), **numbers)


class Calibrations(Protocol):
    """Where the calibration of a creator's space comes from; `space` None is words alone."""

    async def of(self, creator_id: UUID, space: str | None) -> Calibration: ...


class BuiltIn:
    """The constants of this module, whoever asks."""

    async def of(self, creator_id: UUID, space: str | None) -> Calibration:
        return calibration_for(space)


# Averaged word vectors rank worse than BM25 but know synonyms. By scores, not ranks: recall@1 0.453
# for 0.436 by weighted reciprocal ranks and 0.441 of BM25 alone, and alike on both halves.
WORDLLAMA = Calibration(
    name="built-in: wordllama",
    weights=Weights(vector=1.0, lexical=4.0, k=0),
    bias=-7.07,
    similarity=12.27,
    matched=0.79,
    known=1.80,
    agreement=1.23,
)
# Sentence encoders rank far better than BM25, which still brings its best hit into the first five:
# a name or a number that the encoder never learnt. Their similarities lie on scales of their own,
# so until a space is calibrated the verdict rests on the words and on how far both rankings agree.
NEURAL = Calibration(
    name="built-in: neural",
    weights=Weights(vector=0.7, lexical=0.3, k=0),
    bias=-5.55,
    coverage=2.71,
    known=1.89,
    bm25=1.35,
    agreement=3.43,
)
# The one small sentence encoder that was measured, on the same questions: judged by fits that had
# not seen them, refusal F1 0.93 (0.92 for headlines), where NEURAL has 0.85 (0.57).
MINILM = Calibration(
    name="built-in: all-minilm",
    weights=NEURAL.weights,
    bias=-7.29,
    similarity=16.36,
    matched=1.13,
    known=0.05,
)
LEXICAL_ONLY = Calibration(
    name="built-in: words",
    weights=Weights(vector=0.0, lexical=1.0, k=0),
    bias=-5.19,
    coverage=3.44,
    known=1.70,
    bm25=1.47,
)


def calibration_for(space: str | None) -> Calibration:
    """The calibration of a space's kind; None is the search by words alone."""
    if space is None:
        return LEXICAL_ONLY
    if space.startswith("wordllama"):
        return WORDLLAMA
    return MINILM if "all-minilm" in space else NEURAL


def judge(calibration: Calibration, evidence: Evidence, *, is_literal: bool = False) -> Verdict:
    """`is_literal`: the heading of the best passage is the question itself, so it is answered."""
    confidence = 1.0 if is_literal else calibration.confidence(evidence)
    return Verdict(is_answerable=confidence >= calibration.threshold, confidence=confidence)
