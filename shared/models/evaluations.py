"""What was measured of models, prompts and spaces, and the calibrations that came of it.

Every function takes a driver connection of `DatabaseManager.transaction`; the caller's block
commits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.database import PgConnection
from shared.utils.ids import new_id

EvaluationKind = Literal["retrieval", "answers"]


@dataclass(frozen=True, kw_only=True)
class NewEvaluation:
    """`subject` is what was measured: `model answers@3`, `prompt answer@2`, `space NAME`."""

    kind: EvaluationKind
    subject: str
    dataset: str
    dataset_hash: bytes
    figures: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    id: UUID
    kind: EvaluationKind
    subject: str
    dataset: str
    dataset_hash: bytes
    figures: Mapping[str, Any]
    created_at: datetime


async def add(db: PgConnection, creator_id: UUID, new: NewEvaluation) -> None:
    await db.execute(
        """
        INSERT INTO app.evaluations
          (creator_id, id, kind, subject, dataset, dataset_hash, figures)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        creator_id,
        new_id(),
        new.kind,
        new.subject,
        new.dataset,
        new.dataset_hash,
        dict(new.figures),
    )


async def newest(db: PgConnection, creator_id: UUID, subject: str) -> list[EvaluationRecord]:
    """The newest evaluation of a subject on each data set and of each kind, newest first."""
    rows = await db.fetch(
        """
        SELECT id, kind, subject, dataset, dataset_hash, figures, created_at FROM (
          SELECT DISTINCT ON (dataset_hash, kind) * FROM app.evaluations
          WHERE creator_id = $1 AND subject = $2
          ORDER BY dataset_hash, kind, created_at DESC, id DESC
        ) AS newest ORDER BY created_at DESC, id DESC
        """,
        creator_id,
        subject,
    )
    return [EvaluationRecord(**row) for row in rows]


async def history(db: PgConnection, creator_id: UUID, *, limit: int) -> list[EvaluationRecord]:
    """All subjects, newest first."""
    rows = await db.fetch(
        """
        SELECT id, kind, subject, dataset, dataset_hash, figures, created_at
        FROM app.evaluations WHERE creator_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
        """,
        creator_id,
        limit,
    )
    return [EvaluationRecord(**row) for row in rows]


async def calibration(db: PgConnection, creator_id: UUID, space: str) -> Mapping[str, Any] | None:
    """What is stored of a space by this creator, as JSON."""
    found: Mapping[str, Any] | None = await db.fetchval(
        "SELECT calibration FROM app.space_calibrations WHERE creator_id = $1 AND space = $2",
        creator_id,
        space,
    )
    return found


async def store_calibration(
    db: PgConnection,
    creator_id: UUID,
    space: str,
    *,
    calibration: Mapping[str, Any],
    figures: Mapping[str, Any],
) -> None:
    """Put a space's calibration in place of the one before."""
    await db.execute(
        """
        INSERT INTO app.space_calibrations (creator_id, space, calibration, figures)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (creator_id, space) DO UPDATE
        SET calibration = excluded.calibration, figures = excluded.figures, updated_at = now()
        """,
        creator_id,
        space,
        dict(calibration),
        dict(figures),
    )
