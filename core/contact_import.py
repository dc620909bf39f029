"""Import contacts from a file: batch by batch, each one transaction, so that it can stop anywhere.

A worker that goes on reads the file again and skips the lines that are counted as done.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import phonenumbers
import structlog

from core.accounts import Accounts
from core.audit import note
from core.channels import ChannelAdapter
from core.contact_rows import Reading, Refused, Row, Table, read_row, read_table
from core.jobs import enqueue
from shared.database import DatabaseManager, PgConnection
from shared.errors import InvalidInput, NotFound
from shared.failpoints import failpoint
from shared.models import imports
from shared.models.imports import Agreed, Person, Work
from shared.utils.clock import Clock
from shared.utils.ids import new_id

log = structlog.get_logger(__name__)

BATCH = 500
Line = tuple[int, list[str]]


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Some lines, read: the rows they are, and which were refused why."""

    lines: int
    rows: list[Row]
    refused: list[dict[str, Any]]


class ContactImports:
    """Takes files in, and works on them; many workers may, each file has one at a time."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        accounts: Accounts,
        channels: dict[str, ChannelAdapter],
        clock: Clock,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._channels = channels
        self._clock = clock

    async def add(self, creator_id: UUID, channel_id: UUID, data: bytes, *, actor: str) -> UUID:
        """Keep a file and queue the work on it.

        Raises InvalidInput for what is no table of contacts, NotFound for another's channel.
        """
        table = await asyncio.to_thread(read_table, data)
        record = await self._accounts.get(creator_id, channel_id)
        type_ = record.account.type
        if self._channels[type_].capabilities.delivery == "pull":
            raise InvalidInput(
                f"nobody can be written to first on a {type_} channel", code="channel_pulls"
            )
        async with self._database.transaction(creator_id) as connection:
            import_id = await imports.add(
                connection, creator_id, channel_id, data, len(table.rows), actor
            )
            await note(
                connection,
                creator_id,
                actor=actor,
                action="contacts.import_added",
                target=import_id,
                lines=len(table.rows),
                channel_id=str(channel_id),
            )
            await enqueue(connection, "import", creator_id, import_id)
        return import_id

    async def advance(self, creator_id: UUID, import_id: UUID) -> None:
        """Go on with an import until it is done, or until another worker has it."""
        async with self._database.transaction(creator_id) as connection:
            work = await imports.take(connection, creator_id, import_id)
        if work is None:
            return
        try:
            table = await asyncio.to_thread(read_table, work.data)
            how = await self._reading(creator_id, work)
        except (InvalidInput, NotFound) as error:
            await self._end(creator_id, work, getattr(error, "detail_code", None) or error.code)
            return
        try:
            await self._batches(creator_id, work, table, how)
        except asyncio.CancelledError:
            await asyncio.shield(self._release(creator_id, work))
            raise

    async def _reading(self, creator_id: UUID, work: Work) -> Reading:
        account = (await self._accounts.get(creator_id, work.channel_id)).account
        return Reading(
            channel_type=account.type,
            region=region_of(account.credential("from_number") or ""),
            now=max(work.created_at, self._clock.now()),
        )

    async def _batches(self, creator_id: UUID, work: Work, table: Table, how: Reading) -> None:
        for start in range(work.done, len(table.rows), BATCH):
            lines = table.rows[start : start + BATCH]
            batch = await asyncio.to_thread(_read, table.header, lines, how)
            if not await self._write(creator_id, work, start, batch):
                log.info("import.taken_over", import_id=str(work.id))
                return
            await failpoint("mid-import")
        await self._end(creator_id, work, None)

    async def _write(self, creator_id: UUID, work: Work, start: int, batch: _Batch) -> bool:
        """Write a batch with its count; False, and nothing, when another worker was faster."""
        people = _united(batch.rows)
        async with self._database.transaction(creator_id) as connection:
            if not await imports.stands_at(connection, creator_id, work.id, start):
                return False
            added = await _write_people(connection, creator_id, work, people)
            await imports.move(
                connection,
                creator_id,
                work.id,
                lines=batch.lines,
                added=added,
                updated=len(batch.rows) - added,
                refused=batch.refused,
            )
        return True

    async def _end(self, creator_id: UUID, work: Work, error_code: str | None) -> None:
        async with self._database.transaction(creator_id) as connection:
            await imports.end(connection, creator_id, work, error_code)
        log.info("import.ended", import_id=str(work.id), error_code=error_code)

    async def _release(self, creator_id: UUID, work: Work) -> None:
        async with self._database.transaction(creator_id) as connection:
            await imports.release(connection, creator_id, work)


def region_of(number: str) -> str | None:
    """The country that a number of ours is in: where numbers without a code belong too."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None


def _read(header: Sequence[str], lines: Sequence[Line], how: Reading) -> _Batch:
    rows: list[Row] = []
    refused: list[dict[str, Any]] = []
    for line, cells in lines:
        try:
            rows.append(read_row(header, line, cells, how))
        except Refused as reason:
            refused.append({"line": line, "reason": str(reason)})
    return _Batch(lines=len(lines), rows=rows, refused=refused)


def _united(rows: Sequence[Row]) -> list[Row]:
    """One row for each address: what a later line tells more is added to the first one's."""
    by_address: dict[str, Row] = {}
    for row in rows:
        first = by_address.get(row.address)
        by_address[row.address] = _joined(first, row) if first else row
    return list(by_address.values())


def _joined(first: Row, later: Row) -> Row:
    return replace(
        first,
        name=first.name or later.name,
        locale=first.locale or later.locale,
        timezone=first.timezone or later.timezone,
        tags=tuple(dict.fromkeys((*first.tags, *later.tags))),
        attributes={**first.attributes, **later.attributes},
        consents=(*first.consents, *later.consents),
    )


async def _write_people(
    connection: PgConnection, creator_id: UUID, work: Work, rows: Sequence[Row]
) -> int:
    """Add who is new, fill in who isn't, note what they agreed to; how many are new."""
    addresses = [row.address for row in rows]
    await imports.lock(connection, work.channel_id, addresses)
    known = await imports.known(connection, creator_id, work.channel_id, addresses)
    new = [_person(row, new_id()) for row in rows if row.address not in known]
    old = [_person(row, known[row.address]) for row in rows if row.address in known]
    await imports.add_people(connection, creator_id, work.channel_id, new)
    await imports.fill_people(connection, creator_id, old)
    contacts = known | {person.address: person.contact_id for person in new}
    said = [one for row in rows for one in _agreed(row, contacts[row.address], work.id)]
    await imports.agree(connection, creator_id, work.channel_id, said, work.actor)
    return len(new)


def _person(row: Row, contact_id: UUID) -> Person:
    return Person(
        contact_id=contact_id,
        address=row.address,
        name=row.name,
        locale=row.locale,
        timezone=row.timezone,
        tags=row.tags,
        attributes=row.attributes,
    )


def _agreed(row: Row, contact_id: UUID, import_id: UUID) -> Iterator[Agreed]:
    seen: set[str] = set()
    for consent in row.consents:
        evidence = {"import_id": str(import_id), **consent.evidence}
        for purpose in consent.purposes:
            if purpose not in seen:
                seen.add(purpose)
                yield Agreed(
                    contact_id=contact_id,
                    address=row.address,
                    purpose=purpose,
                    at=consent.at,
                    evidence=evidence,
                )
