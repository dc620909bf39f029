"""A follow-up is joined with what it leans on; a question of its own is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rag.followup import MAX_LENGTH, leans, names_topic, standalone

SLEEP = "How can I sleep better?"
HABIT = "How do I start a habit that sticks?"

LEANING = (
    "and how often?",
    "why?",
    "Why is that?",
    "what about at night?",
    "How long does it take?",
    "Can they help?",
    "Does that help?",
    "Is it enough?",
    "tell me more",
    "und wie oft?",
    "Warum?",
    "Wie lange dauert das?",
    "was ist mit dem Wochenende?",
    "et pourquoi ?",
    "Combien de temps ?",
    "et le soir ?",
    "¿y por qué?",
    "¿cuánto tiempo?",
    "¿qué tal por la noche?",
    "?",
)
ALONE = (
    SLEEP,
    HABIT,
    "What is a cue?",
    "Is it normal to feel tired?",
    "What do you do with a plan that is too big?",
    "Was empfehlen Sie gegen den Stress?",
    "How many hours should I sleep?",
    "Wie schlafe ich besser?",
    "Wie beginne ich eine Gewohnheit?",
    "Comment mieux dormir ?",
    "Comment prendre une habitude ?",
    "¿Cómo puedo dormir mejor?",
    "¿Cómo empiezo un hábito?",
    "Does coffee ruin my sleep?",
    "I keep waking up at night and it makes me tired and angry during work, what can I do?",
)


@pytest.mark.parametrize("question", LEANING)
def test_a_follow_up_takes_the_topic_along(question: str) -> None:
    assert standalone(question, [HABIT, SLEEP]) == f"{SLEEP} {question}"


@pytest.mark.parametrize(
    ("question", "names"),
    [("And what about tapering?", True), ("und der Schlaf?", True), ("and how often?", False),
     ("and does that help?", False), ("why?", False)],
)  # fmt: skip
def test_a_follow_up_may_name_a_topic(question: str, names: bool) -> None:
    assert names_topic(question) is names


@pytest.mark.parametrize("question", ALONE)
def test_a_question_of_its_own_is_left_alone(question: str) -> None:
    assert standalone(question, [HABIT, "What helps with stage fright?"]) == question


def test_the_topic_is_the_last_question_that_stood_alone() -> None:
    assert standalone("why?", [HABIT, SLEEP, "and how often?"]) == f"{SLEEP} why?"


def test_without_an_earlier_question_nothing_is_joined() -> None:
    assert standalone("why?", []) == "why?"
    assert standalone("why?", ["and?", "how?"]) == "why?"


@given(st.text(max_size=200), st.lists(st.text(max_size=200), max_size=8))
def test_any_text_is_taken_and_the_question_is_kept(question: str, history: list[str]) -> None:
    joined = standalone(question, history)
    assert len(joined) <= MAX_LENGTH
    assert joined.endswith(question.strip())
    if not leans(question.strip()):
        assert joined == question


@given(st.integers(min_value=-60, max_value=60), st.sampled_from(["a", "sleep ", "why ", "?"]))
def test_the_length_is_bounded(more: int, piece: str) -> None:
    question = (piece * MAX_LENGTH)[: MAX_LENGTH + more]
    assert len(standalone(question, [SLEEP])) <= MAX_LENGTH
    assert len(standalone("why?", [question])) <= MAX_LENGTH
