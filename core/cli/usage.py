"""`cairn usage`: what creators used this month, and of their limits."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import creator_ids, require_creator
from core.policies import load_policy
from core.usage import Standing, standings
from shared.utils.clock import utc_now

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_STATES = {"ok": "", "soft": "  over the soft limit", "hard": "  at the limit"}


@app.command()
def usage(
    creator: Annotated[UUID | None, typer.Option(help="Only this creator.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Messages, tokens, sends and storage of this month, by creator."""
    for creator_id, found in asyncio.run(_read(creator, data_dir)):
        if as_json:
            typer.echo(json.dumps({"creator_id": str(creator_id), "quotas": _plain(found)}))
            continue
        typer.echo(str(creator_id))
        for name, standing in found.items():
            typer.echo(f"  {name:<9}{standing.used:>14,}{_limit(standing)}")


async def _read(creator: UUID | None, data_dir: Path) -> list[tuple[UUID, dict[Any, Standing]]]:
    now = utc_now()
    rows: list[tuple[UUID, dict[Any, Standing]]] = []
    async with operating(data_dir) as runtime:
        if creator is not None:
            await require_creator(runtime.database, creator)
        for creator_id in [creator] if creator else await creator_ids(runtime.database):
            async with runtime.database.transaction(creator_id) as connection:
                policy = await load_policy(connection, creator_id)
                found = await standings(connection, creator_id, policy, now)
            rows.append((creator_id, {**found}))
    return rows


def _plain(found: dict[Any, Standing]) -> dict[str, dict[str, Any]]:
    return {
        name: {"used": s.used, "soft": s.soft, "hard": s.hard, "state": s.state}
        for name, s in found.items()
    }


def _limit(standing: Standing) -> str:
    limits = [
        f"{name} {value:,}"
        for name, value in (("soft", standing.soft), ("hard", standing.hard))
        if value is not None
    ]
    shown = f"  of {', '.join(limits)}" if limits else ""
    return shown + _STATES[standing.state]
