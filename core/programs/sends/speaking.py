"""Say a step's content to one contact: in their language, with their name and goal filled in. Pure.

A placeholder that has no value disappears with the comma or space before it.
"""

import re
from collections.abc import Mapping
from uuid import UUID

from core.languages import FALLBACK, closest
from core.programs.check_ins.answers import choices_for
from core.programs.definition import Content, Expects
from shared.markdown import escape
from shared.messages import Message

SILENT = Message(text="")
_PLACEHOLDER = re.compile(r"(,?[ \t]*)\{([A-Za-z_]+(?::[^{}\s]*)?)\}")
_LOST_BEGINNING = re.compile(r"^[\s,;:]+")


def in_language(content: Mapping[str, Content], *locales: str | None) -> tuple[str, Content] | None:
    """(language, content) in the first of these that there is, else English, else any."""
    tag = closest(content, *locales, FALLBACK)
    return (tag, content[tag]) if tag is not None else next(iter(content.items()), None)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled in; values are anybody's words, so they are escaped."""

    def fill(match: re.Match[str]) -> str:
        value = escape(values.get(match[2], ""))
        return match[1] + value if value else ""

    result = _PLACEHOLDER.sub(fill, text)
    return _LOST_BEGINNING.sub("", result) if text.startswith("{") else result


def wanted(content: Mapping[str, Content]) -> frozenset[str]:
    """The names of all placeholders."""
    texts = (one.text for one in content.values())
    return frozenset(match[2] for text in texts for match in _PLACEHOLDER.finditer(text))


def message(
    content: Mapping[str, Content],
    *,
    locales: tuple[str | None, ...],
    values: Mapping[str, str],
    expects: Expects | None = None,
    send_id: UUID | None = None,
) -> Message | None:
    """What to say; None when there is nothing in any language. A question has its buttons."""
    found = in_language(content, *locales)
    if found is None:
        return None
    language, one = found
    text = filled(one.text, values).strip()
    if not text:
        return None
    choices = one.choices
    if expects is not None and send_id is not None:
        choices = choices_for(expects, choices, send_id, language)
    return Message(text=text, choices=choices)
