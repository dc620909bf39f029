"""The answer without a model: whole, relevant, verbatim sentences in reading order."""

from pathlib import Path

import pytest

from core.llm.extractive import ExtractiveAnswerer
from core.rag.chunk import split
from core.rag.reading.result import MARKDOWN
from tests.core.llm.passages import DAYS, HABIT, NOTES, SLEEP, Note

HANDBOOK = Path(__file__).parents[3] / "bots" / "coach" / "knowledge"


@pytest.mark.parametrize(
    ("question", "expected", "passage"),
    [
        ("How do I start a habit that sticks?", "choose one small action", 1),
        ("How many days until a habit forms?", "66 days", 2),
        ("What helps me sleep?", "dark, quiet and cool", 3),
    ],
    ids=["habit", "days", "sleep"],
)
async def test_picks_what_answers_the_question(
    extractive: ExtractiveAnswerer, question: str, expected: str, passage: int
) -> None:
    answer = await extractive.answer(question, NOTES)
    assert answer is not None
    assert expected in answer.text
    assert f"[{passage}]" in answer.text
    assert 1 <= len(answer.quotes) <= 4


async def test_quotes_are_verbatim_and_in_reading_order(extractive: ExtractiveAnswerer) -> None:
    answer = await extractive.answer("What makes habits and sleep better?", NOTES)
    assert answer is not None
    for quote in answer.quotes:
        assert NOTES[quote.passage].text[quote.start : quote.end] == quote.text
    places = [(quote.passage, quote.start) for quote in answer.quotes]
    assert places == sorted(places)


async def test_bullets_stay_bullets_and_literature_is_left_out(
    extractive: ExtractiveAnswerer,
) -> None:
    answer = await extractive.answer("How do I sleep better?", [SLEEP])
    assert answer is not None
    assert "\n- Make the bedroom dark, quiet and cool." in answer.text
    assert "Walker" not in answer.text


async def test_the_same_sentence_in_overlapping_passages_is_said_once(
    extractive: ExtractiveAnswerer,
) -> None:
    again = Note(title="Habits", heading="", text=HABIT.text[-78:] + " Keep going.")
    answer = await extractive.answer("What turns a choice into a habit?", [HABIT, again])
    assert answer is not None
    assert answer.text.count("turns a choice into a habit") == 1


async def test_a_passage_without_a_sentence_is_quoted_as_it_is(
    extractive: ExtractiveAnswerer,
) -> None:
    hours = Note(title="Office", heading="Opening hours", text="Mon–Fri 9–17")
    answer = await extractive.answer("When are you open?", [hours])
    assert answer is not None
    assert answer.text == "Mon–Fri 9–17 [1]"


async def test_brackets_in_a_passage_are_no_citations(extractive: ExtractiveAnswerer) -> None:
    note = Note(title="Paper", heading="", text="Cues matter most for habits [7].")
    answer = await extractive.answer("What matters for habits?", [note])
    assert answer is not None
    assert answer.text == "Cues matter most for habits. [1]"
    assert answer.quotes[0].text == "Cues matter most for habits [7]."


@pytest.mark.parametrize(
    "passages",
    [[], [Note(title="", heading="", text="")], [Note(title="", heading="", text="# Only\n---")]],
    ids=["none", "empty", "headings"],
)
async def test_nothing_to_quote(extractive: ExtractiveAnswerer, passages: list[Note]) -> None:
    assert await extractive.answer("Why?", passages) is None


async def test_the_same_question_gets_the_same_answer(extractive: ExtractiveAnswerer) -> None:
    first = await extractive.answer("How long?", [DAYS, HABIT])
    assert first == await extractive.answer("How long?", [DAYS, HABIT])


@pytest.mark.skipif(not HANDBOOK.is_dir(), reason="the coach's handbook is not here")
@pytest.mark.parametrize(
    ("question", "file", "expected"),
    [
        ("How do I start a habit that sticks?", "habits.md", "tie it to a cue"),
        ("How long does it take to form a habit?", "habits.md", "66 days"),
        ("I missed a day, is my habit ruined?", "habits.md", "does not ruin a habit"),
    ],
)
async def test_finds_the_answer_in_a_whole_chapter(
    extractive: ExtractiveAnswerer, question: str, file: str, expected: str
) -> None:
    text = (HANDBOOK / file).read_text()
    chapter = [
        Note(title=file, heading=chunk.heading, text=chunk.text)
        for chunk in split(text, media_type=MARKDOWN)
    ]
    answer = await extractive.answer(question, chapter)
    assert answer is not None
    assert expected in answer.text
    assert len(answer.text) < 900
