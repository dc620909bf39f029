"""/api/v1/models: a creator's own models and those all share, their versions, labels and health."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, StrictRoute
from core.llm.checkup import Checkup
from core.llm.paths import ModelType
from core.llm.registry import Listed, ModelMetadata
from core.llm.versions import MAX_VERSION, UnknownModel
from core.runtime import Runtime

router = APIRouter(prefix="/api/v1/models", tags=["models"], route_class=StrictRoute)

Name = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]
# A number, a label or `latest`.
Version = Annotated[str, Path(pattern="^([0-9]{1,10}|[a-z][a-z0-9_-]{0,31})$")]
Label = Annotated[str, Field(min_length=1, max_length=32, examples=["production", "candidate"])]
Text = Annotated[str, Field(max_length=200)]


class ModelLabelShown(BaseModel):
    """Where a label points; `percent` of the contacts meet a candidate."""

    model_config = ConfigDict(from_attributes=True)

    label: str
    version: int
    previous: int | None
    percent: int
    updated_at: datetime


class ModelWarning(BaseModel):
    code: str
    text: str


class ModelHost(BaseModel):
    """One of the operator's hosts, by number; `context` is in tokens while it is loaded."""

    host: int
    reachable: bool
    present: bool
    digest: str | None
    context: int | None
    waiting: int


class ModelHealth(BaseModel):
    state: Literal["ok", "degraded", "missing"]
    hosts: list[ModelHost]
    warnings: list[ModelWarning]
    capabilities: list[str]


class ModelShown(BaseModel):
    """A version; it never changes. `shared` ones are the same for all creators, and version 0 is
    what the operator's settings name."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    version: int
    shared: bool
    ref: str
    model_type: ModelType
    model_path: str
    digest: str | None
    num_ctx: int | None
    dimensions: int | None
    params: dict[str, Any]
    performance_metrics: dict[str, float]
    training_data_hash: str | None
    dependencies: list[str]
    created_at: datetime | None
    labels: list[ModelLabelShown]
    health: ModelHealth


class ModelVersions(BaseModel):
    items: list[ModelShown]


class NewModel(Body):
    """Without `version` it is the next one; without `digest` the one that is installed now."""

    name: str = Field(min_length=1, max_length=64, examples=["answers"])
    model_type: ModelType
    model_path: str = Field(max_length=300, examples=["ollama:llama3.2:3b"])
    version: int | None = Field(None, ge=1, le=MAX_VERSION)
    digest: Text | None = None
    num_ctx: int | None = Field(None, ge=1, le=10_000_000)
    dimensions: int | None = Field(None, ge=1, le=65_536)
    params: dict[str, float | int] = Field(default_factory=dict)
    performance_metrics: dict[str, float] = Field(default_factory=dict)
    training_data_hash: Text | None = None
    dependencies: list[Text] = Field(default_factory=list, max_length=50)


class NewModelLabel(Body):
    label: Label
    version: int = Field(ge=1, le=MAX_VERSION)
    percent: int = Field(100, ge=0, le=100)


class ModelBack(Body):
    label: Label = "production"


class ModelRolledBack(BaseModel):
    """`label` is null when there was nothing before: what all share answers again."""

    label: ModelLabelShown | None


@router.get("")
async def list_models(
    principal: PrincipalDep, runtime: RuntimeDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[ModelShown]:
    """The creator's own first, then those all share; by name, the highest version first."""
    cursors = Cursors("models", principal.creator_id)
    position = cursors.read(cursor, int, str, int)
    rows = await runtime.models.registry.list_models(principal.creator_id)
    after = [row for row in rows if position is None or _place(row.model) > tuple(position)]
    page = sorted(after, key=lambda row: _place(row.model))[: limit + 1]
    found = zip(page, await _shown(runtime, page), strict=True)
    shown = {_place(row.model): each for row, each in found}
    return cursors.page(
        page,
        limit,
        lambda row: shown[_place(row.model)],
        lambda row: _place(row.model),
    )


@router.post("", status_code=201)
async def register_model(
    body: NewModel, principal: PrincipalDep, runtime: RuntimeDep
) -> ModelShown:
    """Keep a version for this creator alone; the same content again changes nothing.

    Nobody meets it before a label points at it. A version that is there with another content is
    refused (409).
    """
    given = body.model_dump(exclude={"model_path", "dependencies"})
    metadata = ModelMetadata(
        **given, creator_id=principal.creator_id, dependencies=tuple(body.dependencies)
    )
    described = await runtime.models.describe(metadata, body.model_path)
    stored = await runtime.models.registry.register_model(
        described, body.model_path, actor=principal.actor
    )
    [shown] = await _shown(runtime, [Listed(model=stored, labels=())])
    return shown


@router.get("/{name}")
async def list_model_versions(
    name: Name, principal: PrincipalDep, runtime: RuntimeDep
) -> ModelVersions:
    """Every version of a name: the creator's own, then those all share."""
    rows = await runtime.models.registry.list_models(principal.creator_id)
    named = [row for row in rows if row.model.name == name]
    if not named:
        raise UnknownModel
    return ModelVersions(items=await _shown(runtime, named))


@router.get("/{name}/{version}")
async def read_model(
    name: Name, version: Version, principal: PrincipalDep, runtime: RuntimeDep
) -> ModelShown:
    """A version, a label or `latest`: the creator's own, else what all share."""
    wanted = int(version) if version.isdigit() else version
    registry = runtime.models.registry
    registry.forget(principal.creator_id)
    found = await registry.get_model(name, wanted, creator_id=principal.creator_id, is_exact=True)
    rows = await registry.list_models(principal.creator_id)
    [shown] = await _shown(runtime, [row for row in rows if row.model == found])
    return shown


@router.post("/{name}/labels")
async def label_model(
    name: Name, body: NewModelLabel, principal: PrincipalDep, runtime: RuntimeDep
) -> ModelLabelShown:
    """Let a label point at a version of one's own. One that was measured as worse than the one in
    production is refused (409)."""
    label = await runtime.models.registry.promote(
        name,
        body.version,
        body.label,
        body.percent,
        creator_id=principal.creator_id,
        actor=principal.actor,
    )
    return ModelLabelShown.model_validate(label)


@router.post("/{name}/rollback")
async def roll_back_model(
    name: Name, body: ModelBack, principal: PrincipalDep, runtime: RuntimeDep
) -> ModelRolledBack:
    """Return to the version before; a second time, to the one after."""
    label = await runtime.models.registry.rollback(
        name, body.label, creator_id=principal.creator_id, actor=principal.actor
    )
    return ModelRolledBack(label=ModelLabelShown.model_validate(label) if label else None)


async def _shown(runtime: Runtime, rows: list[Listed]) -> list[ModelShown]:
    checkups = await runtime.models.checkups.of([row.model for row in rows])
    return [_show(row, checkup) for row, checkup in zip(rows, checkups, strict=True)]


def _show(row: Listed, checkup: Checkup) -> ModelShown:
    model = row.model
    return ModelShown(
        **{
            name: getattr(model, name)
            for name in ModelShown.model_fields
            if name not in ("version", "shared", "labels", "health", "dependencies")
        },
        version=model.version or 0,
        shared=model.is_shared,
        dependencies=list(model.dependencies),
        labels=[ModelLabelShown.model_validate(label) for label in row.labels],
        health=_health(checkup),
    )


def _health(checkup: Checkup) -> ModelHealth:
    """Hosts by number: where they are is the operator's business."""
    numbers = {on.address: str(number) for number, on in enumerate(checkup.hosts, start=1)}

    def nameless(text: str) -> str:
        for address, number in numbers.items():
            text = text.replace(address, f"host {number}")
        return text

    return ModelHealth(
        state=checkup.state,
        hosts=[
            ModelHost(
                host=number,
                reachable=on.reachable,
                present=on.present,
                digest=on.digest,
                context=on.context,
                waiting=on.waiting,
            )
            for number, on in enumerate(checkup.hosts, start=1)
        ],
        warnings=[
            ModelWarning(code=warning.code, text=nameless(warning.text))
            for warning in checkup.warnings
        ],
        capabilities=list(checkup.capabilities),
    )


def _place(model: ModelMetadata) -> tuple[int, str, int]:
    """Where a version stands in the list."""
    shelf = 2 if model.version == 0 else 1 if model.is_shared else 0
    return shelf, model.name, -(model.version or 0)
