"""/api/v1/embedding-migrations: change the embedding model while people ask."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, StrictRoute
from core.rag.migrate import BATCH_SIZE, SOAK_SECONDS, EmbeddingMigration
from shared.models.migrations import MigrationRecord

router = APIRouter(
    prefix="/api/v1/embedding-migrations", tags=["embedding migrations"], route_class=StrictRoute
)

LONGEST_SOAK = 90 * 86_400


class NewMigration(Body):
    """`to` is `ollama:TAG`, `embedded:wordllama`, `NAME@VERSION` of the registry, or a space."""

    to: str = Field(min_length=1, max_length=300)
    batch_size: int = Field(BATCH_SIZE, ge=1, le=1000)
    soak_seconds: int = Field(
        SOAK_SECONDS, ge=0, le=LONGEST_SOAK, description="how long a flip back stays possible"
    )


class Resumption(Body):
    force: bool = Field(False, description="switch although the verification failed")


class MigrationShown(BaseModel):
    """`progress` runs from 0 to 1 while vectors are made; `eta_seconds` is until that is done."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    from_space: str
    to_space: str
    state: str
    is_paused: bool
    progress: float
    done: int
    total: int
    eta_seconds: float | None
    batch_size: int
    soak_seconds: int
    verification: dict[str, Any]
    error_code: str | None
    error: str | None
    switched_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Step(Protocol):
    """What may be done to a migration that runs."""

    def __call__(
        self, creator_id: UUID, migration_id: UUID, *, actor: str
    ) -> Awaitable[MigrationRecord]: ...


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The migration of the path, as the caller's own."""

    id: UUID
    creator_id: UUID
    actor: str
    migrations: EmbeddingMigration

    async def take(self, step: Step) -> MigrationShown:
        record = await step(self.creator_id, self.id, actor=self.actor)
        return MigrationShown.model_validate(record)


def _chosen(migration_id: UUID, principal: PrincipalDep, runtime: RuntimeDep) -> Chosen:
    return Chosen(
        id=migration_id,
        creator_id=principal.creator_id,
        actor=principal.actor,
        migrations=runtime.knowledge.migration,
    )


ChosenDep = Annotated[Chosen, Depends(_chosen)]


@router.post("", status_code=202)
async def start_migration(
    body: NewMigration, principal: PrincipalDep, runtime: RuntimeDep
) -> MigrationShown:
    """Begin to move the index to another embedding model; a worker does it. One at a time."""
    record = await runtime.knowledge.migration.start(
        principal.creator_id,
        body.to,
        batch_size=body.batch_size,
        soak_seconds=body.soak_seconds,
        actor=principal.actor,
    )
    return MigrationShown.model_validate(record)


@router.get("")
async def list_migrations(
    principal: PrincipalDep, runtime: RuntimeDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[MigrationShown]:
    """Newest first."""
    cursors = Cursors("embedding-migrations", principal.creator_id)
    rows = await runtime.knowledge.migration.list_migrations(
        principal.creator_id, limit + 1, cursors.read_id(cursor)
    )
    return cursors.page(rows, limit, MigrationShown.model_validate, lambda row: [row.id])


@router.get("/{migration_id}")
async def read_migration(chosen: ChosenDep) -> MigrationShown:
    found = await chosen.migrations.get(chosen.creator_id, chosen.id)
    return MigrationShown.model_validate(found)


@router.post("/{migration_id}/pause")
async def pause_migration(chosen: ChosenDep) -> MigrationShown:
    """Stop after the batch under way; during the soak: keep both spaces until resumed."""
    return await chosen.take(chosen.migrations.pause)


@router.post("/{migration_id}/resume")
async def resume_migration(chosen: ChosenDep, body: Resumption | None = None) -> MigrationShown:
    """Go on where it was."""
    is_forced = body is not None and body.force
    return await chosen.take(partial(chosen.migrations.resume, force=is_forced))


@router.post("/{migration_id}/abort")
async def abort_migration(chosen: ChosenDep) -> MigrationShown:
    """Answer from the old space at once, and remove what was made of the new one."""
    return await chosen.take(chosen.migrations.abort)


@router.post("/{migration_id}/flip-back")
async def flip_migration_back(chosen: ChosenDep) -> MigrationShown:
    """During the soak: answer from the old space at once, and keep the new one."""
    return await chosen.take(chosen.migrations.flip_back)


@router.post("/{migration_id}/finish")
async def finish_migration(chosen: ChosenDep) -> MigrationShown:
    """End the soak now: the old space is dropped."""
    return await chosen.take(chosen.migrations.finish)
