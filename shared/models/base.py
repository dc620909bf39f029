"""What every mapped table shares: the schema `app`, and a key that begins with the creator."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import UUID as SqlUuid
from sqlalchemy import BigInteger, DateTime, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Row level security shows only the bound creator's rows, whatever a query asks for."""

    metadata = MetaData(schema="app")
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        UUID: SqlUuid(),
        int: BigInteger,
    }


class TenantRow(Base):
    """A row of one creator, named by a time-ordered id."""

    __abstract__ = True

    creator_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
