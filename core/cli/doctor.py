"""`cairn doctor`: look at everything Cairn needs, say what is wrong and how to mend it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import creator_ids
from core.llm.checkup import Checkup
from core.llm.versions import PRODUCTION
from core.runtime import Runtime
from migrations import runner
from migrations.partitions import months_from, partition_name
from shared.errors import AppError
from shared.models import embeddings
from shared.tenancy import audit_catalog, check_schema, refuse_strong_role


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at. `mend` is what to do when it isn't well."""

    name: str
    state: str
    well: bool = True
    mend: str = ""


_BACKLOG = """
SELECT count(*) FILTER (WHERE status = 'dead') AS dead,
       count(*) FILTER (WHERE status = 'uncertain') AS uncertain,
       count(*) FILTER (WHERE status IN ('failed', 'undelivered')) AS failed
FROM app.messages WHERE creator_id = $1
  AND status IN ('dead', 'uncertain', 'failed', 'undelivered')
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def doctor(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Check engines, schema, isolation, keys, models and what waits for attention."""
    if not asyncio.run(_examine(data_dir)):
        raise typer.Exit(1)


async def _examine(data_dir: Path) -> bool:
    well = True
    async with operating(data_dir) as runtime:
        async for finding in _findings(runtime):
            mark = "ok " if finding.well else "!! "
            typer.echo(f"{mark} {finding.name:<18} {finding.state}")
            if finding.mend:
                typer.echo(f"{'':<23}{finding.mend}")
            well &= finding.well
    return well


async def _findings(runtime: Runtime) -> AsyncIterator[Finding]:
    yield await _role(runtime)
    yield await _schema(runtime)
    yield await _isolation(runtime)
    yield await _partitions(runtime)
    yield await _redis(runtime)
    yield await _chroma(runtime)
    yield await _ollama(runtime)
    async for finding in _models(runtime):
        yield finding
    yield await _spaces(runtime)
    yield await _credentials(runtime)
    async for finding in _attention(runtime):
        yield finding


async def _role(runtime: Runtime) -> Finding:
    try:
        async with runtime.database.lookup() as connection:
            await refuse_strong_role(connection)
    except AppError as error:
        mend = "set CAIRN_DATABASE__URL to the role cairn_app"
        return Finding(name="database role", state=error.message, well=False, mend=mend)
    return Finding(name="database role", state="bound by row level security")


async def _schema(runtime: Runtime) -> Finding:
    try:
        async with runtime.database.lookup() as connection:
            await check_schema(connection, runner.head())
    except AppError as error:
        return Finding(name="schema", state=error.message, well=False, mend="cairn migrate")
    return Finding(name="schema", state=runner.head())


async def _isolation(runtime: Runtime) -> Finding:
    async with runtime.database.lookup() as connection:
        problems = await audit_catalog(connection)
    if problems:
        mend = "restore what the migrations set; compare with migrations/rls.py"
        return Finding(name="isolation", state="; ".join(problems), well=False, mend=mend)
    return Finding(name="isolation", state="every table, policy and grant as it must be")


async def _partitions(runtime: Runtime) -> Finding:
    _, following = months_from(datetime.now(UTC).date(), 2)
    name = partition_name(following)
    async with runtime.database.lookup() as connection:
        exists = await connection.fetchval("SELECT to_regclass($1)", f"app.{name}")
    if exists is None:
        state = f"next month's {name} is missing; messages would go to the default partition"
        return Finding(name="partitions", state=state, well=False, mend="cairn migrate")
    return Finding(name="partitions", state=f"ready through {following:%B %Y}")


async def _redis(runtime: Runtime) -> Finding:
    try:
        await runtime.live.ping()
    except OSError:
        mend = "start it or set CAIRN_REDIS__URL; nothing is lost meanwhile"
        state = "away: live typing and shared limits are off"
        return Finding(name="Redis", state=state, well=False, mend=mend)
    return Finding(name="Redis", state="answers")


async def _chroma(runtime: Runtime) -> Finding:
    try:
        await runtime.vectors.ping()
    except AppError:
        mend = "start it or set CAIRN_CHROMA__URL"
        state = "away: search goes by words alone"
        return Finding(name="Chroma", state=state, well=False, mend=mend)
    return Finding(name="Chroma", state="answers")


async def _ollama(runtime: Runtime) -> Finding:
    settings, hosts = runtime.settings.ollama, runtime.models.hosts
    status = await runtime.models.status()
    if not status.reachable:
        # Not a fault: Cairn answers without it.
        mend = f"to add it: install Ollama, then `ollama pull {settings.chat_model}`"
        where = ", ".join(hosts.addresses)
        return Finding(
            name="Ollama", state=f"none at {where}; answers quote the knowledge", mend=mend
        )
    away = [host.address for host, found in await hosts.statuses() if not found.reachable]
    if away:
        mend = "start it, or take it out of CAIRN_OLLAMA__HOST"
        return Finding(name="Ollama", state=f"away: {', '.join(away)}", well=False, mend=mend)
    several = f", {len(hosts.hosts)} hosts" if len(hosts.hosts) > 1 else ""
    return Finding(name="Ollama", state=f"{status.version}{several}")


async def _models(runtime: Runtime) -> AsyncIterator[Finding]:
    """The models in use; without any Ollama there is nothing to look at."""
    if not (await runtime.models.status()).reachable:
        return
    rows = await runtime.models.registry.list_models()
    in_use = [row.model for row in rows if any(each.label == PRODUCTION for each in row.labels)]
    # The built-in version counts as long as nothing else was put in its place.
    by_name = {model.name: model for model in reversed(in_use)}
    for checkup in await runtime.models.checkups.of(list(by_name.values())):
        yield _model(checkup)


def _model(checkup: Checkup) -> Finding:
    model = checkup.model
    told = "; ".join(warning.text for warning in checkup.warnings)
    # WordLlama stands in for an embedding model that nobody has pulled.
    spared = model.model_type == "embedding" and checkup.state == "missing"
    return Finding(
        name=f"model {model.name}",
        state=f"{model.model_path}{': ' if told else ''}{told}",
        well=checkup.is_well or spared,
        mend="" if checkup.is_well else _model_mend(checkup),
    )


def _model_mend(checkup: Checkup) -> str:
    if checkup.state == "missing":
        return f"ollama pull {checkup.model.path.model}"
    return "register the new one and promote it, or pull the one before; `cairn models check`"


async def _spaces(runtime: Runtime) -> Finding:
    """Whether questions can be embedded as the stored vectors were."""
    in_use: set[str] = set()
    for creator_id in await creator_ids(runtime.database):
        async with runtime.database.transaction(creator_id) as connection:
            space = await embeddings.active_space(connection, creator_id)
        in_use |= {space.name} if space else set()
    lost = [name for name in sorted(in_use) if not await runtime.models.embedders.find(name)]
    if lost:
        state = f"no host has the model of {', '.join(lost)}: search goes by words alone"
        mend = "pull that model again, or `cairn embeddings start` with another"
        return Finding(name="embeddings", state=state, well=False, mend=mend)
    return Finding(name="embeddings", state="every index has its model")


async def _credentials(runtime: Runtime) -> Finding:
    unreadable = 0
    for creator_id in await creator_ids(runtime.database):
        async with runtime.database.transaction(creator_id) as connection:
            rows = await connection.fetch(
                "SELECT credentials FROM app.channels WHERE creator_id = $1", creator_id
            )
        for row in rows:
            try:
                runtime.accounts.open_credentials(creator_id, row["credentials"])
            except AppError:
                unreadable += 1
    if unreadable:
        state = f"{unreadable} channels cannot be read with these keys"
        mend = "put the key they were written with back into CAIRN_SECRET_KEYS"
        return Finding(name="credentials", state=state, well=False, mend=mend)
    return Finding(name="credentials", state="readable")


async def _attention(runtime: Runtime) -> AsyncIterator[Finding]:
    for creator_id in await creator_ids(runtime.database):
        async with runtime.database.transaction(creator_id) as connection:
            row = await connection.fetchrow(_BACKLOG, creator_id)
        counts = {name: count for name, count in dict(row or {}).items() if count}
        if counts:
            state = ", ".join(f"{count} {name}" for name, count in counts.items())
            mend = "cairn dead list; GET /api/v1/messages?status=uncertain"
            yield Finding(name=f"creator {str(creator_id)[-6:]}", state=state, mend=mend)
