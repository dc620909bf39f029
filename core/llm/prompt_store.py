"""Creators' own prompt templates: saved as versions, put to work by labels, found for a contact."""

import asyncio
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core import audit
from core.house import HOUSE
from core.llm.base import PromoteGate
from core.llm.prompt_catalog import spec_of
from core.llm.prompt_checks import check_body
from core.llm.prompt_resolution import (
    CANDIDATE,
    PRODUCTION,
    ResolutionCache,
    Resolved,
    closest,
    locales_of,
    resolved,
)
from core.llm.prompts import Origin, PromptTemplate, built_in
from shared.database import DatabaseManager, PgConnection
from shared.errors import Conflict, InvalidInput, NotFound
from shared.models import prompts as rows
from shared.models.prompts import PromptLabel, PromptVersion
from shared.utils.zones import is_language_tag

MAX_VERSIONS = 2_000  # of one creator
MAX_NOTE = 500
# How many lower versions stand behind the one in production, before the built-in ones do.
FALLBACKS = 3
BUILT_IN_VERSION = 0
_LABEL = re.compile(r"(?!latest$)[a-z][a-z0-9_-]{0,31}")


@dataclass(kw_only=True)
class PromptStore:
    """What all share are the house's versions; those that come with Cairn are version 0 here."""

    database: DatabaseManager
    gate: PromoteGate | None = None
    cache: ResolutionCache = field(default_factory=ResolutionCache)

    async def save(
        self,
        creator_id: UUID,
        template_id: str,
        body: str,
        *,
        locale: str = "",
        note: str = "",
        actor: str,
    ) -> PromptVersion:
        """The next version, not yet in use; the newest one itself when the body is the same.

        Raises NotFound, InvalidInput (see `check_body`) or Conflict.
        """
        spec, locale = spec_of(template_id), check_locale(locale)
        variables = await asyncio.to_thread(check_body, spec, body)
        async with self.database.transaction(creator_id) as db:
            await rows.lock(db, creator_id)
            newest = await rows.newest(db, creator_id, template_id, locale, limit=1)
            if newest and newest[0].body == body:
                return newest[0]
            if await rows.count(db, creator_id) >= MAX_VERSIONS:
                raise Conflict(f"there are {MAX_VERSIONS} versions already")
            saved = await rows.add(
                db,
                creator_id,
                template_id,
                locale,
                body,
                variables=variables,
                note=note[:MAX_NOTE],
                actor=actor,
            )
            await _note(db, creator_id, actor, "prompt.saved", saved)
            return saved

    async def list(
        self,
        creator_id: UUID,
        template_id: str,
        *,
        locale: str = "",
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[PromptVersion]:
        """Newest first."""
        spec_of(template_id)
        async with self.database.transaction(creator_id) as db:
            return await rows.newest(
                db, creator_id, template_id, check_locale(locale), limit=limit, before=before
            )

    async def labels(self, creator_id: UUID, template_id: str) -> Sequence[PromptLabel]:
        spec_of(template_id)
        async with self.database.transaction(creator_id) as db:
            return await rows.labels(db, creator_id, template_id)

    async def get(
        self, creator_id: UUID, template_id: str, version: int, *, locale: str = ""
    ) -> PromptVersion:
        """Raises NotFound."""
        spec_of(template_id)
        async with self.database.transaction(creator_id) as db:
            return await _require(db, creator_id, template_id, check_locale(locale), version)

    async def body(
        self, creator_id: UUID, template_id: str, version: int, *, locale: str = ""
    ) -> str:
        """The text of a version; of version 0 the newest built-in one. Raises NotFound."""
        spec_of(template_id)
        if version == BUILT_IN_VERSION:
            return built_in(template_id)[0].body
        return (await self.get(creator_id, template_id, version, locale=locale)).body

    async def diff(
        self, creator_id: UUID, template_id: str, a: int, b: int, *, locale: str = ""
    ) -> str:
        """What changed from version `a` to `b`, as a unified diff; empty when nothing did."""
        old = await self.body(creator_id, template_id, a, locale=locale)
        new = await self.body(creator_id, template_id, b, locale=locale)
        lines = difflib.unified_diff(
            old.splitlines(), new.splitlines(), f"{template_id}@{a}", f"{template_id}@{b}", n=2
        )
        return "\n".join(line.rstrip("\n") for line in lines)

    async def set_label(
        self,
        creator_id: UUID,
        template_id: str,
        label: str,
        version: int,
        *,
        percent: int = 100,
        locale: str = "",
        actor: str,
        is_forced: bool = False,
    ) -> PromptLabel:
        """Let a label point at a version. Raises NotFound, InvalidInput, or what the gate does.

        `is_forced` asks no gate, and is noted in the audit log.
        """
        spec_of(template_id)
        locale = check_locale(locale)
        _check_label(label, percent)
        if not is_forced:
            await self._ask_gate(creator_id, template_id, label, version, locale)
        async with self.database.transaction(creator_id) as db:
            await rows.lock(db, creator_id)
            await _require(db, creator_id, template_id, locale, version)
            pointed = await rows.point(
                db, creator_id, template_id, locale, label, version, percent=percent
            )
            await _note(
                db,
                creator_id,
                actor,
                "prompt.labelled",
                pointed,
                label=label,
                percent=percent,
                forced=is_forced,
            )
        self._forget(creator_id)
        return pointed

    async def rollback(
        self,
        creator_id: UUID,
        template_id: str,
        *,
        label: str = PRODUCTION,
        locale: str = "",
        actor: str,
    ) -> PromptLabel | None:
        """Point at the version before, so that a second one undoes the first.

        When there was none before, the label goes: what all share answers again.
        """
        spec_of(template_id)
        locale = check_locale(locale)
        async with self.database.transaction(creator_id) as db:
            await rows.lock(db, creator_id)
            labels = await rows.labels(db, creator_id, template_id, [locale])
            now = next((found for found in labels if found.label == label), None)
            if now is None:
                raise NotFound(f"nothing of {template_id!r} is labelled {label[:32]!r}")
            back = await _back(db, creator_id, now)
            await _note(
                db,
                creator_id,
                actor,
                "prompt.rolled_back",
                now,
                label=label,
                to=back.version if back else None,
            )
        self._forget(creator_id)
        return back

    async def resolve(
        self,
        creator_id: UUID,
        template_id: str,
        *,
        locale: str = "",
        contact_id: UUID | None = None,
    ) -> PromptTemplate:
        """The creator's version for this language, the house's, or the one that comes with Cairn.

        A level counts when it has something in production; a contact in the candidate's share
        gets that. Raises NotFound for a template that there is not.
        """
        spec_of(template_id)
        key = (creator_id, template_id, locale.lower())
        found = self.cache.get(key)
        if found is None:
            writes = self.cache.writes
            found = await self._read(creator_id, template_id, locale)
            self.cache.put(key, found, writes=writes)
        return found.for_contact(contact_id)

    async def _read(self, creator_id: UUID, template_id: str, locale: str) -> Resolved:
        levels: list[tuple[UUID, Origin]] = [(HOUSE, "shared")]
        if creator_id != HOUSE:
            levels.insert(0, (creator_id, "own"))
        for owner, origin in levels:
            async with self.database.transaction(owner) as db:
                found = await _resolve_level(db, owner, template_id, locale, origin)
            if found is not None:
                await asyncio.to_thread(found.prepare)
                return found
        return Resolved(production=PromptTemplate(template_id, built_in(template_id)[0].version))

    async def _ask_gate(
        self, creator_id: UUID, template_id: str, label: str, version: int, locale: str
    ) -> None:
        """What is met now has to be beaten, whosever it is. Not inside a transaction: it may take
        its time."""
        if self.gate is None or label != PRODUCTION:
            return
        met = (await self._read(creator_id, template_id, locale)).production.reference
        if creator_id == HOUSE:
            met = met.removeprefix("shared/")  # to the house it is its own
        wanted = subject(template_id, locale, version)
        if wanted != f"prompt {met}":
            await self.gate.check(creator_id, wanted, f"prompt {met}")

    def _forget(self, creator_id: UUID) -> None:
        self.cache.forget(None if creator_id == HOUSE else creator_id)


def subject(template_id: str, locale: str, version: int) -> str:
    """As evaluations name it: `prompt answer@3`, `prompt answer.de@1`."""
    return f"prompt {template_id}{f'.{locale}' if locale else ''}@{version}"


def check_locale(locale: str) -> str:
    """In the one spelling that is stored. Raises InvalidInput."""
    if locale and not is_language_tag(locale):
        raise InvalidInput("not a language tag of BCP 47; use one like pt-BR", code="locale")
    return locale.lower()


def _check_label(label: str, percent: int) -> None:
    if not _LABEL.fullmatch(label):
        raise InvalidInput("a label is small letters, digits, - and _; not `latest`", code="label")
    if not 0 <= percent <= 100 or (percent != 100 and label != CANDIDATE):
        raise InvalidInput(f"only {CANDIDATE} takes a percent, from 0 to 100", code="percent")


async def _require(
    db: PgConnection, creator_id: UUID, template_id: str, locale: str, version: int
) -> PromptVersion:
    found = await rows.find(db, creator_id, template_id, locale, version)
    if found is None:
        raise NotFound(f"there is no version {version} of {template_id!r} here")
    return found


async def _back(db: PgConnection, creator_id: UUID, now: PromptLabel) -> PromptLabel | None:
    if now.previous is None:
        await rows.unpoint(db, creator_id, now.template_id, now.locale, now.label)
        return None
    return await rows.point(
        db, creator_id, now.template_id, now.locale, now.label, now.previous, percent=now.percent
    )


async def _resolve_level(
    db: PgConnection, owner: UUID, template_id: str, locale: str, origin: Origin
) -> Resolved | None:
    labels = await rows.labels(db, owner, template_id, locales_of(locale))
    chosen = {label.label: label for label in closest(labels, locale)}
    if PRODUCTION not in chosen:
        return None
    now, next_ = chosen[PRODUCTION], chosen.get(CANDIDATE)
    production = await rows.newest(
        db, owner, template_id, now.locale, limit=1 + FALLBACKS, before=now.version + 1
    )
    candidate = None
    if next_ is not None and next_.percent > 0:
        candidate = await rows.find(db, owner, template_id, next_.locale, next_.version)
    percent = next_.percent if next_ else 0
    return resolved(production, candidate, percent=percent, origin=origin)


async def _note(
    db: PgConnection,
    creator_id: UUID,
    actor: str,
    action: str,
    about: PromptVersion | PromptLabel,
    **detail: object,
) -> None:
    target = f"{about.template_id}@{about.version}"
    await audit.note(
        db, creator_id, actor=actor, action=action, target=target, locale=about.locale, **detail
    )
