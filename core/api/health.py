"""Is it alive, is it ready, and what does it count."""

import asyncio
from collections.abc import Awaitable
from typing import Literal

import structlog
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from core.api.deps import RuntimeDep
from core.llm.ollama import full_name
from core.llm.paths import EXTRACTIVE
from core.llm.rungs import ANSWERS
from core.llm.versions import PRODUCTION
from core.runtime import Runtime
from shared.errors import Unavailable

log = structlog.get_logger(__name__)
router = APIRouter(tags=["health"])

PROBE_SECONDS = 1.5
State = Literal["ok", "degraded", "down"]


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """`degraded`: answers go on without it; only a missing database stops us."""

    status: State
    dependencies: dict[str, State]


@router.get("/healthz")
async def read_health() -> Health:
    """Alive: this process answers. Says nothing of what it depends on."""
    return Health()


@router.get("/readyz", responses={200: {"model": Readiness}, 503: {"model": Readiness}})
async def read_readiness(runtime: RuntimeDep) -> JSONResponse:
    """Each dependency: ok, degraded or down. 503 only when the database is away."""
    states = await asyncio.gather(
        _probe("postgres", _ask_postgres(runtime), "down"),
        _probe("redis", runtime.live.ping(), "degraded"),
        _probe("chroma", runtime.vectors.ping(), "degraded"),
        _probe("ollama", _ask_ollama(runtime), "degraded"),
    )
    dependencies = dict(states)
    worst: State = "ok"
    if any(state != "ok" for state in dependencies.values()):
        worst = "degraded"
    if dependencies["postgres"] == "down":
        worst = "down"
    readiness = Readiness(status=worst, dependencies=dependencies)
    return JSONResponse(readiness.model_dump(), status_code=503 if worst == "down" else 200)


@router.get("/metrics", response_class=Response)
async def read_metrics() -> Response:
    """Counters in Prometheus's text format, labelled by creator and never by contact."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _probe(name: str, question: Awaitable[object], if_away: State) -> tuple[str, State]:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await question
    except Exception as error:  # whatever a client library raises, the probe has an answer
        log.info("health.away", dependency=name, error=type(error).__name__)
        return name, if_away
    return name, "ok"


async def _ask_postgres(runtime: Runtime) -> None:
    async with runtime.database.lookup() as connection:
        await connection.fetchval("SELECT 1")


async def _ask_ollama(runtime: Runtime) -> None:
    """Well when some host has the model that answers, and no model was exchanged unnoticed."""
    if not await _has_answers(runtime) or runtime.models.hosts.digests.all():
        raise ConnectionError("no Ollama, or not its models")


async def _has_answers(runtime: Runtime) -> bool:
    status = await runtime.models.status()
    try:
        model = await runtime.models.registry.get_model(ANSWERS, PRODUCTION)
    except Unavailable:
        return status.chat_model_present
    return model.path == EXTRACTIVE or full_name(model.path.model) in status.digests
