"""What an upload is, is decided by its content; what needs no parser is taken at once."""

import pytest

from core.rag.read import MAX_BYTES, clean, take_file, take_text
from core.rag.reading.result import CSV, DOCX, HTML, MARKDOWN, PDF, PLAIN
from shared.errors import InvalidInput, PayloadTooLarge
from tests.core.rag import files


@pytest.mark.parametrize(
    "data",
    [
        "Über Ziele".encode(),
        "Über Ziele".encode("utf-8-sig"),
        "Über Ziele".encode("utf-16"),
        b"\xfe\xff" + "Über Ziele".encode("utf-16-be"),
    ],
    ids=["utf-8", "utf-8-bom", "utf-16-le", "utf-16-be"],
)
def test_unicode_is_read_at_once(data: bytes) -> None:
    assert take_file(data).text == "Über Ziele"


@pytest.mark.parametrize(
    ("data", "filename", "media_type"),
    [
        (files.pdf(["x"]), "notes.md", PDF),
        (b"\n\n" + files.pdf(["x"]), "", PDF),
        (files.docx([(0, "x")]), "notes.txt", DOCX),
        (b"<!DOCTYPE html><p>hello", "notes.md", HTML),
        (b'<?xml version="1.0"?>\n<!-- x --><html><p>hello', "notes.csv", HTML),
        (b"<p>hello", "page", HTML),
        ("<html><p>hello".encode("utf-16"), "page.txt", HTML),
        (b"words, then <b>more</b> <p>hello", "page.html", HTML),
        (b"Question;Answer\nHow?;So.", "faq.txt", CSV),
        (b"name,age\nAda,36", "people.csv", CSV),
        ("Über Ziele".encode("latin-1"), "old.txt", PLAIN),
    ],
    # A zip archive has the time in it, so its bytes name no test.
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_a_parser_is_left_to_a_worker(data: bytes, filename: str, media_type: str) -> None:
    taken = take_file(data, filename)
    assert (taken.text, taken.media_type, taken.size_bytes) == (None, media_type, len(data))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"text\x00more", "unsupported_media_type"),
        (b"\x89PNG\r\n\x1a\n....", "unsupported_media_type"),
        (b"PK\x03\x04....", "unsupported_media_type"),
        (b"{\\rtf1 hello}", "unsupported_media_type"),
        (b"MZ\x90\x00\x03", "unsupported_media_type"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "unsupported_media_type"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "encrypted",
        ),
        (b"", "no_text"),
        (b" \n\t ", "no_text"),
        (b"\xef\xbb\xbf", "no_text"),
        (b"--- ***", "no_text"),
    ],
    ids=["nul", "png", "zip", "rtf", "exe", "doc", "locked docx", "empty", "blank", "bom", "signs"],
)
@pytest.mark.parametrize("filename", ["notes.md", "notes.pdf"])
def test_what_is_no_document_is_refused_at_once(data: bytes, code: str, filename: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        take_file(data, filename)
    assert caught.value.detail_code == code


def test_ten_megabytes_are_the_limit() -> None:
    assert take_file(b"a" * MAX_BYTES).size_bytes == MAX_BYTES
    with pytest.raises(PayloadTooLarge):
        take_file(b"a" * (MAX_BYTES + 1))
    with pytest.raises(PayloadTooLarge):
        take_text("é" * (MAX_BYTES // 2 + 1))


def test_what_cannot_be_stored_is_replaced() -> None:
    assert clean("a\x00b\ud800c\r\nd\re") == "ab\ufffdc\nd\ne"


@pytest.mark.parametrize(
    ("text", "filename", "expected"),
    [
        ("plain words", "", PLAIN),
        ("plain words", "a.MD", MARKDOWN),
        ("# Title\n\nwords", "a.txt", MARKDOWN),
        ("#hashtag", "a.txt", PLAIN),
    ],
)
def test_markdown_is_seen(text: str, filename: str, expected: str) -> None:
    assert take_text(text, filename).media_type == expected
