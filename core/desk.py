"""What people of the creator's team do in a conversation: write in it, send again."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from core import attempts, tickets
from core.channels import ChannelAdapter
from core.jobs import enqueue
from core.live import CHANGED, LiveBus
from shared.database import DatabaseManager, PgConnection
from shared.errors import NotFound
from shared.utils.clock import Clock
from shared.utils.ids import derived_id, new_id

_WAKE = """
UPDATE app.ai_conversations
SET outbound_due_at = coalesce(outbound_due_at, now()), outbound_hinted_at = now()
WHERE creator_id = $1 AND id = $2
"""
# Locked first, so that of two requests with one key the second sees what the first has written.
_LOCK_CONVERSATION = """
SELECT channel_id FROM app.ai_conversations WHERE creator_id = $1 AND id = $2 FOR UPDATE
"""
_TYPE = "SELECT type FROM app.channels WHERE creator_id = $1 AND id = $2"
_COACH = """
WITH conversation AS (
  UPDATE app.ai_conversations SET last_seq = last_seq + 1, last_message_at = now()
  WHERE creator_id = $1 AND id = $2
    AND NOT EXISTS (SELECT FROM app.messages WHERE creator_id = $1 AND id = $3)
  RETURNING channel_id, contact_id, last_seq
)
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
                          kind, author, text, status, idempotency_key)
SELECT $1, $3, $2, channel_id, contact_id, last_seq, 'out', 'message', 'coach', $4, $5, $6
FROM conversation
"""


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a person writes; the same `message_id` and `key` write it once."""

    text: str
    message_id: UUID
    key: str


class Desk:
    """Puts a person's words into the outbox; the outbox sends them like any other message."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        channels: dict[str, ChannelAdapter],
        live: LiveBus,
        clock: Clock,
    ) -> None:
        self._database = database
        self._channels = channels
        self._live = live
        self._clock = clock

    async def say(
        self,
        creator_id: UUID,
        conversation_id: UUID,
        text: str,
        idempotency_key: str | None = None,
        *,
        actor: str = "coach",
    ) -> UUID:
        """Queue what a person of the creator's team writes; the same key writes it once.

        An open ticket of the conversation is theirs from then on.

        Raises NotFound for a conversation of somebody else.
        """
        message_id = (
            derived_id(conversation_id, f"coach:{idempotency_key}") if idempotency_key else new_id()
        )
        words = Words(text=text, message_id=message_id, key=idempotency_key or str(message_id))
        now = self._clock.now()
        async with self._database.transaction(creator_id) as connection:
            await write(connection, self._channels, creator_id, conversation_id, words)
            await tickets.answered(connection, creator_id, conversation_id, actor, now)
        await self._live.publish(creator_id, conversation_id, CHANGED)
        return message_id

    async def resend(self, creator_id: UUID, message_id: UUID) -> None:
        """Send again what is uncertain or failed, from the first part not known to be out.

        Raises NotFound for any other message.
        """
        async with self._database.transaction(creator_id) as connection:
            conversation_id = await attempts.requeue(connection, creator_id, message_id)
            if conversation_id is None:
                raise NotFound("no uncertain or failed message with this id")
            await _wake(connection, creator_id, conversation_id)


async def write(
    connection: PgConnection,
    channels: Mapping[str, ChannelAdapter],
    creator_id: UUID,
    conversation_id: UUID,
    words: Words,
) -> None:
    """Put a person's words into a conversation, once. Raises NotFound when it isn't there."""
    channel_id = await connection.fetchval(_LOCK_CONVERSATION, creator_id, conversation_id)
    if channel_id is None:
        raise NotFound
    type_ = await connection.fetchval(_TYPE, creator_id, channel_id)
    push = channels[type_].capabilities.delivery == "push"
    await connection.execute(
        _COACH,
        creator_id,
        conversation_id,
        words.message_id,
        words.text,
        "queued" if push else "sent",
        words.key,
    )
    if push:
        await _wake(connection, creator_id, conversation_id)


async def _wake(connection: PgConnection, creator_id: UUID, conversation_id: UUID) -> None:
    await connection.execute(_WAKE, creator_id, conversation_id)
    await enqueue(connection, "deliver", creator_id, conversation_id)
