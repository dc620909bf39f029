"""Small pure helpers for text: what a database can store, and where a character may be cut."""

import re
import unicodedata

_SURROGATES = re.compile("[\ud800-\udfff]")
_ZERO_WIDTH_JOINER = "\u200d"
_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def clean_text(text: str) -> str:
    """Drop NUL, which PostgreSQL refuses, and show lone surrogates, which UTF-8 can't carry."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return _SURROGATES.sub("\ufffd", text)


def is_blank(text: str) -> bool:
    """Whether nothing of it would be seen: only spaces, controls, zero-width and filler letters."""
    return all(
        char.isspace() or char in _INVISIBLE_LETTERS or unicodedata.category(char) in ("Cf", "Cc")
        for char in text
    )


def is_grapheme_boundary(text: str, index: int) -> bool:
    """Whether a cut before `text[index]` keeps what readers see as one character whole.

    The rules of Unicode Standard Annex 29 that matter in chats: combining marks, joined emoji,
    skin tones, flags, Hangul syllables, CR LF.
    """
    if index <= 0 or index >= len(text):
        return True
    before, after = text[index - 1], text[index]
    if before == "\r" and after == "\n":
        return False
    if _extends(after) or before == _ZERO_WIDTH_JOINER:
        return False
    if _is_regional(before) and _is_regional(after):
        return _regionals_before(text, index) % 2 == 0
    return not _joins_hangul(before, after)


def _extends(char: str) -> bool:
    if char < "\u0300":
        return False
    return (
        unicodedata.category(char) in ("Mn", "Me", "Mc")
        or char in (_ZERO_WIDTH_JOINER, "\u200c")
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= char <= "\U000e007f"  # tags of sub-regional flags
    )


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _regionals_before(text: str, index: int) -> int:
    first = index
    while first > 0 and _is_regional(text[first - 1]):
        first -= 1
    return index - first


# Of Hangul: leading consonants, vowels, trailing consonants, and whole syllables by their end.
_HANGUL = (
    ("L", "\u1100", "\u115f"),
    ("V", "\u1160", "\u11a7"),
    ("T", "\u11a8", "\u11ff"),
    ("L", "\ua960", "\ua97c"),
)
_HANGUL_JOINS = frozenset(("LL", "LV", "LS", "LO", "VV", "VT", "OV", "OT", "ST", "TT"))
"""Pairs that stay together; S is a syllable with a trailing consonant, O one without."""


def _hangul_kind(char: str) -> str:
    if "\uac00" <= char <= "\ud7a3":
        return "O" if (ord(char) - 0xAC00) % 28 == 0 else "S"
    return next((kind for kind, first, last in _HANGUL if first <= char <= last), "-")


def _joins_hangul(before: str, after: str) -> bool:
    return after >= "\u1100" and _hangul_kind(before) + _hangul_kind(after) in _HANGUL_JOINS
