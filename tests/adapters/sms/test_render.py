"""Segments against tables made by hand; folding that never loses a character."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sms.render import MAX_BODY, encoding_of, fold, render, segments
from shared.richtext import GSM7_BASIC, GSM7_EXTENDED, is_gsm7

SEGMENTS = [
    ("", 1),
    ("a", 1),
    ("a" * 160, 1),
    ("a" * 161, 2),
    ("a" * 306, 2),
    ("a" * 307, 3),
    ("a" * 1600, 11),
    ("ñ" * 160, 1),
    ("€" * 80, 1),
    ("€" * 81, 2),
    ("a" * 159 + "€", 2),
    # 153 septets hold 76 pairs: the 77th escape is not parted from its sign.
    ("€" * 152, 2),
    ("€" * 153, 3),
    ("a" * 152 + "€" + "a" * 152, 3),
    ("ж" * 70, 1),
    ("ж" * 71, 2),
    ("ж" * 134, 2),
    ("ж" * 135, 3),
    ("🙂" * 35, 1),
    ("🙂" * 36, 2),
    # 67 units hold 33 pairs: the 34th is not cut in two.
    ("🙂" * 66, 2),
    ("🙂" * 67, 3),
    ("ж" * 66 + "🙂" + "ж" * 66, 3),
    ("a" * 69 + "“", 1),
    ("a" * 70 + "“", 2),
    ("Hello `world`", 1),
    ("a" * 70 + "`", 2),  # a grave accent is not in the alphabet
    ("a" * 70 + "\t", 2),
    ("ç" + "a" * 70, 2),  # only the capital is
    ("Ç" + "a" * 70, 1),
    ("^{}\\[~]|€\f" * 8, 1),
    ("^{}\\[~]|€\f" * 8 + "a", 2),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    SEGMENTS,
    ids=lambda v: f"{ascii(v)[:12]}-{len(v)}" if isinstance(v, str) else str(v),
)
def test_segments_are_counted_as_carriers_do(text: str, expected: int) -> None:
    assert segments(text) == expected


FOLDED = [
    ("It’s “fine” – really… ok", 'It\'s "fine" - really... ok'),
    ("a\u00a0b\u202fc\u2009d", "a b c d"),
    ("• one\n• two", "- one\n- two"),
    ("„Grüße“ ‚ja‘ «so»", '"Grüße" \'ja\' "so"'),
    ("soft\u00adhyphen\u200b", "softhyphen"),
    ("cafe\u0301", "café"),
    ("x\ty", "x y"),
    ("a → b ← c", "a -> b <- c"),
    ("4 × 5 − 3", "4 x 5 - 3"),
    ("`code`", "'code'"),
]


@pytest.mark.parametrize(("text", "expected"), FOLDED, ids=[ascii(t[0])[:16] for t in FOLDED])
def test_typographers_signs_become_typewriters(text: str, expected: str) -> None:
    rendered = render(text)
    assert (rendered.body, rendered.encoding, rendered.segments) == (expected, "gsm7", 1)


@pytest.mark.parametrize("text", ["“Привет”", "It’s 🙂", "– 你好 …", "ça va…"], ids=ascii)
def test_what_stays_ucs2_anyway_keeps_its_signs(text: str) -> None:
    rendered = render(text)
    assert (rendered.body, rendered.encoding) == (text, "ucs2")


def test_folding_that_would_be_too_long_or_dearer_is_left() -> None:
    assert render("…" * 800).body == "…" * 800  # 2,400 dots
    assert render("…" * 60).body == "…" * 60  # one segment; 180 dots would be two
    assert render("…" * 53).body == "." * 159


def test_the_note_tells_what_it_costs() -> None:
    assert render("a" * 200).note == "segments=2 encoding=gsm7"
    assert render("ж").note == "segments=1 encoding=ucs2"


gsm7 = st.text(st.sampled_from(sorted(GSM7_BASIC | GSM7_EXTENDED)), max_size=MAX_BODY)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_BODY)


@given(text=gsm7)
def test_text_of_the_alphabet_is_sent_as_it_is(text: str) -> None:
    rendered = render(text)
    assert (rendered.body, rendered.encoding) == (text, "gsm7")
    septets = sum(2 if char in GSM7_EXTENDED else 1 for char in text)
    if septets <= 160:
        assert rendered.segments == 1
    else:
        # A segment may end one septet early, so as not to cut an escape.
        assert -(-septets // 153) <= rendered.segments <= -(-septets // 152)


@given(text=any_text)
def test_any_text_fits_its_segments(text: str) -> None:
    encoding, count = encoding_of(text), segments(text)
    units = len(text.encode("utf-16-le")) // 2
    if encoding == "ucs2":
        assert count == 1 if units <= 70 else -(-units // 67) <= count <= -(-units // 66)
    assert encoding == ("gsm7" if is_gsm7(text) else "ucs2")


@given(text=any_text)
def test_folding_never_costs_more_and_loses_no_letter(text: str) -> None:
    rendered = render(text)
    assert rendered.segments <= segments(text)
    assert len(rendered.body) <= MAX_BODY
    assert (rendered.segments, rendered.encoding) == (
        segments(rendered.body),
        encoding_of(rendered.body),
    )
    assert _letters(rendered.body) == _letters(text) or rendered.encoding == "gsm7"
    assert _letters(fold(text)) == _letters(text)


def _letters(text: str) -> str:
    """Letters, digits and emoji; `x` is what a multiplication sign becomes."""
    kept = (
        c
        for c in unicodedata.normalize("NFC", text)
        if unicodedata.category(c)[0] in "LN" or unicodedata.category(c) == "So"
    )
    return "".join(c for c in kept if c not in "xʼ")
