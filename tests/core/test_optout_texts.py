"""What is said to STOP, START and JOIN is there in every language, and as short as a text is."""

from collections.abc import Mapping
from dataclasses import asdict
from string import Formatter
from typing import Any

import pytest

from adapters.sms.channel import SmsChannel
from core import optout
from core.api.unsubscribe_texts import PAGE_TEXTS
from core.consent import PURPOSES, shown
from core.dialogue.crisis import TEXTS as CRISIS_TEXTS
from core.optout_texts import TEXTS
from core.programs.broadcasts.estimate import cost_of
from core.programs.definition import Content

SENDER = "Riverside Practice"
# Their words for the purposes have letters that a text message has no room for.
BEYOND_GSM = {("tr", "coaching"), ("tr", "reminder")}
RIGHT_TO_LEFT = {"ar", "fa", "he", "ur", "yi"}
BY_LANGUAGE = {
    f"{name}-{language}": (texts[language], texts["en"])
    for name, texts in (("said", TEXTS), ("page", PAGE_TEXTS))
    for language in CRISIS_TEXTS
}
TABLES: list[Mapping[str, Any]] = [TEXTS, PAGE_TEXTS]


@pytest.mark.parametrize("texts", TABLES, ids=["said", "page"])
def test_the_languages_are_those_of_the_words_for_somebody_in_danger(
    texts: Mapping[str, Any],
) -> None:
    assert set(texts) == set(CRISIS_TEXTS)
    assert not RIGHT_TO_LEFT & set(texts)  # else the page would have to say so


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize(("texts", "english"), BY_LANGUAGE.values(), ids=BY_LANGUAGE)
def test_every_text_is_there_and_has_all_its_places(texts: Any, english: Any) -> None:
    said, meant = asdict(texts), asdict(english)
    assert all(text.strip() == text and text for text in said.values())
    assert {key: names_in(said[key]) for key in meant} == {
        key: names_in(text) for key, text in meant.items()
    }
    same = [key for key, text in said.items() if text == meant[key]]
    assert texts is english or set(same) <= {"coaching", "all"}  # words that both have


@pytest.mark.parametrize("table", TABLES, ids=["said", "page"])
def test_a_language_cannot_lack_a_text(table: Mapping[str, Any]) -> None:
    whole = asdict(table["en"])
    for key in whole:
        lacking = {name: text for name, text in whole.items() if name != key}
        with pytest.raises(TypeError, match=key):
            type(table["en"])(**lacking)


# --- as text messages


def segments(text: str) -> int | None:
    return cost_of(Content(text=text), SmsChannel()).segments


@pytest.mark.parametrize("language", TEXTS)
def test_who_texts_fits_into_one_text_message(language: str) -> None:
    texts = TEXTS[language]
    for text in (texts.texted_stopped, texts.texted_resumed, texts.texted_joined):
        said = text.format(sender=SENDER)
        assert said.startswith(SENDER)
        assert segments(said) == 1, (len(said), said)


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_says_how_it_comes_back_and_how_it_ends(language: str) -> None:
    texts = TEXTS[language]
    assert "START" in texts.texted_stopped
    assert "STOP" in texts.texted_resumed
    assert {"HELP", "STOP"} <= set(texts.texted_joined.replace(":", " ").split())


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_single_purposes_fit_too_where_the_language_lets_them(language: str, purpose: str) -> None:
    texts = TEXTS[language]
    room = 2 if (language, purpose) in BEYOND_GSM else 1
    for text in (texts.stopped_some, texts.agreed):
        said = text.format(what=texts.named(purpose), names=shown(purpose))
        assert (segments(said) or 0) <= room, (len(said), said)
    assert segments(texts.ask_purpose.format(names=", ".join(PURPOSES))) == 1


# --- by the word


@pytest.mark.parametrize(
    ("word", "locales", "language"),
    [
        ("ARRET", (), "fr"),
        ("ARRET", ("de",), "fr"),
        ("Abmelden!", ("en-US",), "de"),
        ("darse de baja", (None, "it"), "es"),
        ("PARAR", (), "es"),
        ("PARAR", ("en",), "es"),
        ("PARAR", (None, "pt-BR"), "pt"),
        ("basta", (), "it"),
        ("Basta", ("es-MX",), "es"),
        ("dur", ("tr-TR",), "tr"),
        ("STOP", ("pl",), "pl"),
        ("STOP", ("sv", None, "nl-BE"), "nl"),
        ("stop", ("sv",), "en"),
        ("unsubscribe", ("fr",), "fr"),
        ("START", ("de-CH",), "de"),
        ("alta", ("de",), "es"),
        ("wznów", (), "pl"),
        ("JOIN", ("it",), "it"),
        ("/stop", ("es",), "es"),
        ("stop", (), "en"),
    ],
)
def test_the_words_own_language_comes_before_the_persons(
    word: str, locales: tuple[str | None, ...], language: str
) -> None:
    assert optout.texts_for(word, *locales) == TEXTS[language]
