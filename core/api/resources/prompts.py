"""/api/v1/prompts: a creator's own prompt templates, their versions and labels."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page, to_number
from core.api.strict import Body, StrictRoute
from core.llm.prompt_catalog import CATALOG, TemplateSpec, spec_of
from core.llm.prompt_preview import MAX_PASSAGES, preview
from core.llm.prompt_source import MAX_BODY
from core.llm.prompt_store import BUILT_IN_VERSION, MAX_NOTE
from shared.models.prompts import PromptLabel
from shared.utils.zones import MAX_TAG

router = APIRouter(prefix="/api/v1/prompts", tags=["prompts"], route_class=StrictRoute)

TemplateId = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,63}$")]
TemplateText = Annotated[str, Field(min_length=1, max_length=MAX_BODY)]
Locale = Annotated[str, Field(max_length=MAX_TAG, examples=["pt-BR"])]
OfLocale = Annotated[str, Query(max_length=MAX_TAG, description="a language; none is for all")]
HIGHEST = 10**6
OfVersion = Annotated[int, Path(ge=1, le=HIGHEST)]
# Version 0 is the newest one that comes with Cairn.
Compared = Annotated[int, Query(ge=BUILT_IN_VERSION, le=HIGHEST)]


class LabelShown(BaseModel):
    """Where a label points; `percent` of the contacts meet a candidate."""

    model_config = ConfigDict(from_attributes=True)

    label: str
    locale: str
    version: int
    previous: int | None
    percent: int
    updated_at: datetime


class PromptShown(BaseModel):
    """A template there is. `variables` says what each is; the required ones must be used."""

    id: str
    about: str
    variables: dict[str, str]
    required: list[str]
    blocks: list[str]
    labels: list[LabelShown]


class PromptList(BaseModel):
    items: list[PromptShown]


class VersionShown(BaseModel):
    """A version; it never changes."""

    model_config = ConfigDict(from_attributes=True)

    template_id: str
    locale: str
    version: int
    variables: list[str]
    note: str
    actor: str
    created_at: datetime


class VersionWhole(VersionShown):
    body: str


class NewVersion(Body):
    body: TemplateText
    locale: Locale = ""
    note: str = Field("", max_length=MAX_NOTE)


class NewLabel(Body):
    """`production` is what everybody meets; `candidate` is met by `percent` of the contacts."""

    label: str = Field(min_length=1, max_length=32, examples=["production", "candidate"])
    version: int = Field(ge=1, le=HIGHEST)
    percent: int = Field(100, ge=0, le=100)
    locale: Locale = ""


class Back(Body):
    label: str = Field("production", min_length=1, max_length=32)
    locale: Locale = ""


class RolledBack(BaseModel):
    """`label` is null when there was nothing before: what all share answers again."""

    label: LabelShown | None


class DiffShown(BaseModel):
    """A unified diff; empty when both are the same."""

    diff: str


class PassageGiven(Body):
    label: str = Field("", max_length=300)
    text: str = Field(max_length=8_000)


class ContextGiven(Body):
    """What is left out is taken from a sample."""

    persona: str | None = Field(None, max_length=8_000)
    unknown: str | None = Field(None, max_length=300)
    question: str | None = Field(None, max_length=8_000)
    passages: list[PassageGiven] | None = Field(None, max_length=MAX_PASSAGES)
    language: str | None = Field(None, max_length=100)
    facts: list[str] | None = Field(None, max_length=MAX_PASSAGES)
    summary: str | None = Field(None, max_length=8_000)


class PreviewWanted(Body):
    """A text that is not saved, or a version; without either the newest built-in version."""

    body: TemplateText | None = None
    version: int | None = Field(None, ge=BUILT_IN_VERSION, le=HIGHEST)
    locale: Locale = ""
    context: ContextGiven = Field(default_factory=ContextGiven)


class PreviewShown(BaseModel):
    """The rendered text, also by block."""

    model_config = ConfigDict(from_attributes=True)

    text: str
    blocks: dict[str, str]


@router.get("")
async def list_prompts(principal: PrincipalDep, runtime: RuntimeDep) -> PromptList:
    """The templates there are, with the labels of the creator's own versions."""
    shown = []
    for spec in CATALOG.values():
        labels = await runtime.prompts.labels(principal.creator_id, spec.template_id)
        shown.append(_show(spec, labels))
    return PromptList(items=shown)


@router.get("/{template_id}")
async def list_versions(
    template_id: TemplateId,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    locale: OfLocale = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[VersionShown]:
    """The creator's own versions for a language, newest first, without their texts."""
    cursors = Cursors(f"prompts {template_id} {locale}", principal.creator_id)
    position = cursors.read(cursor, to_number)
    rows = await runtime.prompts.list(
        principal.creator_id,
        template_id,
        locale=locale,
        limit=limit + 1,
        before=position[0] if position else None,
    )
    return cursors.page(rows, limit, VersionShown.model_validate, lambda row: [row.version])


@router.get("/{template_id}/versions/{version}")
async def read_version(
    template_id: TemplateId,
    version: OfVersion,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    locale: OfLocale = "",
) -> VersionWhole:
    found = await runtime.prompts.get(principal.creator_id, template_id, version, locale=locale)
    return VersionWhole.model_validate(found)


@router.post("/{template_id}/versions", status_code=201)
async def save_version(
    template_id: TemplateId, body: NewVersion, principal: PrincipalDep, runtime: RuntimeDep
) -> VersionShown:
    """Check a template and keep it as the next version; the newest text again is no new one.

    Nobody meets it before a label points at it.
    """
    saved = await runtime.prompts.save(
        principal.creator_id,
        template_id,
        body.body,
        locale=body.locale,
        note=body.note,
        actor=principal.actor,
    )
    return VersionShown.model_validate(saved)


@router.post("/{template_id}/labels")
async def label_version(
    template_id: TemplateId, body: NewLabel, principal: PrincipalDep, runtime: RuntimeDep
) -> LabelShown:
    """Let a label point at a version. A version that was measured as worse is refused (409)."""
    label = await runtime.prompts.set_label(
        principal.creator_id,
        template_id,
        body.label,
        body.version,
        percent=body.percent,
        locale=body.locale,
        actor=principal.actor,
    )
    return LabelShown.model_validate(label)


@router.post("/{template_id}/rollback")
async def roll_back(
    template_id: TemplateId, body: Back, principal: PrincipalDep, runtime: RuntimeDep
) -> RolledBack:
    """Return to the version before; a second time, to the one after."""
    label = await runtime.prompts.rollback(
        principal.creator_id,
        template_id,
        label=body.label,
        locale=body.locale,
        actor=principal.actor,
    )
    return RolledBack(label=LabelShown.model_validate(label) if label else None)


@router.get("/{template_id}/diff")
async def compare_versions(
    template_id: TemplateId,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    first: Annotated[Compared, Query(alias="from")],
    last: Annotated[Compared, Query(alias="to")],
    locale: OfLocale = "",
) -> DiffShown:
    """What changed between two versions; version 0 is the newest that comes with Cairn."""
    changed = await runtime.prompts.diff(
        principal.creator_id, template_id, first, last, locale=locale
    )
    return DiffShown(diff=changed)


@router.post("/{template_id}/preview")
async def preview_prompt(
    template_id: TemplateId, body: PreviewWanted, principal: PrincipalDep, runtime: RuntimeDep
) -> PreviewShown:
    """What a model would be sent. Nothing is kept."""
    source = body.body or await runtime.prompts.body(
        principal.creator_id, template_id, body.version or BUILT_IN_VERSION, locale=body.locale
    )
    given = body.context.model_dump(exclude_none=True)
    shown = await asyncio.to_thread(preview, spec_of(template_id), source, given)
    return PreviewShown.model_validate(shown)


def _show(spec: TemplateSpec, labels: Sequence[PromptLabel]) -> PromptShown:
    return PromptShown(
        id=spec.template_id,
        about=spec.about,
        variables=dict(spec.variables),
        required=sorted(spec.required),
        blocks=list(spec.blocks),
        labels=[LabelShown.model_validate(label) for label in labels],
    )
