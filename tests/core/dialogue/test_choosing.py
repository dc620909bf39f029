"""A written number or label picks what was offered last, and only that."""

import pytest

from core.channels import Capabilities
from core.dialogue.choosing import Offer, is_numbered, number_of, pick
from shared.messages import Choice

OFFER = Offer(
    text="Pick one.",
    choices=tuple(Choice(label=label, value=f"v:{label}") for label in ("Tea", "Two", "Café")),
)
PLAIN = Capabilities(max_text=1600)
TAPPED = Capabilities(max_text=4096, buttons=2, button_value_bytes=64)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2),
        (" 2. ", 2),
        ("2)", 2),
        ("(2)", 2),
        ("#2", 2),
        ("# 2", 2),
        ("2:", 2),
        ("2\ufe0f\u20e3", 2),
        ("two", 2),
        ("TWO.", 2),
        ("zwei", 2),
        ("deux", 2),
        ("dos", 2),
        ("zehn", 10),
        ("fünf", 5),
        ("ten", 10),
        ("", None),
        ("2 please", None),
        ("2.5", None),
        ("-2", None),
        ("twenty", None),
        ("9" * 5000, None),
        ("²", None),
    ],
)
def test_a_number_is_the_whole_text(text: str, number: int | None) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("1", "Tea"),
        ("three", "Café"),
        ("tea", "Tea"),
        (" CAFÉ ", "Café"),
        ("two", "Two"),  # the label comes before the number
        ("0", None),
        ("4", None),
        ("some tea", None),
    ],
)
def test_a_choice_is_picked_by_label_or_number(text: str, label: str | None) -> None:
    choice = pick(text, OFFER, numbered=True)
    assert (choice.label if choice else None) == label


def test_without_numbers_shown_only_labels_pick() -> None:
    assert pick("1", OFFER, numbered=False) is None
    assert pick("tea", OFFER, numbered=False) == OFFER.choices[0]


def test_choices_are_numbered_where_buttons_are_missing_or_too_few() -> None:
    assert is_numbered(OFFER, PLAIN)
    assert is_numbered(OFFER, TAPPED)
    few = Offer(text=OFFER.text, choices=OFFER.choices[:2])
    assert not is_numbered(few, TAPPED)
    assert is_numbered(Offer(text=" ", choices=few.choices), TAPPED)
