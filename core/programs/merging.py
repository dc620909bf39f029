"""Two contacts become one person: their programs, sends, goals and check-ins go with them.

Nothing is sent twice: where both are in the same program, the enrolment that has come further
stays. Where both wait for the same broadcast, one does.
"""

from datetime import datetime
from uuid import UUID

from core.programs import replan
from core.programs.planning import ENROLMENT_ENDED
from shared.database import PgConnection
from shared.models import enrolments, sends
from shared.models.enrolments import Change

LINKED = "linked"

# The person that is left has other identities: then only what an identity brought moves.
_IS_LEFT = """
SELECT NOT EXISTS (SELECT FROM app.contact_identities WHERE creator_id = $1 AND contact_id = $2)
"""
# Which of both is further: more was sent, then the one that began earlier.
_DOUBLE = """
SELECT DISTINCT ON (e.program_id) e.id
FROM app.enrolments e
WHERE e.creator_id = $1 AND e.contact_id = ANY($2::uuid[]) AND e.status IN ('active', 'paused')
  AND e.program_id IN (
    SELECT program_id FROM app.enrolments
    WHERE creator_id = $1 AND contact_id = ANY($2::uuid[]) AND status IN ('active', 'paused')
    GROUP BY program_id HAVING count(*) > 1)
ORDER BY e.program_id, (
  SELECT count(*) FROM app.scheduled_sends s
  WHERE s.creator_id = $1 AND s.source_kind = 'step' AND s.source_id = e.id AND s.state = 'sent'
), e.started_at DESC, e.id DESC
"""
_MOVE_ENROLMENTS = """
UPDATE app.enrolments SET contact_id = $3, updated_at = clock_timestamp()
WHERE creator_id = $1 AND contact_id = $2
"""
_SAME_BROADCAST = """
UPDATE app.scheduled_sends s SET state = 'cancelled', skip_reason = $4, settled_at = $5
WHERE s.creator_id = $1 AND s.contact_id = $2 AND s.source_kind <> 'step' AND s.state = 'waiting'
  AND (s.source_kind = 'silence' OR EXISTS (
    SELECT FROM app.scheduled_sends o
    WHERE o.creator_id = $1 AND o.contact_id = $3 AND o.source_kind = s.source_kind
      AND o.source_id = s.source_id AND o.state NOT IN ('cancelled')))
"""
_MOVE_SENDS = """
UPDATE app.scheduled_sends s SET contact_id = $3
WHERE s.creator_id = $1 AND s.contact_id = $2 AND s.source_kind <> 'silence'
  AND NOT EXISTS (
    SELECT FROM app.scheduled_sends o
    WHERE o.creator_id = $1 AND o.contact_id = $3 AND o.source_kind = s.source_kind
      AND o.source_id = s.source_id AND o.step_key = s.step_key
      AND o.generation = s.generation AND o.occurrence = s.occurrence)
"""
# A goal of the same name is the same goal: the one that is left takes the other's check-ins.
_JOIN_GOALS = """
UPDATE app.check_ins k
SET goal_id = mine.id, subject = 'goal:' || mine.id
FROM app.goals theirs
JOIN app.goals mine ON mine.creator_id = $1 AND mine.contact_id = $3 AND mine.slug = theirs.slug
  AND mine.status = 'active'
WHERE theirs.creator_id = $1 AND theirs.contact_id = $2 AND theirs.status = 'active'
  AND k.creator_id = $1 AND k.contact_id = $2 AND k.goal_id = theirs.id
  AND NOT EXISTS (
    SELECT FROM app.check_ins o WHERE o.creator_id = $1 AND o.contact_id = $2
      AND o.subject = 'goal:' || mine.id AND o.local_day = k.local_day)
"""
_DROP_GOALS = """
UPDATE app.goals theirs SET status = 'dropped'
WHERE theirs.creator_id = $1 AND theirs.contact_id = $2 AND theirs.status = 'active'
  AND EXISTS (
    SELECT FROM app.goals mine WHERE mine.creator_id = $1 AND mine.contact_id = $3
      AND mine.slug = theirs.slug AND mine.status = 'active')
"""
_MOVE_GOALS = "UPDATE app.goals SET contact_id = $3 WHERE creator_id = $1 AND contact_id = $2"
# One check-in a day of each subject: what the person that stays has said counts.
_MOVE_CHECK_INS = """
UPDATE app.check_ins k SET contact_id = $3
WHERE k.creator_id = $1 AND k.contact_id = $2 AND NOT EXISTS (
  SELECT FROM app.check_ins o WHERE o.creator_id = $1 AND o.contact_id = $3
    AND o.subject = k.subject AND o.local_day = k.local_day)
"""


async def merge_programs(
    db: PgConnection, creator_id: UUID, old: UUID, new: UUID, now: datetime
) -> bool:
    """Give `new` what `old` had, after their identities were joined; False when `old` stays.

    Somebody who is still met under another identity keeps what is theirs.
    """
    if not await db.fetchval(_IS_LEFT, creator_id, old):
        return False
    await replan.keep_schedulers_off(db, creator_id)
    await _end_doubles(db, creator_id, [old, new], now)
    await db.execute(_MOVE_ENROLMENTS, creator_id, old, new)
    await db.execute(_SAME_BROADCAST, creator_id, old, new, LINKED, now)
    await db.execute(_MOVE_SENDS, creator_id, old, new)
    for sql in (_JOIN_GOALS, _DROP_GOALS, _MOVE_GOALS, _MOVE_CHECK_INS):
        await db.execute(sql, creator_id, old, new)
    # On the clock of the person that both are now.
    await replan.replan_contact(db, creator_id, new, now)
    return True


async def _end_doubles(
    db: PgConnection, creator_id: UUID, contact_ids: list[UUID], now: datetime
) -> None:
    ids = [row["id"] for row in await db.fetch(_DOUBLE, creator_id, contact_ids)]
    ended = [Change(id=id_, status="exited", reason=LINKED) for id_ in ids]
    await enrolments.change(db, creator_id, ended, now)
    await sends.cancel_enrolments(db, creator_id, [(id_, ENROLMENT_ENDED) for id_ in ids], now)
