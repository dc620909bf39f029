"""Markdown that breaks off anywhere, made whole enough to be shown while it is written. Pure.

What is open at the end is closed, what can't be shown yet (half a link, the first row of a table)
is left out until more of it is there.
"""

import re
import unicodedata

from core.llm.citations import without_markers

_HALF_MARKER = re.compile(r"[ \t]*【[^】]{0,20}$")  # of a citation; `[` is half a link
_FENCE = re.compile(r"\s*(`{3,}|~{3,})([^`]*)$")
_BARE = re.compile(r"(?:\s|>)*(?:[-+]|\d{1,3}[.)]?|#{1,6}|[-=*_|~`]+)?\s*$")
"""A line of markup only: a bullet without its item, a rule or an underline, half a fence."""
_BLOCK = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)]|#{1,6}|>)\s")
_ADDRESS = re.compile(r"https?://[^\s<>)\]]*")
_LONGEST_LABEL = 100
_LONGEST_ADDRESS = 500


def without_citations(markdown: str) -> str:
    """Without [n]: the numbers are only given when the answer is complete."""
    return without_markers(_HALF_MARKER.sub("", markdown))


def whole_paragraphs(markdown: str) -> str:
    """Up to the end of the last complete paragraph."""
    return markdown[: max(markdown.rfind("\n\n"), 0)]


def whole(markdown: str) -> str:
    """The beginning of a text as Markdown that stands for itself."""
    lines = markdown.rstrip().split("\n")
    fence = _open_fence(lines[:-1])
    if fence:
        return _with_fence_closed(lines, fence)
    if _FENCE.match(lines[-1]):  # it opens here, and holds nothing yet
        lines.pop()
    start = _table_start(lines)
    if start is not None:
        return "\n".join(lines[:start] + _whole_rows(lines[start:])).rstrip()
    start = _paragraph_start(lines)
    tail = _Inline("\n".join(lines[start:])).closed()
    return _without_bare_end(lines[:start] + tail.split("\n"))


def _without_bare_end(lines: list[str]) -> str:
    while lines and _BARE.match(lines[-1]):
        lines.pop()
    return "\n".join(lines)


# --- code blocks


def _open_fence(lines: list[str]) -> str:
    """The fence of the code block these lines end in; empty outside of one."""
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        if not found:
            continue
        if not fence:
            fence = found[1]
        elif found[1].startswith(fence) and not found[2].strip():
            fence = ""
    return fence


def _with_fence_closed(lines: list[str], fence: str) -> str:
    if lines[-1].strip(fence[0] + " \t") == "":  # the closing fence, perhaps only half of it
        lines = lines[:-1]
    return "\n".join([*lines, fence])


# --- tables and paragraphs


def _table_start(lines: list[str]) -> int | None:
    """Where the table begins that the text ends in."""
    start = len(lines)
    while start and lines[start - 1].lstrip().startswith("|"):
        start -= 1
    return start if start < len(lines) else None


def _whole_rows(rows: list[str]) -> list[str]:
    """Complete rows; none before the line below the head says that it is a table."""
    complete = rows[:-1]
    return complete if len(complete) >= 2 else []


def _paragraph_start(lines: list[str]) -> int:
    """The first line of the paragraph or list item the text ends in: marks don't reach further."""
    start = max(len(lines) - 1, 0)
    while start and lines[start - 1].strip() and not _BLOCK.match(lines[start]):
        start -= 1
    return start


# --- marks within a paragraph


class _Inline:
    """Reads a paragraph as CommonMark does, and knows at its end which marks are open.

    https://spec.commonmark.org/0.31.2/#emphasis-and-strong-emphasis
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[tuple[str, int]] = []  # sign, how many of it

    def closed(self) -> str:
        bullet = _BLOCK.match(self._text)
        self._at = bullet.end() if bullet else 0
        closing = ""
        while self._at < len(self._text) and not closing:
            closing = self._step(self._text[self._at])
        text = self._text.rstrip()
        while self._open:
            sign, count = self._open.pop()
            closing += sign * count
        return text + closing

    def _step(self, char: str) -> str:
        """Go past what stands here; what closes the text, when it ends within."""
        if char == "\\":
            if self._at + 1 == len(self._text):
                self._cut(self._at)
            self._at += 2
        elif char == "`":
            return self._code()
        elif char in "*_~":
            self._marks(char)
        elif char in "[<":
            self._link(char)
        else:
            address = _ADDRESS.match(self._text, self._at)
            self._at = address.end() if address else self._at + 1
        return ""

    def _cut(self, position: int) -> None:
        self._text = self._text[:position]

    def _run(self, char: str) -> int:
        rest = self._text[self._at :]
        return len(rest) - len(rest.lstrip(char))

    def _code(self) -> str:
        ticks = self._run("`")
        start = self._at + ticks
        end = re.compile(rf"(?<!`)`{{{ticks}}}(?!`)").search(self._text, start)
        if end:
            self._at = end.end()
            return ""
        if not self._text[start:].strip("` \n"):
            self._cut(self._at)
            return ""
        self._cut(len(self._text.rstrip("`")))  # half of the closing ticks
        self._at = len(self._text)
        return "`" * ticks

    def _marks(self, sign: str) -> None:
        start, end = self._at, self._at + self._run(sign)
        self._at = end
        before, after = self._around(start, end)
        if sign == "~" and end - start == 1 and end < len(self._text):
            return  # about so many
        opens, closes = _flanks(before, after)
        count = self._close(sign, end - start) if closes else end - start
        if count and end == len(self._text):
            self._cut(end - count)  # what it will open or close isn't there yet
        elif count and opens and not before.isalnum():
            self._open.append((sign, count))

    def _around(self, start: int, end: int) -> tuple[str, str]:
        return (self._text[start - 1 : start] or " "), (self._text[end : end + 1] or " ")

    def _close(self, sign: str, count: int) -> int:
        """Close what is open with this sign; how many signs are left."""
        while count and self._open and self._open[-1][0] == sign:
            _, open_count = self._open.pop()
            used = min(count, open_count)
            count -= used
            if used < open_count:
                self._open.append((sign, open_count - used))
        return count

    def _link(self, char: str) -> None:
        if char == "<":
            pattern = re.compile(r"<(?:https?://[^>\s]*)?(?P<end>>)?")
        else:
            label = rf"\[[^\[\]]{{0,{_LONGEST_LABEL}}}"
            address = rf"\([^()\s]{{0,{_LONGEST_ADDRESS}}}"
            pattern = re.compile(rf"{label}(?:\](?:{address}(?P<end>\))?)?)?")
        found = pattern.match(self._text, self._at)
        if found is None or (found["end"] is None and found.end() < len(self._text)):
            self._at += 1  # only a bracket
        elif found["end"] is None:
            is_image = char == "[" and self._text[self._at - 1 : self._at] == "!"
            self._cut(self._at - is_image)
        else:
            self._at = found.end()


def _flanks(before: str, after: str) -> tuple[bool, bool]:
    """Whether a run of signs between these characters may open, and may close."""
    left = not after.isspace() and (not _is_sign(after) or before.isspace() or _is_sign(before))
    right = not before.isspace() and (not _is_sign(before) or after.isspace() or _is_sign(after))
    return left, right


def _is_sign(char: str) -> bool:
    return unicodedata.category(char)[0] in "PS"
