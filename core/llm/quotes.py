"""Find a model's quote in its passage, forgiving spaces, quotation marks and case only. Pure."""

from core.llm.base import Passage
from core.rag.tokenize import terms

# Models write other marks than the passage has; `[7]` of a passage stands as `(7)` in the prompt.
_ALIKE = str.maketrans(
    {
        **dict.fromkeys('"“”„‟«»‹›‘’‚‛`´', "'"),
        **dict.fromkeys("‐‑‒–—−", "-"),
        "[": "(",
        "]": ")",
    }
)
_LEAST_TERMS = 2  # a single word stands in every passage and shows nothing


def verbatim(passage: Passage, quote: str) -> str | None:
    """The stretch of the passage that a quote repeats, as it stands there; None when none does."""
    wanted, _ = _folded(quote.strip())
    wanted = wanted.strip(" '.…")
    if len(terms(wanted)) < _LEAST_TERMS:
        return None
    folded, places = _folded(passage.text)
    found = folded.find(wanted)
    if found < 0:
        return None
    return passage.text[places[found] : places[found + len(wanted) - 1] + 1]


def _folded(text: str) -> tuple[str, list[int]]:
    """The text with one spelling for what counts as alike, and where each character came from."""
    letters: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if char.isspace():
            if letters and letters[-1] == " ":
                continue
            char = " "
        for letter in char.translate(_ALIKE).casefold():
            letters.append(letter)
            places.append(place)
    return "".join(letters), places
