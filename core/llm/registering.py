"""What a model's registration must hold to, and when two of them are the same. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from core.llm.versions import MAX_VERSION, NAME, ModelMetadata
from shared.errors import InvalidInput
from shared.models.models import ModelRow
from shared.utils.clock import utc_now

# What a request may set, with its bounds. Options that make a host load the model anew are not
# among them: they would disturb everybody who shares it.
PARAMS: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1000),
    "min_p": (0.0, 1.0),
    "repeat_penalty": (0.0, 2.0),
    "seed": (0, 2**31 - 1),
}
WHOLE = frozenset(("top_k", "seed"))
MAX_METRICS = 100
MAX_DEPENDENCIES = 50
MAX_TEXT = 200
MAX_DIMENSIONS = 65_536
MAX_NUM_CTX = 10_000_000


def check(metadata: ModelMetadata, *, ceiling: int | None) -> None:
    """Raises InvalidInput; `ceiling` is the largest context this creator may ask for."""
    if not NAME.fullmatch(metadata.name):
        raise InvalidInput("a model's name is of a-z, 0-9, ., _ and -, up to 64 characters")
    if not 0 <= (metadata.version or 0) <= MAX_VERSION:
        raise InvalidInput("a version is a positive number")
    _within("num_ctx", metadata.num_ctx, MAX_NUM_CTX)
    _within("dimensions", metadata.dimensions, MAX_DIMENSIONS)
    if ceiling is not None and (metadata.num_ctx or 0) > ceiling:
        raise InvalidInput(
            f"num_ctx is at most {ceiling} for this model: its context is shared by all creators",
            code="num_ctx_too_large",
        )
    _check_params(metadata.params)
    _check_texts(metadata)


def as_row(metadata: ModelMetadata, path: str, version: int) -> ModelRow:
    return ModelRow(
        name=metadata.name,
        version=version,
        model_type=metadata.model_type,
        model_path=path,
        digest=(metadata.digest or "").removeprefix("sha256:") or None,
        num_ctx=metadata.num_ctx,
        dimensions=metadata.dimensions,
        params=dict(metadata.params),
        performance_metrics=dict(metadata.performance_metrics),
        training_data_hash=metadata.training_data_hash,
        dependencies=list(metadata.dependencies),
        created_at=utc_now(),
    )


def is_same(new: ModelRow, stored: ModelRow) -> bool:
    """Whether a registration repeats what is stored; what it leaves open fits whatever is there."""
    return all(
        _plain(getattr(new, name)) == _plain(getattr(stored, name))
        or (name in ("digest", "dimensions") and getattr(new, name) is None)
        for name in vars(new)
        if name != "created_at"
    )


def _plain(value: Any) -> Any:
    """As the database gives it back: 1.0 is 1, and the order of keys says nothing."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, list | tuple) else value


def _within(name: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise InvalidInput(f"{name} is a number from 1 to {most}")


def _check_params(params: Mapping[str, Any]) -> None:
    for name, value in params.items():
        if name not in PARAMS:
            raise InvalidInput(f"unknown parameter {name[:40]!r}; there are {', '.join(PARAMS)}")
        low, high = PARAMS[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high or (name in WHOLE and value != int(value)):
            raise InvalidInput(f"{name} is a number from {low} to {high}")


def _check_texts(metadata: ModelMetadata) -> None:
    numbers = list(metadata.performance_metrics.values())
    if len(numbers) > MAX_METRICS or not all(_is_figure(number) for number in numbers):
        raise InvalidInput(f"performance_metrics are up to {MAX_METRICS} finite numbers")
    texts = [
        *metadata.performance_metrics,
        *metadata.dependencies,
        metadata.training_data_hash or "",
        metadata.digest or "",
    ]
    if len(metadata.dependencies) > MAX_DEPENDENCIES:
        raise InvalidInput(f"a model has up to {MAX_DEPENDENCIES} dependencies")
    for text in texts:
        if len(text) > MAX_TEXT or "\x00" in text:
            raise InvalidInput(
                f"a text of a model's metadata has up to {MAX_TEXT} characters and no NUL"
            )


def _is_figure(number: object) -> bool:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and math.isfinite(float(number))  # type: ignore[arg-type]
