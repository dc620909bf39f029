"""Cleaning text, seeing that it is blank, and where a character may be cut."""

import pytest

from shared.utils.text import clean_text, is_blank, is_grapheme_boundary


def test_clean_text_leaves_what_a_database_can_store() -> None:
    assert clean_text("a\0b\ud800c👋") == "ab\ufffdc👋"


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u200d", "\u2800", "\u3164", "\ufeff\x07"])
def test_blank_text_shows_nothing(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", " . ", "👋", "\u200bx"])
def test_visible_text_is_not_blank(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize(
    "grapheme",
    [
        "e\u0301",
        "👋🏾",
        "👨‍👩‍👧",
        "🇳🇬",
        "각",
        "\u1100\u1161\u11a8",
        "\r\n",
        "☺️",
        "नि",
        "🏴\U000e0067\U000e007f",
    ],
    ids=ascii,
)
def test_one_character_of_a_reader_is_not_cut(grapheme: str) -> None:
    text = f"a{grapheme}{grapheme}b"
    cuts = [index for index in range(len(text) + 1) if is_grapheme_boundary(text, index)]

    one, two = 1 + len(grapheme), 1 + 2 * len(grapheme)
    assert cuts == [0, 1, one, two, len(text)]
