"""Golden sets and their figures, as `cairn eval` reads and computes them."""

from core.evaluation.golden import GoldenSet, Question, load
from core.evaluation.metrics import RankingFigures, RefusalFigures, rank, refusal

__all__ = ["GoldenSet", "Question", "RankingFigures", "RefusalFigures", "load", "rank", "refusal"]
