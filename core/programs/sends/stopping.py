"""What a STOP does to what waits to be sent, and a START to what it had put aside.

A send goes on where another channel of the person may carry it. What has nowhere to go is
cancelled at once; after a START its program goes on with the next slots, without those missed.
"""

from datetime import datetime
from uuid import UUID

from shared.database import PgConnection
from shared.models import broadcasts
from shared.models.consents import ALL, HASH_SQL

STOPPED = "stopped"

# A row that a broadcast's pause or a scheduler holds is left: a STOP waits for nobody, and what
# is left is refused when it is due; a broadcast also after a START.
# Another channel carries it: one that reaches the person, where this purpose is agreed to.
_CANCEL = f"""
UPDATE app.scheduled_sends s
SET state = 'cancelled', skip_reason = $4, settled_at = $3
WHERE s.creator_id = $1 AND s.id IN (
    SELECT w.id FROM app.scheduled_sends w
    WHERE w.creator_id = $1 AND w.contact_id = $2 AND w.state = 'waiting' FOR UPDATE SKIP LOCKED)
  AND ($5 = '*' OR s.purpose = $5)
  AND NOT EXISTS (
    SELECT FROM app.contact_identities i
    JOIN app.channels c ON c.creator_id = i.creator_id AND c.id = i.channel_id
    CROSS JOIN LATERAL (SELECT c.type || '/' || c.bot AS scope, {HASH_SQL} AS hash) k
    WHERE i.creator_id = $1 AND i.contact_id = $2 AND c.status = 'active'
      AND (s.channel_id IS NULL OR s.channel_id = c.id)
      AND i.reachable = 'yes' AND i.opted_out_at IS NULL
      AND NOT EXISTS (
        SELECT FROM app.opt_outs o WHERE o.creator_id = $1 AND o.scope = k.scope
          AND o.address_hash = k.hash AND o.purpose IN ('*', s.purpose))
      AND (EXISTS (
        SELECT FROM app.consents g WHERE g.creator_id = $1 AND g.scope = k.scope
          AND g.address_hash = k.hash AND g.purpose = s.purpose)
        OR s.purpose = 'broadcast' AND c.type <> 'sms' AND EXISTS (
          SELECT FROM app.creator_policies p WHERE p.creator_id = $1
            AND p.policy ->> 'broadcast_consent' = 'implied')))
"""  # noqa: S608 - constants only
# A slot that passed meanwhile is put back over, so that it expires and the next one is planned.
_REVIVE = """
UPDATE app.scheduled_sends s
SET state = 'waiting', skip_reason = NULL, settled_at = NULL, due_at = greatest(s.planned_at, $3),
    window_end = CASE WHEN s.planned_at <= $3 THEN s.planned_at ELSE s.window_end END
FROM app.enrolments e
WHERE e.creator_id = $1 AND e.contact_id = $2 AND e.status IN ('active', 'paused')
  AND s.creator_id = $1 AND s.source_kind = 'step' AND s.source_id = e.id
  AND s.state = 'cancelled' AND s.skip_reason = $4
  AND NOT EXISTS (
    SELECT FROM app.scheduled_sends w WHERE w.creator_id = $1 AND w.source_kind = 'step'
      AND w.source_id = e.id AND w.state IN ('waiting', 'claimed') AND w.step_key = s.step_key)
"""


async def cancel_sends(
    connection: PgConnection, creator_id: UUID, contact_id: UUID, now: datetime, purpose: str = ALL
) -> int:
    """Cancel what waits for this person and may go nowhere any more; how many there were."""
    status: str = await connection.execute(_CANCEL, creator_id, contact_id, now, STOPPED, purpose)
    if count := _count(status):
        await broadcasts.finish(connection, creator_id)
    return count


async def revive_sends(
    connection: PgConnection, creator_id: UUID, contact_id: UUID, now: datetime
) -> int:
    """Let programs go on where a STOP had cancelled them; missed slots are not made up for."""
    status: str = await connection.execute(_REVIVE, creator_id, contact_id, now, STOPPED)
    return _count(status)


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[-1])
