"""What the Web API refuses, in its own words: errors, limits, arguments. Pure.

https://docs.slack.dev/apis/web-api/ (evaluating responses, rate limits) and each method's page
under https://docs.slack.dev/reference/methods/ for its errors.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

MAX_TEXT = 40_000  # chat.postMessage: longer text is cut or refused
MAX_MARKDOWN = 12_000  # markdown_text, in a message and in one call of a stream
MAX_PROMPTS = 4
MAX_HISTORY = 999
_JSON_ARGUMENTS = {
    "blocks": "invalid_blocks_format",
    "attachments": "invalid_attachments",
    "metadata": "invalid_metadata_format",
    "view": "invalid_arguments",
    "prompts": "invalid_arguments",
    "chunks": "invalid_chunks",
    "loading_messages": "invalid_arguments",
}
_TS = re.compile(r"\d{1,12}\.\d{6}")
_EMOJI = re.compile(r"[a-z0-9_+'-]{1,100}(?:::skin-tone-[2-6])?")


class Refusal(Exception):
    """`{"ok": false, "error": …}`, with HTTP 200 as nearly always."""

    def __init__(
        self,
        error: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        messages: list[str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.status = status
        self.headers = dict(headers or {})
        self._messages = messages
        self._more = more

    def body(self) -> Json:
        body: Json = {"ok": False, "error": self.error, **self._more}
        if self._messages:
            body["response_metadata"] = {"messages": self._messages}
        return body


def rate_limited(seconds: float) -> Refusal:
    """https://docs.slack.dev/apis/web-api/rate-limits: whole seconds in Retry-After."""
    retry_after = str(max(1, round(seconds)))
    return Refusal("ratelimited", status=429, headers={"Retry-After": retry_after})


def invalid_arguments(*messages: str) -> Refusal:
    return Refusal("invalid_arguments", messages=[f"[ERROR] {message}" for message in messages])


def missing(name: str) -> Refusal:
    return invalid_arguments(f"missing required field: {name}")


def decoded(params: Mapping[str, Any]) -> Json:
    """Arguments as values: a form (and a careless JSON body) carries objects as JSON strings."""
    return {name: _decoded(name, value) for name, value in params.items() if value is not None}


def _decoded(name: str, value: Any) -> Any:
    if name not in _JSON_ARGUMENTS or not isinstance(value, str) or not value:
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise Refusal(_JSON_ARGUMENTS[name]) from None


def text(params: Mapping[str, Any], name: str, default: str = "") -> str:
    value = params.get(name)
    return default if value is None else str(value)


def required(params: Mapping[str, Any], name: str) -> str:
    if not (value := text(params, name)):
        raise missing(name)
    return value


def flag(params: Mapping[str, Any], name: str) -> bool:
    return str(params.get(name, "")).lower() in ("1", "true")


def timestamp(params: Mapping[str, Any], name: str, error: str) -> str:
    """A message's ts; empty when it isn't given."""
    value = text(params, name)
    if value and not _TS.fullmatch(value):
        raise Refusal(error)
    return value


def emoji_name(params: Mapping[str, Any]) -> str:
    name = text(params, "name").strip(":")
    if not name:
        raise Refusal("no_reaction")
    if not _EMOJI.fullmatch(name):
        raise Refusal("invalid_name")
    return name


def check_text(params: Mapping[str, Any]) -> None:
    """What a message says: `text`, `blocks`, `attachments` or `markdown_text`."""
    markdown = text(params, "markdown_text")
    if markdown and (params.get("text") or params.get("blocks")):
        raise Refusal("markdown_text_conflict")
    if not any(params.get(name) for name in ("text", "blocks", "attachments", "markdown_text")):
        raise Refusal("no_text")
    if len(text(params, "text")) > MAX_TEXT or len(markdown) > MAX_MARKDOWN:
        raise Refusal("msg_too_long")
    check_metadata(params.get("metadata"))


def check_metadata(metadata: Any) -> None:
    """https://docs.slack.dev/messaging/message-metadata/: `event_type` and `event_payload`."""
    if metadata is None or metadata == "":
        return
    if not isinstance(metadata, dict):
        raise Refusal("invalid_metadata_format")
    shape = {"event_type": str, "event_payload": dict}
    if set(metadata) - {*shape, "entities"} or any(
        not isinstance(metadata.get(name), kind) for name, kind in shape.items()
    ):
        raise Refusal("invalid_metadata_schema")


def check_stream_text(params: Mapping[str, Any], *, is_required: bool = False) -> str:
    """`markdown_text` or markdown `chunks` of one call of a stream; never both."""
    markdown, chunks = text(params, "markdown_text"), params.get("chunks")
    if markdown and chunks:
        raise Refusal("cannot_provide_both_markdown_text_and_chunks")
    if len(markdown) > MAX_MARKDOWN:
        raise Refusal("msg_too_long")
    if chunks is not None:
        return _chunks_text(chunks)
    if is_required and not markdown:
        raise missing("markdown_text")
    return markdown


def _chunks_text(chunks: Any) -> str:
    if not isinstance(chunks, list) or not all(isinstance(chunk, dict) for chunk in chunks):
        raise Refusal("invalid_chunks")
    texts = [str(c.get("text", "")) for c in chunks if c.get("type") == "markdown_text"]
    if any(len(each) > MAX_MARKDOWN for each in texts):
        raise Refusal("msg_too_long")
    return "".join(texts)


def check_prompts(params: Mapping[str, Any]) -> list[Json]:
    prompts = params.get("prompts")
    if not isinstance(prompts, list) or not prompts:
        raise missing("prompts")
    if len(prompts) > MAX_PROMPTS:
        raise invalid_arguments(f"no more than {MAX_PROMPTS} items allowed [json-pointer:/prompts]")
    for index, prompt in enumerate(prompts):
        if not isinstance(prompt, dict) or not prompt.get("title") or not prompt.get("message"):
            raise invalid_arguments(f"missing required field [json-pointer:/prompts/{index}]")
    return prompts


def limit(params: Mapping[str, Any], default: int = 100) -> int:
    try:
        value = int(params.get("limit") or default)
    except (TypeError, ValueError):
        raise Refusal("invalid_limit") from None
    if not 1 <= value <= MAX_HISTORY:
        raise Refusal("invalid_limit")
    return value
