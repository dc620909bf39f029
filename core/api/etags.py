"""An ETag says which version was read; If-Match refuses to overwrite a later one."""

from datetime import datetime
from typing import Annotated

from fastapi import Header, Response

from shared.errors import Conflict

IfMatch = Annotated[
    str | None, Header(max_length=100, description="the ETag that was read; else 409")
]


def etag(updated_at: datetime) -> str:
    return f'"{updated_at.timestamp():.6f}"'


def set_etag(response: Response, updated_at: datetime) -> None:
    response.headers["ETag"] = etag(updated_at)


def check_unchanged(if_match: str | None, updated_at: datetime) -> None:
    """Raise Conflict when somebody else changed it since. Without a header the last one wins."""
    if if_match is not None and if_match not in ("*", etag(updated_at)):
        raise Conflict("it was changed since you read it; read it again")
