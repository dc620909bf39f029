"""Read one document: `python -m core.rag.reading.child`, bytes in, text out, then end.

In: a line of JSON with `filename` and `encoding`, then the file. Out: a line of JSON, the head of
the answer, then the text. Whatever happens here happens to this process alone.
"""

import json
import sys
from typing import Any

from core.rag.reading import limits
from core.rag.reading.formats import Format, detect
from core.rag.reading.result import PLAIN, Reading, refused
from shared.errors import InvalidInput

TOO_COMPLEX_EXIT = 75


def main() -> None:
    limits.confine()
    request = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read(limits.MAX_DECODED_BYTES + 1)
    try:
        _answer(_read(data, request))
    except InvalidInput as error:
        _write({"code": error.detail_code}, b"")
    except (MemoryError, RecursionError):
        sys.exit(TOO_COMPLEX_EXIT)
    except Exception:
        # Parsers raise anything on damaged files; what exactly would tell nobody anything.
        _write({"code": "unreadable_document"}, b"")


def _read(data: bytes, request: dict[str, Any]) -> Reading:
    if len(data) > limits.MAX_DECODED_BYTES:
        raise refused("too_large")
    return _parsed(detect(data, request["filename"]), data, request["encoding"])


def _parsed(kind: Format, data: bytes, encoding: str) -> Reading:
    # Each parser is loaded only where it is needed: that saves memory and half a second.
    if kind == "pdf":
        from core.rag.reading import pdf

        return pdf.read(data)
    if kind == "docx":
        import defusedxml

        from core.rag.reading import docx

        defusedxml.defuse_stdlib()  # type: ignore[attr-defined]
        return docx.read(data)
    if kind == "html":
        from core.rag.reading import html

        return html.read(data, encoding)
    if kind == "csv":
        from core.rag.reading import table

        return table.read(data, encoding)
    from core.rag.reading.plain import decode

    return Reading(text=decode(data, encoding), media_type=PLAIN)


def _answer(reading: Reading) -> None:
    text = reading.text.encode("utf-8", errors="replace")
    if len(text) > limits.MAX_TEXT_BYTES:
        raise refused("too_large")
    head = {"media_type": reading.media_type, "title": reading.title[:300], "pages": reading.pages}
    _write(head, text)


def _write(head: dict[str, Any], text: bytes) -> None:
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
