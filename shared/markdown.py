"""Markdown to RichText: what a chat can show of it, everything else as plain readable text.

Links keep only http, https, mailto and tel; an image becomes a link to it; raw HTML is literal.
"""

import re
from collections.abc import Callable, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from shared.richtext import Mark, MarkKind, RichText, ordered
from shared.tables import table_lines

_SAFE_LINK = re.compile(r"(?:https?://[^/?#]|mailto:.|tel:.)", re.IGNORECASE)
_SPECIAL = "[]*_~`!<&|\\\n"
_MAX_SPECIAL = 2500
"""More Markdown characters than any reply holds: parsing them could take a second (measured
25 µs each in the worst case), so such a text is shown as it stands."""
_MAX_LINK_SCAN = 2_000_000
"""The parser looks for each link's end up to the end of its paragraph: that grows as a square."""

_parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_parser.validateLink = lambda url: True  # type: ignore[method-assign]  # judged in `is_safe_link`

_MARKUP = re.compile(r"([\\`*_~\[\]<>#!|&+-])")
_MARKS: dict[str, MarkKind] = {
    "strong": "bold",
    "em": "italic",
    "s": "strike",
    "heading": "bold",
    "th": "bold",
}


def escape(text: str) -> str:
    """One line of somebody else's text, to stand in Markdown as it is."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def to_rich(markdown: str) -> RichText:
    """Parse Markdown; total on any input, linear in its length."""
    if _is_hostile(markdown):
        return RichText(text=markdown.strip())
    writer = _Writer()
    writer.blocks(_parser.parse(markdown))
    return RichText(text="".join(writer.parts), marks=ordered(writer.marks))


def _is_hostile(markdown: str) -> bool:
    if sum(map(markdown.count, _SPECIAL)) > _MAX_SPECIAL:
        return True
    paragraphs = markdown.split("\n\n")
    return sum(len(text) * text.count("](") for text in paragraphs) > _MAX_LINK_SCAN


def is_safe_link(url: str) -> bool:
    return _SAFE_LINK.match(url) is not None


class _Writer:
    """Writes tokens as text; marks open lazily, so that none covers a gap or nothing."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.marks: list[Mark] = []
        self.position = 0
        self._open: list[tuple[MarkKind, int, str]] = []  # start -1 until something is written
        self._gap = 0  # line breaks owed before the next text
        self._lists: list[int | None] = []  # the next number, or None for bullets
        self._bullet = ""
        self._quotes = 0

    # --- text and marks

    def write(self, text: str) -> None:
        if not text:
            return
        if self.position and self._gap:
            self._put("\n" * self._gap)
            if not self._bullet:  # a further paragraph of a list item
                self._put("  " * len(self._lists))
        prefix, self._bullet, self._gap = self._bullet, "", 0
        self._put(prefix)
        self._open = [
            (kind, self.position if start < 0 else start, value)
            for kind, start, value in self._open
        ]
        self._put(text)

    def _put(self, text: str) -> None:
        self.parts.append(text)
        self.position += len(text)

    def open(self, kind: MarkKind, value: str = "") -> None:
        self._open.append((kind, -1, value))

    def close(self) -> None:
        kind, start, value = self._open.pop()
        if start >= 0:
            self.marks.append(Mark(kind=kind, start=start, end=self.position, value=value))

    def marked(self, kind: MarkKind, text: str, value: str = "") -> None:
        self.open(kind, value)
        self.write(text)
        self.close()

    def end_block(self) -> None:
        """A blank line between blocks, none inside a list."""
        self._gap = max(self._gap, 1 if self._lists else 2)

    # --- blocks

    def blocks(self, tokens: Sequence[Token]) -> None:
        index = 0
        while index < len(tokens):
            token = tokens[index]
            if token.type == "table_open":
                index = self._table(tokens, index)
            else:
                self._block(token)
            index += 1

    def _block(self, token: Token) -> None:
        if token.type == "inline":
            for child in token.children or ():
                self._inline(child)
        elif token.type in ("fence", "code_block"):
            self.marked("pre", token.content.rstrip("\n"), token.info.strip().split(" ")[0][:64])
            self.end_block()
        elif token.type == "hr":
            self.write("———")
            self.end_block()
        else:
            self._container(token)

    def _container(self, token: Token) -> None:
        name, _, edge = token.type.rpartition("_")
        handler: Callable[[bool], None] | None = {
            "blockquote": self._quote,
            "list_item": self._item,
            "heading": self._heading,
        }.get(name)
        if handler:
            handler(edge == "open")
        elif name in ("bullet_list", "ordered_list"):
            self._list(token, edge == "open")
        if edge == "close":
            self.end_block()

    def _heading(self, opens: bool) -> None:
        self.open("bold") if opens else self.close()

    def _quote(self, opens: bool) -> None:
        self._quotes += 1 if opens else -1
        if opens and self._quotes == 1:  # platforms don't nest quotes
            self.open("quote")
        if not opens and self._quotes == 0:
            self.close()

    def _list(self, token: Token, opens: bool) -> None:
        if opens:
            self._gap = min(self._gap, 1) if self._lists else self._gap
            start = token.attrGet("start")
            self._lists.append(
                None if token.type.startswith("bullet") else int(start if start is not None else 1)
            )
        else:
            self._lists.pop()

    def _item(self, opens: bool) -> None:
        if not opens:
            if self._bullet.strip():  # an item without text
                bullet, self._bullet = self._bullet.rstrip(), ""
                self.write(bullet)
            return
        self._gap = max(self._gap, 1)
        number = self._lists[-1]
        if number is not None:
            self._lists[-1] = number + 1
        marker = "• " if number is None else f"{number}. "
        self._bullet += marker if self._bullet else "  " * (len(self._lists) - 1) + marker

    def _table(self, tokens: Sequence[Token], start: int) -> int:
        """Write the table that opens at `start`; the index of its closing token."""
        rows: list[list[str]] = []
        index = start
        while tokens[index].type != "table_close":
            if tokens[index].type == "tr_open":
                rows.append([])
            elif tokens[index].type == "inline":
                rows[-1].append(_plain(tokens[index]))
            index += 1
        text, is_aligned = table_lines(rows)
        self.marked("pre", text) if is_aligned else self.write(text)
        self.end_block()
        return index

    # --- inline

    def _inline(self, token: Token) -> None:
        if token.type in ("text", "text_special"):
            self.write(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            self.write("\n" + "  " * len(self._lists))
        elif token.type == "code_inline":
            self.marked("code", token.content)
        elif token.type == "image":
            self._image(token)
        elif token.type.startswith("link"):
            self._link(token)
        else:
            name, _, edge = token.type.rpartition("_")
            self.open(_MARKS[name]) if edge == "open" else self.close()

    def _link(self, token: Token) -> None:
        if token.type == "link_close":
            if self._open[-1][2]:
                self.close()
            else:
                self._open.pop()
            return
        url = str(token.attrGet("href") or "")
        self.open("link", url if is_safe_link(url) else "")

    def _image(self, token: Token) -> None:
        url = str(token.attrGet("src") or "")
        in_link = any(kind == "link" and value for kind, _, value in self._open)
        label = token.content or (url if is_safe_link(url) else "")
        if is_safe_link(url) and not in_link:
            self.marked("link", label, url)
        else:
            self.write(label)


def _plain(inline: Token) -> str:
    """A table cell without marks; its links keep their address."""
    writer = _Writer()
    writer.blocks([inline])
    text = "".join(writer.parts)
    for mark in reversed(writer.marks):
        if mark.kind == "link" and mark.value not in text:
            text = f"{text[:mark.end]} ({mark.value}){text[mark.end:]}"
    return text.replace("\n", " ")
