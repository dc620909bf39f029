"""A file of contacts read: any of the usual encodings and separators, each line checked alone."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import phonenumbers

from core.rag.reading.plain import decode
from shared.errors import InvalidInput
from shared.utils.spreadsheets import restored
from shared.utils.text import clean_text, is_blank
from shared.utils.zones import is_language_tag, is_zone

MAX_ROWS = 200_000
MAX_COLUMNS = 60
MAX_NAME = 200
MAX_VALUE = 1000
MAX_CELL = 100_000  # characters
MAX_LINE = 500_000  # characters: of a million commas the reader would make a million cells
MAX_LINES = 5 * MAX_ROWS  # with those that are empty, and line breaks within cells
MAX_TAGS = 50
CLOCKS_DIFFER = timedelta(minutes=5)

_SEPARATORS = ",;\t|"
_END = "\0"  # in no text that is read
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,63}")
_ADDRESS = re.compile(r"[!-~]{1,200}")
_ADDRESSES = ("phone", "address")
_CONSENT = ("consent_purposes", "consent_source", "consent_at", "consent_evidence")
_COLUMNS = frozenset((*_ADDRESSES, "name", "locale", "timezone", "tags", *_CONSENT))


class Refused(Exception):
    """A line can't be taken; its text says why, in words for the person who wrote the file."""


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What a line says was agreed to, and what shows it."""

    purposes: tuple[str, ...]
    at: datetime
    evidence: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One person of the file, every value checked."""

    line: int
    address: str
    name: str = ""
    locale: str | None = None
    timezone: str | None = None
    tags: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    consents: tuple[Consent, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a file's lines are to be read: for which type of channel, from where, as of when."""

    channel_type: str
    region: str | None  # of numbers without a country code
    now: datetime

    @property
    def needs_evidence(self) -> bool:
        return self.channel_type == "sms"


@dataclass(frozen=True, kw_only=True)
class Table:
    """The cells of a file: its header, and each row with the line that it begins on."""

    header: tuple[str, ...]
    rows: list[tuple[int, list[str]]]


def read_table(data: bytes) -> Table:
    """Raises InvalidInput for what is no table of contacts."""
    text = decode(data)
    if "\0" in text:  # a workbook, an archive, a picture
        raise InvalidInput("save the table as CSV, in UTF-8", code="unsupported_media_type")
    if max(text.count("\n"), text.count("\r")) > MAX_LINES:
        raise InvalidInput(f"a file has at most {MAX_LINES} lines", code="too_many_lines")
    lines = _lines(clean_text(text))
    header = _header(next(lines, (0, []))[1])
    rows = list(islice(lines, MAX_ROWS + 1))
    if len(rows) > MAX_ROWS:
        raise InvalidInput(f"a file has at most {MAX_ROWS} people", code="too_many_lines")
    return Table(header=header, rows=rows)


def _header(cells: Sequence[str]) -> tuple[str, ...]:
    header = tuple(_column(name) for name in cells[: MAX_COLUMNS + 1])
    named = [name for name in header if name]
    if len(header) > MAX_COLUMNS or len(named) != len(set(named)):
        raise InvalidInput(
            f"a file has at most {MAX_COLUMNS} columns, each named once", code="bad_columns"
        )
    if not set(header) & set(_ADDRESSES):
        raise InvalidInput(
            "the first line must name the columns, `phone` or `address` among them",
            code="no_address_column",
        )
    return header


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line that has some, of no more than are counted."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(_SEPARATORS, key=first.count)
    reader = csv.reader(_ended(text), delimiter=delimiter)
    line = 1
    try:
        for cells in reader:
            if cells == [_END] and reader.line_num == line:
                return
            _check(cells)
            if any(cell.strip() for cell in cells):
                yield line, cells[: MAX_COLUMNS + 1]
            line = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInput(f"line {line} can't be read as CSV: {error}", code="bad_csv") from error


def _check(cells: Sequence[str]) -> None:
    # The module's own limit is one for the whole process, and others may have raised it.
    if any(len(cell) > MAX_CELL for cell in cells):
        raise csv.Error("a cell is too long")
    if cells and _END in cells[-1]:
        raise csv.Error("a quote never closes")


def _ended(text: str) -> Iterator[str]:
    """The lines of a text, and one that is none: who finds it in a cell left a quote open."""
    for line in io.StringIO(text, newline=""):
        if len(line) > MAX_LINE:
            raise csv.Error("it is too long")
        yield line
    yield _END


def _column(name: str) -> str:
    plain = re.sub(r"[\s-]+", "_", name.strip().casefold())
    return plain if plain in _COLUMNS else name.strip()[:64]


def read_row(header: Sequence[str], line: int, cells: Sequence[str], how: Reading) -> Row:
    """One line's values. Raises Refused with the first thing that is wrong with it."""
    if len(cells) > len(header):
        raise Refused("it has more values than the first line has columns")
    # What we exported comes back as it was, but for the spaces around it.
    named = zip(header, (restored(cell.strip()).strip() for cell in cells), strict=False)
    values = {name: cell for name, cell in named if name and cell}
    if any(len(value) > MAX_VALUE for value in values.values()):
        raise Refused(f"a value is longer than {MAX_VALUE} characters")
    return Row(
        line=line,
        address=_address(values, how),
        name=_name(values.get("name", "")),
        locale=_locale(values.get("locale")),
        timezone=_zone(values.get("timezone")),
        tags=_tags(values.get("tags", "")),
        attributes={name: value for name, value in values.items() if name not in _COLUMNS},
        consents=_consents(values, how, line),
    )


def _address(values: Mapping[str, str], how: Reading) -> str:
    given = values.get("phone") or values.get("address", "")
    if not given:
        raise Refused("it has neither a phone number nor an address")
    if how.channel_type == "sms":
        return _phone(given, how.region)
    if not _ADDRESS.fullmatch(given):
        raise Refused("the address has characters that no address has")
    return given


def _phone(given: str, region: str | None) -> str:
    """In E.164, as carriers and channels write it."""
    international = "+" + given[2:] if given.startswith("00") else given
    try:
        number = phonenumbers.parse(international, region)
    except phonenumbers.NumberParseException:
        raise Refused("the phone number can't be read; write it like +14155550100") from None
    if not phonenumbers.is_possible_number(number) or number.extension:
        raise Refused("there can be no such phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _name(name: str) -> str:
    if len(name) > MAX_NAME:
        raise Refused(f"the name is longer than {MAX_NAME} characters")
    return "" if is_blank(name) else name


def _locale(given: str | None) -> str | None:
    tag = (given or "").replace("_", "-")
    if tag and not is_language_tag(tag):
        raise Refused("the locale is no language tag; write one like pt-BR")
    return tag or None


def _zone(given: str | None) -> str | None:
    if given and not is_zone(given):
        raise Refused("there is no such time zone; write one like Europe/Lisbon")
    return given


def _tags(given: str) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(tag.strip() for tag in re.split(r"[;,|]", given) if tag.strip()))
    if len(tags) > MAX_TAGS or any(len(tag) > 100 for tag in tags):
        raise Refused(f"it has more than {MAX_TAGS} tags, or one of more than 100 characters")
    return tags


def _consents(values: Mapping[str, str], how: Reading, line: int) -> tuple[Consent, ...]:
    given = re.split(r"[;,|\s]+", values.get("consent_purposes", "").casefold())
    purposes = tuple(dict.fromkeys(purpose for purpose in given if purpose))
    if not purposes:
        return ()
    if not all(_SLUG.fullmatch(purpose) for purpose in purposes):
        raise Refused("a consent purpose is a short name like coaching, reminder, broadcast")
    shown = values.get("consent_evidence", "")
    if how.needs_evidence and not shown:
        raise Refused("consent to texts needs consent_evidence: what shows that they agreed")
    told = {"source": values.get("consent_source", ""), "text": shown}
    consent = Consent(
        purposes=purposes,
        at=_moment(values.get("consent_at"), how.now),
        evidence={"line": line} | {name: value for name, value in told.items() if value},
    )
    return (consent,)


def _moment(given: str | None, now: datetime) -> datetime:
    if not given:
        return now
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise Refused(
            "consent_at is no time; write it like 2026-05-04 or 2026-05-04T10:30Z"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > now + CLOCKS_DIFFER:
        raise Refused("consent_at lies in the future")
    return moment
