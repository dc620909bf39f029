"""EngineError: an embedded engine cannot start, in one plain line, with what to do about it."""

from typing import ClassVar

from shared.errors import AppError


class EngineError(AppError):
    """An embedded engine cannot start."""

    code = "engine_error"
    status = 503
    loggable = True
    exit_code: ClassVar[int] = 69  # EX_UNAVAILABLE of sysexits.h

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
