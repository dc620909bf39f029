"""Registered models by creator: versions that never change, and labels that point at one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import PgConnection


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    name: str
    version: int
    model_type: str
    model_path: str
    digest: str | None
    num_ctx: int | None
    dimensions: int | None
    params: Mapping[str, Any]
    performance_metrics: Mapping[str, Any]
    training_data_hash: str | None
    dependencies: Sequence[str]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class ModelLabel:
    """`previous` is the version that a rollback returns to; None when it pointed nowhere."""

    name: str
    label: str
    version: int
    previous: int | None
    percent: int
    updated_at: datetime


_MODEL = (
    "name, version, model_type, model_path, digest, num_ctx, dimensions, params,"
    " performance_metrics, training_data_hash, dependencies, created_at"
)
_LABEL = "name, label, version, previous, percent, updated_at"


async def lock(db: PgConnection, creator_id: UUID) -> None:
    """Until the transaction ends nobody else numbers versions or moves labels of this creator."""
    await db.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('models ' || $1::text, 0))", str(creator_id)
    )


async def all_models(db: PgConnection, creator_id: UUID) -> list[ModelRow]:
    """Every version of every name, the highest version of each name first."""
    rows = await db.fetch(
        f"SELECT {_MODEL} FROM app.models"  # noqa: S608
        " WHERE creator_id = $1 ORDER BY name, version DESC",
        creator_id,
    )
    return [ModelRow(**row) for row in rows]


async def all_labels(db: PgConnection, creator_id: UUID) -> list[ModelLabel]:
    rows = await db.fetch(
        f"SELECT {_LABEL} FROM app.model_labels"  # noqa: S608
        " WHERE creator_id = $1 ORDER BY name, label",
        creator_id,
    )
    return [ModelLabel(**row) for row in rows]


async def find(db: PgConnection, creator_id: UUID, name: str, version: int) -> ModelRow | None:
    row = await db.fetchrow(
        f"SELECT {_MODEL} FROM app.models"  # noqa: S608
        " WHERE creator_id = $1 AND name = $2 AND version = $3",
        creator_id,
        name,
        version,
    )
    return ModelRow(**row) if row else None


async def count(db: PgConnection, creator_id: UUID) -> int:
    found: int = await db.fetchval(
        "SELECT count(*) FROM app.models WHERE creator_id = $1", creator_id
    )
    return found


async def last_version(db: PgConnection, creator_id: UUID, name: str) -> int:
    """The highest version of a name, 0 when there is none."""
    found: int = await db.fetchval(
        "SELECT coalesce(max(version), 0) FROM app.models WHERE creator_id = $1 AND name = $2",
        creator_id,
        name,
    )
    return found


async def add(db: PgConnection, creator_id: UUID, model: ModelRow) -> ModelRow:
    """A new version, under the caller's `lock`; the database says when it was made."""
    row = await db.fetchrow(
        f"""
        INSERT INTO app.models
          (creator_id, name, version, model_type, model_path, digest, num_ctx, dimensions,
           params, performance_metrics, training_data_hash, dependencies)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::text[])
        RETURNING {_MODEL}
        """,  # noqa: S608 - constants only
        creator_id,
        model.name,
        model.version,
        model.model_type,
        model.model_path,
        model.digest,
        model.num_ctx,
        model.dimensions,
        dict(model.params),
        dict(model.performance_metrics),
        model.training_data_hash,
        list(model.dependencies),
    )
    assert row is not None  # noqa: S101 - an INSERT of one row returns it
    return ModelRow(**row)


async def find_label(
    db: PgConnection, creator_id: UUID, name: str, label: str
) -> ModelLabel | None:
    row = await db.fetchrow(
        f"""
        SELECT {_LABEL} FROM app.model_labels
        WHERE creator_id = $1 AND name = $2 AND label = $3
        """,  # noqa: S608 - constants only
        creator_id,
        name,
        label,
    )
    return ModelLabel(**row) if row else None


async def point(
    db: PgConnection, creator_id: UUID, name: str, label: str, version: int, *, percent: int
) -> ModelLabel:
    """Let a label point at a version; where it pointed before is kept beside it."""
    row = await db.fetchrow(
        f"""
        INSERT INTO app.model_labels AS l (creator_id, name, label, version, percent)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (creator_id, name, label) DO UPDATE SET
          previous = CASE WHEN l.version = $4 THEN l.previous ELSE l.version END,
          version = $4, percent = $5, updated_at = now()
        RETURNING {_LABEL}
        """,  # noqa: S608 - constants only
        creator_id,
        name,
        label,
        version,
        percent,
    )
    assert row is not None  # noqa: S101 - an upsert of one row returns it
    return ModelLabel(**row)


async def unpoint(db: PgConnection, creator_id: UUID, name: str, label: str) -> None:
    await db.execute(
        "DELETE FROM app.model_labels WHERE creator_id = $1 AND name = $2 AND label = $3",
        creator_id,
        name,
        label,
    )
