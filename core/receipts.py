"""What became of a message of ours: states merged by rank, early receipts kept until their row."""

from uuid import UUID

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

_SETTLE = """
WITH target AS (
  SELECT message_id FROM app.send_attempts
  WHERE creator_id = $1 AND channel_id = $2 AND provider_id = $3 LIMIT 1
), known AS (
  UPDATE app.messages SET status = $4, error_code = coalesce($5, error_code)
  WHERE creator_id = $1 AND id = (SELECT message_id FROM target) AND status = ANY ($6)
  RETURNING id
)
SELECT EXISTS (SELECT FROM target) AS found
"""
_KEEP = """
INSERT INTO app.early_receipts (creator_id, channel_id, provider_id, state, error_code)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_TAKE = """
DELETE FROM app.early_receipts WHERE creator_id = $1 AND channel_id = $2 AND provider_id = ANY ($3)
RETURNING provider_id, state, error_code
"""


def lower_states(state: str) -> list[str]:
    """The states that a report of `state` may replace."""
    return [name for name, rank in RANK.items() if rank < RANK[state]]


async def settle(connection: PgConnection, event: ReceiptEvent) -> None:
    """Apply a receipt, or keep it when our own row hasn't been written yet."""
    where = (event.creator_id, event.channel_id, event.message_external_id)
    report = (event.state, event.error_code)
    found = await connection.fetchval(_SETTLE, *where, *report, lower_states(event.state))
    if not found:
        await connection.execute(_KEEP, *where, *report)


async def settle_early(
    connection: PgConnection, creator_id: UUID, channel_id: UUID, provider_ids: list[str]
) -> None:
    """Apply the receipts that came before the send they belong to was recorded."""
    for row in await connection.fetch(_TAKE, creator_id, channel_id, provider_ids):
        await connection.fetchval(
            _SETTLE,
            creator_id,
            channel_id,
            row["provider_id"],
            row["state"],
            row["error_code"],
            lower_states(row["state"]),
        )
