"""A person with a row in every table that can hold one, and a look for what is left of them."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from core.channels import Account, Address, MessageEvent, Sender
from core.consent import scope_of
from core.inbox import Accepted
from core.runtime import Runtime
from shared.models.consents import Person, Said, agree, refuse
from shared.utils.clock import utc_now
from shared.utils.ids import new_id

_TEXTS = """
SELECT c.relname::text AS table, a.attname::text AS column
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0
  AND NOT a.attisdropped AND a.atttypid IN ('text'::regtype, 'jsonb'::regtype, 'text[]'::regtype,
    'uuid'::regtype, 'bytea'::regtype)
"""
# (table, columns and values): what a life leaves behind, beside what is said.
_ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("link_codes", {"digest": b"code", "expires_at": "now"}),
    ("goals", {"id": "goal", "title": "Walk like CANARY"}),
    (
        "check_ins",
        {
            "id": "id",
            "subject": "goal:1",
            "local_day": "day",
            "kind": "text",
            "value": {"said": "CANARY"},
            "source": "words",
            "at": "now",
        },
    ),
    (
        "bot_records",
        {"bot": "standup", "topic": "team", "key": "CANARY-key", "value": {"did": "CANARY"}},
    ),
    (
        "scheduled_sends",
        {
            "id": "id",
            "source_kind": "silence",
            "source_id": "contact",
            "class": "nudge",
            "planned_at": "now",
            "due_at": "now",
        },
    ),
)


@dataclass(kw_only=True)
class Life:
    """What a person left, and the words by which they would be found."""

    runtime: Runtime
    account: Account
    canary: str
    address: str
    contact_id: UUID = field(default_factory=new_id)
    conversation_id: UUID = field(default_factory=new_id)

    @property
    def creator_id(self) -> UUID:
        return self.account.creator_id

    async def says(self, text: str, *, room: str | None = None) -> Accepted:
        place = Address(chat=room or self.address, person=self.address)
        event = MessageEvent(
            creator_id=self.creator_id,
            channel_id=self.account.channel_id,
            external_id=uuid4().hex,
            occurred_at=utc_now(),
            address=place,
            sender=Sender(address=self.address, name=self.canary, username=f"u-{self.canary}"),
            text=text,
        )
        return await self.runtime.inbox.accept(event, conversation_key=room or self.address)

    async def run(self, sql: str, *arguments: Any) -> list[Any]:
        """Rows as the creator sees them; $1 is its id."""
        async with self.runtime.database.transaction(self.creator_id) as db:
            return list(await db.fetch(sql, self.creator_id, *arguments))

    async def insert(self, table: str, **values: Any) -> None:
        columns = {"creator_id": self.creator_id, **values}
        places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
        async with self.runtime.database.transaction(self.creator_id) as db:
            await db.execute(
                f"INSERT INTO app.{table} ({', '.join(columns)}) VALUES ({places})",  # noqa: S608
                *columns.values(),
            )

    async def replied(self, to: Accepted, text: str, **columns: Any) -> UUID:
        """What the bot answered, sent already."""
        message_id = new_id()
        values = {
            "id": message_id,
            "conversation_id": to.conversation_id,
            "channel_id": self.account.channel_id,
            "contact_id": to.contact_id,
            "seq": to.seq + 1000,
            "direction": "out",
            "kind": "message",
            "author": "bot",
            "text": text,
            "status": "sent",
            "in_reply_to": to.message_id,
        }
        await self.insert("messages", **(values | columns))
        return message_id


async def lead_life(runtime: Runtime, account: Account, canary: str, address: str) -> Life:
    """Somebody who wrote, was answered, set goals, agreed, refused and asked for a person."""
    life = Life(runtime=runtime, account=account, canary=canary, address=address)
    first = await life.says(f"I am {canary}, and this is my secret")
    life.contact_id, life.conversation_id = first.contact_id, first.conversation_id
    await life.says('=HYPERLINK("http://evil")\r\nand a second line')
    answer = await life.replied(first, f"Hello {canary}!")
    await life.insert(
        "send_attempts",
        id=new_id(),
        channel_id=account.channel_id,
        message_id=answer,
        part=0,
        provider_id=f"p-{canary}",
        outcome="sent",
    )
    await life.insert(
        "early_receipts",
        channel_id=account.channel_id,
        provider_id=f"p-{canary}",
        state="read",
    )
    await life.insert("reply_streams", message_id=new_id(), conversation_id=life.conversation_id)
    await life.insert("user_sessions", conversation_id=life.conversation_id, state={"form": canary})
    await _rows(life)
    await _program(life)
    await _ticket(life, first.message_id)
    await _wishes(life)
    await life.run(
        "UPDATE app.contacts SET memory = $3, attributes = $4, tags = $5"
        " WHERE creator_id = $1 AND id = $2",
        life.contact_id,
        {"goals": [canary]},
        {"born": canary},
        [canary],
    )
    return life


async def _rows(life: Life) -> None:
    stand_ins = {
        "id": new_id(),
        "goal": new_id(),
        "contact": life.contact_id,
        "now": utc_now(),
        "day": utc_now().date(),
    }
    for table, columns in _ROWS:
        values = {
            name: (
                stand_ins.get(value, _named(value, life.canary))
                if isinstance(value, str)
                else _named(value, life.canary)
            )
            for name, value in columns.items()
        }
        await life.insert(table, contact_id=life.contact_id, **values)


def _named(value: Any, canary: str) -> Any:
    if isinstance(value, str):
        return value.replace("CANARY", canary)
    if isinstance(value, dict):
        return {key: _named(one, canary) for key, one in value.items()}
    return value + canary.encode() if isinstance(value, bytes) else value


async def _program(life: Life) -> None:
    program_id = new_id()
    slug = f"p-{life.canary.lower()}"[:60]
    await life.insert("coaching_programs", id=program_id, slug=slug, name="Walking")
    await life.insert(
        "enrolments",
        id=new_id(),
        program_id=program_id,
        contact_id=life.contact_id,
        started_at=utc_now(),
        actor="test",
        answers={"why": life.canary},
    )


async def _ticket(life: Life, message_id: UUID) -> None:
    ticket_id = new_id()
    await life.insert(
        "tickets",
        id=ticket_id,
        conversation_id=life.conversation_id,
        contact_id=life.contact_id,
        reason="asked",
        detail=life.canary,
        opened_at=utc_now(),
        message_id=message_id,
    )
    await life.insert(
        "ticket_notes",
        id=new_id(),
        ticket_id=ticket_id,
        actor="coach",
        text=f"{life.canary} needs time",
        at=utc_now(),
    )


async def _wishes(life: Life) -> None:
    person = Person(
        creator_id=life.creator_id,
        scope=scope_of(life.account.type, "coach"),
        address=life.address,
        contact_id=life.contact_id,
        channel_id=life.account.channel_id,
    )
    said = Said(source="word", actor=f"contact:{life.contact_id}", at=utc_now())
    async with life.runtime.database.transaction(life.creator_id) as db:
        await agree(db, person, ["broadcast"], said)
        await refuse(db, person, ["*"], said)


async def traces(url: str, words: list[str]) -> dict[str, int]:
    """By table and column, how many rows of anybody hold one of the words; seen as superuser."""
    admin = await asyncpg.connect(url)
    found: dict[str, int] = {}
    try:
        for row in await admin.fetch(_TEXTS):
            number = await admin.fetchval(
                f'SELECT count(*) FROM app."{row["table"]}" t WHERE EXISTS ('  # noqa: S608
                " SELECT FROM unnest($1::text[]) AS n (needle)"
                f' WHERE strpos(t."{row["column"]}"::text, needle) > 0'
                f'  OR strpos(t."{row["column"]}"::text, encode(needle::bytea, \'hex\')) > 0)',
                words,
            )
            if number:
                found[f"{row['table']}.{row['column']}"] = number
    finally:
        await admin.close()
    return found
