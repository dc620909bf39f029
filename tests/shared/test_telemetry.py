"""Logs carry ids and actions, never secrets, texts or addresses with tokens in them."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry import trace

from shared import telemetry
from shared.settings import TelemetrySettings

TOKEN = "123456789:" + "A" * 35


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    file = tmp_path / "logs" / "cairn.log"
    telemetry.configure(TelemetrySettings(log_json=True), file=file)
    yield file
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_log_line_is_json_with_its_ids(log_file: Path) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("x").info("turn.completed", turn_id="t1", rung="extractive")
    (line,) = lines(log_file)
    assert (line["event"], line["request_id"], line["turn_id"]) == ("turn.completed", "r1", "t1")
    assert line["level"] == "info"


@pytest.mark.parametrize(
    "fields",
    [
        {"token": "canary"},
        {"Authorization": "canary"},
        {"credentials": {"bot_token": "canary"}},
        {"detail": {"deep": [{"password": "canary"}]}},
        {"text": "canary"},
        {"body": b"canary"},
    ],
    ids=str,
)
def test_telling_fields_are_left_out(log_file: Path, fields: dict[str, Any]) -> None:
    structlog.get_logger("x").warning("something", **fields)
    assert "canary" not in log_file.read_text(encoding="utf-8")


def test_tokens_inside_values_are_cleaned(log_file: Path) -> None:
    address = f"https://api.telegram.org/bot{TOKEN}/getMe"
    structlog.get_logger("x").info("called", where=address)
    logging.getLogger("other").error("failed: %s", address)
    try:
        raise ValueError(address)
    except ValueError as error:
        structlog.get_logger("x").error("crashed", exc_info=error)
    text = log_file.read_text(encoding="utf-8")
    assert TOKEN not in text
    assert len(lines(log_file)) == 3


def test_locals_of_a_traceback_stay_out(log_file: Path) -> None:
    hidden = "canary-in-a-local"
    try:
        raise RuntimeError(len(hidden))
    except RuntimeError as error:
        structlog.get_logger("x").error("crashed", exc_info=error)
    text = log_file.read_text(encoding="utf-8")
    assert "RuntimeError" in text
    assert "canary-in-a-local" not in text


@pytest.mark.parametrize("name", ["httpx", "aiogram", "aiohttp.access", "uvicorn.access"])
def test_request_lines_of_libraries_are_silent(log_file: Path, name: str) -> None:
    logging.getLogger(name).info("HTTP Request: POST https://api.telegram.org/…")
    assert lines(log_file) == []


def test_a_line_break_cannot_forge_a_line(log_file: Path) -> None:
    structlog.get_logger("x").info("named", name='Ada\n{"event": "forged"}')
    assert len(lines(log_file)) == 1


def test_a_span_without_an_endpoint_records_nothing() -> None:
    with telemetry.span("turn", conversation_id="c1"):
        assert not trace.get_current_span().is_recording()
