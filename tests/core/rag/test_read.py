"""What an upload is, is decided by its content."""

import pytest

from core.rag.read import MAX_BYTES, clean, read
from shared.errors import InvalidInput, PayloadTooLarge


@pytest.mark.parametrize(
    "data",
    [
        "Über Ziele".encode(),
        "Über Ziele".encode("utf-8-sig"),
        "Über Ziele".encode("utf-16"),
        b"\xfe\xff" + "Über Ziele".encode("utf-16-be"),
        "Über Ziele".encode("latin-1"),
    ],
    ids=["utf-8", "utf-8-bom", "utf-16-le", "utf-16-be", "latin-1"],
)
def test_encodings_are_normalised(data: bytes) -> None:
    assert read(data).text == "Über Ziele"


@pytest.mark.parametrize(
    "data",
    [
        b"text\x00more",
        b"\x89PNG\r\n\x1a\n....",
        b"PK\x03\x04....",
        b"%PDF-1.7 harmless looking",
        b"<!DOCTYPE html><p>hello",
        b"{\\rtf1 hello}",
    ],
    ids=["nul", "png", "zip", "pdf", "html", "rtf"],
)
def test_other_formats_are_refused_whatever_they_are_called(data: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(data, "notes.md")
    assert caught.value.detail_code == "unsupported_media_type"


@pytest.mark.parametrize("data", [b"", b" \n\t ", b"\xef\xbb\xbf", b"--- ***"])
def test_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(data)
    assert caught.value.detail_code == "no_text"


def test_ten_megabytes_are_the_limit() -> None:
    assert len(read(b"a" * MAX_BYTES).text) == MAX_BYTES
    with pytest.raises(PayloadTooLarge):
        read(b"a" * (MAX_BYTES + 1))
    with pytest.raises(PayloadTooLarge):
        clean("é" * (MAX_BYTES // 2 + 1))


def test_what_cannot_be_stored_is_replaced() -> None:
    assert clean("a\x00b\ud800c\r\nd\re").text == "ab\ufffdc\nd\ne"


@pytest.mark.parametrize(
    ("text", "filename", "expected"),
    [
        ("plain words", "", "text/plain"),
        ("plain words", "a.MD", "text/markdown"),
        ("# Title\n\nwords", "a.txt", "text/markdown"),
        ("#hashtag", "a.txt", "text/plain"),
    ],
)
def test_markdown_is_seen(text: str, filename: str, expected: str) -> None:
    assert clean(text, filename).media_type == expected
