"""What the emulated host refuses before the first byte of an answer, and with which body."""

import json
from typing import Any

from core.llm.emulator.models import EmulatedModel, Json

_INTEGER_OPTIONS = ("num_ctx", "num_predict", "seed", "top_k", "num_keep")


class Refusal(Exception):
    """An error body of the server, before the first byte of an answer."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


def parsed(raw: bytes) -> Json:
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refusal(400, f"invalid character in request: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "json: cannot unmarshal array into Go value of type api.ChatRequest")
    return body


def check_options(body: Json) -> None:
    """A wrong option type is a 500, not a 400, in Ollama."""
    for name in _INTEGER_OPTIONS:
        value = (body.get("options") or {}).get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refusal(500, f'option "{name}" must be of type integer')


def check_format(body: Json) -> None:
    """Nothing, `json`, or a JSON schema, as an object."""
    given = body.get("format")
    if given not in (None, "", "json") and not isinstance(given, dict):
        shown = json.dumps(given, ensure_ascii=False)
        raise Refusal(
            400, f'invalid format: {shown}; expected "json" or a valid JSON Schema object'
        )


def check_capabilities(body: Json, model: EmulatedModel) -> None:
    wanted = {"completion": "chat"}
    wanted |= {"thinking": "thinking"} if body.get("think") else {}
    wanted |= {"tools": "tools"} if body.get("tools") else {}
    for capability, text in wanted.items():
        if capability not in model.capabilities:
            raise Refusal(400, f'"{model.name}" does not support {text}')


def inputs(body: Json) -> list[str]:
    given: Any = body.get("input")
    texts = [given] if isinstance(given, str) else given or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, "invalid input type")
    return texts
