"""/api/v1/programs: what contacts go through, in versions; published, paused and put away."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.etags import IfMatch, check_unchanged, set_etag
from core.api.paging import Cursor, Cursors, Limit, Page, to_number
from core.api.strict import Body, StrictRoute
from core.programs import store
from core.programs.definition import Program
from core.programs.keeping import MAX_NOTE, Check, Programs
from core.programs.publishing import Publishing
from core.programs.reading import read_program
from core.runtime import Runtime
from shared.errors import UnsupportedEncoding
from shared.models import enrolments as enrolment_rows
from shared.models.programs import ProgramRow, ProgramVersion

router = APIRouter(prefix="/api/v1/programs", tags=["programs"], route_class=StrictRoute)

HIGHEST = 10**6
VersionNumber = Annotated[int, Query(ge=1, le=HIGHEST)]
Note = Annotated[str, Query(max_length=MAX_NOTE, description="what changed, and why")]
Status = Annotated[str | None, Query(pattern="^(draft|live|paused|archived)$")]
YAML = ("application/yaml", "application/x-yaml", "text/yaml")


class ProgramShown(BaseModel):
    """`version` is the newest, `live_version` the one that contacts are in."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    slug: str
    name: str
    bot: str
    origin: str
    status: str
    version: int
    live_version: int | None
    created_at: datetime
    updated_at: datetime


class ProgramDetails(ProgramShown):
    """With what a version says, and how many enrolments there are by status."""

    definition: dict[str, Any]
    enrolments: dict[str, int]


class VersionShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    version: int
    note: str
    actor: str
    created_at: datetime
    digest: str


class DiffShown(BaseModel):
    """A unified diff, as YAML; empty when both are the same."""

    diff: str


class StepShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    key: str
    ordinal: int
    kind: str
    definition: dict[str, Any]


class StepList(BaseModel):
    version: int
    items: list[StepShown]


class PublishWanted(Body):
    """The newest version unless said otherwise."""

    version: int | None = Field(None, ge=1, le=HIGHEST)


class PublishedShown(BaseModel):
    """What became of what waited: kept, moved, cancelled; what is new; enrolments that ended."""

    program: ProgramShown
    kept: int
    moved: int
    cancelled: int
    planned: int
    ended: int


class PutAwayShown(BaseModel):
    """Sends that were cancelled and enrolments that were ended with it."""

    cancelled: int
    ended: int


class CopyWanted(Body):
    slug: str = Field(pattern="^[a-z][a-z0-9-]{0,63}$")
    name: str | None = Field(None, min_length=1, max_length=200)


def _inlined(schema: dict[str, Any]) -> Any:
    """A schema without references: it stands inside a larger document."""
    definitions = schema.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                node = definitions[node["$ref"].rsplit("/", 1)[-1]]
            return {key: resolved(value) for key, value in node.items()}
        return [resolved(item) for item in node] if isinstance(node, list) else node

    return resolved(schema)


_SCHEMA = _inlined(Program.model_json_schema())
_BODY: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _SCHEMA},
            "application/yaml": {"schema": {"type": "string", "description": "the same as YAML"}},
        },
    }
}


async def _read_body(request: Request) -> Program:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", *YAML):
        raise UnsupportedEncoding("send application/json or application/yaml")
    # A long document takes a second to read, in which others are to be answered.
    return await asyncio.to_thread(read_program, await request.body(), is_yaml=kind in YAML)


def programs_of(runtime: Runtime) -> Programs:
    return Programs(runtime.database, bots=runtime.bots)


def _unchanged(if_match: str | None) -> Check:
    def check(row: ProgramRow) -> None:
        check_unchanged(if_match, row.updated_at)

    return check


@router.post("", status_code=201, openapi_extra=dict(_BODY))
async def add_program(
    request: Request,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    response: Response,
    note: Note = "",
) -> ProgramShown:
    """Add a program, as JSON or as YAML (`application/yaml`). Nobody meets it before it is live.

    Errors: `bad_program` 422 names the places, `program_exists` 409.
    """
    program = await _read_body(request)
    row = await programs_of(runtime).add(
        principal.creator_id, program, actor=principal.actor, note=note
    )
    set_etag(response, row.updated_at)
    return ProgramShown.model_validate(row)


@router.get("")
async def list_programs(
    principal: PrincipalDep,
    runtime: RuntimeDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: Status = None,
) -> Page[ProgramShown]:
    """Newest first."""
    cursors = Cursors(f"programs {status}", principal.creator_id)
    rows = await programs_of(runtime).list(
        principal.creator_id, limit=limit + 1, before=cursors.read_id(cursor), status=status
    )
    return cursors.page(rows, limit, ProgramShown.model_validate, lambda row: [row.id])


@router.get("/{program_id}")
async def read_program_details(
    program_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    response: Response,
    version: VersionNumber | None = None,
) -> ProgramDetails:
    """With what its newest version says, or another one."""
    creator_id, programs = principal.creator_id, programs_of(runtime)
    row = await programs.get(creator_id, program_id)
    definition = await programs.definition(creator_id, program_id, version or row.version)
    async with runtime.database.transaction(creator_id) as db:
        counts = await enrolment_rows.counts(db, creator_id, program_id)
    set_etag(response, row.updated_at)
    return ProgramDetails(
        **ProgramShown.model_validate(row).model_dump(),
        definition=store.dump(definition),
        enrolments=counts,
    )


@router.put("/{program_id}", openapi_extra=dict(_BODY))
async def save_program(
    program_id: UUID,
    request: Request,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    response: Response,
    note: Note = "",
    if_match: IfMatch = None,
) -> ProgramShown:
    """Save the next version; the same content again is none. Publish it to put it to work.

    Errors: `conflict` 409 when it was changed since it was read, `program_busy` 409,
    `program_in_code` 409 for what a bot's code declares.
    """
    saved = await programs_of(runtime).save(
        principal.creator_id,
        program_id,
        await _read_body(request),
        actor=principal.actor,
        note=note,
        check=_unchanged(if_match),
    )
    set_etag(response, saved.row.updated_at)
    return ProgramShown.model_validate(saved.row)


@router.get("/{program_id}/versions")
async def list_program_versions(
    program_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[VersionShown]:
    """Newest first. A version never changes."""
    cursors = Cursors(f"versions {program_id}", principal.creator_id)
    position = cursors.read(cursor, to_number)
    rows = await programs_of(runtime).versions(
        principal.creator_id,
        program_id,
        limit=limit + 1,
        before=position[0] if position else None,
    )
    return cursors.page(rows, limit, _show_version, lambda row: [row.version])


@router.get("/{program_id}/diff")
async def compare_program_versions(
    program_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    first: Annotated[VersionNumber | None, Query(alias="from")] = None,
    last: Annotated[VersionNumber | None, Query(alias="to")] = None,
) -> DiffShown:
    """What changed between two versions; from the live one to the newest unless said otherwise."""
    programs = programs_of(runtime)
    row = await programs.get(principal.creator_id, program_id)
    first, last = first or row.live_version or 1, last or row.version
    return DiffShown(diff=await programs.diff(principal.creator_id, program_id, first, last))


@router.get("/{program_id}/steps")
async def list_steps(
    program_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    version: VersionNumber | None = None,
) -> StepList:
    """The steps of a version in order; of the newest unless said otherwise."""
    programs = programs_of(runtime)
    row = await programs.get(principal.creator_id, program_id)
    wanted = version or row.version
    found = await programs.steps(principal.creator_id, program_id, wanted)
    return StepList(version=wanted, items=[StepShown.model_validate(step) for step in found])


@router.post("/{program_id}/publish")
async def publish_program(
    program_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    response: Response,
    body: PublishWanted | None = None,
    if_match: IfMatch = None,
) -> PublishedShown:
    """Put a version to work. What waits for contacts is planned anew, and nothing sent twice."""
    published = await Publishing(runtime.database).publish(
        principal.creator_id,
        program_id,
        version=body.version if body else None,
        actor=principal.actor,
        now=runtime.clock.now(),
        check=_unchanged(if_match),
    )
    set_etag(response, published.row.updated_at)
    shown = ProgramShown.model_validate(published.row)
    return PublishedShown(program=shown, **asdict(published.counts))


@router.post("/{program_id}/pause")
async def pause_program(
    program_id: UUID, principal: PrincipalDep, runtime: RuntimeDep, if_match: IfMatch = None
) -> ProgramShown:
    """Send nothing of it until it is resumed."""
    row = await Publishing(runtime.database).pause(
        principal.creator_id, program_id, actor=principal.actor, check=_unchanged(if_match)
    )
    return ProgramShown.model_validate(row)


@router.post("/{program_id}/resume")
async def resume_program(
    program_id: UUID, principal: PrincipalDep, runtime: RuntimeDep, if_match: IfMatch = None
) -> ProgramShown:
    """Go on with a paused one; each step's late policy decides over what was missed."""
    row = await Publishing(runtime.database).resume(
        principal.creator_id,
        program_id,
        actor=principal.actor,
        now=runtime.clock.now(),
        check=_unchanged(if_match),
    )
    return ProgramShown.model_validate(row)


@router.post("/{program_id}/archive")
async def archive_program(
    program_id: UUID, principal: PrincipalDep, runtime: RuntimeDep, if_match: IfMatch = None
) -> PutAwayShown:
    """Put it away: nothing more is sent, all enrolments end."""
    away = await Publishing(runtime.database).archive(
        principal.creator_id,
        program_id,
        actor=principal.actor,
        now=runtime.clock.now(),
        check=_unchanged(if_match),
    )
    return PutAwayShown(**asdict(away))


@router.post("/{program_id}/delete")
async def delete_program(
    program_id: UUID, principal: PrincipalDep, runtime: RuntimeDep, if_match: IfMatch = None
) -> PutAwayShown:
    """Forget it with its versions and enrolments. What it has sent stays."""
    away = await Publishing(runtime.database).delete(
        principal.creator_id,
        program_id,
        actor=principal.actor,
        now=runtime.clock.now(),
        check=_unchanged(if_match),
    )
    return PutAwayShown(**asdict(away))


@router.post("/{program_id}/copy", status_code=201)
async def copy_program(
    program_id: UUID, body: CopyWanted, principal: PrincipalDep, runtime: RuntimeDep
) -> ProgramShown:
    """The newest version under another slug, as a draft: also of what a bot's code declares."""
    row = await programs_of(runtime).copy(
        principal.creator_id, program_id, slug=body.slug, name=body.name, actor=principal.actor
    )
    return ProgramShown.model_validate(row)


def _show_version(row: ProgramVersion) -> VersionShown:
    return VersionShown(
        version=row.version,
        note=row.note,
        actor=row.actor,
        created_at=row.created_at,
        digest=row.digest.hex(),
    )
