"""An alarm for tags that were pulled again: the same name, another model behind it.

What a model must be is its registered digest; for one without, the first digest this process saw.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from shared import telemetry

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A host on which a model is not the one it was."""

    model: str
    host: str
    expected: str
    found: str


def bare(digest: str | None) -> str:
    return (digest or "").removeprefix("sha256:")


class Digests:
    """Remembers what was seen, and warns of each change once."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._seen: dict[tuple[str, str], str] = {}

    def expected(self, model: str, registered: str | None = None) -> str | None:
        return bare(registered) or self._first.get(model)

    def look(self, host: str, digests: Mapping[str, str]) -> None:
        """Compare what a host has now with what was first seen of each model."""
        for model, digest in digests.items():
            self._first.setdefault(model, bare(digest))
            if self._seen.get((model, host)) != bare(digest):
                self._seen[model, host] = bare(digest)
                self._tell(self._drift(model, host, bare(digest), self._first[model]), model, host)

    def drifts(self, model: str, registered: str | None = None) -> list[Drift]:
        """Where a model is not what it must be, as far as was seen."""
        expected = self.expected(model, registered)
        found = (
            self._drift(name, host, digest, expected)
            for (name, host), digest in sorted(self._seen.items())
            if name == model and expected
        )
        return [drift for drift in found if drift]

    def all(self, registered: Iterable[tuple[str, str | None]] = ()) -> list[Drift]:
        """Every drift of every model seen; `registered` are (full name, digest)."""
        wanted = {model: bare(digest) for model, digest in registered if digest}
        models = sorted({name for name, _ in self._seen})
        return [drift for model in models for drift in self.drifts(model, wanted.get(model))]

    def _drift(self, model: str, host: str, found: str, expected: str | None) -> Drift | None:
        if not expected or found == expected:
            return None
        return Drift(model=model, host=host, expected=expected, found=found)

    def _tell(self, drift: Drift | None, model: str, host: str) -> None:
        telemetry.MODEL_DRIFT.labels(model=model, host=host).set(1 if drift else 0)
        if drift:
            log.warning(
                "model.digest_changed",
                model=model,
                host=host,
                expected=drift.expected[:12],
                found=drift.found[:12],
            )
