"""Errors as RFC 9457 problem documents: one shape, a stable `code`, nothing secret inside."""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from asyncpg import PostgresError
from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, IntegrityError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.errors import AppError, Conflict, InvalidInput, NotFound, QuotaExceeded, Unavailable

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
# lock timeout, statement timeout, deadlock, serialization failure: a repeat may well succeed
_BUSY_STATES = frozenset(("55P03", "57014", "40P01", "40001"))
# What a request is about was deleted while it ran, by another request or on another gateway.
_REFERENCE_GONE = "23503"
_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}


class FieldError(BaseModel):
    """What is wrong with one field of the request; never its value."""

    field: str
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable, `detail` is for people."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None = None
    retry_after: int | None = Field(None, description="seconds until a repeat makes sense")
    errors: list[FieldError] | None = None


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    retry_after: float | None = None,
    errors: Sequence[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document as a response."""
    seconds = None if retry_after is None else max(1, math.ceil(retry_after))
    document = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
        retry_after=seconds,
        errors=list(errors) if errors else None,
    )
    sent = dict(headers or {})
    if seconds is not None:
        sent["Retry-After"] = str(seconds)
    if status == HTTPStatus.UNAUTHORIZED:
        sent["WWW-Authenticate"] = "Bearer"
    body = orjson.dumps(document.model_dump(exclude_none=True))
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=sent)


def from_error(error: AppError) -> Response:
    """The response to one of our own errors."""
    status, code = error.status, getattr(error, "detail_code", None) or error.code
    if code == "malformed_json":
        status = 400  # the body can't be read at all, so no field of it is to blame
    retry_after = error.retry_after
    if retry_after is None and isinstance(error, QuotaExceeded | Unavailable):
        retry_after = 1
    detail = error.message
    if status >= 500 and not error.retryable and status != HTTPStatus.BAD_GATEWAY:
        log.error("request.failed", code=code, exc_info=error)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            detail = "Something went wrong on our side."
    return problem(status, code, detail, retry_after=retry_after)


def unexpected() -> Response:
    """The response to an error nobody foresaw: its text stays in the log."""
    return problem(500, "internal_error", "Something went wrong on our side.")


def install(app: FastAPI) -> None:
    """Let every error leave this application as a problem document."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(IntegrityError, _integrity_error)
    app.add_exception_handler(DBAPIError, _orm_error)
    app.add_exception_handler(PostgresError, _driver_error)


async def _app_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 - registered for this class only
    return from_error(error)


async def _integrity_error(_request: Request, _error: Exception) -> Response:
    # The driver's text carries key values, so it is not passed on.
    return from_error(Conflict())


async def _driver_error(_request: Request, error: Exception) -> Response:
    state = getattr(error, "sqlstate", None)
    if state in _BUSY_STATES:
        return from_error(Unavailable("the database is busy", retry_after=1))
    if state == _REFERENCE_GONE:
        return from_error(NotFound())
    raise error


async def _orm_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)  # noqa: S101 - registered for this class only
    if getattr(error.orig, "sqlstate", None) in _BUSY_STATES:
        return from_error(Unavailable("the database is busy", retry_after=1))
    raise error


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException | StarletteHTTPException)  # noqa: S101
    if isinstance(error.__cause__, AppError):
        # The framework wraps what reading the body raised.
        return from_error(error.__cause__)
    code = _CODES.get(error.status_code, "error")
    return problem(error.status_code, code, str(error.detail), headers=error.headers)


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    if any(item["type"] == "json_invalid" for item in error.errors()):
        return from_error(InvalidInput("The body is not valid JSON.", code="malformed_json"))
    errors = [_field_error(item) for item in error.errors()[:20]]
    return problem(422, "invalid_input", "The request is not valid.", errors=errors)


def _field_error(item: Mapping[str, Any]) -> FieldError:
    # `input` and `ctx` may hold a secret that was sent in the wrong place.
    place = [str(part) for part in item["loc"] if part != "body"]
    return FieldError(field=".".join(place), code=str(item["type"]), detail=str(item["msg"]))
