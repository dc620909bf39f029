"""The audit log: who changed what. Rows are added and read, never changed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import TenantRow
from shared.utils.ids import new_id


class AuditEntry(TenantRow):
    __tablename__ = "audit_log"

    at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    actor: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    detail: Mapped[dict[str, Any]]


def record(
    session: AsyncSession,
    creator_id: UUID,
    *,
    actor: str,
    action: str,
    target: object = "",
    **detail: Any,
) -> None:
    """Note a change with the session's transaction. `detail` holds names and ids, no secrets."""
    entry = AuditEntry(
        creator_id=creator_id,
        id=new_id(),
        actor=actor,
        action=action,
        target=str(target),
        detail=detail,
    )
    session.add(entry)
