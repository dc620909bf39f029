"""Note in the audit log what people change about themselves, with the change's own transaction."""

from typing import Any
from uuid import UUID

from shared.database import PgConnection
from shared.utils.ids import new_id

_NOTE = """
INSERT INTO app.audit_log (creator_id, id, actor, action, target, detail)
VALUES ($1, $2, $3, $4, $5, $6)
"""


def contact_actor(contact_id: UUID) -> str:
    return f"contact:{contact_id}"


async def note(
    connection: PgConnection,
    creator_id: UUID,
    *,
    actor: str,
    action: str,
    target: object,
    **detail: Any,
) -> None:
    """`detail` holds names and ids, no secrets and no words of a conversation."""
    await connection.execute(_NOTE, creator_id, new_id(), actor, action, str(target), detail)
