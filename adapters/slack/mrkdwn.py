"""Slack's mrkdwn, both ways: what a person wrote as readable text, rich text as a fallback. Pure.

https://docs.slack.dev/messaging/formatting-message-text
"""

import re
from collections.abc import Collection

from shared.richtext import Mark, RichText

_SEQUENCE = re.compile(r"<([^<>\s|][^<>|]*)(?:\|([^<>]*))?>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))
_SIGNS = {"bold": "*", "italic": "_", "strike": "~"}
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def readable(text: str, bots: Collection[str] = ()) -> str:
    """What a person wrote, without control sequences; mentions of `bots` themselves go."""
    for bot in bots:
        text = re.sub(rf"<@{re.escape(bot)}(?:\|[^<>]*)?>[ \t]*[:,]?[ \t]*", "", text)
    # Entities last: an escaped "&lt;@U1&gt;" is somebody's text, not a mention.
    return unescape(_SEQUENCE.sub(_readable, text)).strip()


def mentions(text: str, users: Collection[str]) -> bool:
    """Whether one of these users is called by name."""
    found = re.findall(r"<@([A-Z0-9]+)(?:\|[^<>]*)?>", text)
    return any(user in found for user in users)


def without_first_mention(text: str) -> str:
    """For an event that says "you were called" but not by which name."""
    return re.sub(r"^\s*<@[A-Z0-9]+(?:\|[^<>]*)?>[ \t]*[:,]?[ \t]*", "", text)


def _readable(sequence: re.Match[str]) -> str:
    target, label = sequence[1], sequence[2] or ""
    if target[0] in "@#":
        return target[0] + (label.lstrip(target[0]) or target[1:])
    if target[0] == "!":
        return _special(target[1:], label)
    bare = re.sub(r"^(?:mailto:|tel:|https?://)", "", target)
    if not label or unescape(label).rstrip("/") in (target.rstrip("/"), bare.rstrip("/")):
        return re.sub(r"^(?:mailto:|tel:)", "", target)
    return f"{label} ({target})"


def _special(target: str, label: str) -> str:
    """`<!here>`, `<!subteam^S1|@team>`, `<!date^1392734382^{date}|Feb 18>`."""
    name = target.split("^")[0]
    if name == "date":
        return label
    return label if label.startswith("@") else f"@{label or name}"


def unescape(text: str) -> str:
    return _ENTITY.sub(lambda entity: _ENTITIES[entity[0]], text)


def escape(text: str) -> str:
    """Nothing in it is a mention, a link or a command any more."""
    return text.translate(_ESCAPES)


def fallback(rich: RichText) -> str:
    """What notifications and screen readers show in place of blocks.

    All text is there, escaped; a mark whose signs could not work here is left out.
    """
    openings: dict[int, list[str]] = {}
    closings: dict[int, list[str]] = {}
    for mark in _workable(rich):
        before, after = _signs(mark)
        openings.setdefault(mark.start, []).append(before)
        closings.setdefault(mark.end, []).insert(0, after)
    quoted = _quoted_lines(rich)
    pieces: list[str] = []
    for index, char in enumerate(rich.text):
        sign = ["&gt; "] if index in quoted else []
        pieces += [*closings.get(index, ()), *sign, *openings.get(index, ()), escape(char)]
    return "".join([*pieces, *closings.get(len(rich.text), ())])


def _quoted_lines(rich: RichText) -> set[int]:
    """Where the lines of quotes begin."""
    starts: set[int] = set()
    for mark in rich.marks:
        if mark.kind == "quote":
            breaks = re.finditer("\n", rich.text[mark.start : mark.end])
            starts |= {mark.start, *(mark.start + found.end() for found in breaks)}
    return starts


def _signs(mark: Mark) -> tuple[str, str]:
    if mark.kind == "link":
        return f"<{_url(mark.value)}|", ">"
    if mark.kind == "pre":
        return "```\n", "\n```"
    sign = "`" if mark.kind == "code" else _SIGNS[mark.kind]
    return sign, sign


def _url(url: str) -> str:
    """A URL in which nothing ends or splits the link."""
    return escape(url.replace("|", "%7C").replace("<", "%3C").replace(">", "%3E"))


def _workable(rich: RichText) -> list[Mark]:
    """The marks whose signs Slack reads as such here, properly nested."""
    kept: list[Mark] = []
    around: list[Mark] = []  # those of them that are still open
    # Over the same words, a link or code stands innermost.
    for mark in sorted(rich.marks, key=lambda m: (m.start, -m.end, m.kind not in _SIGNS)):
        around = [outer for outer in around if outer.end > mark.start]
        if _can_show(mark, rich.text) and all(_may_stand_in(outer, mark) for outer in around):
            kept.append(mark)
            around.append(mark)
    return kept


def _can_show(mark: Mark, text: str) -> bool:
    inner = text[mark.start : mark.end]
    if mark.kind == "quote":
        return False  # has a sign on each line instead
    if mark.kind == "pre":
        return "```" not in inner
    if "\n" in inner:
        return False
    if mark.kind == "link":
        return "|" not in inner and bool(inner.strip())
    return _signs(mark)[0] not in inner and inner == inner.strip() and _is_whole(mark, text)


def _is_whole(mark: Mark, text: str) -> bool:
    """Inside a word, signs stay signs."""
    before, after = text[mark.start - 1 : mark.start], text[mark.end : mark.end + 1]
    return not (before.isalnum() or after.isalnum())


def _may_stand_in(outer: Mark, inner: Mark) -> bool:
    """Nothing stands in code or in a link, a code block in nothing, and all end in order."""
    return inner.end <= outer.end and outer.kind in _SIGNS and inner.kind != "pre"
