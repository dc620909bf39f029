"""Read back what a person picks by writing: the number, the number's word, or the label.

Pure. Where a channel has no buttons, or too few, choices are shown as a numbered list.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.channels import Capabilities
from shared.messages import Choice
from shared.utils.text import is_blank

_WORDS = {
    "en": "one two three four five six seven eight nine ten",
    "de": "eins zwei drei vier fünf sechs sieben acht neun zehn",
    "fr": "un deux trois quatre cinq six sept huit neuf dix",
    "es": "uno dos tres cuatro cinco seis siete ocho nueve diez",
}
NUMBER_WORDS = {
    word: number for words in _WORDS.values() for number, word in enumerate(words.split(), start=1)
} | {"une": 1, "una": 1, "zwo": 2}
# 2, 2., 2), (2), #2, and the keycap of a phone's keyboard.
_NUMBER = re.compile(r"[#(]?\s*([0-9]{1,3})\ufe0f?\u20e3?\s*[.):]?")


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The choices that stand open: offered last, and nothing said since."""

    text: str
    choices: tuple[Choice, ...]


def number_of(text: str) -> int | None:
    """The number that is all of a text, in figures or as a word."""
    wanted = text.strip().casefold()
    if match := _NUMBER.fullmatch(wanted):
        return int(match[1])
    return NUMBER_WORDS.get(wanted.rstrip(".)!"))


def is_numbered(offer: Offer, capabilities: Capabilities) -> bool:
    """Whether this channel showed the choices as a numbered list; `degrade` decides the same."""
    return len(offer.choices) > capabilities.buttons or is_blank(offer.text)


def pick(text: str, offer: Offer, *, numbered: bool) -> Choice | None:
    """The choice that a text names: by its whole label in any case, or by its number in a list."""
    wanted = text.strip().casefold()
    for choice in offer.choices:
        if wanted == choice.label.strip().casefold():
            return choice
    return by_number(text, offer.choices) if numbered else None


def by_number(text: str, choices: Sequence[Choice]) -> Choice | None:
    number = number_of(text)
    return choices[number - 1] if number and number <= len(choices) else None
