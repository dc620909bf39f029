"""A creator with contacts in a program, on a real database and at a fixed moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.programs import enrolling
from core.programs.definition import Program
from core.programs.keeping import Programs
from core.programs.publishing import Published, Publishing
from core.programs.reading import to_program
from shared.database import DatabaseManager
from shared.utils.ids import new_id

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
SENDS = """
SELECT step_key, occurrence, state, skip_reason, generation, due_at, planned_at, contact_id
FROM app.scheduled_sends
WHERE creator_id = $1 AND source_kind = 'step' ORDER BY step_key, due_at, id
"""


def step(key: str, **fields: Any) -> dict[str, Any]:
    """A step that says its key, a day after the one before, at nine."""
    when = {"offset": {"n": 1, "unit": "days"}, "at": "09:00"}
    return {"key": key, "content": {"en": {"text": key}}, "when": when, **fields}


def daily(key: str, at: str = "09:00", **fields: Any) -> dict[str, Any]:
    when = {"anchor": "enrolment", "at": at, "rrule": "FREQ=DAILY"}
    return step(key, when=when, **fields)


def program(*steps: dict[str, Any], slug: str = "fit", **fields: Any) -> Program:
    return to_program({"slug": slug, "name": slug.title(), "steps": list(steps), **fields})


@dataclass(kw_only=True)
class Coach:
    """A creator at work."""

    database: DatabaseManager
    id: UUID

    @property
    def programs(self) -> Programs:
        return Programs(self.database)

    @property
    def publishing(self) -> Publishing:
        return Publishing(self.database)

    async def meets(
        self, name: str = "Ada", *, timezone: str | None = None, **attributes: Any
    ) -> UUID:
        contact_id = new_id()
        async with self.database.transaction(self.id) as db:
            await db.execute(
                "INSERT INTO app.contacts (creator_id, id, name, timezone, attributes)"
                " VALUES ($1, $2, $3, $4, $5)",
                self.id,
                contact_id,
                name,
                timezone,
                attributes,
            )
        return contact_id

    async def runs(self, declared: Program, now: datetime = NOW) -> UUID:
        """Save a program and publish it."""
        row = (await self.programs.put(self.id, declared, actor="tests")).row
        await self.publishing.publish(self.id, row.id, actor="tests", now=now)
        return row.id

    async def edits(self, declared: Program, now: datetime = NOW) -> Published:
        row = (await self.programs.put(self.id, declared, actor="tests")).row
        return await self.publishing.publish(self.id, row.id, actor="tests", now=now)

    async def enrols(self, program_id: UUID, contacts: Sequence[UUID], now: datetime = NOW) -> int:
        async with self.database.transaction(self.id) as db:
            return await enrolling.enrol(db, self.id, program_id, contacts, actor="tests", now=now)

    async def handles(self, step_key: str, state: str = "sent") -> None:
        """What waits of a step was sent, or otherwise handled; nothing follows yet."""
        async with self.database.transaction(self.id) as db:
            await db.execute(
                "UPDATE app.scheduled_sends SET state = $3, settled_at = due_at"
                " WHERE creator_id = $1 AND step_key = $2 AND state = 'waiting'",
                self.id,
                step_key,
                state,
            )

    async def sends(self, state: str | None = None) -> list[tuple[str, str, str]]:
        """(step, slot, state) of what was ever planned."""
        found = [(r["step_key"], r["occurrence"], r["state"]) for r in await self.rows(SENDS)]
        return [send for send in found if state in (None, send[2])]

    async def rows(self, sql: str, *arguments: Any) -> list[Any]:
        async with self.database.transaction(self.id) as db:
            return list(await db.fetch(sql, self.id, *arguments))

    async def audit(self, action: str) -> list[dict[str, Any]]:
        sql = "SELECT detail FROM app.audit_log WHERE creator_id = $1 AND action = $2 ORDER BY id"
        return [row["detail"] for row in await self.rows(sql, action)]
