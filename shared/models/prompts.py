"""Prompt templates by creator and language: versions that never change, and labels on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.database import PgConnection


@dataclass(frozen=True, kw_only=True)
class PromptVersion:
    """A version as it was saved; `locale` is empty when it serves every language."""

    template_id: str
    locale: str
    version: int
    body: str
    variables: Sequence[str]
    note: str
    actor: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class PromptLabel:
    """`previous` is the version that a rollback returns to."""

    template_id: str
    locale: str
    label: str
    version: int
    previous: int | None
    percent: int
    updated_at: datetime


async def lock(db: PgConnection, creator_id: UUID) -> None:
    """Until the transaction ends nobody else numbers versions or moves labels of this creator."""
    await db.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('prompts ' || $1::text, 0))", str(creator_id)
    )


async def add(
    db: PgConnection,
    creator_id: UUID,
    template_id: str,
    locale: str,
    body: str,
    *,
    variables: Sequence[str],
    note: str,
    actor: str,
) -> PromptVersion:
    """The next version, under the caller's `lock`."""
    row = await db.fetchrow(
        """
        INSERT INTO app.prompt_templates
          (creator_id, template_id, locale, version, body, variables, note, actor)
        SELECT $1, $2, $3, coalesce(max(version), 0) + 1, $4, $5::text[], $6, $7
        FROM app.prompt_templates
        WHERE creator_id = $1 AND template_id = $2 AND locale = $3
        RETURNING template_id, locale, version, body, variables, note, actor, created_at
        """,
        creator_id,
        template_id,
        locale,
        body,
        list(variables),
        note,
        actor,
    )
    assert row is not None  # noqa: S101 - an INSERT of one row returns it
    return PromptVersion(**row)


async def count(db: PgConnection, creator_id: UUID) -> int:
    found: int = await db.fetchval(
        "SELECT count(*) FROM app.prompt_templates WHERE creator_id = $1", creator_id
    )
    return found


async def find(
    db: PgConnection, creator_id: UUID, template_id: str, locale: str, version: int
) -> PromptVersion | None:
    row = await db.fetchrow(
        """
        SELECT template_id, locale, version, body, variables, note, actor, created_at
        FROM app.prompt_templates
        WHERE creator_id = $1 AND template_id = $2 AND locale = $3 AND version = $4
        """,
        creator_id,
        template_id,
        locale,
        version,
    )
    return PromptVersion(**row) if row else None


async def newest(
    db: PgConnection,
    creator_id: UUID,
    template_id: str,
    locale: str,
    *,
    limit: int,
    before: int | None = None,
) -> list[PromptVersion]:
    """Versions below `before`, the highest first."""
    rows = await db.fetch(
        """
        SELECT template_id, locale, version, body, variables, note, actor, created_at
        FROM app.prompt_templates
        WHERE creator_id = $1 AND template_id = $2 AND locale = $3
          AND ($4::integer IS NULL OR version < $4)
        ORDER BY version DESC LIMIT $5
        """,
        creator_id,
        template_id,
        locale,
        before,
        limit,
    )
    return [PromptVersion(**row) for row in rows]


async def labels(
    db: PgConnection, creator_id: UUID, template_id: str, locales: Sequence[str] | None = None
) -> list[PromptLabel]:
    """The labels of these languages, or of all."""
    rows = await db.fetch(
        """
        SELECT template_id, locale, label, version, previous, percent, updated_at
        FROM app.prompt_labels
        WHERE creator_id = $1 AND template_id = $2
          AND ($3::text[] IS NULL OR locale = ANY($3::text[]))
        ORDER BY locale, label
        """,
        creator_id,
        template_id,
        None if locales is None else list(locales),
    )
    return [PromptLabel(**row) for row in rows]


async def point(
    db: PgConnection,
    creator_id: UUID,
    template_id: str,
    locale: str,
    label: str,
    version: int,
    *,
    percent: int,
) -> PromptLabel:
    """Let a label point at a version; where it pointed before is kept beside it."""
    row = await db.fetchrow(
        """
        INSERT INTO app.prompt_labels AS l
          (creator_id, template_id, locale, label, version, percent)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (creator_id, template_id, locale, label) DO UPDATE SET
          previous = CASE WHEN l.version = $5 THEN l.previous ELSE l.version END,
          version = $5, percent = $6, updated_at = now()
        RETURNING template_id, locale, label, version, previous, percent, updated_at
        """,
        creator_id,
        template_id,
        locale,
        label,
        version,
        percent,
    )
    assert row is not None  # noqa: S101 - an upsert of one row returns it
    return PromptLabel(**row)


async def unpoint(
    db: PgConnection, creator_id: UUID, template_id: str, locale: str, label: str
) -> None:
    await db.execute(
        """
        DELETE FROM app.prompt_labels
        WHERE creator_id = $1 AND template_id = $2 AND locale = $3 AND label = $4
        """,
        creator_id,
        template_id,
        locale,
        label,
    )
