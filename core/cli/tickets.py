"""`cairn tickets`: conversations that a person should take: list, take, reply, return, close."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from core import tickets
from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import creator_ids
from core.runtime import Runtime
from shared.database import PgConnection
from shared.errors import InvalidInput, NotFound
from shared.utils.text import is_blank

app = typer.Typer(
    help="Conversations that a person should take.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ACTOR = "operator"

_LIST = """
SELECT t.id, t.state, t.reason, t.detail, t.is_urgent, t.opened_at, t.respond_by, t.overdue_at,
       t.taken_by, t.conversation_id, c.name
FROM app.tickets t JOIN app.contacts c ON c.creator_id = t.creator_id AND c.id = t.contact_id
WHERE t.creator_id = $1 AND ($2 OR t.state IN ('queued', 'human'))
ORDER BY t.is_urgent DESC, t.id
"""

TicketId = Annotated[UUID, typer.Argument(metavar="TICKET", help="As `list` shows it.")]
Everything = Annotated[bool, typer.Option("--all", help="Closed ones too.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
_Act = Callable[[PgConnection, UUID, datetime], Awaitable[object]]


@app.command("list")
def list_all(
    everything: Everything = False, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Tickets of every creator, urgent ones first."""
    rows = asyncio.run(_list(data_dir, everything))
    for row in rows:
        typer.echo(json.dumps(row, default=str) if as_json else _line(row))
    if not rows and not as_json:
        typer.echo("Nobody waits for a person.")


@app.command()
def take(ticket: TicketId, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Answer it yourself: the bot is silent until it is given back."""
    _act(data_dir, ticket, lambda c, owner, _now: tickets.take(c, owner, ticket, ACTOR))
    typer.echo("It's yours; the bot is silent there.")


@app.command()
def reply(
    ticket: TicketId,
    text: Annotated[str, typer.Argument(help="What the contact gets, in Markdown.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write to the contact; the ticket is yours from then on."""
    if is_blank(text):
        raise InvalidInput("the message is empty")
    asyncio.run(_reply(data_dir, ticket, text))
    typer.echo("Queued for them.")


@app.command("return")
def give_back(ticket: TicketId, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Let the bot answer again."""
    _act(data_dir, ticket, lambda c, owner, now: tickets.give_back(c, owner, ticket, ACTOR, now))
    typer.echo("The bot answers there again.")


@app.command()
def close(ticket: TicketId, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Nothing more to do."""
    _act(data_dir, ticket, lambda c, owner, now: tickets.close(c, owner, ticket, ACTOR, now))
    typer.echo("Closed.")


@app.command()
def note(ticket: TicketId, text: str, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Write something down for the team; the contact never sees it."""
    if is_blank(text) or len(text) > 5000:
        raise InvalidInput("a note has 1 to 5,000 characters")
    _act(
        data_dir,
        ticket,
        lambda c, owner, now: tickets.add_note(c, owner, ticket, actor=ACTOR, text=text, now=now),
    )
    typer.echo("Noted.")


def _line(row: dict[str, Any]) -> str:
    marks = [mark for mark, on in (("URGENT", row["is_urgent"]), ("LATE", row["overdue_at"])) if on]
    who = row["name"] or "somebody"
    taken = f", taken by {row['taken_by']}" if row["taken_by"] else ""
    why = f"{row['reason']}: {row['detail']}" if row["detail"] else row["reason"]
    since = f"{row['opened_at']:%Y-%m-%d %H:%M}"
    return " ".join([str(row["id"]), row["state"], *marks, f"{who} ({why}) since {since}{taken}"])


async def _list(data_dir: Path, everything: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with operating(data_dir) as runtime:
        for creator_id in await creator_ids(runtime.database):
            async with runtime.database.transaction(creator_id) as connection:
                rows = await connection.fetch(_LIST, creator_id, everything)
            found += [{"creator_id": creator_id, **dict(row)} for row in rows]
    return found


def _act(data_dir: Path, ticket_id: UUID, act: _Act) -> None:
    async def run() -> None:
        async with operating(data_dir) as runtime:
            creator_id, _ = await _owner(runtime, ticket_id)
            async with runtime.database.transaction(creator_id) as connection:
                await act(connection, creator_id, runtime.clock.now())

    asyncio.run(run())


async def _reply(data_dir: Path, ticket_id: UUID, text: str) -> None:
    async with operating(data_dir) as runtime:
        creator_id, ticket = await _owner(runtime, ticket_id)
        await runtime.desk.say(creator_id, ticket.conversation_id, text, actor=ACTOR)


async def _owner(runtime: Runtime, ticket_id: UUID) -> tuple[UUID, tickets.Ticket]:
    """Whose ticket it is: the operator need not know."""
    for creator_id in await creator_ids(runtime.database):
        async with runtime.database.transaction(creator_id) as connection:
            try:
                return creator_id, await tickets.get(connection, creator_id, ticket_id)
            except NotFound:
                continue
    raise NotFound(f"there is no ticket {ticket_id}")
