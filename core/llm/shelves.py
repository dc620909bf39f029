"""The shelves of models as the database holds them, kept for a few seconds.

A turn waits for the first reading only: what is old is served once more while it is read again.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from core.house import HOUSE
from core.llm.versions import PRODUCTION, ModelMetadata, Shelf
from shared.database import DatabaseManager
from shared.errors import AppError
from shared.models import models as rows
from shared.models.models import ModelLabel, ModelRow

log = structlog.get_logger(__name__)

CACHE_SECONDS = 3.0
STALE_SECONDS = 60.0  # after so long a turn waits for the query
MOST_SHELVES = 2_000


class Shelves:
    """Each creator's models, the house's and the built-in ones, which are version 0."""

    def __init__(
        self,
        database: DatabaseManager,
        built_in: Sequence[ModelMetadata],
        *,
        cache_seconds: float = CACHE_SECONDS,
    ) -> None:
        self._database = database
        self._cache_seconds = cache_seconds
        self._kept: OrderedDict[UUID, tuple[float, Shelf]] = OrderedDict()
        self._reading: dict[UUID, asyncio.Task[Shelf]] = {}
        self._tasks: set[asyncio.Task[Shelf]] = set()
        self._writes = 0
        self.built_in = _built_in(built_in)

    async def aclose(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def forget(self, owner: UUID) -> None:
        """Read again next time, whatever is remembered."""
        self._writes += 1
        self._kept.pop(owner, None)
        self._reading.pop(owner, None)

    async def all(self, creator_id: UUID) -> tuple[Shelf, ...]:
        owners = dict.fromkeys((creator_id, HOUSE))
        return (*[await self.shelf(owner) for owner in owners], self.built_in)

    async def shelf(self, owner: UUID) -> Shelf:
        read_at, shelf = self._kept.get(owner, (0.0, None))
        age = time.monotonic() - read_at
        if shelf is None or age > STALE_SECONDS + self._cache_seconds:
            return await asyncio.shield(self._refresh(owner))
        if age > self._cache_seconds:
            self._refresh(owner)
        if owner in self._kept:
            self._kept.move_to_end(owner)
        return shelf

    def _refresh(self, owner: UUID) -> "asyncio.Task[Shelf]":
        """One reading at a time for each creator, whoever waits for it."""
        if owner not in self._reading:
            task = asyncio.create_task(self.read(owner))
            self._reading[owner] = task
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._read_done(owner, done))
        return self._reading[owner]

    def _read_done(self, owner: UUID, task: "asyncio.Task[Shelf]") -> None:
        self._tasks.discard(task)
        if self._reading.get(owner) is task:
            del self._reading[owner]
        if not task.cancelled() and isinstance(task.exception(), AppError):
            log.info("registry.not_read", error=type(task.exception()).__name__)

    async def read(self, owner: UUID) -> Shelf:
        """What is stored now."""
        writes = self._writes
        async with self._database.transaction(owner) as db:
            models = await rows.all_models(db, owner)
            labels = await rows.all_labels(db, owner)
        shelf = _shelf_of((metadata_of(row, owner) for row in models), labels)
        # A reading that began before a write may not have seen it.
        if writes == self._writes:
            self._kept[owner] = (time.monotonic(), shelf)
            self._kept.move_to_end(owner)
            if len(self._kept) > MOST_SHELVES:
                self._kept.popitem(last=False)
        return shelf


def _built_in(models: Sequence[ModelMetadata]) -> Shelf:
    """Version 0 of each name, in production as long as nobody registers another."""
    labels = [
        ModelLabel(
            name=model.name,
            label=PRODUCTION,
            version=0,
            previous=None,
            percent=100,
            updated_at=datetime.fromtimestamp(0, UTC),
        )
        for model in models
    ]
    return _shelf_of((replace(model, version=0) for model in models), labels)


def _shelf_of(models: Iterable[ModelMetadata], labels: Iterable[ModelLabel]) -> Shelf:
    by_name: dict[str, list[ModelMetadata]] = {}
    for model in models:
        by_name.setdefault(model.name, []).append(model)
    return Shelf(models=by_name, labels={(each.name, each.label): each for each in labels})


def metadata_of(row: ModelRow, owner: UUID) -> ModelMetadata:
    fields: dict[str, Any] = {**vars(row), "dependencies": tuple(row.dependencies)}
    return ModelMetadata(creator_id=owner, **fields)
