"""Erase a contact: sever, blank in rooms, delete, and look whether anything is left.

Each step is one transaction with where it stands, so whoever is killed is gone on with, and each
may be done twice. What was severed is known to nobody: who writes again is a new contact.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from core.audit import note
from core.privacy import rooms
from core.privacy.inventory import BY_TABLE, HOLDINGS
from core.privacy.people import find_rooms, own_conversations, people_of
from core.privacy.severing import SHORTEST_NEEDLE, Severed, number, sever
from core.privacy.tables import count
from shared.cache import keys
from shared.cache.limits import RateLimiter
from shared.database import DatabaseManager, PgConnection
from shared.failpoints import failpoint
from shared.models import exports
from shared.models.exports import ErasureRow

PAGE = 500
_NIL = UUID(int=0)

Stage = Literal["sever", "find", "rooms", "messages", "rows", "verify"]

# Children before their parents, so that each table's rows are counted.
_IN_ORDER = (
    "ticket_notes",
    "tickets",
    "check_ins",
    "goals",
    "scheduled_sends",
    "enrolments",
    "bot_records",
    "link_codes",
    "contact_links",
    "contact_identities",
    "contact_export_files",
    "contact_exports",
    "reply_streams",
    "user_sessions",
    "ai_conversations",
    "contacts",
)
_DELETE_MESSAGES = """
WITH page AS (
  SELECT id, channel_id, external_id FROM app.messages
  WHERE creator_id = $1 AND conversation_id = $2 ORDER BY seq LIMIT $3
), attempts AS (
  SELECT a.channel_id, a.provider_id FROM app.send_attempts a JOIN page p
    ON a.creator_id = $1 AND a.message_id = p.id
), early AS (
  DELETE FROM app.early_receipts r USING attempts a
  WHERE r.creator_id = $1 AND r.channel_id = a.channel_id AND r.provider_id = a.provider_id
  RETURNING 1
), unheard AS (
  DELETE FROM app.accepted_events e USING page p
  WHERE e.creator_id = $1 AND e.channel_id = p.channel_id AND e.external_id = p.external_id
    AND (e.accepted_at < now() - interval '48 hours'
         OR EXISTS (SELECT FROM unnest($4::text[]) AS n (needle)
                    WHERE strpos(e.external_id, needle) > 0)) RETURNING 1
), half_heard AS (
  -- What a platform may still send again must not be taken for something new.
  UPDATE app.accepted_events e SET message_id = NULL, digest = NULL FROM page p
  WHERE e.creator_id = $1 AND e.channel_id = p.channel_id AND e.external_id = p.external_id
    AND e.accepted_at >= now() - interval '48 hours'
    AND NOT EXISTS (SELECT FROM unnest($4::text[]) AS n (needle)
                    WHERE strpos(e.external_id, needle) > 0)
), gone AS (
  DELETE FROM app.messages m USING page p WHERE m.creator_id = $1 AND m.id = p.id RETURNING 1
)
SELECT (SELECT count(*) FROM gone) AS messages, (SELECT count(*) FROM attempts) AS send_attempts,
       (SELECT count(*) FROM early) AS early_receipts,
       (SELECT count(*) FROM unheard) AS accepted_events
"""
_UNNAME_CONSENT = """
UPDATE app.consent_events
SET contact_id = NULL, actor = CASE WHEN actor LIKE 'contact:%' THEN 'contact' ELSE actor END
WHERE creator_id = $1 AND contact_id = ANY ($2::uuid[])
"""
# Where an id or an address may hide in a text, beside the inventory's own columns.
_TRACES: dict[str, str] = {
    "user_sessions": "t.state::text",
    "bot_records": "t.key || ' ' || t.value::text",
    "contact_links": "t.set_aside::text",
    "ai_conversations": "t.key || ' ' || t.address::text",
    "contact_identities": "t.address",
}


@dataclass(kw_only=True)
class Progress:
    """Where an erasure stands, and what is looked for until it is through."""

    stage: Stage = "sever"
    people: list[str] = field(default_factory=list)
    severed: dict[str, Any] = field(default_factory=dict)
    room: str | None = None
    rooms: list[str] = field(default_factory=list)
    seq: int = 0
    failures: int = 0


@dataclass(kw_only=True)
class Work:
    """One step's transaction."""

    db: PgConnection
    creator_id: UUID
    row: ErasureRow
    progress: Progress

    @property
    def people(self) -> list[UUID]:
        return [UUID(one) for one in self.progress.people]

    @property
    def known(self) -> Severed:
        return Severed(**self.progress.severed)

    def add(self, table: str, rows: int) -> None:
        if rows:
            self.row.counts[table] = self.row.counts.get(table, 0) + rows


class Erasing:
    def __init__(self, database: DatabaseManager, limiter: RateLimiter) -> None:
        self._database = database
        self._limiter = limiter

    async def run(self, creator_id: UUID, erasure_id: UUID) -> None:
        """Go on with an erasure until it is done; at once when another worker has it."""
        await failpoint("before-erase")
        await self._forget_cached(creator_id, erasure_id)
        while await self._step(creator_id, erasure_id):
            await failpoint("mid-erase")
            await self._forget_cached(creator_id, erasure_id)

    async def _forget_cached(self, creator_id: UUID, erasure_id: UUID) -> None:
        """Before the last look, however often: Redis is asked while no connection is held."""
        async with self._database.transaction(creator_id) as db:
            row = await exports.get_erasure(db, creator_id, erasure_id)
        if row is not None and row.progress.get("stage") == "verify":
            await self._limiter.forget(_cached(creator_id, Progress(**row.progress)))

    async def _step(self, creator_id: UUID, erasure_id: UUID) -> bool:
        """One stage or a page of it; whether there is more to do."""
        async with self._database.transaction(creator_id) as db:
            row = await exports.take_erasure(db, creator_id, erasure_id)
            if row is None:
                return False
            work = Work(db=db, creator_id=creator_id, row=row, progress=Progress(**row.progress))
            await _STEPS[work.progress.stage](work)
            if work.row.state not in ("done", "failed"):
                work.row = replace(work.row, state="running", progress=asdict(work.progress))
            await exports.save_erasure(db, creator_id, work.row)
        return work.row.state == "running"


async def _sever(work: Work) -> None:
    progress = work.progress
    people = await people_of(work.db, work.creator_id, work.row.contact_id)
    progress.people = [str(one) for one in people or [work.row.contact_id]]
    severed, counts = await sever(work.db, work.creator_id, work.people)
    progress.severed = asdict(severed)
    for table, rows in counts.items():
        work.add(table, rows)
    progress.stage = "find"


async def _find(work: Work) -> None:
    """Look for rooms that hold something, some at a time."""
    progress = work.progress
    after = UUID(progress.room) if progress.room else _NIL
    found = await find_rooms(work.db, work.creator_id, work.people, after, work.known.needles)
    progress.rooms += [str(one) for one in found.ids]
    progress.room = str(found.after) if found.after else None
    if found.after is None:
        progress.stage = "rooms"


async def _rooms(work: Work) -> None:
    """A page of one room."""
    progress = work.progress
    if not progress.rooms:
        progress.stage = "messages"
        return
    room, where = UUID(progress.rooms[0]), (work.db, work.creator_id)
    blanked, after = await rooms.blank(*where, room, work.people, work.known, after=progress.seq)
    work.add("messages_blanked", blanked)
    progress.seq = after or 0
    if after is None:
        words = [*progress.people, *work.known.needles]
        await rooms.hand_over(*where, room, work.people, words)
        progress.rooms = progress.rooms[1:]


async def _messages(work: Work) -> None:
    """A page of messages that only this person read."""
    for conversation_id in await own_conversations(work.db, work.creator_id, work.people):
        row = await work.db.fetchrow(
            _DELETE_MESSAGES, work.creator_id, conversation_id, PAGE, work.known.addresses
        )
        assert row is not None  # noqa: S101 - counts give one row
        for table, rows in row.items():
            work.add(table, rows)
        if row["messages"] == PAGE:
            return
    work.progress.stage = "rows"


async def _rows(work: Work) -> None:
    """All that is left of the inventory, table by table, the contact last."""
    for table in _IN_ORDER:
        sql = f"DELETE FROM app.{table} t WHERE t.creator_id = $1 AND ({BY_TABLE[table].where})"  # noqa: S608 - names and conditions are the inventory's
        work.add(table, number(await work.db.execute(sql, work.creator_id, work.people)))
    for table in ("bot_records", "user_sessions"):
        # What somebody else put last, or a room's open form.
        sql = f"DELETE FROM app.{table} t WHERE t.creator_id = $1 AND {_named(_TRACES[table])}"  # noqa: S608
        work.add(table, number(await work.db.execute(sql, work.creator_id, _words(work))))
    unnamed = await work.db.execute(_UNNAME_CONSENT, work.creator_id, work.people)
    work.add("consent_events_unnamed", number(unnamed))
    work.progress.stage = "verify"


async def _verify(work: Work) -> None:
    """Done when nothing of the inventory is left, nor an id or address where one may hide."""
    left: dict[str, int] = {}
    for holding in HOLDINGS:
        if holding.fate == "deleted" and not holding.by_message:
            found = await count(work.db, work.creator_id, holding, work.people)
            left |= {holding.table: found} if found else {}
    for table, text in _TRACES.items():
        found = await work.db.fetchval(
            f"SELECT count(*) FROM app.{table} t WHERE t.creator_id = $1 AND {_named(text)}",  # noqa: S608
            work.creator_id,
            _words(work),
        )
        left |= {f"{table} (text)": found} if found else {}
    work.row.counts["left"] = left
    state: Literal["done", "failed"] = "failed" if left else "done"
    work.row = replace(
        work.row, state=state, progress={}, error_code="erasure_incomplete" if left else None
    )
    await note(
        work.db,
        work.creator_id,
        actor=work.row.actor,
        action="contact.erased" if not left else "contact.erasure_failed",
        target=work.row.contact_id,
        erasure_id=str(work.row.id),
    )


def _named(text: str) -> str:
    """The condition that a text holds one of the words $2."""
    return f"EXISTS (SELECT FROM unnest($2::text[]) AS n (needle) WHERE strpos({text}, needle) > 0)"


def _words(work: Work) -> list[str]:
    """Ids, and addresses that are long enough to mean nobody else."""
    long_enough = (a for a in work.known.addresses if len(a) >= SHORTEST_NEEDLE)
    return [*work.progress.people, *long_enough]


def _cached(creator_id: UUID, progress: Progress) -> list[str]:
    """Keys in Redis that name the person; they would end by themselves within minutes."""
    known = Severed(**progress.severed)
    return [
        *(keys.rate(creator_id, f"visitor:{address}") for address in known.addresses),
        *(keys.rate(creator_id, f"link:{one}") for one in progress.people),
        *(keys.pace(creator_id, UUID(channel), "chat", *place) for channel, *place in known.places),
    ]


_STEPS: dict[Stage, Callable[[Work], Awaitable[None]]] = {
    "sever": _sever,
    "find": _find,
    "rooms": _rooms,
    "messages": _messages,
    "rows": _rows,
    "verify": _verify,
}
