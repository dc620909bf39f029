"""Write what a turn says in other places of its channel, in the turn's own transaction.

A place has a conversation of its own, `post:<space>/<chat>/<thread>`: what is posted there keeps
its order, and a room that takes nothing holds up nobody's answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from core.bots import Place, Post
from core.jobs import enqueue
from shared.database import PgConnection, Record
from shared.utils.ids import derived_id, new_id
from shared.utils.text import clean_text

log = structlog.get_logger(__name__)

_CONVERSATION = """
INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key, address, last_seq,
                                  outbound_due_at, outbound_hinted_at)
SELECT $1, $2, $3, coalesce(i.contact_id, $4), $5, $6, $7, now(), now()
FROM (VALUES (1)) AS one LEFT JOIN app.contact_identities i
  ON i.creator_id = $1 AND i.channel_id = $3 AND i.address = $8
ON CONFLICT (creator_id, channel_id, key) DO UPDATE
SET last_seq = ai_conversations.last_seq + $7, last_message_at = now(),
    outbound_due_at = coalesce(ai_conversations.outbound_due_at, now()), outbound_hinted_at = now()
RETURNING id, contact_id, last_seq
"""
# Whoever opted out of what we start by ourselves is not written to; the row says why.
_WRITE = """
WITH refused AS (
  SELECT FROM app.contact_identities
  WHERE creator_id = $1 AND channel_id = $3 AND address = $10 AND opted_out_at IS NOT NULL
)
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
  kind, author, text, payload, status, error_code, in_reply_to, idempotency_key,
  sent_at)
SELECT $1, p.id, $2, $3, $4, $5::bigint + p.ordinal, 'out', 'post', 'bot', p.text, p.payload,
       CASE WHEN EXISTS (SELECT FROM refused) THEN 'canceled' ELSE $11::text END,
       CASE WHEN EXISTS (SELECT FROM refused) THEN 'recipient_opted_out' END,
       $6::uuid, $6::uuid || ':' || p.id, CASE WHEN $11 = 'sent' THEN now() END
FROM unnest($7::uuid[], $8::text[], $9::jsonb[]) WITH ORDINALITY AS p (id, text, payload, ordinal)
"""

# A page that fetches its messages reads the conversation it already has, or nothing.
_PAGE = """
UPDATE app.ai_conversations SET last_seq = last_seq + $4, last_message_at = now()
WHERE creator_id = $1 AND channel_id = $2 AND key = $3 RETURNING id, contact_id, last_seq
"""


@dataclass(frozen=True, kw_only=True)
class Author:
    """Whose turn posts: the message it answers, its channel, its contact."""

    creator_id: UUID
    message_id: UUID
    channel_id: UUID
    contact_id: UUID
    retries: int = 0  # a dead message that is tried again posts under other ids


async def write_posts(
    connection: PgConnection, author: Author, posts: Sequence[Post], *, push: bool
) -> frozenset[UUID]:
    """Queue every post; the conversations written to. A turn thought twice writes the same rows."""
    named = [(_post_id(author, number), post) for number, post in enumerate(posts, start=1)]
    by_key: dict[str, list[tuple[UUID, Post]]] = {}
    for message_id, post in named:
        by_key.setdefault(_key(post.place, push), []).append((message_id, post))
    # In one order everywhere, so that two turns that post to the same rooms never block each other.
    written = [await _write(connection, author, key, by_key[key], push) for key in sorted(by_key)]
    return frozenset(conversation_id for conversation_id in written if conversation_id)


async def _write(
    connection: PgConnection,
    author: Author,
    key: str,
    posts: list[tuple[UUID, Post]],
    push: bool,
) -> UUID | None:
    place = posts[0][1].place
    person = place.person if place.is_private else None
    row = await _take_numbers(connection, author, key, place, person, len(posts), push)
    if row is None:
        log.warning("post.nowhere", message_id=str(author.message_id))
        return None
    await connection.execute(
        _WRITE,
        author.creator_id,
        row["id"],
        author.channel_id,
        row["contact_id"],
        row["last_seq"] - len(posts),
        author.message_id,
        [message_id for message_id, _ in posts],
        [clean_text(post.message.text) for _, post in posts],
        [post.message.model_dump(mode="json", exclude={"text"}) for _, post in posts],
        person,
        "queued" if push else "sent",
    )
    if push:
        await enqueue(connection, "deliver", author.creator_id, row["id"])
    conversation_id: UUID = row["id"]
    return conversation_id


async def _take_numbers(
    connection: PgConnection,
    author: Author,
    key: str,
    place: Place,
    person: str | None,
    count: int,
    push: bool,
) -> Record | None:
    creator_id, channel_id = author.creator_id, author.channel_id
    if not push:
        return await connection.fetchrow(_PAGE, creator_id, channel_id, key, count)
    return await connection.fetchrow(
        _CONVERSATION,
        creator_id,
        new_id(),
        channel_id,
        author.contact_id,
        key,
        place.model_dump(),
        count,
        person,
    )


def _key(place: Place, push: bool) -> str:
    if not push:
        return place.person or place.chat
    return f"post:{place.space or ''}/{place.chat}/{place.thread or ''}"


def _post_id(author: Author, number: int) -> UUID:
    label = f"retry:{author.retries}:post:{number}" if author.retries else f"post:{number}"
    return derived_id(author.message_id, label)
