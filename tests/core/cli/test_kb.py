"""`cairn kb`: files of every kind in, listed, shown, rebuilt and deleted."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.errors import InvalidInput, NotFound
from shared.settings import Settings
from tests.core.cli.conftest import Cairn
from tests.core.rag import files

SPACE = "wordllama-256"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.md").write_text("# A\n\nStart small.")
    (tmp_path / "deep" / "a.md").write_text("# Other A\n\nSleep well.")
    (tmp_path / "book.pdf").write_bytes(files.pdf(["One bedtime."]))
    (tmp_path / "faq.csv").write_bytes(files.faq(3))
    (tmp_path / "skipped.bin").write_bytes(b"\x00")
    return tmp_path


async def test_knowledge_from_its_first_file_to_its_last(
    cairn: Cairn, settings: Settings, database: DatabaseManager, creator: UUID, folder: Path
) -> None:
    of = ("--creator", str(creator))
    for _ in range(2):
        added = await cairn("kb", "add", str(folder), *of)
        assert added.code == 0, added.out
        assert "4 of 4 documents are ready." in added.out
    listed = [json.loads(line) for line in (await cairn("kb", "list", *of)).out.splitlines()]
    assert sorted((one["title"], one["status"], one["chunk_count"]) for one in listed) == [
        ("A", "ready", 1), ("A", "ready", 1), ("Book", "ready", 1), ("Faq", "ready", 3),
    ]  # fmt: skip
    book = next(one for one in listed if one["title"] == "Book")
    shown = json.loads((await cairn("kb", "show", book["id"], *of)).out)
    assert (shown["pages"], shown["source_uri"]) == (1, "book.pdf")

    vectors = ChromaVectors(settings.chroma)
    kept = await vectors.ids(creator, SPACE)
    await vectors.delete_all(creator, SPACE)
    assert (await cairn("kb", "reindex", *of)).code == 0
    assert await vectors.ids(creator, SPACE) == kept
    for one in listed:
        assert (await cairn("kb", "delete", one["id"], *of)).code == 0
    assert await vectors.ids(creator, SPACE) == set()
    await vectors.close()
    async with database.transaction(creator) as db:
        assert await db.fetchval("SELECT count(*) FROM app.knowledge_chunks") == 0
    assert isinstance((await cairn("kb", "show", book["id"], *of)).error, NotFound)


async def test_what_fails_is_named_and_the_rest_is_read(
    cairn: Cairn, creator: UUID, tmp_path: Path
) -> None:
    (tmp_path / "locked.pdf").write_bytes(files.pdf(["x"], encrypted=True))
    (tmp_path / "fine.txt").write_text("Start small.")
    of = ("--creator", str(creator))
    outcome = await cairn("kb", "add", str(tmp_path), "http://127.0.0.1/", *of)
    assert (outcome.code, "1 of 3 documents are ready." in outcome.out) == (1, True)
    assert "locked.pdf: this document is protected by a password" in outcome.out
    assert "http://127.0.0.1/: this address is not on the open internet" in outcome.out


async def test_a_new_version_that_cannot_be_read_is_named_and_the_old_one_stays(
    cairn: Cairn, creator: UUID, tmp_path: Path
) -> None:
    of, book = ("--creator", str(creator)), tmp_path / "book.pdf"
    for content, says in ((files.pdf(["One bedtime."]), "1 of 1"), (book_cut(), "0 of 1")):
        book.write_bytes(content)
        added = await cairn("kb", "add", str(book), *of)
        assert f"{says} documents are ready." in added.out
    assert (added.code, "book.pdf: " in added.out) == (1, True)
    [listed] = (await cairn("kb", "list", *of)).out.splitlines()
    one = json.loads(listed)
    assert (one["status"], one["is_stale"], one["chunk_count"]) == ("ready", True, 1)
    shown = json.loads((await cairn("kb", "show", one["id"], *of)).out)
    assert (shown["is_stale"], shown["error_code"]) == (True, "unreadable_document")


def book_cut() -> bytes:
    return files.pdf(["One bedtime, and more."])[:-60]


async def test_nothing_to_read_is_said(cairn: Cairn, creator: UUID, tmp_path: Path) -> None:
    outcome = await cairn("kb", "add", str(tmp_path), "--creator", str(creator))
    assert isinstance(outcome.error, InvalidInput)
    assert ".pdf" in outcome.error.message
