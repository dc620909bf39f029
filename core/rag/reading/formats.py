"""What an upload is, by its content; its name decides only between kinds of text.

The signatures are those of https://mimesniff.spec.whatwg.org/ and of the formats' own documents.
"""

import codecs
import re
from typing import Literal

from core.rag.reading.result import refused

Format = Literal["pdf", "docx", "html", "csv", "text"]

HEAD_BYTES = 4096
# PDF 32000-1:2008, annex H: readers take a header that stands in the first 1,024 bytes.
PDF_HEAD_BYTES = 1024
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Begins a stretch of two-byte characters in ISO-2022-JP, which looks like ASCII otherwise.
SHIFTS = b"\x1b$"
OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")  # MS-OFFCRYPTO 2.3.4.4
MARKDOWN_NAMES = (".md", ".markdown")
CSV_NAMES = (".csv", ".tsv")
_HTML_NAMES = (".html", ".htm", ".xhtml")

# Form feed, tab, line ends and escape appear in text; the other control characters do not.
_CONTROLS = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")
_PREAMBLE = re.compile(r"(?:\s+|<\?xml.*?\?>|<!--.*?-->)+", re.DOTALL)
_DOCUMENT = re.compile(r"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_ELEMENT = re.compile(
    r"<(?:title|meta|p|div|h[1-6]|[uo]l|table|article|section|main|br)\b[^>]*>", re.IGNORECASE
)
_QUESTIONS = r"questions?|q|frage|pregunta|vraag|domanda|pergunta|вопрос"
_ANSWERS = r"answers?|a|antwort|respuesta|réponse|reponse|antwoord|risposta|resposta|ответ"
_FAQ = re.compile(
    rf'\s*"?(?:{_QUESTIONS})"?\s*[,;\t|]\s*"?(?:{_ANSWERS})"?\s*(?:[,;\t|].*)?', re.IGNORECASE
)
QUESTION = re.compile(_QUESTIONS, re.IGNORECASE)
ANSWER = re.compile(_ANSWERS, re.IGNORECASE)


def detect(data: bytes, filename: str = "") -> Format:
    """Raises InvalidInput with the code `unsupported_media_type` or `encrypted`."""
    if b"%PDF-" in data[:PDF_HEAD_BYTES]:
        return "pdf"
    if data.startswith(b"PK\x03\x04") and b"word/" in data:
        return "docx"
    if data.startswith(OLE2) and ENCRYPTED_PACKAGE in data:
        raise refused("encrypted")
    if not is_text(data):
        raise refused("unsupported_media_type")
    return _kind_of_text(_head(data), filename.lower())


def is_text(data: bytes) -> bool:
    if bom_encoding(data) or unmarked_utf16(data):
        return True
    start = data[:HEAD_BYTES].lstrip().lower()
    return not _CONTROLS.search(data) and not start.startswith((b"{\\rtf", b"%!ps"))


def bom_encoding(data: bytes) -> str | None:
    return next((encoding for bom, encoding in BOMS if data.startswith(bom)), None)


def unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 without its mark: in most scripts' text every second byte of spaces is zero."""
    head = data[:HEAD_BYTES]
    if len(data) % 2 or len(head) < 4:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    share = len(head) / 2 * 0.4
    if odd > share and not even:
        return "utf-16-le"
    return "utf-16-be" if even > share and not odd else None


def _head(data: bytes) -> str:
    encoding = bom_encoding(data) or unmarked_utf16(data) or "utf-8"
    return data[:HEAD_BYTES].decode(encoding, errors="replace").lstrip("\ufeff")


def _kind_of_text(head: str, filename: str) -> Format:
    begins = _PREAMBLE.sub("", head, count=1) if _PREAMBLE.match(head) else head
    if _DOCUMENT.match(begins):
        return "html"
    # Markdown may hold elements too, so a lone one decides only where nobody calls it Markdown.
    if _ELEMENT.match(begins) and not filename.endswith(MARKDOWN_NAMES):
        return "html"
    if filename.endswith(_HTML_NAMES) and _ELEMENT.search(head):
        return "html"
    if filename.endswith(CSV_NAMES) or _FAQ.fullmatch(head.split("\n", 1)[0].rstrip("\r")):
        return "csv"
    return "text"
