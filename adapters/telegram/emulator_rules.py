"""What the Bot API refuses, in its own words: limits and error bodies. Pure.

https://core.telegram.org/bots/api, and https://core.telegram.org/bots/faq for the limits.
"""

import json
from collections.abc import Mapping
from typing import Any

from shared.richtext import length
from shared.utils.text import is_blank

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_CALLBACK_BYTES = 64
MAX_ENTITIES = 100
_JSON_FIELDS = (
    "entities",
    "caption_entities",
    "reply_markup",
    "allowed_updates",
    "commands",
    "link_preview_options",
)


class Refusal(Exception):
    """The API's error answer; the attributes are its body."""

    def __init__(
        self, error_code: int, description: str, parameters: dict[str, Any] | None = None
    ) -> None:
        super().__init__(description)
        self.error_code = error_code
        self.description = description
        self.parameters = parameters

    def body(self) -> dict[str, Any]:
        body = {"ok": False, "error_code": self.error_code, "description": self.description}
        return body | ({"parameters": self.parameters} if self.parameters else {})


def bad_request(description: str) -> Refusal:
    return Refusal(400, f"Bad Request: {description}")


def decoded(form: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as values: a form carries objects and lists as JSON strings."""
    return {key: _decoded_field(key, value) for key, value in form.items()}


def _decoded_field(key: str, value: Any) -> Any:
    if key not in _JSON_FIELDS or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise bad_request(f"can't parse {key} JSON object") from None


def whole_number(params: Mapping[str, Any], name: str, default: int = 0) -> int:
    try:
        return int(params.get(name) or default)
    except (TypeError, ValueError):
        raise bad_request(f"invalid {name} specified") from None


def check_text(params: Mapping[str, Any]) -> None:
    """Text, entities and keyboard of a message."""
    text = str(params.get("text") or "")
    if is_blank(text):
        raise bad_request("message text is empty")
    if length(text, "utf16") > MAX_TEXT:
        raise bad_request("message is too long")
    if params.get("parse_mode"):
        raise bad_request("this emulator takes entities, not a parse mode")
    check_entities(text, params.get("entities") or [])
    check_keyboard(params.get("reply_markup") or {})


def check_caption(params: Mapping[str, Any]) -> None:
    """The text of a photo or document: shorter, and there may be none."""
    caption = str(params.get("caption") or "")
    if length(caption, "utf16") > MAX_CAPTION:
        raise bad_request("message caption is too long")
    if params.get("parse_mode"):
        raise bad_request("this emulator takes entities, not a parse mode")
    check_entities(caption, params.get("caption_entities") or [])
    check_keyboard(params.get("reply_markup") or {})


def check_entities(text: str, entities: list[dict[str, Any]]) -> None:
    """In range and on whole characters. Telegram drops some of these; here they show."""
    boundaries = _boundaries(text)
    if len(entities) > MAX_ENTITIES:
        raise bad_request("too many entities")
    for entity in entities:
        start = int(entity.get("offset", -1))
        end = start + int(entity.get("length", 0))
        if start < 0 or end <= start or end > length(text, "utf16"):
            raise bad_request("ENTITY_BOUNDS_INVALID")
        if start not in boundaries or end not in boundaries:
            raise bad_request("entity begins or ends in a middle of a UTF-16 symbol")
        if entity.get("type") == "text_link" and not entity.get("url"):
            raise bad_request("ENTITY_URL_INVALID")


def _boundaries(text: str) -> set[int]:
    found, position = {0}, 0
    for char in text:
        position += 2 if char > "\uffff" else 1
        found.add(position)
    return found


def check_keyboard(markup: dict[str, Any]) -> None:
    for row in markup.get("inline_keyboard", []):
        for button in row:
            if not button.get("text"):
                raise bad_request("can't parse inline keyboard button: text is empty")
            data = str(button.get("callback_data") or "")
            if not data and not button.get("url"):
                raise bad_request("can't parse inline keyboard button: text buttons are unallowed")
            if len(data.encode()) > MAX_CALLBACK_BYTES:
                raise bad_request("BUTTON_DATA_INVALID")
