"""The question that stands open for a contact: which send asked it, and what it expects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.programs.definition import Expects, Step
from shared.database import PgConnection

ANY_TEXT = Expects()

# Whose program is still published. Also what was answered or closed: an old button asks for it.
_SELECT = """
SELECT s.id AS send_id, s.contact_id, s.source_id AS enrolment_id, s.settled_at, s.answer_until,
  s.answered_at, e.program_id, m.conversation_id, d.definition
FROM app.scheduled_sends s
JOIN app.enrolments e ON e.creator_id = $1 AND e.id = s.source_id
JOIN app.coaching_programs p ON p.creator_id = $1 AND p.id = e.program_id
JOIN app.program_steps d ON d.creator_id = $1 AND d.program_id = p.id
  AND d.version = p.live_version AND d.key = s.step_key
LEFT JOIN app.messages m ON m.creator_id = $1 AND m.id = s.message_id
WHERE s.creator_id = $1 AND s.id = ANY ($2::uuid[]) AND s.source_kind = 'step' AND s.state = 'sent'
ORDER BY s.settled_at DESC, s.id DESC
"""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question as it was sent. `conversation_id` is where it stands."""

    send_id: UUID
    contact_id: UUID
    enrolment_id: UUID
    program_id: UUID
    step: Step
    asked_at: datetime
    answer_until: datetime | None
    answered_at: datetime | None
    conversation_id: UUID | None

    @property
    def expects(self) -> Expects:
        return self.step.expects or ANY_TEXT

    @property
    def is_progress(self) -> bool:
        """Whether an answer is somebody's progress, and not just the program's to know."""
        return self.step.kind == "check_in" or self.expects.goal is not None

    def is_open(self, now: datetime) -> bool:
        until = self.answer_until
        return self.answered_at is None and until is not None and now < until


async def read_asked(
    connection: PgConnection, creator_id: UUID, send_ids: Sequence[UUID]
) -> tuple[Asked, ...]:
    """The questions of these sends, the latest first."""
    if not send_ids:
        return ()
    rows = await connection.fetch(_SELECT, creator_id, list(send_ids))
    return tuple(
        Asked(
            step=Step.model_validate(row["definition"]),
            asked_at=row["settled_at"],
            **{name: row[name] for name in _SAME},
        )
        for row in rows
    )


_SAME = (
    *("send_id", "contact_id", "enrolment_id", "program_id"),
    *("answer_until", "answered_at", "conversation_id"),
)
