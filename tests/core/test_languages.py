"""Somebody gets a text in the first of their languages that it is there in, else in English."""

import pytest

from core.languages import MAX_HEADER, accepted, closest, in_language

TEXTS = {"en": "hello", "de": "hallo", "pt-BR": "oi", "pt": "olá"}


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (("de",), "hallo"),
        (("DE_at",), "hallo"),
        (("pt-br",), "oi"),
        (("pt-PT",), "olá"),
        ((None, "", "sv", "de"), "hallo"),
        (("sv",), "hello"),
        ((), "hello"),
    ],
)
def test_the_first_language_that_is_there_is_taken(
    wanted: tuple[str | None, ...], text: str
) -> None:
    assert in_language(TEXTS, *wanted) == text


def test_none_is_closest_to_what_nobody_wants() -> None:
    assert closest(TEXTS, "sv", None) is None
    assert closest({"": "nothing"}, None, "") is None


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("de-AT, de;q=0.8, en;q=0.5", ("de-AT", "de", "en")),
        ("en;q=0.2,fr;q=0.9 , it", ("it", "fr", "en")),
        ("fr;q=0, de ; q=0.1", ("de",)),
        ("*, pl;q=0.3", ("pl",)),
        ("tr;q=9, <script>, ;;, es;q=x", ()),
        ("", ()),
        (None, ()),
    ],
)
def test_a_browsers_wishes_are_read_in_their_order(
    header: str | None, tags: tuple[str, ...]
) -> None:
    assert accepted(header) == tags


def test_a_header_of_any_length_is_read_only_at_its_beginning() -> None:
    assert len(accepted("de," * 100_000)) < MAX_HEADER
    assert accepted("x" * MAX_HEADER + ",de") == ()
