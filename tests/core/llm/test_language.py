"""The language of a question, and what the bot says in it."""

import pytest

from core.llm.language import detect, language_name
from core.llm.phrases import PHRASES, language_for, phrases_in


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "How do I start a habit that sticks?"),
        ("en", "and how often?"),
        ("de", "Wie fange ich eine Gewohnheit an?"),
        ("de", "und wie oft?"),
        ("fr", "Comment prendre une habitude ?"),
        ("fr", "et combien de fois ?"),
        ("es", "¿Cómo empiezo un hábito?"),
        ("es", "¿y cuántas veces?"),
        ("pt", "Como começo um hábito?"),
        ("pt", "e quantas vezes?"),
        ("it", "Come inizio un'abitudine?"),
        ("it", "e quante volte?"),
        ("nl", "Hoe vaak moet ik oefenen?"),
        *(("", text) for text in ("", "Habits?", "ok", "習慣", "12:30", "Quanto devo dormir")),
    ],
)
def test_a_few_common_words_tell(language: str, text: str) -> None:
    assert detect(text) == language


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_what_the_bot_says_is_in_the_language_it_says(language: str) -> None:
    said = PHRASES[language]
    for text in (said.refusal, said.canned, f"{said.nearest} {said.instead}"):
        assert detect(text) in (language, "")
    assert detect(said.refusal) == language
    assert "`/human`" in said.refusal


def test_what_was_chosen_comes_first_then_the_question_then_the_device_then_english() -> None:
    question = "Wie fange ich eine Gewohnheit an?"
    assert language_for("fr-CA", question, "es") == "fr-CA"
    assert language_for(None, question, "en-US") == "de"
    assert language_for(None, "ok", "es") == "es"
    assert language_for(None, question) == "de"
    assert language_for("", "ok") == "en"
    assert phrases_in("pt-BR") is PHRASES["pt"]
    assert phrases_in("ja") is PHRASES["en"]


def test_a_prompt_names_a_language_it_knows() -> None:
    assert (language_name("de-AT"), language_name("tlh"), language_name("")) == ("German", "", "")
