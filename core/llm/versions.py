"""Versions of models, and which of them a name means. Pure.

A shelf holds what one owner registered. They are asked in order: the creator's own, the house's
(shared by all), and what the settings name, which is version 0.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from core.house import HOUSE
from core.llm.paths import EXTRACTIVE, ModelPath, ModelType, parse_path
from shared.errors import NotFound
from shared.models.models import ModelLabel
from shared.utils.shares import in_share

LATEST, PRODUCTION, CANDIDATE, FALLBACK = "latest", "production", "candidate", "fallback"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,31}")
MAX_VERSION = 2**31 - 1


class UnknownModel(NotFound):
    """There is no such model, or no such version of it."""

    code = "unknown_model"


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """One version of a model; it never changes.

    `version` is None (or 0) for the next one when it is registered. `creator_id` is None, or the
    house's id, for what all creators share. `num_ctx` is in tokens; `digest` is what the model's
    tag must mean, None for whatever is installed.
    """

    name: str
    model_type: ModelType
    version: int | None = None
    created_at: datetime | None = None
    creator_id: UUID | None = None
    model_path: str = ""
    performance_metrics: Mapping[str, float] = field(default_factory=dict)
    training_data_hash: str | None = None
    dependencies: tuple[str, ...] = ()
    digest: str | None = None
    num_ctx: int | None = None
    dimensions: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        """What a message stores of it: `answers@3`, and `shared/answers@3` for the house's."""
        owner = "shared/" if self.creator_id == HOUSE else ""
        return f"{owner}{self.name}@{self.version or 0}"

    @property
    def is_shared(self) -> bool:
        return self.creator_id in (None, HOUSE)

    @property
    def path(self) -> ModelPath:
        return parse_path(self.model_path)


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """The models of one owner: versions by name, the highest first; labels by name and label."""

    models: Mapping[str, Sequence[ModelMetadata]] = field(default_factory=dict)
    labels: Mapping[tuple[str, str], ModelLabel] = field(default_factory=dict)

    def of(self, name: str) -> Sequence[ModelMetadata]:
        return self.models.get(name, ())

    def exactly(self, name: str, version: int) -> ModelMetadata | None:
        return next((m for m in self.of(name) if m.version == version), None)

    def below(self, name: str, version: int) -> ModelMetadata | None:
        return next((m for m in self.of(name) if (m.version or 0) < version), None)

    def labelled(self, name: str, label: str) -> ModelMetadata | None:
        found = self.labels.get((name, label))
        return self.exactly(name, found.version) if found else None

    def labels_of(self, model: ModelMetadata) -> tuple[ModelLabel, ...]:
        """The labels that point at this version."""
        return tuple(
            label
            for (name, _), label in self.labels.items()
            if name == model.name and label.version == model.version
        )


def exact(shelves: Sequence[Shelf], name: str, version: str | int) -> ModelMetadata:
    """The version or label itself, from the first shelf that has it. Raises UnknownModel."""
    for shelf in shelves:
        if isinstance(version, int):
            found = shelf.exactly(name, version)
        elif version == LATEST:
            found = next(iter(shelf.of(name)), None)
        else:
            found = shelf.labelled(name, version)
        if found:
            return found
    raise UnknownModel(f"there is no model {name}@{version}"[:120])


def resolve(shelves: Sequence[Shelf], name: str, version: str | int) -> ModelMetadata:
    """What a name means: a missing version falls back to the next lower one, a missing label to
    the one in production, then to the latest. Raises UnknownModel."""
    fallbacks: Sequence[str | int] = (version, PRODUCTION, LATEST)
    for wanted in (version,) if isinstance(version, int) else fallbacks:
        try:
            return exact(shelves, name, wanted)
        except UnknownModel:
            continue
    lower = (shelf.below(name, version) for shelf in shelves if isinstance(version, int))
    found = next((model for model in lower if model), None)
    if found is None:
        raise UnknownModel(f"there is no model {name}@{version}"[:120])
    return found


def in_turn(
    shelves: Sequence[Shelf], name: str, contact_id: UUID | None
) -> tuple[ModelMetadata, ...]:
    """The models to ask for a contact, the best first: the candidate for its share of contacts,
    the one in production, the fallback, the version below, the built-in one.

    Raises UnknownModel.
    """
    production = resolve(shelves, name, PRODUCTION)
    owner = _owner(shelves, production)
    found = [
        _candidate(shelves[: owner + 1], name, contact_id),
        production,
        next((m for shelf in shelves if (m := shelf.labelled(name, FALLBACK))), None),
        shelves[owner].below(name, production.version or 0),
        next(iter(shelves[-1].of(name)), None),
    ]
    # What fails under one version fails under another of the same path.
    by_path: dict[str, ModelMetadata] = {}
    for model in found:
        if model:
            by_path.setdefault(model.model_path, model)
    return _up_to_extractive(tuple(by_path.values()))


def _owner(shelves: Sequence[Shelf], model: ModelMetadata) -> int:
    return next(
        index for index, shelf in enumerate(shelves) if model in tuple(shelf.of(model.name))
    )


def _candidate(
    shelves: Sequence[Shelf], name: str, contact_id: UUID | None
) -> ModelMetadata | None:
    """The first one there is, when the contact is in its share; never one from behind the shelf
    in production, since its owner chose against it."""
    for shelf in shelves:
        label = shelf.labels.get((name, CANDIDATE))
        if label:
            chosen = in_share(contact_id, label.percent, name, CANDIDATE)
            return shelf.exactly(name, label.version) if chosen else None
    return None


def _up_to_extractive(models: tuple[ModelMetadata, ...]) -> tuple[ModelMetadata, ...]:
    """Quoting never fails, so nothing comes after it."""
    paths = [model.path for model in models]
    return models[: paths.index(EXTRACTIVE) + 1] if EXTRACTIVE in paths else models
