"""A file of contacts as people make them: encodings, separators, and lines that can't be taken."""

import gzip
from datetime import UTC, datetime

import pytest

from core.contact_rows import MAX_COLUMNS, Reading, Refused, Row, read_row, read_table
from core.privacy.files import csv_line
from shared.errors import InvalidInput

NOW = datetime(2026, 5, 4, tzinfo=UTC)
SMS = Reading(channel_type="sms", region="US", now=NOW)
TELEGRAM = Reading(channel_type="telegram", region=None, now=NOW)

NAMES = ["=1", "+Ada", "-Ada", "@Ada", "\tAda", "\rAda", "＝Ada", "'=Ada", "''-1", "'Ada", "O'Hara"]


def rows(data: bytes | str, how: Reading = SMS) -> list[Row]:
    table = read_table(data.encode() if isinstance(data, str) else data)
    return [read_row(table.header, line, cells, how) for line, cells in table.rows]


def refusal(line: str, header: str = "phone,name", how: Reading = SMS) -> str:
    with pytest.raises(Refused) as refused:
        rows(f"{header}\n{line}\n", how)
    return str(refused.value)


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda text: text.encode("utf-8-sig"), id="utf-8 with a mark"),
        pytest.param(lambda text: text.encode("utf-8"), id="utf-8"),
        pytest.param(lambda text: text.encode("latin-1"), id="latin-1"),
        pytest.param(lambda text: text.encode("utf-16"), id="utf-16"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="windows lines"),
        pytest.param(lambda text: text.replace(";", ",").encode(), id="commas"),
        pytest.param(lambda text: text.replace(";", "\t").encode(), id="tabs"),
    ],
)
def test_a_file_is_read_however_it_was_saved(encode: object) -> None:
    text = "Phone;Name;City\n+14155550100;Zoë Müller;Málaga\n"
    assert callable(encode)
    [row] = rows(encode(text))
    assert (row.address, row.name, row.attributes) == (
        "+14155550100",
        "Zoë Müller",
        {"City": "Málaga"},
    )


@pytest.mark.parametrize(
    "written",
    ["+14155550100", "+1 (415) 555-0100", "001 415 555 0100", "(415) 555-0100", "415.555.0100"],
)
def test_a_number_is_kept_as_carriers_write_it(written: str) -> None:
    assert rows(f"phone\n{written}\n")[0].address == "+14155550100"


def test_what_a_line_may_tell() -> None:
    header = "phone,name,locale,timezone,tags,consent_purposes,consent_source,consent_at"
    line = '+14155550100,Ada,pt_BR,Europe/Lisbon,"vip; spring",coaching reminder,form,2026-05-01'
    [row] = rows(f"{header},consent_evidence,level\n{line},sheet 12,=1+2\n")
    assert (row.locale, row.timezone, row.tags) == ("pt-BR", "Europe/Lisbon", ("vip", "spring"))
    assert row.attributes == {"level": "=1+2"}  # text, whatever a spreadsheet makes of it
    [consent] = row.consents
    assert (consent.purposes, consent.at) == (
        ("coaching", "reminder"),
        datetime(2026, 5, 1, tzinfo=UTC),
    )
    assert consent.evidence == {"line": 2, "source": "form", "text": "sheet 12"}


def test_a_quote_within_a_value_opens_nothing() -> None:
    ada, pipe = rows('phone,name\n+14155550100,"Ada" Lovelace\n+14155550101,5" pipe')
    assert (ada.name, pipe.name) == ("Ada Lovelace", '5" pipe')


def test_a_line_with_many_more_values_is_refused_alone() -> None:
    wide = "+14155550100" + "," * 100_000
    table = read_table(f"phone,name\n{wide}\n+14155550101,Ada\n".encode())
    assert [len(cells) for _, cells in table.rows] == [MAX_COLUMNS + 1, 2]
    assert "more values" in refusal(wide)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_was_exported_comes_back_as_it_was(name: str) -> None:
    data = csv_line(["phone", "name", "city"]) + csv_line(["+14155550100", name, name])
    [row] = rows(data)
    # Spaces around a value were never part of it.
    assert (row.address, row.name, row.attributes["city"]) == ("+14155550100", *[name.strip()] * 2)


def test_lines_are_counted_as_an_editor_does() -> None:
    table = read_table(b'phone,note\n+14155550100,"two\nlines"\n\n+14155550101,x\n')
    assert [line for line, _ in table.rows] == [2, 5]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("12,Ada", "no such phone number"),
        ("abc,Ada", "can't be read"),
        (",Ada", "neither a phone number nor an address"),
        ("+14155550100,Ada,more", "more values"),
        ("+14155550100," + "n" * 201, "longer than 200"),
        ("+14155550100 ext 5,Ada", "no such phone number"),
    ],
    ids=["short", "letters", "nobody", "too wide", "long name", "extension"],
)
def test_a_line_that_cannot_be_taken_says_why(line: str, reason: str) -> None:
    assert reason in refusal(line)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("locale", "german!", "no language tag"),
        ("timezone", "Mars/X", "no such time zone"),
        ("consent_purposes", "Über", "a short name"),
        ("consent_purposes", "coaching", "needs consent_evidence"),
    ],
    ids=["locale", "zone", "purpose", "no evidence"],
)
def test_a_value_that_cannot_be_taken_says_why(column: str, value: str, reason: str) -> None:
    assert reason in refusal(f"+14155550100,{value}", f"phone,{column}")


@pytest.mark.parametrize("at", ["2026-05-05", "yesterday", "2026-02-30"])
def test_consent_was_given_at_a_moment_that_was(at: str) -> None:
    header = "phone,consent_purposes,consent_evidence,consent_at"
    assert "consent_at" in refusal(f"+14155550100,coaching,sheet,{at}", header)


def test_other_channels_need_no_paper_and_take_their_own_addresses() -> None:
    [row] = rows("address,consent_purposes\n123456,coaching\n", TELEGRAM)
    assert (row.address, row.consents[0].purposes) == ("123456", ("coaching",))
    assert "no address has" in refusal("two words,x", "address,name", TELEGRAM)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"name,city\nAda,Rome\n", "no_address_column"),
        (b"", "no_address_column"),
        (b"\x00\x01\x02\xff", "no_address_column"),
        (b"phone,name,name\n", "bad_columns"),
        (b"phone," + b",".join(b"c%d" % n for n in range(60)), "bad_columns"),
        (b"phone\n" + b"x" * 200_000, "bad_csv"),
        (b"phone,name\n+14155550100," + b"x," * 400_000, "bad_csv"),
        (b"phone" + b"," * 1_000_000, "bad_csv"),
        (b"phone" + b"," * 400_000, "bad_columns"),
        (b'phone,name\n+14155550100,"Ada\n+14155550101,Bob\n', "bad_csv"),
        (b'phone,name\n"', "bad_csv"),
        (b"phone,name\n" + b"\n" * 2_000_000, "too_many_lines"),
        (b"phone\n" + b"+14155550100\n" * 200_001, "too_many_lines"),
        (gzip.compress(b"phone\n+14155550100\n", mtime=0), "unsupported_media_type"),
        (b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "unsupported_media_type"),
        (b"phone,name\n+14155550100,A\x00da\n", "unsupported_media_type"),
        ("phone,name\n+14155550100,Ada\n".encode("utf-32"), "unsupported_media_type"),
    ],
    ids=[
        "nobody",
        "empty",
        "binary",
        "twice",
        "wide",
        "endless cell",
        "endless line",
        "a million columns",
        "very wide",
        "open quote",
        "open quote at the end",
        "line breaks",
        "too many people",
        "gzip",
        "zip",
        "NUL",
        "utf-32",
    ],
)
def test_what_is_no_table_of_contacts_is_refused_whole(data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_table(data)
    assert refused.value.detail_code == code
