"""Many contacts at once, each with a conversation of their own and what they agreed to."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.models.consents import HASH_SQL

_CONTACTS = """
INSERT INTO app.contacts (creator_id, id, name, locale)
SELECT $1, gen_random_uuid(), 'Person ' || n, $3 FROM generate_series($4::int, $4 + $2 - 1) n
RETURNING id
"""
_IDENTITIES = """
INSERT INTO app.contact_identities (creator_id, id, contact_id, channel_id, address)
SELECT $1, gen_random_uuid(), p.id, $2, ($4::bigint + p.n)::text
FROM unnest($3::uuid[]) WITH ORDINALITY p (id, n)
"""
_CONVERSATIONS = """
INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key, address)
SELECT i.creator_id, gen_random_uuid(), i.channel_id, i.contact_id, i.address,
       jsonb_build_object('chat', i.address, 'person', i.address)
FROM app.contact_identities i
WHERE i.creator_id = $1 AND i.channel_id = $2 AND i.contact_id = ANY ($3)
"""
_CONSENTS = f"""
INSERT INTO app.consents (creator_id, scope, address_hash, purpose, event_id, at)
SELECT $1, c.type || '/' || c.bot, {HASH_SQL}, u.purpose, gen_random_uuid(), now()
FROM app.contact_identities i JOIN app.channels c ON c.creator_id = $1 AND c.id = i.channel_id
CROSS JOIN unnest($4::text[]) u (purpose)
WHERE i.creator_id = $1 AND i.channel_id = $2 AND i.contact_id = ANY ($3)
"""  # noqa: S608


async def add_crowd(
    connection: Any,
    creator_id: UUID,
    channel_id: UUID,
    count: int,
    *,
    first: int = 1000,
    locale: str | None = None,
    agreed: Sequence[str] = ("broadcast",),
) -> list[UUID]:
    """Contacts whose addresses are numbers from `first` + 1 on, in order."""
    rows = await connection.fetch(_CONTACTS, creator_id, count, locale, first)
    ids = [row["id"] for row in rows]
    await connection.execute(_IDENTITIES, creator_id, channel_id, ids, first)
    await connection.execute(_CONVERSATIONS, creator_id, channel_id, ids)
    await connection.execute(_CONSENTS, creator_id, channel_id, ids, list(agreed))
    return ids
