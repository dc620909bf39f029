"""`cairn channels`: list and connect a creator's channels, rotate the keys."""

import asyncio
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from core.channels import Installs
from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import creator_ids, require_creator
from core.credentials import rotate_credentials
from shared.errors import InvalidInput

app = typer.Typer(
    help="Connect and list channels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Creator = Annotated[UUID, typer.Option("--creator", help="The creator's id.")]

_LIST = """
SELECT id, type, name, bot, route_key, status FROM app.channels WHERE creator_id = $1 ORDER BY id
"""


@app.command("list")
def list_all(creator: Creator, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List a creator's channels, one JSON object a line."""
    for row in asyncio.run(_list(creator, data_dir)):
        typer.echo(json.dumps(row))


@app.command()
def add(
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="telegram, slack, sms, web…")],
    creator: Creator,
    name: str = "",
    bot: str = "coach",
    api_base_url: str = "",
    poll: Annotated[
        bool, typer.Option("--poll", help="Fetch updates instead of a webhook (development).")
    ] = False,
    credentials: Annotated[
        str, typer.Option(help="A JSON file of the credentials; - reads standard input.")
    ] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Connect a channel. Secrets come from a file, or for Telegram from CAIRN_BOT_TOKEN."""
    given = _read_credentials(credentials) if credentials else _credentials(type_)
    settings: dict[str, Any] = {"mode": "poll"} if poll else {}
    if api_base_url:
        settings["api_base_url"] = api_base_url
    added = asyncio.run(_add(type_, creator, name, bot, given, settings, data_dir))
    typer.echo(json.dumps(added))


@app.command("rotate-keys")
def rotate_keys(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Re-encrypt every channel's credentials under the first key of CAIRN_SECRET_KEYS."""
    typer.echo(f"{asyncio.run(_rotate(data_dir))} channels re-encrypted.")


async def _list(creator_id: UUID, data_dir: Path) -> list[dict[str, str]]:
    async with operating(data_dir) as runtime:
        await require_creator(runtime.database, creator_id)
        async with runtime.database.transaction(creator_id) as connection:
            rows = await connection.fetch(_LIST, creator_id)
    return [{name: str(value) for name, value in row.items()} for row in rows]


async def _add(
    type_: str,
    creator_id: UUID,
    name: str,
    bot: str,
    credentials: dict[str, str],
    settings: dict[str, Any],
    data_dir: Path,
) -> dict[str, str]:
    async with operating(data_dir) as runtime:
        await require_creator(runtime.database, creator_id)
        if type_ not in runtime.channels:
            raise InvalidInput(
                f"no channel type {type_!r}; there are {', '.join(runtime.channels)}"
            )
        if bot not in runtime.bots:
            raise InvalidInput(f"no bot {bot!r}; there are {', '.join(runtime.bots)}")
        account = await runtime.accounts.add(
            creator_id,
            runtime.channels[type_],
            name=name or type_,
            bot=bot,
            credentials=credentials,
            settings=settings,
        )
        shown = {"id": str(account.channel_id), "route_key": account.route_key}
        base = runtime.settings.public_base_url
        shown["webhook_url"] = f"{base}/webhooks/{type_}/{account.route_key}"
        if isinstance(runtime.channels[type_], Installs):
            shown["install_url"] = f"{base}/{type_}/install/{account.route_key}"
        return shown


def _read_credentials(source: str) -> dict[str, str]:
    """A JSON object of names and values. Raises InvalidInput, which repeats nothing of it."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError):
        raise InvalidInput(f"{source!r} can't be read as a JSON file") from None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise InvalidInput("credentials are a JSON object of names and texts")
    return found


def _credentials(type_: str) -> dict[str, str]:
    # A secret on the command line would stand in the process list and the shell's history.
    if type_ != "telegram":
        return {}
    token = os.environ.get("CAIRN_BOT_TOKEN", "")
    if not token:
        raise InvalidInput("put the bot's token into the environment as CAIRN_BOT_TOKEN")
    return {"bot_token": token, "secret_token": secrets.token_urlsafe(32)}


async def _rotate(data_dir: Path) -> int:
    rotated = 0
    async with operating(data_dir) as runtime:
        for creator_id in await creator_ids(runtime.database):
            rotated += await rotate_credentials(runtime.database, runtime.keys, creator_id)
    return rotated
