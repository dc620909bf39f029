"""Read what Slack shows: mrkdwn, rich text and blocks, as plain text with marks. Pure.

https://docs.slack.dev/messaging/formatting-message-text/
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from core.emulators import Mark
from shared.markdown import to_rich

Names = Callable[[str], str]  # how a person or channel is shown, by id

_INLINE = re.compile(
    r"```(?P<pre>.+?)```" r"|`(?P<code>[^`\n]+)`" r"|<(?P<link>[^<>\n]+)>"
    # A mark stands at a word's edge: `2*3*4` and snake_case_name are not formatted.
    r"|(?<![\w*])\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
    r"|(?<![\w_])_(?P<italic>[^\s_](?:[^\n]*?[^\s_])?)_(?![\w_])"
    r"|(?<![\w~])~(?P<strike>[^\s~](?:[^~\n]*[^\s~])?)~(?![\w~])",
    re.DOTALL,
)
_QUOTED = re.compile(r"^(?:&gt;|>) ?", re.MULTILINE)
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
_STYLES = (("bold", "bold"), ("italic", "italic"), ("strike", "strike"), ("code", "code"))


@dataclass
class Reading:
    """Text that grows, with its marks."""

    text: str = ""
    marks: list[Mark] = field(default_factory=list)

    def add(self, text: str, *kinds: str, value: str = "") -> None:
        start = len(self.text)
        self.text += text
        self.mark(start, *kinds, value=value)

    def mark(self, start: int, *kinds: str, value: str = "") -> None:
        for kind in kinds:
            if len(self.text) > start:
                target = value if kind in ("link", "pre") else ""
                self.marks.append(Mark(kind=kind, start=start, end=len(self.text), value=target))

    def take(self, other: "Reading") -> None:
        shift = len(self.text)
        self.text += other.text
        for mark in other.marks:
            moved = {"start": mark.start + shift, "end": mark.end + shift}
            self.marks.append(mark.model_copy(update=moved))


def by_id(identifier: str) -> str:
    return identifier


def read_mrkdwn(text: str, names: Names = by_id) -> Reading:
    """Formatting, links, mentions, entities and `> ` quotes."""
    reading = Reading()
    for quoted, lines in _grouped(text):
        start = len(reading.text)
        body = "\n".join(lines)
        _inline(_QUOTED.sub("", body) if quoted else body, reading, names)
        if quoted:
            reading.mark(start, "quote")
        reading.add("\n")
    reading.text = reading.text[:-1]
    return reading


def _grouped(text: str) -> Iterable[tuple[bool, list[str]]]:
    """Lines in runs of quoted and of other ones; a code block is never quoted."""
    runs: list[tuple[bool, list[str]]] = []
    fenced = False
    for line in text.split("\n"):
        quoted = not fenced and bool(_QUOTED.match(line))
        if runs and runs[-1][0] == quoted:
            runs[-1][1].append(line)
        else:
            runs.append((quoted, [line]))
        fenced ^= line.count("```") % 2 == 1
    return runs


def _inline(text: str, reading: Reading, names: Names) -> None:
    position = 0
    for match in _INLINE.finditer(text):
        reading.add(unescaped(text[position : match.start()]))
        _marked(match, reading, names)
        position = match.end()
    reading.add(unescaped(text[position:]))


def _marked(match: re.Match[str], reading: Reading, names: Names) -> None:
    kind, content = str(match.lastgroup), match[str(match.lastgroup)]
    if kind == "link":
        _link(content, reading, names)
    elif kind in ("code", "pre"):
        reading.add(unescaped(content.strip("\n") if kind == "pre" else content), kind)
    else:
        start = len(reading.text)
        _inline(content, reading, names)
        reading.mark(start, kind)


def _link(content: str, reading: Reading, names: Names) -> None:
    """`<url|label>`, `<@U1>`, `<#C1|name>`, `<!here>`."""
    target, _, label = content.partition("|")
    if target.startswith("@"):
        reading.add(f"@{unescaped(label) or names(target[1:])}", "mention")
    elif target.startswith("#"):
        reading.add(f"#{unescaped(label) or names(target[1:])}", "mention")
    elif target.startswith("!"):
        reading.add(unescaped(label) or f"@{target[1:].split('^')[0]}", "mention")
    else:
        url = unescaped(target)
        reading.add(unescaped(label) or url, "link", value=url)


def unescaped(text: str) -> str:
    for entity, char in _ENTITIES:
        text = text.replace(entity, char)
    return text


def read_markdown(text: str) -> Reading:
    """Markdown blocks and streams."""
    rich = to_rich(text)
    marks = [Mark(kind=m.kind, start=m.start, end=m.end, value=m.value) for m in rich.marks]
    return Reading(rich.text, marks)


def read_text_object(value: Any, names: Names = by_id) -> Reading:
    content = str(value.get("text", "")) if isinstance(value, dict) else ""
    if isinstance(value, dict) and value.get("type") == "mrkdwn":
        return read_mrkdwn(content, names)
    return Reading(content)


def read_rich_text(block: dict[str, Any], names: Names = by_id) -> Reading:
    """A `rich_text` block, as people's own messages have it."""
    whole = Reading()
    for element in block.get("elements", []):
        if whole.text and not whole.text.endswith("\n"):
            whole.add("\n")
        whole.take(_rich_element(element, names))
    return whole


def _rich_element(element: dict[str, Any], names: Names) -> Reading:
    kind = element.get("type")
    reading = Reading()
    if kind == "rich_text_list":
        _rich_list(element, reading, names)
        return reading
    for piece in element.get("elements", []):
        _rich_piece(piece, reading, names)
    if kind == "rich_text_quote":
        reading.mark(0, "quote")
    elif kind == "rich_text_preformatted":
        reading.mark(0, "pre")
    return reading


def _rich_list(element: dict[str, Any], reading: Reading, names: Names) -> None:
    indent = "  " * int(element.get("indent", 0))
    first = int(element.get("offset", 0)) + 1
    for number, item in enumerate(element.get("elements", []), first):
        bullet = f"{number}." if element.get("style") == "ordered" else "•"
        reading.add(("\n" if reading.text else "") + f"{indent}{bullet} ")
        reading.take(_rich_element(item, names))


def _rich_piece(piece: dict[str, Any], reading: Reading, names: Names) -> None:
    styles = [kind for name, kind in _STYLES if (piece.get("style") or {}).get(name)]
    match piece.get("type"):
        case "link":
            url = str(piece.get("url", ""))
            reading.add(str(piece.get("text") or url), "link", *styles, value=url)
        case "user":
            reading.add(f"@{names(str(piece.get('user_id', '')))}", "mention")
        case "channel":
            reading.add(f"#{names(str(piece.get('channel_id', '')))}", "mention")
        case "broadcast":
            reading.add(f"@{piece.get('range', 'here')}", "mention")
        case "emoji":
            reading.add(f":{piece.get('name', '')}:")
        case _:
            reading.add(str(piece.get("text", "")), *styles)
