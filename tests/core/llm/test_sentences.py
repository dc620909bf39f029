"""Whole sentences with their exact places, out of Markdown as people write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.llm.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Lally et al. say so (p. 4). Done.", ["Dr. Lally et al. say so (p. 4).", "Done."]),
        ("It takes 3.5 weeks, e.g. four. Yes.", ["It takes 3.5 weeks, e.g. four.", "Yes."]),
        ('He said "Go." Then he went.', ['He said "Go."', "Then he went."]),
        ("Wrapped\nover lines. Next.", ["Wrapped over lines.", "Next."]),
        ("# Title\n\nBody here.", ["Body here."]),
        ("- First item\n- Second. Third.\n1. Last", ["First item", "Second.", "Third.", "Last"]),
        ("- [x] Done task", ["Done task"]),
        ("> Quoted words.\n> More of it.", ["Quoted words.", "More of it."]),
        ("```\ncode. here.\n```\nText.", ["Text."]),
        ("| a | b |\n|---|---|\n\nText.", ["Text."]),
        ("習慣は小さく。続ける！", ["習慣は小さく。", "続ける！"]),
        ("Wait… what? Yes.", ["Wait… what?", "Yes."]),
        ("**Bold end.** Next one.", ["**Bold end.**", "Next one."]),
        ("", []),
        ("\n\n---\n", []),
    ],
)
def test_cuts_where_a_reader_would(text: str, expected: list[str]) -> None:
    assert [sentence.text for sentence in sentences(text)] == expected


def test_headings_are_context_and_literature_is_marked() -> None:
    first, second = sentences("## Why sleep?\nIt heals.\n\n## Sources\n- Walker, M. (2017).")[:2]
    assert (first.heading, first.is_source) == ("Why sleep?", False)
    assert second.is_source


def test_a_chunk_cut_in_the_middle_shows() -> None:
    found = sentences("rest of it. A whole one. The begin of")
    assert [s.is_whole for s in found] == [False, True, False]


@given(st.text(alphabet="ab.!?。 \n-#>*`|1)\"'(", max_size=120))
def test_every_sentence_stands_at_its_place(text: str) -> None:
    end = 0
    for sentence in sentences(text):
        assert end <= sentence.start < sentence.end <= len(text)
        assert text[sentence.start : sentence.end].strip()
        end = sentence.end
