"""Bytes to characters: marked and declared encodings first, then the likeliest of the common."""

from charset_normalizer import from_bytes

from core.rag.reading.formats import SHIFTS, bom_encoding, unmarked_utf16

# One for each script: relatives such as cp1250 differ from these by too few letters to tell.
_COMMON = (
    "cp1252",
    "cp1251",
    "koi8_r",
    "shift_jis",
    "euc_jp",
    "gb18030",
    "big5",
    "euc_kr",
    "cp1253",
)
_FEW = 4  # foreign bytes from which nothing can be told
_SAMPLE_BYTES = 200_000


def decode(data: bytes, declared: str = "") -> str:
    """Never fails: what fits no encoding is shown as replacement characters."""
    marked = bom_encoding(data) or unmarked_utf16(data)
    if marked:
        return data.decode(marked, errors="replace").removeprefix("\ufeff")
    if SHIFTS in data:
        return data.decode("iso2022_jp", errors="replace")
    for encoding in ("utf-8", declared):
        text = _strictly(data, encoding)
        if text is not None:
            return text
    return data.decode(_guess(data), errors="replace")


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding) if encoding else None
    except (UnicodeDecodeError, LookupError):
        return None


def _guess(data: bytes) -> str:
    foreign = sum(byte > 127 for byte in data[:_SAMPLE_BYTES])
    if foreign < _FEW:
        return "cp1252"
    best = from_bytes(data[:_SAMPLE_BYTES], cp_isolation=list(_COMMON)).best()
    return best.encoding if best else "cp1252"
