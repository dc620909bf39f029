"""A passage grows over its edges by whole sentences, and only where the question touches them."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.knowledge import Knowledge
from core.rag.chunk import SIZE
from core.rag.neighbours import AROUND, EDGE, widened
from core.rag.tokenize import terms
from tests.core.rag.conftest import add

FILLER = "The weather stays much the same on every ordinary day of this long month. "
SLEEP = frozenset(terms("sleep"))


def test_a_touched_edge_takes_the_next_sentences_whole() -> None:
    after = " Go to bed at ten. Keep it dark. " + "And then a sentence that is far too long " * 10
    assert widened("Good sleep has rules.", "", after, SLEEP) == (
        "Good sleep has rules. Go to bed at ten. Keep it dark."
    )


def test_a_touched_edge_takes_whole_sentences_before_it() -> None:
    before = "the end of something cut off. " + FILLER * 6
    text = "Then sleep."
    grown = widened(text, before[:AROUND], "", SLEEP)
    assert grown.startswith("The weather")
    assert grown.endswith(text)


def test_an_edge_that_is_not_asked_about_stays() -> None:
    text = FILLER * 6 + "Sleep is in the middle. " + FILLER * 6
    assert len(text) > 2 * EDGE
    assert widened(text, "Before. ", " After.", SLEEP) == text


@given(st.text(), st.text(max_size=AROUND), st.text(max_size=AROUND), st.sets(st.text(max_size=5)))
def test_what_was_found_stays_word_for_word(
    text: str, before: str, after: str, asked: set[str]
) -> None:
    grown = widened(text, before, after, asked)
    assert text in grown
    assert len(grown) <= len(text) + 2 * AROUND


async def test_a_found_passage_reads_on_into_its_neighbour(
    knowledge: Knowledge, creator: UUID
) -> None:
    rule = "To sleep well there are three rules, and people forget them all the time."
    rules = " First, go to bed at ten. Second, keep the room dark. Third, leave the phone outside."
    text = FILLER * (SIZE // len(FILLER) - 1) + rule + rules + " " + FILLER * 12
    await add(knowledge, creator, "Rules", text)
    result = await knowledge.search(creator, "Which rules help to sleep well?")
    assert all(passage.text in passage.context for passage in result.passages)
    assert all(passage.context in text for passage in result.passages)
    assert any(len(passage.context) > len(passage.text) for passage in result.passages)
