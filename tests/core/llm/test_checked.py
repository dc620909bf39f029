"""What may be shown of what a model wrote: every fact with its passage, every quote verbatim."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.llm.base import ChatPrompt, ChatUsage
from core.llm.breaker import CircuitBreaker
from core.llm.budget import AnswerRequest
from core.llm.chain import AnswerChain, ChatRung, Completion
from core.llm.checked import check
from core.llm.extractive import ExtractiveAnswerer
from core.llm.structured import Draft
from tests.core.llm.passages import DAYS, HABIT, NOTES, SLEEP, Note

ACTION = "Choose one small action and tie it to a daily cue"
TRICKY = Note(
    title="Brackets [1]",
    heading="[[2]1]",
    text="See [[9]1] for a habit [3]. Tie a habit to a cue [12, 13]. It takes [[1]2] 66 days.",
)


def shown(answer: str, quotes: dict[int, tuple[str, ...]] | None = None) -> str | None:
    found = check(Draft(answer=answer, quotes=quotes), NOTES)
    return found.text if found else None


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (f"{ACTION} [1].", f"{ACTION} [1]."),
        (f"{ACTION}. [1] Drink coffee. [1]", f"{ACTION}. [1]"),
        (f"{ACTION} [1]. It works in 3 days [1].", f"{ACTION} [1]."),
        (
            f"{ACTION} [1]. People took 66 days on average [2].",
            f"{ACTION} [1]. People took 66 days on average [2].",
        ),
        (f"Drink coffee. {ACTION} [1].", f"{ACTION} [1]."),
        (f"You can:\n\n- {ACTION} [1]\n- Drink coffee [1]", f"You can:\n\n- {ACTION} [1]"),
        (f"- Drink coffee. {ACTION} [1].", f"- {ACTION} [1]."),
        (f"{ACTION} [1].\n\nAlso helpful:\n\n- Drink coffee [1]", f"{ACTION} [1]."),
        (f"Great question! {ACTION} [1]. Good luck!", f"Great question! {ACTION} [1]. Good luck!"),
        (f"{ACTION}.", None),
        (f"{ACTION} [2].", None),
        ("Drink coffee [1].", None),
        ("Here is what helps [1]:", None),
        ("", None),
    ],
)
def test_a_sentence_stays_with_a_passage_that_says_it(answer: str, left: str | None) -> None:
    assert shown(answer) == left


def test_one_marker_stands_for_its_paragraph() -> None:
    text = f"{ACTION}. Make the first version so small that you could do it on your worst day [1]."
    assert shown(text) == text


def test_what_leans_on_another_paragraph_is_given_its_own_marker() -> None:
    text = f"{ACTION}.\n\nRepetition in a stable setting turns a choice into a habit [1]."
    assert shown(text) == text.replace("cue.", "cue [1].")


def test_quotes_alone_are_citations_too() -> None:
    found = check(Draft(answer=f"{ACTION}.", quotes={1: ("tie it to a daily cue",)}), NOTES)
    assert found is not None
    assert found.text == f"{ACTION} [1]."
    assert found.citations[0].quote == "tie it to a daily cue"


def test_an_invented_quote_takes_its_citation_with_it() -> None:
    text = f"{ACTION} [1]. On average people took 66 days to form a habit [2]."
    assert shown(text, {1: ("tie it to a cue every day",), 2: ("66 days on average",)}) == (
        "On average people took 66 days to form a habit [1]."
    )


def test_a_second_quote_of_a_passage_may_save_it() -> None:
    quotes = {1: ("nonsense that is not there", "a daily cue")}
    found = check(Draft(answer=f"{ACTION} [1].", quotes=quotes), NOTES)
    assert found is not None
    assert [c.quote for c in found.citations] == ["a daily cue"]


def test_when_most_of_it_has_to_go_nothing_stays() -> None:
    assert shown(f"{ACTION} [1]. Drink coffee. Buy a watch. Take melatonin.") is None


def test_a_passage_that_does_not_say_it_is_not_named() -> None:
    text = "On average people took 66 days to form a habit [2][3]."
    found = check(Draft(answer=text), NOTES)
    assert found is not None
    assert [c.passage for c in found.citations] == [1]


# --- whatever a model writes

SENTENCES = (
    f"{ACTION}",
    "People took 66 days on average",
    "Make the bedroom dark, quiet and cool",
    "Keep the last hour before bed calm",
    "Drink coffee",
    "It works in 3 days",
    "Here is what helps",
    "Tie a habit to a cue",
    "I don't know",
)
MARKS = (
    *("[1]", "[2]", "[3]", "[4]", "[9]", "[0]", "[99999999999]", "[1, 2]", "[1][2]", "[1-4]"),
    *(
        "[[9]1]",
        "[[1]2]",
        "[1](x)",
        "【1】",
        "【2†source】",
        "[^1]",
        "[Passage 2]",
        "[1",
        "1]",
        "[",
    ),
)
GLUE = (". ", ".", "\n", "\n\n- ", "\n1. ", " ", ": ", "| ", "```\n", "> ", "# ", "! ", "\n\n")
written = st.lists(st.sampled_from((*SENTENCES, *MARKS, *GLUE)) | st.text(max_size=4), max_size=14)
quote = st.one_of(
    st.text(max_size=12),
    st.builds(
        lambda note, start, length: note.text[start : start + length],
        st.sampled_from((*NOTES, TRICKY)),
        st.integers(0, 150),
        st.integers(0, 60),
    ),
)
citation = st.fixed_dictionaries({"passage": st.integers(-1, 6), "quote": quote})


class Adversary:
    """A chat model that says what it was given to say."""

    name, num_ctx = "adversary", 8192

    def __init__(self, text: str) -> None:
        self._text = text

    async def stream(
        self, prompt: ChatPrompt, *, budget_seconds: float, usage: ChatUsage | None = None
    ) -> AsyncGenerator[str, None]:
        for start in range(0, len(self._text), 7):
            yield self._text[start : start + 7]


@given(
    answer=written.map("".join),
    citations=st.lists(citation, max_size=4),
    form=st.sampled_from(["plain", "json", "cut"]),
)
@settings(max_examples=80, deadline=None)
def test_every_citation_shown_is_valid(
    extractive: ExtractiveAnswerer, answer: str, citations: list[dict[str, object]], form: str
) -> None:
    text = answer if form == "plain" else json.dumps({"answer": answer, "citations": citations})
    model = Adversary(text[: len(text) * 2 // 3] if form == "cut" else text)
    passages = (HABIT, TRICKY, DAYS, SLEEP)
    chain = AnswerChain(
        rungs=[ChatRung(model=model, breaker=CircuitBreaker())], extractive=extractive
    )
    request = AnswerRequest(question="How do I start a habit?", passages=passages, persona="P")
    completion = asyncio.run(chain.complete(request, budget_seconds=60))
    assert_valid(completion, passages)


def assert_valid(completion: Completion, passages: tuple[Note, ...]) -> None:
    for cited in completion.citations:
        assert cited.quote
        assert cited.quote in passages[cited.passage].text
    numbers = [cited.number for cited in completion.citations]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {int(n) for n in re.findall(r"\[(\d+)\]", completion.text)} == set(numbers)
    assert completion.citations or not completion.is_known or completion.rung == "canned"
