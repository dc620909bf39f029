"""Text with marks: the one shape between a bot's Markdown and each channel's formatting."""

from dataclasses import dataclass
from typing import Literal

MarkKind = Literal["bold", "italic", "strike", "code", "pre", "link", "quote"]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mark over `text[start:end]`, in code points. `value`: a link's URL, a block's language."""

    kind: MarkKind
    start: int
    end: int
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class RichText:
    """Plain text and the marks over it, ordered by start, outer before inner."""

    text: str
    marks: tuple[Mark, ...] = ()
