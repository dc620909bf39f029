"""Hostile files end in a typed error of a child that is gone, within its time and memory."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.rag.reading import reader as reader_module
from core.rag.reading.reader import DocumentReader
from core.rag.reading.result import CSV, PDF
from shared.errors import InvalidInput
from tests.core.rag import files
from tests.waiting import eventually

MEGABYTE = 2**20


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    yield
    assert children() == []


def children() -> list[psutil.Process]:
    """The readers that run now; the engines of the tests are children too."""
    found = psutil.Process().children()
    return [child for child in found if "core.rag.reading" in " ".join(_command_of(child))]


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it ended while it was looked at
        return []


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "zip bomb": (lambda: files.archive({"word/document.xml": bytes(60 * MEGABYTE)}), "too_complex"),
    "bomb beside": (lambda: files.archive({
        "word/document.xml": "<x/>", "word/media/a.png": bytes(60 * MEGABYTE)}), "too_complex"),
    "many members": (lambda: files.archive({
        "word/document.xml": "<x/>", **{f"word/{n}": "" for n in range(5001)}}), "too_complex"),
    "billion laughs": (files.laughing_docx, "too_complex"),
    "cut docx": (lambda: files.docx([(0, "words " * 500)])[:-60], "unreadable_document"),
    "no docx": (lambda: files.archive({"word/other.xml": "<x/>"}), "unsupported_media_type"),
    "broken xml": (lambda: files.archive({"word/document.xml": "<w:docum"}), "unreadable_document"),
    "huge stream": (lambda: files.pdf(
        ["x"], streams={0: files.flate(bytes(300 * MEGABYTE))}), "too_complex"),
    "nested stream": (lambda: files.pdf(
        ["x"], streams={0: files.flate(bytes(300 * MEGABYTE), 2)}), "too_complex"),
    "locked pdf": (lambda: files.pdf(["x"], encrypted=True), "encrypted"),
    "cut pdf": (lambda: files.book(3)[:-400], "unreadable_document"),
    "pdf in name": (lambda: b"%PDF-1.7 harmless looking", "unreadable_document"),
    "empty pdf": (lambda: files.pdf([""]), "no_text"),
    "deep html": (lambda: b"<!doctype html>" + b"<div>" * 20_000, "too_complex"),
    "csv field": (lambda: b'question,answer\n"' + b"x" * 1_100_000, "unreadable_document"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_file_is_a_typed_error(name: str) -> None:
    make, code = HOSTILE[name]
    data = make()
    assert len(data) < 10 * MEGABYTE
    if code == "no_text":  # the parser finds nothing to complain about
        assert (await DocumentReader().read(data, "notes.md")).text.strip() == ""
        return
    with pytest.raises(InvalidInput) as caught:
        await DocumentReader().read(data, "notes.md")
    assert caught.value.detail_code == code


async def test_a_book_of_300_pages_and_5000_answers_are_read() -> None:
    reader = DocumentReader()
    book, faq = await asyncio.gather(
        reader.read(files.book(300), "book.txt"), reader.read(files.faq(5000), "faq.pdf")
    )
    assert (book.media_type, book.pages, book.text.count("# Chapter")) == (PDF, 300, 30)
    assert (faq.media_type, faq.text.count("# How do I")) == (CSV, 5000)


def _child(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the reader start a child that was taken over by what it read."""
    whole = f"from core.rag.reading import limits\nlimits.confine()\nimport sys, os, time\n{code}"
    command = (reader_module._COMMAND[0], "-c", whole)
    monkeypatch.setattr(reader_module, "_COMMAND", command)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("time.sleep(60)", "reading_timeout"),
        ("while True: pass", "reading_timeout"),
        ("while True: sys.stdout.write('x' * 65536)", "too_large"),
        ("b = bytearray(600 * 2**20)", "too_complex"),
        ("os.kill(os.getpid(), 11)", "too_complex"),
        ("sys.stdin.close()", "too_complex"),
        ('print(\'{"code": "rm -rf"}\')', "unreadable_document"),
    ],
)
async def test_a_child_out_of_bounds_is_ended(
    monkeypatch: pytest.MonkeyPatch, code: str, expected: str
) -> None:
    _child(monkeypatch, code)
    with pytest.raises(InvalidInput) as caught:
        await DocumentReader(seconds=3.0).read(b"x" * 200_000)
    assert caught.value.detail_code == expected


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('127.0.0.1', 1))",
        "import subprocess; subprocess.run(['true'])",
        "os.system('true')",
        "os.fork()",
        "open('{file}', 'w').write('x')",
        "[open('/dev/null') for _ in range(64)]",
        "os.environ['CAIRN_SECRET_KEYS']",
    ],
)
async def test_a_child_has_no_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, attempt: str
) -> None:
    monkeypatch.setenv("CAIRN_SECRET_KEYS", "secret")
    import_first = "import socket, subprocess"
    code = attempt.format(file=tmp_path / "x")
    answer = """print('{"media_type": "text/plain", "title": "", "pages": null}')"""
    told = f"except Exception as e:\n  {answer}\n  print(type(e).__name__)"
    _child(monkeypatch, f"{import_first}\ntry:\n  {code}\n  os.close(99)\n{told}")
    said = (await DocumentReader(seconds=10.0).read(b"x")).text.strip()
    assert said in ("PermissionError", "OSError", "KeyError")
    assert said != "OSError" or "open" in attempt


async def test_a_cancelled_reading_leaves_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    _child(monkeypatch, "time.sleep(60)")
    reading = asyncio.create_task(DocumentReader().read(b"x"))
    await eventually(lambda: len(children()) == 1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_few_children_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _child(monkeypatch, "time.sleep(60)")
    reader = DocumentReader(places=2, seconds=1.5)
    readings = [asyncio.create_task(reader.read(b"x")) for _ in range(4)]
    most = 0
    while not all(reading.done() for reading in readings):
        most = max(most, len(children()))
        await asyncio.sleep(0.05)
    assert most == 2
    codes = await asyncio.gather(*readings, return_exceptions=True)
    assert {getattr(code, "detail_code", None) for code in codes} == {"reading_timeout"}
