"""Whether a person of the team still has a conversation when a send is put off because of them.

They may give it back while we judge: whoever gives it back wakes what waits, but not what is only
about to. So the conversation is held until that is written. Sends that wait for nobody cost
nothing.
"""

from collections.abc import Sequence
from uuid import UUID

from core.programs.sends.facts import Subject
from core.programs.sends.gates import Verdict
from shared.database import PgConnection

Judged = tuple[Subject, Verdict]

# Shared is enough: giving it back has to wait. What others hold may just be given back.
_STILL_THEIRS = """
SELECT id FROM app.ai_conversations WHERE creator_id = $1 AND id = ANY ($2) AND status = 'human'
ORDER BY id FOR SHARE SKIP LOCKED
"""


async def held_certainly(
    connection: PgConnection, creator_id: UUID, judged: Sequence[Judged]
) -> list[Judged]:
    """Without those for whom it can't be told; they are due, and looked at with the next tick."""
    theirs = {id_ for one in judged for id_ in _theirs(one)}
    if not theirs:
        return list(judged)
    rows = await connection.fetch(_STILL_THEIRS, creator_id, list(theirs))
    held = {row["id"] for row in rows}
    return [one for one in judged if one[1].reason != "human" or held & _theirs(one)]


def _theirs(judged: Judged) -> set[UUID]:
    """The conversations that a send waits for."""
    subject, verdict = judged
    if verdict.reason != "human":
        return set()
    places = (place for place in subject.facts.places if place.owner == "human")
    return {place.conversation_id for place in places if place.conversation_id}
