"""Words of danger are found in every language we know, and answered by fixed texts."""

import pytest

from core.dialogue.crisis import TEXTS, crisis_text, is_crisis, says_any

IN_DANGER = {
    "en": "Sometimes I just want to  die, you know?",
    "en-quote": "I don’t want to live like this",
    "en-shout": "I'M GOING TO KILL MYSELF",
    "de": "Ich will nicht mehr leben.",
    "de-self": "ich denke an Suizid",
    "fr": "j'ai envie de mourir",
    "es": "A veces pienso en quitarme la vida",
    "pt": "eu não quero mais viver",
    "it": "Non voglio più vivere così",
    "nl": "Ik denk aan zelfmoord",
    "pl": "nie chcę żyć",
    "tr": "Artık yaşamak istemiyorum",
}
NOT_IN_DANGER = {
    "habit": "How do I kill a bad habit?",
    "dying": "I'm dying to start running!",
    "deadline": "The deadline is killing me",
    "german": "Ich möchte mehr schlafen",
    "spanish": "me pega mucho el sol",
    "empty": "",
}


@pytest.mark.parametrize("text", IN_DANGER.values(), ids=IN_DANGER)
def test_words_of_danger_are_found(text: str) -> None:
    assert is_crisis(text)
    assert is_crisis(f"{'long ago ' * 50}\n{text.upper()}")


@pytest.mark.parametrize("text", NOT_IN_DANGER.values(), ids=NOT_IN_DANGER)
def test_everyday_words_are_not(text: str) -> None:
    assert not is_crisis(text)


def test_a_creator_adds_words_of_their_own() -> None:
    assert is_crisis("The water is black today.", ["black water", "water is BLACK"])
    assert not says_any("blackwater", ["black"])


def test_forty_thousand_characters_are_read_quickly_and_only_their_beginning() -> None:
    assert is_crisis("suicide " + "a" * 40_000)
    assert not is_crisis("want to " * 5_000)


@pytest.mark.parametrize(
    ("locale", "line"),
    [
        ("en-US", "988"),
        ("en-GB", "116 123"),
        ("de", "0800 111 0 111"),
        ("de-AT", "142"),
        ("fr-FR", "3114"),
        ("es-ES", "024"),
        ("pt-BR", "188"),
        ("en", "findahelpline.com"),
        ("sv", "findahelpline.com"),
        (None, "findahelpline.com"),
    ],
)
def test_the_text_names_the_line_of_the_country(locale: str | None, line: str) -> None:
    text = crisis_text(locale)
    assert line in text
    assert "{line}" not in text


def test_the_text_is_in_the_contacts_language_or_english() -> None:
    assert {crisis_text(language)[:12] for language in TEXTS} == {
        text[:12] for text in TEXTS.values()
    }
    assert crisis_text("sv").startswith(TEXTS["en"][:20])


def test_a_creators_text_replaces_ours_in_its_language_only() -> None:
    own = {"de": "Ruf an: {line}"}
    assert crisis_text("de-DE", own) == "Ruf an: **0800 111 0 111 (Telefonseelsorge)**."
    assert crisis_text("fr", own).startswith("Merci")
