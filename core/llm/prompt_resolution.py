"""Which stored version of a prompt answers a contact: pure choice, and a short memory of it."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from jinja2 import TemplateSyntaxError

from core.llm.prompt_source import compile_body
from core.llm.prompts import Origin, PromptSource, PromptTemplate
from shared.models.prompts import PromptLabel, PromptVersion

PRODUCTION, CANDIDATE = "production", "candidate"
CACHE_SECONDS = 3.0
MAX_CACHED = 1_000


def locales_of(locale: str) -> Sequence[str]:
    """What may serve a language, the closest first: `pt-BR`, `pt`, any."""
    tag = locale.lower()
    language = tag.partition("-")[0]
    return list(dict.fromkeys((tag, language, "")))


def closest(labels: Sequence[PromptLabel], locale: str) -> Sequence[PromptLabel]:
    """The labels of the closest language that has something in production; none if none has."""
    for wanted in locales_of(locale):
        of_level = [label for label in labels if label.locale == wanted]
        if any(label.label == PRODUCTION for label in of_level):
            return of_level
    return ()


def bucket(contact_id: UUID, template_id: str) -> int:
    """0 to 99: the same contact is always in the same one."""
    digest = hashlib.sha256(f"{contact_id} {template_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % 100


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a creator's contacts of one language meet."""

    production: PromptTemplate
    candidate: PromptTemplate | None = None
    percent: int = 0

    def prepare(self) -> None:
        """Compile what is met first: too long for the loop, and remembered."""
        for template in (self.production, self.candidate):
            # One that cannot be compiled any more gives way when it is rendered.
            with suppress(TemplateSyntaxError):
                compile_body(template.sources[0].body if template else "")

    def for_contact(self, contact_id: UUID | None) -> PromptTemplate:
        if self.candidate is None or contact_id is None:
            return self.production
        is_in = bucket(contact_id, self.production.template_id) < self.percent
        return self.candidate if is_in else self.production


def resolved(
    production: Sequence[PromptVersion],
    candidate: PromptVersion | None,
    *,
    percent: int,
    origin: Origin,
) -> Resolved:
    """From the version in production with those below it, and the candidate if there is one."""
    sources = [_source(version, origin) for version in production]
    return Resolved(
        production=_template(sources),
        candidate=_template([_source(candidate, origin), *sources]) if candidate else None,
        percent=percent,
    )


def _template(sources: Sequence[PromptSource]) -> PromptTemplate:
    first, *lower = sources
    return PromptTemplate.from_source(
        first.template_id,
        first.version,
        first.body,
        locale=first.locale,
        origin=first.origin,
        lower=lower,
    )


def _source(version: PromptVersion, origin: Origin) -> PromptSource:
    return PromptSource(
        template_id=version.template_id,
        version=version.version,
        body=version.body,
        origin=origin,
        locale=version.locale,
    )


_Key = tuple[UUID, str, str]


@dataclass(kw_only=True)
class ResolutionCache:
    """For seconds, so that a question needs no database for its prompt; whose it is comes first."""

    clock: Callable[[], float] = time.monotonic
    # What was read before a write must not be remembered after it.
    writes: int = 0
    _known: dict[_Key, tuple[float, Resolved]] = field(default_factory=dict)

    def get(self, key: _Key) -> Resolved | None:
        ends_at, found = self._known.get(key, (0.0, None))
        return found if ends_at > self.clock() else None

    def put(self, key: _Key, found: Resolved, *, writes: int) -> None:
        if writes != self.writes:
            return
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._known[key] = (self.clock() + CACHE_SECONDS, found)

    def forget(self, creator_id: UUID | None) -> None:
        """What was resolved for a creator; for everybody when it is what all share."""
        self.writes += 1
        for key in list(self._keys(creator_id)):
            del self._known[key]

    def _keys(self, creator_id: UUID | None) -> Iterator[_Key]:
        return (key for key in self._known if creator_id is None or key[0] == creator_id)
