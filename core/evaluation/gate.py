"""The gate before a promotion: what scores below the one in production does not take its place."""

from uuid import UUID

from core.evaluation.records import own_name
from shared.database import DatabaseManager
from shared.errors import Conflict
from shared.models import evaluations
from shared.models.evaluations import EvaluationRecord

# A score is a share of some hundred questions: one or two of them are chance.
TOLERANCE = 0.01

_Key = tuple[bytes, str]


class ScoresBelowProduction(Conflict):
    """It scores below the one in production."""

    code = "scores_below_production"


class NotEvaluated(Conflict):
    """It was not evaluated on the questions that the one in production was evaluated on."""

    code = "not_evaluated"


class EvaluationGate:
    """Compares the newest evaluations of two versions on the same data sets."""

    def __init__(self, database: DatabaseManager, *, tolerance: float = TOLERANCE) -> None:
        self._database = database
        self._tolerance = tolerance

    async def check(self, creator_id: UUID, subject: str, against: str | None) -> None:
        """Raises ScoresBelowProduction or NotEvaluated; returns when nothing speaks against it.

        What was never measured has no score to defend: any version may take its place.
        """
        if against is None:
            return
        subject, against = own_name(creator_id, subject), own_name(creator_id, against)
        if against == subject:
            return
        production = await self._newest(creator_id, against)
        if not production:
            return
        candidate = await self._newest(creator_id, subject)
        common = production.keys() & candidate.keys()
        if not common:
            sets = ", ".join(sorted({record.dataset for record in production.values()}))
            raise NotEvaluated(
                f"{subject} was not evaluated; {against}, in production, was on {sets}"
                " (`cairn eval` measures it)"
            )
        for key in sorted(common):
            self._compare(candidate[key], production[key])

    def _compare(self, candidate: EvaluationRecord, production: EvaluationRecord) -> None:
        new, old = score(candidate), score(production)
        if new + self._tolerance < old:
            raise ScoresBelowProduction(
                f"{candidate.subject} scores {new:.3f} on {candidate.dataset}"
                f" ({candidate.figures.get('score_name', candidate.kind)}),"
                f" {production.subject} in production {old:.3f}"
            )

    async def _newest(self, creator_id: UUID, subject: str) -> dict[_Key, EvaluationRecord]:
        """By data set and kind. The creator's own only: the house's versions are other ones."""
        async with self._database.transaction(creator_id) as db:
            records = await evaluations.newest(db, creator_id, subject)
        return {(record.dataset_hash, record.kind): record for record in records}


def score(record: EvaluationRecord) -> float:
    """The one figure by which versions are compared."""
    return float(record.figures.get("score", 0.0))
