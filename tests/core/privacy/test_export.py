"""An export holds everything of one contact and nothing of anybody else, and proves it."""

import csv
import hashlib
import io
import json
from typing import Any

import pytest

from core.contact_rows import Reading, read_row, read_table
from core.privacy import export, tables
from core.privacy.inventory import HOLDINGS
from core.privacy.jobs import check_file
from core.privacy.people import ContactLinked
from core.runtime import Runtime
from shared.errors import AttachmentGone, NotFound
from shared.models import exports
from shared.models.exports import ExportRow
from shared.utils.clock import utc_now
from tests.core.privacy.lives import Life

# Rows come only with other things than these lives do.
_ELSEWHERE = {"contact_links", "contact_erasures"}
TELEGRAM = Reading(channel_type="telegram", region=None, now=utc_now())


async def exported(life: Life) -> tuple[ExportRow, dict[str, bytes]]:
    privacy = life.runtime.privacy
    asked = await privacy.ask_export(life.creator_id, life.contact_id, actor="test")
    await privacy.export(life.creator_id, asked.id)
    row = await privacy.get_export(life.creator_id, asked.id)
    files = {f["name"]: await read(life, row, f["name"]) for f in row.manifest["files"]}
    return row, files


async def read(life: Life, row: ExportRow, name: str) -> bytes:
    data, part = b"", -1
    while found := await life.runtime.privacy.next_part(life.creator_id, row.id, name, part):
        part, more = found
        data += more
    return data


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


async def test_everything_is_there_once(ada: Life) -> None:
    row, files = await exported(ada)
    whole: dict[str, Any] = json.loads(files["contact.json"])
    handed_out = [holding for holding in HOLDINGS if holding.exported]
    in_csv = {h.table: len(rows_of(files[f"{h.table}.csv"])) for h in handed_out}
    assert row.state == "done"
    assert in_csv == row.manifest["rows"]
    assert {table for table, rows in in_csv.items() if not rows} == _ELSEWHERE
    by_itself = {h.table for h in handed_out if not h.by_message}
    assert {t: len(whole[t]) for t in by_itself} == {t: in_csv[t] for t in by_itself}


async def test_what_hangs_on_a_message_stands_in_it(ada: Life) -> None:
    _, files = await exported(ada)
    whole: dict[str, Any] = json.loads(files["contact.json"])
    (answer,) = [m for m in whole["messages"] if m["direction"] == "out"]
    assert [a["provider_id"] for a in answer["send_attempts"]] == ["p-AdaCanary"]
    assert [r["state"] for r in answer["early_receipts"]] == ["read"]


async def test_nothing_of_anybody_else_is_there(ada: Life, bob: Life, eve: Life) -> None:
    _, files = await exported(ada)
    everything = b"".join(files.values()).decode()
    assert "AdaCanary" in everything
    assert "BobCanary" not in everything
    assert "EveCanary" not in everything


async def test_the_manifest_proves_each_file(ada: Life) -> None:
    row, files = await exported(ada)
    told = {f["name"]: (f["bytes"], f["sha256"]) for f in row.manifest["files"]}
    assert told == {n: (len(d), hashlib.sha256(d).hexdigest()) for n, d in files.items()}


async def test_a_spreadsheet_takes_nothing_for_a_formula(ada: Life) -> None:
    _, files = await exported(ada)
    texts = [row["text"] for row in rows_of(files["messages.csv"])]
    assert texts[1] == '\'=HYPERLINK("http://evil")\r\nand a second line'


FORMULAS = ("=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "＝1")


async def test_no_cell_of_any_file_is_run(ada: Life) -> None:
    for formula in FORMULAS:
        await ada.says(formula)
    await ada.run(
        "UPDATE app.contacts SET name = $3, attributes = $4, tags = $5"
        " WHERE creator_id = $1 AND id = $2",
        ada.contact_id,
        "=cmd()",
        {"=a": "=b"},
        ["=c"],
    )
    await ada.run("UPDATE app.goals SET title = '@goal' WHERE creator_id = $1")
    _, files = await exported(ada)
    tables = {name: rows_of(data) for name, data in files.items() if name.endswith(".csv")}
    cells = {cell for rows in tables.values() for row in rows for cell in row.values()}
    assert not {cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))}
    assert {*(f"'{formula}" for formula in FORMULAS), "'=cmd()", "'@goal"} <= cells


async def test_a_name_that_was_exported_is_imported_as_it_was(ada: Life) -> None:
    for name in ("=cmd()", "'=cmd()", "-Ada", "'Ada"):
        await ada.run("UPDATE app.contacts SET name = $2 WHERE creator_id = $1", name)
        _, files = await exported(ada)
        [told] = rows_of(files["contacts.csv"])
        buffer = io.StringIO()
        csv.writer(buffer).writerows([("address", "name"), ("1001", told["name"])])
        table = read_table(buffer.getvalue().encode())
        [(line, cells)] = table.rows
        assert read_row(table.header, line, cells, TELEGRAM).name == name


async def test_pages_join_without_a_gap(ada: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(9):
        await ada.says(f"message {n}")
    monkeypatch.setattr(tables, "PAGE", 2)
    monkeypatch.setattr(tables.read_page, "__defaults__", (2,))
    row, files = await exported(ada)
    listed = json.loads(files["contact.json"])["messages"]
    told = await ada.run("SELECT id FROM app.messages WHERE creator_id = $1 ORDER BY seq")
    assert [m["id"] for m in listed] == [str(one["id"]) for one in told]
    assert [m["id"] for m in rows_of(files["messages.csv"])] == [m["id"] for m in listed]
    assert row.manifest["rows"]["messages"] == len(listed) == 12


async def test_of_a_room_only_their_own_words_are_handed_out(ada: Life, bob: Life) -> None:
    await ada.says("Ada says AdaInRoom", room="room-1")
    await bob.says("Bob says BobInRoom", room="room-1")
    _, files = await exported(ada)
    assert b"AdaInRoom" in files["messages.csv"]
    assert b"BobInRoom" not in files["contact.json"]


async def test_what_another_step_did_is_not_done_again(ada: Life) -> None:
    """Two workers at once: each page is written by one of them."""
    privacy = ada.runtime.privacy
    asked = await privacy.ask_export(ada.creator_id, ada.contact_id, actor="test")
    again = await privacy.ask_export(ada.creator_id, ada.contact_id, actor="test")
    assert again.id == asked.id
    async with ada.runtime.database.transaction(ada.creator_id) as db:
        await db.fetch(
            "SELECT FROM app.contact_exports WHERE creator_id = $1 FOR UPDATE", ada.creator_id
        )
        await export.run(ada.runtime.database, ada.creator_id, asked.id)
    assert (await privacy.get_export(ada.creator_id, asked.id)).state == "waiting"


async def test_nobody_exports_another_creators_contact(ada: Life, eve: Life) -> None:
    with pytest.raises(NotFound):
        await ada.runtime.privacy.ask_export(eve.creator_id, ada.contact_id, actor="test")


async def test_what_was_linked_is_handed_out_with_the_contact_it_was_linked_to(
    ada: Life, bob: Life, runtime: Runtime
) -> None:
    await link(bob, ada)
    row, files = await exported(ada)
    assert len(row.manifest["contacts"]) == 2
    assert b"BobCanary, and this is my secret" in files["contact.json"]
    with pytest.raises(ContactLinked):
        await runtime.privacy.ask_export(bob.creator_id, bob.contact_id, actor="test")


async def link(life: Life, to: Life) -> None:
    (identity,) = await life.run(
        "SELECT id FROM app.contact_identities WHERE creator_id = $1 AND contact_id = $2",
        life.contact_id,
    )
    await life.insert(
        "contact_links",
        id=identity["id"],
        identity_id=identity["id"],
        from_contact=life.contact_id,
        to_contact=to.contact_id,
    )


async def test_files_are_deleted_after_a_week(ada: Life) -> None:
    row, _ = await exported(ada)
    assert check_file(row, "contact.json") > 0
    await ada.run("UPDATE app.contact_exports SET expires_at = now() WHERE creator_id = $1")
    async with ada.runtime.database.transaction(ada.creator_id) as db:
        await exports.expire(db, ada.creator_id)
    row = await ada.runtime.privacy.get_export(ada.creator_id, row.id)
    assert row.state == "expired"
    assert await read(ada, row, "contact.json") == b""
    with pytest.raises(AttachmentGone):
        check_file(row, "contact.json")
