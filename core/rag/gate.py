"""Whether the passages found can answer the question at all. Below the line the bot says it doesn't know."""

import math
from dataclasses import dataclass

from core.rag.fusion import Weights


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a search tells about a question, each from 0 to 1 (a similarity may be below 0)."""

    similarity: float = 0.0
    margin: float = 0.0
    coverage: float = 0.0
    fused: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`confidence` is the probability, from 0 to 1, that the question can be answered."""

    is_answerable: bool = False
    confidence: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How to rank and to judge in one kind of embedding space: a logistic model of the evidence."""

    weights: Weights
    bias: float
    similarity: float
    margin: float
    coverage: float
    fused: float
    threshold: float = 0.5

    def confidence(self, evidence: Evidence) -> float:
        total = (
            self.bias
            + self.similarity * evidence.similarity
            + self.margin * evidence.margin
            + self.coverage * evidence.coverage
            + self.fused * evidence.fused
        )
        return 1 / (1 + math.exp(-max(min(total, 50.0), -50.0)))


WORDLLAMA = Calibration(
    weights=Weights(vector=1.0, lexical=1.0),
    bias=-6.0,
    similarity=10.0,
    margin=0.0,
    coverage=5.0,
    fused=0.0,
)
NEURAL = WORDLLAMA
LEXICAL_ONLY = Calibration(
    weights=Weights(vector=0.0, lexical=1.0),
    bias=-3.0,
    similarity=0.0,
    margin=0.0,
    coverage=6.0,
    fused=0.0,
)


def calibration_for(space: str | None) -> Calibration:
    """The calibration of a space's kind; None is the search by words alone."""
    if space is None:
        return LEXICAL_ONLY
    return WORDLLAMA if space.startswith("wordllama") else NEURAL


def judge(space: str | None, evidence: Evidence) -> Verdict:
    calibration = calibration_for(space)
    confidence = calibration.confidence(evidence)
    return Verdict(is_answerable=confidence >= calibration.threshold, confidence=confidence)
