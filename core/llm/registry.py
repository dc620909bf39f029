"""Which models there are: immutable versions, moving labels, a creator's own over shared ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.audit import note
from core.house import HOUSE, ensure_house
from core.llm.base import PromoteGate
from core.llm.paths import check_type, parse_path
from core.llm.registering import as_row, check, is_same
from core.llm.shelves import CACHE_SECONDS, Shelves, metadata_of
from core.llm.versions import (
    CANDIDATE,
    LABEL,
    LATEST,
    MAX_VERSION,
    PRODUCTION,
    ModelMetadata,
    Shelf,
    UnknownModel,
    exact,
    in_turn,
    resolve,
)
from shared.database import DatabaseManager, PgConnection
from shared.errors import Conflict, InvalidInput, QuotaExceeded
from shared.models import models as rows
from shared.models.models import ModelLabel, ModelRow

__all__ = ["Listed", "ModelMetadata", "ModelRegistry", "UnknownModel"]

MOST_VERSIONS = 500  # of one creator


class VersionExists(Conflict):
    """This version is registered already, with another content; versions never change."""

    code = "version_exists"


class NothingToRollBack(Conflict):
    """This label points nowhere, so there is nothing to go back from."""

    code = "nothing_to_roll_back"


class TooManyVersions(QuotaExceeded):
    """This creator has registered as many models as it may."""

    code = "too_many_models"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A version with the labels that point at it."""

    model: ModelMetadata
    labels: tuple[ModelLabel, ...]


class ModelRegistry:
    """`built_in` are what the settings name, version 0; `gate` may refuse a promotion."""

    def __init__(
        self,
        database: DatabaseManager,
        *,
        built_in: Sequence[ModelMetadata] = (),
        default_num_ctx: int = 8192,
        gate: PromoteGate | None = None,
        cache_seconds: float = CACHE_SECONDS,
    ) -> None:
        self.gate = gate
        self._database = database
        self._shelves = Shelves(database, built_in, cache_seconds=cache_seconds)
        self._default_num_ctx = default_num_ctx

    async def aclose(self) -> None:
        await self._shelves.aclose()

    async def register_model(
        self, metadata: ModelMetadata, model_path: str, *, actor: str = "operator"
    ) -> ModelMetadata:
        """Store a version, for the creator of `metadata` or, without one, for all.

        The same content again changes nothing. Raises InvalidInput, and Conflict when the version
        is there with another content.
        """
        owner = metadata.creator_id or HOUSE
        path = parse_path(model_path)
        check_type(path, metadata.model_type)
        ceiling = (
            None if owner == HOUSE else self.pinned(str(path), await self._shelves.read(HOUSE))
        )
        check(metadata, ceiling=ceiling)
        if owner == HOUSE:
            await ensure_house(self._database)
        async with self._database.transaction(owner) as db:
            await rows.lock(db, owner)
            stored, is_new = await self._store(db, owner, metadata, str(path))
            if is_new:
                target = f"{stored.name}@{stored.version}"
                path_noted = stored.model_path
                await note(
                    db,
                    owner,
                    actor=actor,
                    action="model.registered",
                    target=target,
                    path=path_noted,
                )
        self.forget(owner)
        return metadata_of(stored, owner)

    async def get_model(
        self,
        name: str,
        version: str | int = LATEST,
        *,
        creator_id: UUID | None = None,
        is_exact: bool = False,
    ) -> ModelMetadata:
        """What a name and a version, label or `latest` mean to a creator (None: to the house).

        A version that is not there falls back to the next lower one, a label to `production`,
        then to the latest; not so with `is_exact`. Raises UnknownModel.
        """
        shelves = await self._shelves.all(creator_id or HOUSE)
        return (exact if is_exact else resolve)(shelves, name, version)

    async def in_turn(
        self, name: str, *, creator_id: UUID, contact_id: UUID | None
    ) -> tuple[ModelMetadata, ...]:
        """The models to ask for a contact, the best first. Raises UnknownModel."""
        return in_turn(await self._shelves.all(creator_id), name, contact_id)

    async def list_models(self, creator_id: UUID | None = None) -> list[Listed]:
        """All that a creator may use, its own first: by name, the highest version first."""
        owner = creator_id or HOUSE
        shelves = [await self._shelves.read(each) for each in dict.fromkeys((owner, HOUSE))]
        return [
            Listed(model=model, labels=shelf.labels_of(model))
            for shelf in (*shelves, self._shelves.built_in)
            for name in sorted(shelf.models)
            for model in shelf.of(name)
        ]

    async def promote(
        self,
        name: str,
        version: int,
        label: str = PRODUCTION,
        percent: int = 100,
        *,
        creator_id: UUID | None = None,
        actor: str = "operator",
        is_forced: bool = False,
    ) -> ModelLabel:
        """Let a label point at a version that this creator (None: the house) registered.

        Raises UnknownModel, InvalidInput, and Conflict when the gate refuses. `is_forced` asks no
        gate, and is noted in the audit log.
        """
        owner = creator_id or HOUSE
        _check_label(label, percent)
        shelf = await self._shelves.read(owner)
        if not 0 < version <= MAX_VERSION or shelf.exactly(name, version) is None:
            raise UnknownModel(f"there is no model {name}@{version} here"[:120])
        if label == PRODUCTION and self.gate is not None and not is_forced:
            await self.gate.check(
                owner, f"model {name}@{version}", await self._against(name, owner)
            )
        async with self._database.transaction(owner) as db:
            await rows.lock(db, owner)
            moved = await rows.point(db, owner, name, label, version, percent=percent)
            await _note_label(db, owner, actor, "model.promoted", moved, forced=is_forced)
        self.forget(owner)
        return moved

    async def rollback(
        self,
        name: str,
        label: str = PRODUCTION,
        *,
        creator_id: UUID | None = None,
        actor: str = "operator",
    ) -> ModelLabel | None:
        """Let a label point where it pointed before; None when that was nowhere.

        Raises UnknownModel for a name nobody registered here, Conflict for a label never set.
        """
        owner = creator_id or HOUSE
        _check_label(label, 100)
        async with self._database.transaction(owner) as db:
            await rows.lock(db, owner)
            now = await rows.find_label(db, owner, name, label)
            if now is None and not await rows.last_version(db, owner, name):
                raise UnknownModel(f"there is no model {name} here"[:120])
            if now is None:
                raise NothingToRollBack
            moved = None
            if now.previous is None:
                await rows.unpoint(db, owner, name, label)
            else:
                moved = await rows.point(db, owner, name, label, now.previous, percent=now.percent)
            await _note_label(db, owner, actor, "model.rolled_back", moved or now)
        self.forget(owner)
        return moved

    async def pinned_num_ctx(self, model_path: str) -> int:
        """The context, in tokens, that every request to a model asks for, whoever's it is.

        Another value would make the host load the model anew, for all who share it.
        """
        return self.pinned(model_path, await self._shelves.shelf(HOUSE))

    def pinned(self, model_path: str, house: Shelf) -> int:
        found = (
            (model.created_at, model.num_ctx)
            for versions in house.models.values()
            for model in versions
            if model.model_path == model_path and model.num_ctx and model.created_at
        )
        newest = max(found, default=None)
        return newest[1] if newest else self._default_num_ctx

    def forget(self, creator_id: UUID) -> None:
        """Read again next time, whatever is remembered."""
        self._shelves.forget(creator_id)

    async def _store(
        self, db: PgConnection, owner: UUID, metadata: ModelMetadata, path: str
    ) -> tuple[ModelRow, bool]:
        version = metadata.version or await self._next(db, owner, metadata, path)
        row = as_row(metadata, path, version)
        there = await rows.find(db, owner, metadata.name, version)
        if there is not None:
            if not is_same(row, there):
                raise VersionExists
            return there, False
        if await rows.count(db, owner) >= MOST_VERSIONS:
            raise TooManyVersions
        return await rows.add(db, owner, row), True

    async def _next(self, db: PgConnection, owner: UUID, metadata: ModelMetadata, path: str) -> int:
        """The newest version when it is this very content, else the number after it."""
        last = await rows.last_version(db, owner, metadata.name)
        there = await rows.find(db, owner, metadata.name, last)
        if there is not None and is_same(as_row(metadata, path, last), there):
            return last
        if last >= MAX_VERSION:
            raise InvalidInput("there is no version after the last one")
        return last + 1

    async def _against(self, name: str, owner: UUID) -> str | None:
        """What a promotion to production is measured against."""
        shelves = (
            *[await self._shelves.read(each) for each in dict.fromkeys((owner, HOUSE))],
            self._shelves.built_in,
        )
        try:
            now = exact(shelves, name, PRODUCTION)
        except UnknownModel:
            return None
        return f"model {now.ref}" if now.creator_id != owner else f"model {name}@{now.version}"


def _check_label(label: str, percent: int) -> None:
    if not LABEL.fullmatch(label) or label == LATEST:
        raise InvalidInput("a label is a word of a-z, 0-9, _ and -, and not `latest`")
    if not 0 <= percent <= 100 or (percent != 100 and label != CANDIDATE):
        raise InvalidInput("a share from 0 to 100 percent is for the label `candidate` only")


async def _note_label(
    db: PgConnection,
    owner: UUID,
    actor: str,
    action: str,
    label: ModelLabel,
    **detail: bool,
) -> None:
    await note(
        db,
        owner,
        actor=actor,
        action=action,
        target=f"{label.name}@{label.version}",
        label=label.label,
        percent=label.percent,
        **detail,
    )
