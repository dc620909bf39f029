"""A step's content in somebody's language, with what is known of them."""

from uuid import UUID

import pytest

from core.programs.definition import Content, Expects
from core.programs.sends import speaking
from shared.messages import Choice

SEND = UUID(int=7)
HELLO = {"en": Content(text="Hello"), "pt-BR": Content(text="Oi"), "de": Content(text="Hallo")}


@pytest.mark.parametrize(
    ("locales", "text"),
    [
        (("de",), "Hallo"),
        (("de-AT",), "Hallo"),
        (("pt-br",), "Oi"),
        (("pt_BR",), "Oi"),
        (("ja", None, "de"), "Hallo"),
        (("ja",), "Hello"),
        ((), "Hello"),
    ],
    ids=["exact", "region", "case", "underscore", "next-wish", "english", "unknown"],
)
def test_the_language_falls_back(locales: tuple[str | None, ...], text: str) -> None:
    found = speaking.message(HELLO, locales=locales, values={})
    assert found is not None
    assert found.text == text


def test_without_english_the_first_language_speaks() -> None:
    found = speaking.message({"fi": Content(text="Hei")}, locales=("de",), values={})
    assert found is not None
    assert found.text == "Hei"


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("Hi {name}!", {"name": "Ada"}, "Hi Ada!"),
        ("Hi {name}!", {}, "Hi!"),
        ("Hi, {name}!", {"name": ""}, "Hi!"),
        ("{name}, how are you?", {}, "how are you?"),
        ("Your {attribute:team} waits", {"attribute:team": "crew"}, "Your crew waits"),
        ("You said {answer:mood}.", {"answer:mood": "7"}, "You said 7."),
        (
            "Hi {name}!",
            {"name": "[win](https://evil.example)"},
            r"Hi \[win\](https://evil.example)!",
        ),
        ("Hi {name}!", {"name": "{goal}", "goal": "secret"}, "Hi {goal}!"),
        ("{}", {}, "{}"),
    ],
    ids=[
        "name",
        "none",
        "comma",
        "first",
        "attribute",
        "answer",
        "markup",
        "no-second-round",
        "bare",
    ],
)
def test_placeholders_are_filled_in_and_vanish_when_empty(
    text: str, values: dict[str, str], said: str
) -> None:
    assert speaking.filled(text, values) == said


def test_nothing_to_say_is_no_message() -> None:
    assert speaking.message({}, locales=("en",), values={}) is None
    assert speaking.message({"en": Content(text="{name}")}, locales=(), values={}) is None


def test_a_question_has_buttons_of_its_send_in_the_language_that_is_spoken() -> None:
    asked = {"de": Content(text="Getrunken?")}
    found = speaking.message(
        asked, locales=("de",), values={}, expects=Expects(kind="bool"), send_id=SEND
    )
    assert found is not None
    assert [choice.label for choice in found.choices] == ["Ja", "Nein"]
    assert found.choices[0].value == f"answer:{SEND}:true"


def test_a_messages_own_choices_stay_as_they_are() -> None:
    content = {"en": Content(text="Go on?", choices=(Choice(label="Yes", value="/go"),))}
    found = speaking.message(content, locales=(), values={})
    assert found is not None
    assert found.choices[0].value == "/go"


def test_the_placeholders_of_all_languages_are_known() -> None:
    content = {"en": Content(text="{name} {goal}"), "de": Content(text="{streak}")}
    assert speaking.wanted(content) == {"name", "goal", "streak"}
