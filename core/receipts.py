"""What became of a message of ours: states merged by rank, early receipts kept until their row.

Each part has a state of its own. A message is as far as its slowest part, and failed with the
first of its parts that did.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from core import attempts
from core.attempts import EarlyReceipt
from core.channels import ReceiptEvent
from shared.database import PgConnection

# A later report never lowers a message: `sent` after `delivered` is ignored. A failure reported
# by the platform is final, except that proof of arrival outranks it.
RANK: dict[str, int] = {
    "queued": 0,
    "sending": 1,
    "uncertain": 2,
    "sent": 3,
    "canceled": 4,
    "failed": 4,
    "undelivered": 4,
    "delivered": 5,
    "read": 6,
}

AGAIN_SECONDS = 30.0  # after a failure that passes, such as a full queue

FAILURES = frozenset({"canceled", "failed", "undelivered"})
# What a report may change; `sending` and `uncertain` wait for what is known of the attempt.
_SETTLED = ["sent", "canceled", "failed", "undelivered", "delivered", "read"]

_BY_NAME = """
SELECT a.id, a.message_id FROM app.send_attempts a
JOIN app.messages m ON m.creator_id = a.creator_id AND m.id = a.message_id
WHERE a.creator_id = $1 AND a.channel_id = $2 AND a.provider_id = $3
ORDER BY a.started_at DESC LIMIT 1 FOR UPDATE OF m
"""
_REPORT = """
UPDATE app.send_attempts SET state = $3, state_code = $4
WHERE creator_id = $1 AND id = $2 AND coalesce(state, 'sent') = ANY ($5) RETURNING 1
"""
# Of each part, what is known of the last attempt that the platform took.
_PARTS = """
SELECT DISTINCT ON (a.part) a.part, a.parts, coalesce(a.state, 'sent') AS state, a.state_code,
       m.parts_sent
FROM app.send_attempts a JOIN app.messages m ON m.creator_id = a.creator_id AND m.id = a.message_id
WHERE a.creator_id = $1 AND a.message_id = $2 AND a.outcome = 'sent'
ORDER BY a.part, a.started_at DESC
"""
_MERGE = """
UPDATE app.messages SET status = $3, error_code = $4
WHERE creator_id = $1 AND id = $2 AND status = ANY ($5)
"""
_FAILED_ONCE = """
SELECT a.message_id FROM app.send_attempts a
WHERE a.creator_id = $1 AND a.channel_id = $2 AND a.provider_id = $3
  AND NOT EXISTS (
    SELECT FROM app.send_attempts o
    WHERE o.creator_id = $1 AND o.message_id = a.message_id AND o.part = a.part AND o.id <> a.id
      AND (o.started_at > a.started_at OR o.state IN ('failed', 'undelivered', 'canceled')))
"""
_DUE_IN = """
UPDATE app.ai_conversations SET outbound_due_at = coalesce(outbound_due_at, now() + $3)
WHERE creator_id = $1 AND id = $2
"""
_KEEP = """
INSERT INTO app.early_receipts (creator_id, channel_id, provider_id, state, error_code)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
# Else a receipt could look for a name just before it is committed, and be kept for ever.
_LOCK_NAME = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_LOCK_CONVERSATION = """
SELECT 1 FROM app.ai_conversations WHERE creator_id = $1 AND id = (
  SELECT conversation_id FROM app.messages
  WHERE creator_id = $1 AND id = $2 AND channel_id = $3) FOR UPDATE
"""
_OUR_OWN = """
SELECT a.id, a.parts, a.outcome, m.conversation_id FROM app.send_attempts a
JOIN app.messages m ON m.creator_id = a.creator_id AND m.id = a.message_id
WHERE a.creator_id = $1 AND a.message_id = $2 AND a.channel_id = $3 AND a.part = $4
ORDER BY a.started_at DESC LIMIT 1
"""


def lower_states(state: str) -> list[str]:
    """The states that a report of `state` may replace."""
    return [name for name, rank in RANK.items() if rank < RANK[state]]


def overall(states: Sequence[str], parts: int, reached: int) -> str | None:
    """The state of a message by those of its parts, in order; None while parts are missing.

    A failure counts before `reached`, the next part to send: what lies after it goes again.
    """
    for state in states[:reached]:
        if state in FAILURES:
            return state
    if len(states) < parts or FAILURES.intersection(states):
        return None
    return min(states, key=RANK.__getitem__)


async def settle(connection: PgConnection, event: ReceiptEvent) -> None:
    """Apply a receipt, or keep it when our own row hasn't been written yet.

    One that hands back our own name for the part also tells that the part is out, whatever
    became of the answer to our call.
    """
    where = (event.creator_id, event.channel_id)
    if event.message_id is not None:
        args = (event.creator_id, event.message_id, event.channel_id)
        await connection.execute(_LOCK_CONVERSATION, *args)
    name = event.message_external_id
    await connection.execute(_LOCK_NAME, attempts.name_lock(event.creator_id, name))
    report = EarlyReceipt(provider_id=name, state=event.state, error_code=event.error_code)
    is_known = await _apply(connection, *where, report)
    if not is_known and await _settle_own(connection, event):
        is_known = await _apply(connection, *where, report)
    if not is_known:
        await connection.execute(_KEEP, *where, name, event.state, event.error_code)
    elif event.retryable:
        await _send_again(connection, event)


async def settle_early(
    connection: PgConnection, creator_id: UUID, channel_id: UUID, early: Sequence[EarlyReceipt]
) -> None:
    """Apply the receipts that came before the send they belong to was recorded."""
    for report in early:
        await _apply(connection, creator_id, channel_id, report)


async def _send_again(connection: PgConnection, event: ReceiptEvent) -> None:
    """Once for each part, and in a while: what made it fail has to pass first."""
    where = (event.creator_id, event.channel_id, event.message_external_id)
    message_id = await connection.fetchval(_FAILED_ONCE, *where)
    if message_id is None:
        return
    conversation_id = await attempts.requeue(connection, event.creator_id, message_id)
    due_in = timedelta(seconds=AGAIN_SECONDS)
    await connection.execute(_DUE_IN, event.creator_id, conversation_id, due_in)


async def merge(connection: PgConnection, creator_id: UUID, message_id: UUID) -> None:
    """Give a message the state that follows from those of its parts."""
    rows = await connection.fetch(_PARTS, creator_id, message_id)
    if not rows:
        return
    parts, reached = max(row["parts"] for row in rows), rows[0]["parts_sent"]
    status = overall([row["state"] for row in rows], parts, reached)
    if status is None:
        return
    replaced = list(_SETTLED)
    if status in FAILURES or RANK[status] > RANK["sent"]:
        replaced.append("queued")  # the parts that are left: of no use, or known to be out
    code = next((row["state_code"] for row in rows if row["state"] == status), None)
    await connection.execute(_MERGE, creator_id, message_id, status, code, replaced)


async def _apply(
    connection: PgConnection, creator_id: UUID, channel_id: UUID, report: EarlyReceipt
) -> bool:
    """Whether the part was found by the platform's name for it."""
    row = await connection.fetchrow(_BY_NAME, creator_id, channel_id, report.provider_id)
    if row is None:
        return False
    lower = lower_states(report.state)
    news = (row["id"], report.state, report.error_code, lower)
    if await connection.fetchval(_REPORT, creator_id, *news):
        await merge(connection, creator_id, row["message_id"])
    return True


async def _settle_own(connection: PgConnection, event: ReceiptEvent) -> bool:
    """Whether our name for the part told of a send that we didn't know had succeeded."""
    if event.message_id is None:
        return False
    where = (event.creator_id, event.message_id, event.channel_id, event.part)
    row = await connection.fetchrow(_OUR_OWN, *where)
    if row is None or row["outcome"] == "sent":
        return False
    early = await attempts.sent(
        connection,
        event.creator_id,
        channel_id=event.channel_id,
        message_id=event.message_id,
        attempt_id=row["id"],
        part=event.part,
        parts=row["parts"],
        provider_ids=[event.message_external_id],
    )
    await settle_early(connection, event.creator_id, event.channel_id, early)
    if event.part + 1 < row["parts"]:
        await attempts.keep_due(connection, event.creator_id, row["conversation_id"])
    return True
