"""Rows of the inventory's tables, page by page in a fixed order, for as long as it takes."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from core.privacy.inventory import Holding
from shared.database import PgConnection

PAGE = 200

# Own words, what was answered to them, and in a room nothing that others caused. A post in a room
# belongs to whoever's message it came from.
_MESSAGES = """
SELECT m.* FROM app.messages m
WHERE m.creator_id = $1 AND m.conversation_id = $3 AND m.seq > $4
  AND ($5 OR CASE m.kind WHEN 'post' THEN EXISTS (
    SELECT FROM app.messages o WHERE o.creator_id = $1 AND o.id = m.in_reply_to
      AND o.contact_id = ANY ($2::uuid[]))
    ELSE m.contact_id = ANY ($2::uuid[]) END)
ORDER BY m.seq LIMIT $6
"""


class Page(NamedTuple):
    """Rows as exported; `after` names the last one, None: there are no more."""

    rows: list[dict[str, Any]]
    after: list[str] | None


class MessagePage(NamedTuple):
    rows: list[dict[str, Any]]
    after: int | None


async def columns_of(db: PgConnection, holding: Holding) -> list[str]:
    """Names of the exported columns, in the table's order."""
    rows = await db.fetch(
        "SELECT attname::text AS name FROM pg_attribute WHERE attrelid = ('app.' || $1)::regclass"
        " AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        holding.table,
    )
    hidden = {"creator_id", *holding.withheld}
    return [row["name"] for row in rows if row["name"] not in hidden]


def _page_sql(holding: Holding, is_first: bool) -> str:
    names = ", ".join(expression for expression, _ in holding.order)
    keys = ", ".join(f"({expression})::text" for expression, _ in holding.order)
    places = ", ".join(
        f"${number}::text::{type_}" for number, (_, type_) in enumerate(holding.order, start=4)
    )
    later = "" if is_first else f"AND ({names}) > ({places})"
    return (
        f"SELECT t.*, ARRAY[{keys}] AS sorted_by FROM app.{holding.table} t"  # noqa: S608 - ours
        f" WHERE t.creator_id = $1 AND ({holding.where}) {later} ORDER BY {names} LIMIT $3"
    )


async def read_page(
    db: PgConnection,
    creator_id: UUID,
    holding: Holding,
    ids: Sequence[UUID],
    after: list[str] | None,
    limit: int = PAGE,
) -> Page:
    """The next rows of contacts, or of messages where the holding hangs on those."""
    rows = await db.fetch(
        _page_sql(holding, after is None), creator_id, list(ids), limit, *(after or ())
    )
    last = rows[-1]["sorted_by"] if len(rows) == limit else None
    return Page([_exported(dict(row), holding) for row in rows], last)


async def read_messages(
    db: PgConnection,
    creator_id: UUID,
    people: list[UUID],
    conversation_id: UUID,
    *,
    after: int,
    whole: bool,
    holding: Holding,
) -> MessagePage:
    """The next messages of a conversation; of a room, only what this person's are."""
    rows = await db.fetch(_MESSAGES, creator_id, people, conversation_id, after, whole, PAGE)
    last = rows[-1]["seq"] if len(rows) == PAGE else None
    return MessagePage([_exported(dict(row), holding) for row in rows], last)


async def count(db: PgConnection, creator_id: UUID, holding: Holding, ids: Sequence[UUID]) -> int:
    sql = f"SELECT count(*) FROM app.{holding.table} t WHERE t.creator_id = $1"  # noqa: S608
    found: int = await db.fetchval(f"{sql} AND ({holding.where})", creator_id, list(ids))
    return found


def _exported(row: dict[str, Any], holding: Holding) -> dict[str, Any]:
    hidden = {"creator_id", "sorted_by", *holding.withheld}
    return {name: value for name, value in row.items() if name not in hidden}
