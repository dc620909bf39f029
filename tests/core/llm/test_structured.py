"""JSON answers read while they grow, whatever else a model may write, and quotes found again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.llm.quotes import verbatim
from core.llm.structured import Reader, read
from core.rag.tokenize import terms
from tests.core.llm.passages import DAYS, NOTES, SLEEP, Note


def as_json(answer: str, *, ascii_only: bool = False) -> str:
    cited = [{"passage": 1, "quote": "q"}]
    return json.dumps({"answer": answer, "citations": cited}, ensure_ascii=ascii_only)


@given(
    answer=st.text(max_size=60),
    ascii_only=st.booleans(),
    fence=st.sampled_from(["", "```json\n", "```\n", "  "]),
    size=st.integers(1, 7),
)
def test_an_answer_grows_as_it_is_written(
    answer: str, ascii_only: bool, fence: str, size: int
) -> None:
    written = fence + as_json(answer, ascii_only=ascii_only) + ("\n```" if "`" in fence else "")
    reader = Reader()
    shown = ""
    for start in range(0, len(written), size):
        shown += reader.take(written[start : start + size])
        assert answer.startswith(shown)
    assert shown == answer
    assert reader.draft().quotes == {1: ("q",)}


@given(st.text(max_size=80))
def test_reading_never_fails(written: str) -> None:
    reader = Reader()
    assert "".join(map(reader.take, written)) in written
    assert isinstance(reader.draft().answer, str)


def test_plain_text_is_shown_as_it_comes() -> None:
    reader = Reader()
    assert [reader.take(piece) for piece in ("Start ", "small [1]", ".")] == [
        *("Start ", "small [1]", ".")
    ]
    assert reader.draft().quotes is None


@pytest.mark.parametrize(
    ("written", "answer", "quotes"),
    [
        ('{"answer": "Start [1]."}', "Start [1].", {}),
        ('{"answer": "Start', "Start", {}),
        ('{"answer": "A", "citations": [{"passage": 2, "quote": "cut o', "A", {2: ("cut o",)}),
        ('{"answer": "A", "citations": [{"passage": "x", "quote": 1}, 7, null]}', "A", {}),
        ('{"answer": "two\nlines"}', "two\nlines", {}),
        ('{"answer": 5}', '{"answer": 5}', None),
        ('{"other": "x"}', '{"other": "x"}', None),
        ("{not json}", "{not json}", None),
        ("[1, 2]", "[1, 2]", None),
        ("{" * 5000, "{" * 5000, None),
    ],
)
def test_what_models_write_instead(
    written: str, answer: str, quotes: dict[int, tuple[str, ...]] | None
) -> None:
    draft = read(written)
    assert draft.answer == answer
    assert draft.quotes == quotes


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("took 66 days on average", "took 66 days on average"),
        ("“Took  66 DAYS\non average.”", "took 66 days on average"),
        ("took 66 days … on average", None),
        ("took 67 days on average", None),
        ("days", None),
        ("", None),
    ],
)
def test_a_quote_is_forgiven_spaces_marks_and_case_only(quote: str, found: str | None) -> None:
    assert verbatim(DAYS, quote) == found


def test_a_quote_is_shown_as_the_passage_has_it() -> None:
    assert verbatim(SLEEP, "dark, quiet and cool") == "dark, quiet and\n  cool"
    strasse = Note(title="t", heading="h", text="Die Straße „Am Weg“ [7] ist lang.")
    assert verbatim(strasse, 'die strasse "am weg" (7) ist') == "Die Straße „Am Weg“ [7] ist"


@given(st.integers(0, 2), st.integers(0, 120), st.integers(8, 60))
def test_every_slice_of_a_passage_is_found_in_it(which: int, start: int, length: int) -> None:
    note = NOTES[which]
    piece = note.text[start : start + length]
    found = verbatim(note, f"  {piece.upper()} ")
    assert found is None or found in note.text
    assert found is not None or len(terms(piece)) < 2
