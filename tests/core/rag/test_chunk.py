"""Chunks are verbatim, in order, of bounded size, and know their heading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rag.chunk import OVERLAP, SIZE, SLACK, split
from core.rag.reading.result import MARKDOWN

TEXTS = st.text(alphabet=st.sampled_from("ab .!?\n#-`é日"), max_size=4000)
SENTENCES = "".join(f"Sentence number {n} says something of its own. " for n in range(200))


@given(text=TEXTS, media_type=st.sampled_from([MARKDOWN, "text/plain"]))
def test_every_chunk_stands_in_the_text_where_it_says(text: str, media_type: str) -> None:
    chunks = split(text, media_type=media_type, size=120, overlap=20)
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.text == chunk.text.strip()
        assert 0 < len(chunk.text) <= 120 * SLACK
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))


@given(text=TEXTS)
def test_no_word_of_plain_text_is_left_out(text: str) -> None:
    covered = {
        place
        for chunk in split(text, size=120, overlap=20)
        for place in range(chunk.start, chunk.end)
    }
    assert all(place in covered for place, letter in enumerate(text) if not letter.isspace())


def test_neighbours_overlap_and_begin_at_a_sentence() -> None:
    first, second, *_ = split(SENTENCES)
    assert SIZE / 2 <= len(first.text) <= SIZE
    assert 0 < first.end - second.start <= OVERLAP
    assert second.text.startswith("Sentence number")


def test_headings_become_breadcrumbs() -> None:
    text = "Intro.\n\n# A\n\none\n\n## B\n\ntwo\n\nC\n=\n\nthree\n"
    chunks = split(text, media_type=MARKDOWN)
    assert [(chunk.heading, chunk.text) for chunk in chunks] == [
        ("", "Intro."),
        ("A", "one"),
        ("A › B", "two"),
        ("C", "three"),
    ]


def test_a_hash_in_a_code_block_is_no_heading() -> None:
    [chunk] = split("# A\n\n```\n# not a heading\n```\n", media_type=MARKDOWN)
    assert chunk.heading == "A"
    assert "# not a heading" in chunk.text


def test_plain_text_has_no_headings() -> None:
    [chunk] = split("# just a line\n\nmore")
    assert chunk.heading == ""


def test_headings_alone_are_still_text() -> None:
    assert split("# Opening hours\n## Monday to Friday\n", media_type=MARKDOWN)


@pytest.mark.parametrize("text", ["", "   \n\n "], ids=["empty", "blank"])
def test_nothing_gives_no_chunk(text: str) -> None:
    assert split(text) == []


def test_a_text_without_any_space_is_cut_too() -> None:
    chunks = split("x" * 5000)
    assert sum(len(chunk.text) for chunk in chunks) >= 5000
    assert max(len(chunk.text) for chunk in chunks) <= SIZE * SLACK
