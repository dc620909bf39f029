"""Markers become citations with a verbatim quote, or go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.llm.citations import resolve
from tests.core.llm.passages import DAYS, HABIT, NOTES


@pytest.mark.parametrize(
    ("written", "text", "passages"),
    [
        ("Start small [1].", "Start small [1].", [0]),
        ("Start small. [1] Then wait. [2]", "Start small. [1] Then wait. [2]", [0, 1]),
        ("Wait [2]. Start [1]. Wait on [2].", "Wait [1]. Start [2]. Wait on [1].", [1, 0]),
        ("Both [1, 2].", "Both [1] [2].", [0, 1]),
        ("Both [1][2].", "Both [1] [2].", [0, 1]),
        ("All [1-3].", "All [1] [2] [3].", [0, 1, 2]),
        ("Both [1 and 2].", "Both [1] [2].", [0, 1]),
        ("Round 【1】 ones.", "Round [1] ones.", [0]),
        ("As [Passage 2] says.", "As [1] says.", [1]),
        ("Invented [9]. Real [1].", "Invented. Real [1].", [0]),
        ("Zero [0] and [99999].", "Zero and.", []),
        ("A link [1](https://example.org).", "A link [1](https://example.org).", []),
        ("An array a[i] and [ ] and [text].", "An array a[i] and [ ] and [text].", []),
        ("Nothing at all.", "Nothing at all.", []),
    ],
)
def test_markers_are_checked_and_renumbered(written: str, text: str, passages: list[int]) -> None:
    resolved = resolve(written, NOTES)
    assert resolved.text == text
    assert [cited.passage for cited in resolved.citations] == passages
    assert [cited.number for cited in resolved.citations] == list(range(1, len(passages) + 1))
    assert resolved.is_supported is bool(passages)


def test_the_quote_is_the_sentence_that_says_it() -> None:
    resolved = resolve("It took people 66 days in the median [2]. Begin tiny [1].", NOTES)
    days, habit = resolved.citations
    assert days.quote.startswith("In a 2010 study by P. Lally et al. people took 66 days")
    assert days.quote in DAYS.text
    assert habit.quote in HABIT.text


@given(st.text(alphabet="ab. [](),-12390\n", max_size=80))
def test_every_marker_left_has_a_citation_and_every_quote_its_passage(written: str) -> None:
    resolved = resolve(written, NOTES)
    for cited in resolved.citations:
        assert f"[{cited.number}]" in resolved.text
        assert cited.quote in NOTES[cited.passage].text
