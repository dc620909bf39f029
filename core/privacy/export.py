"""Export a contact: everything as one JSON file, each table as CSV, digests to prove it.

A step reads one page and writes its parts with where it stands, in one transaction: whoever is
killed leaves a whole export so far, and never needs more memory than a page.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import orjson

from core.privacy.files import csv_line, csv_lines, json_rows
from core.privacy.inventory import BY_TABLE, OF_CONTACT, OF_MESSAGE, Holding
from core.privacy.people import find_rooms, own_conversations, people_of
from core.privacy.tables import columns_of, read_messages, read_page
from shared.database import DatabaseManager, PgConnection
from shared.failpoints import failpoint
from shared.models import exports
from shared.models.exports import ExportRow
from shared.utils.clock import utc_now

KEPT = timedelta(days=7)
EVERYTHING = "contact.json"
FORMAT = 1
MESSAGES = BY_TABLE["messages"]
_NIL = UUID(int=0)

Stage = Literal["tables", "rooms", "messages", "seal"]


@dataclass(kw_only=True)
class Progress:
    """Where an export stands."""

    stage: Stage = "tables"
    table: int = 0
    after: list[str] | None = None  # the last row of that table
    room: str | None = None  # the last room looked through
    conversations: list[str] = field(default_factory=list)
    own: int = 0  # how many of them, the first ones, are the person's alone
    conversation: int = 0
    seq: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    sealed: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0


@dataclass(kw_only=True)
class Work:
    """One step's transaction."""

    db: PgConnection
    creator_id: UUID
    row: ExportRow
    progress: Progress
    people: list[UUID]

    async def put(self, name: str, data: bytes) -> None:
        """Append to a file."""
        if not data:
            return
        part = self.progress.parts.get(name, 0)
        await exports.put_part(self.db, self.creator_id, self.row.id, name, part, data)
        self.progress.parts[name] = part + 1

    async def put_rows(self, holding: Holding, rows: Sequence[dict[str, Any]]) -> None:
        """Append to a table's CSV; the names of its columns come first."""
        name = f"{holding.table}.csv"
        columns = await columns_of(self.db, holding)
        data = csv_lines([[row[column] for column in columns] for row in rows])
        if name not in self.progress.parts:
            data = csv_line(columns) + data
        await self.put(name, data)
        self.progress.rows[holding.table] = self.progress.rows.get(holding.table, 0) + len(rows)

    def listed(self, table: str, rows: Sequence[dict[str, Any]], *, is_last: bool) -> bytes:
        """The next entries of a table's list in the JSON file. Before `put_rows` of the same."""
        first = table not in self.progress.rows
        comma = b"" if self.progress.rows.get(table, 0) == 0 or not rows else b",\n"
        head = b',\n"%s": [\n' % table.encode() if first else b""
        tail = b"\n]" if is_last else b""
        return head + comma + b",\n".join(json_rows(rows)) + tail


async def run(database: DatabaseManager, creator_id: UUID, export_id: UUID) -> None:
    """Go on with an export until it is done; at once when another worker has it."""
    while await _step(database, creator_id, export_id):
        await failpoint("mid-export")


async def _step(database: DatabaseManager, creator_id: UUID, export_id: UUID) -> bool:
    """One page; whether there is more to do."""
    async with database.transaction(creator_id) as db:
        row = await exports.take_export(db, creator_id, export_id)
        if row is None:
            return False
        work = Work(
            db=db,
            creator_id=creator_id,
            row=row,
            progress=Progress(**row.progress),
            people=await people_of(db, creator_id, row.contact_id),
        )
        if row.state == "waiting":
            await _begin(work)
        is_done = await _STEPS[work.progress.stage](work)
        row = _done(work) if is_done else replace(work.row, state="running")
        await exports.save_export(db, creator_id, replace(row, progress=asdict(work.progress)))
    return not is_done


def _done(work: Work) -> ExportRow:
    finished_at = utc_now()
    manifest = {
        "format": FORMAT,
        "contact_id": str(work.row.contact_id),
        "contacts": [str(one) for one in work.people],
        "begun_at": work.row.created_at.isoformat(),
        "finished_at": finished_at.isoformat(),
        "rows": work.progress.rows,
        "files": work.progress.sealed,
    }
    return replace(work.row, state="done", manifest=manifest, expires_at=finished_at + KEPT)


async def _begin(work: Work) -> None:
    about = {
        "format": FORMAT,
        "contact_id": str(work.row.contact_id),
        "contacts": [str(one) for one in work.people],
        "exported_at": utc_now().isoformat(),
    }
    # The object stays open; its last brace comes with the last table.
    await work.put(EVERYTHING, orjson.dumps(about)[:-1])


async def _tables(work: Work) -> bool:
    """One page of one table."""
    progress, holding = work.progress, OF_CONTACT[work.progress.table]
    page = await read_page(work.db, work.creator_id, holding, work.people, progress.after)
    listed = work.listed(holding.table, page.rows, is_last=page.after is None)
    await work.put(EVERYTHING, listed)
    await work.put_rows(holding, page.rows)
    progress.after = page.after
    if page.after is None:
        progress.table += 1
        if progress.table == len(OF_CONTACT):
            progress.stage = "rooms"
    return False


async def _rooms(work: Work) -> bool:
    """Find the conversations that hold something: the person's own, then rooms, some at a time."""
    progress = work.progress
    if progress.room is None:
        own = await own_conversations(work.db, work.creator_id, work.people)
        progress.conversations, progress.own = [str(one) for one in own], len(own)
    after = UUID(progress.room) if progress.room else _NIL
    found = await find_rooms(work.db, work.creator_id, work.people, after, [])
    progress.conversations += [str(one) for one in found.ids]
    progress.room = str(found.after) if found.after else None
    if found.after is None:
        progress.stage = "messages"
    return False


async def _messages(work: Work) -> bool:
    """One page of one conversation, with what hangs on its messages."""
    progress = work.progress
    rows: list[dict[str, Any]] = []
    if progress.conversation < len(progress.conversations):
        page = await read_messages(
            work.db,
            work.creator_id,
            work.people,
            UUID(progress.conversations[progress.conversation]),
            after=progress.seq,
            whole=progress.conversation < progress.own,
            holding=MESSAGES,
        )
        rows = page.rows
        progress.seq = page.after or 0
        progress.conversation += page.after is None
    is_last = progress.conversation >= len(progress.conversations)
    hanging = await _hanging(work, [row["id"] for row in rows])
    whole = [
        row | {table: kept.get(row["id"], []) for table, kept in hanging.items()} for row in rows
    ]
    listed = work.listed("messages", whole, is_last=is_last)
    await work.put(EVERYTHING, listed + (b"\n}\n" if is_last else b""))
    await work.put_rows(MESSAGES, rows)
    if is_last:
        progress.stage = "seal"
    return False


async def _hanging(
    work: Work, message_ids: list[UUID]
) -> dict[str, dict[UUID, list[dict[str, Any]]]]:
    """By table and message, what hangs on messages; written to its CSV on the way."""
    found: dict[str, dict[UUID, list[dict[str, Any]]]] = {}
    by_provider: dict[str, UUID] = {}
    for holding in OF_MESSAGE:
        rows = await _all(work, holding, message_ids)
        await work.put_rows(holding, rows)
        by_message = found.setdefault(holding.table, {})
        for row in rows:
            message_id = row.get("message_id") or by_provider.get(row.get("provider_id", ""))
            if message_id is not None:
                by_message.setdefault(message_id, []).append(row)
            if holding.table == "send_attempts" and row["provider_id"]:
                by_provider[row["provider_id"]] = row["message_id"]
    return found


async def _all(work: Work, holding: Holding, message_ids: list[UUID]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after: list[str] | None = None
    while message_ids:
        page = await read_page(work.db, work.creator_id, holding, message_ids, after)
        rows += page.rows
        after = page.after
        if after is None:
            break
    return rows


async def _seal(work: Work) -> bool:
    """Name, rows, bytes and digest of one file, from its stored parts."""
    progress = work.progress
    name = sorted(progress.parts)[len(progress.sealed)]
    digest, size, part = hashlib.sha256(), 0, -1
    while found := await exports.next_part(work.db, work.creator_id, work.row.id, name, part):
        part, data = found
        digest.update(data)
        size += len(data)
    rows = sum(progress.rows.values()) if name == EVERYTHING else progress.rows[name[:-4]]
    entry = {"name": name, "rows": rows, "bytes": size, "sha256": digest.hexdigest()}
    progress.sealed.append(entry)
    return len(progress.sealed) == len(progress.parts)


_STEPS = {"tables": _tables, "rooms": _rooms, "messages": _messages, "seal": _seal}
