"""Evaluations as they are kept: of which version, on which questions, with which figures."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from core.evaluation.golden import GoldenSet
from core.house import HOUSE, ensure_house
from shared.database import DatabaseManager
from shared.models import evaluations
from shared.models.evaluations import EvaluationKind, NewEvaluation

Kind = EvaluationKind


def own_name(owner: UUID, subject: str) -> str:
    """As its owner calls a version: to the house its own are not `shared/`."""
    return subject.replace("shared/", "", 1) if owner == HOUSE else subject


async def record(
    database: DatabaseManager,
    owner: UUID,
    *,
    kind: Kind,
    subjects: Sequence[str],
    golden: GoldenSet,
    short: bool,
    figures: Mapping[str, Any],
) -> None:
    """Keep figures under each subject they are of. The short questions are a set of their own."""
    if owner == HOUSE:
        await ensure_house(database)
    digest = hashlib.sha256(golden.hash + b"short").digest() if short else golden.hash
    name = f"{golden.name}, short" if short else golden.name
    async with database.transaction(owner) as db:
        for subject in subjects:
            new = NewEvaluation(
                kind=kind,
                subject=own_name(owner, subject),
                dataset=name,
                dataset_hash=digest,
                figures=figures,
            )
            await evaluations.add(db, owner, new)
