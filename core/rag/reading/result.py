"""What reading a file gives, and the ways in which a file can be refused."""

from dataclasses import dataclass
from typing import Literal

from shared.errors import InvalidInput

CSV = "text/csv"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML = "text/html"
MARKDOWN = "text/markdown"
PDF = "application/pdf"
PLAIN = "text/plain"

PAGE_BREAK = "\f"
"""Stands between the pages of a text that has pages."""

Refusal = Literal[
    "too_large",
    "too_complex",
    "encrypted",
    "unreadable_document",
    "unsupported_media_type",
    "no_text",
    "reading_timeout",
]
MESSAGES: dict[Refusal, str] = {
    "too_large": "there is more text in this document than can be read",
    "too_complex": "this document takes more memory or steps to read than any real one",
    "encrypted": "this document is protected by a password",
    "unreadable_document": "this document is damaged or was cut off",
    "unsupported_media_type": (
        "this kind of file cannot be read; send Markdown, text, HTML, PDF, DOCX or CSV"
    ),
    "no_text": "there is no text in this document",
    "reading_timeout": "this document took too long to read",
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """`title` is the document's own, if it names one; `pages` is None where there are none."""

    text: str
    media_type: str
    title: str = ""
    pages: int | None = None


def refused(code: Refusal) -> InvalidInput:
    return InvalidInput(MESSAGES[code], code=code)
