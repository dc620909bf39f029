"""What counts as an answer, in six languages: buttons, numbers, words; and what never does."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.programs.check_ins import answers
from core.programs.check_ins.answers import Answer, OutOfRange, read_answer, read_button, read_value
from core.programs.check_ins.words import WORDS, shown, words_in
from core.programs.definition import Expects
from shared.messages import Choice

YES_NO = Expects(kind="bool")
SCALE = Expects(kind="scale", minimum=1, maximum=10)
KM = Expects(kind="number", minimum=0, maximum=100, unit="km")
HOURS = Expects(kind="number", minimum=0, maximum=24, unit="h")
STEPS = Expects(kind="number", minimum=100, maximum=60_000)
TEXT = Expects(kind="text")
SEND = UUID(int=7)


@pytest.mark.parametrize(
    ("expects", "text", "locale", "value"),
    [
        (SCALE, "7", None, 7),
        (SCALE, " 7. ", None, 7),
        (SCALE, "7/10", None, 7),
        (SCALE, "7 out of 10", None, 7),
        (SCALE, "7 von 10", "de", 7),
        (SCALE, "7\ufe0f\u20e3", None, 7),
        (SCALE, "🔟", None, 10),
        (SCALE, "７", None, 7),
        (SCALE, "٧", "ar", 7),
        (SCALE, "seven", "en", 7),
        (SCALE, "Sieben!", "de", 7),
        (SCALE, "sept", "fr", 7),
        (SCALE, "siete", "es", 7),
        (SCALE, "sete", "pt", 7),
        (SCALE, "sette", "it", 7),
        (SCALE, "une", "fr", 1),
        (KM, "7,5 km", "de", 7.5),
        (KM, "7.5km", "en", 7.5),
        (KM, "7,5", "en", 7.5),
        (KM, "7½", None, 7.5),
        (KM, "seven and a half", "en", 7.5),
        (KM, "sept et demi", "fr", 7.5),
        (KM, "twenty-five kilometers", "en", 25),
        (KM, "treinta y cinco", "es", 35),
        (KM, "fünfundzwanzig", "de", 25),
        (KM, "once", "es", 11),
        (HOURS, "7h30", "fr", 7.5),
        (HOURS, "7:45", None, 7.75),
        (HOURS, "90 min", None, 1.5),
        (STEPS, "10.000", "de", 10_000),
        (STEPS, "10,000", "en", 10_000),
        (STEPS, "10 000", "fr", 10_000),
        (STEPS, "10.000", "en", 10_000),
        (STEPS, "1.234,5", "de", 1234.5),
        (YES_NO, "yes", None, True),
        (YES_NO, "Yes I did!", None, True),
        (YES_NO, "no, too tired", None, False),
        (YES_NO, "Not yet", None, False),
        (YES_NO, "Ja", "de", True),
        (YES_NO, "noch nicht", "de", False),
        (YES_NO, "oui", "fr", True),
        (YES_NO, "pas encore", "fr", False),
        (YES_NO, "Sí", "es", True),
        (YES_NO, "si", "es", True),
        (YES_NO, "todavía no", "es", False),
        (YES_NO, "sim", "pt", True),
        (YES_NO, "não", "pt", False),
        (YES_NO, "NAO", "pt", False),
        (YES_NO, "sì", "it", True),
        (YES_NO, "non ancora", "it", False),
        (YES_NO, "👍🏽", None, True),
        (YES_NO, "❌", None, False),
        (TEXT, "  A long walk ", None, "A long walk"),
        (TEXT, "What I liked was the walk", None, "What I liked was the walk"),
    ],
)
def test_answers_are_read(expects: Expects, text: str, locale: str | None, value: object) -> None:
    found = read_answer(expects, text, locale)
    assert isinstance(found, Answer)
    assert found.sure
    assert (found.value, type(found.value)) == (value, type(value))


@pytest.mark.parametrize(
    ("expects", "text", "value"),
    [
        (KM, "I did about 7 today", 7),
        (KM, "seven, I think", 7),
        (KM, "7.500", 7.5),
        (YES_NO, "no problem", False),
        (YES_NO, "well, yes and with joy", True),
    ],
)
def test_what_is_likely_is_asked_about(expects: Expects, text: str, value: object) -> None:
    found = read_answer(expects, text, "en")
    assert isinstance(found, Answer)
    assert found.value == value
    assert found.sure is (text == "7.500")  # 7500 km is out of the question


@pytest.mark.parametrize(
    ("expects", "text"),
    [
        (SCALE, "what is zone 2?"),
        (SCALE, "what is zone 2 training"),
        (SCALE, "between 3 and 5"),
        (SCALE, "7/5"),
        (SCALE, "good"),
        (SCALE, ""),
        (SCALE, "x" * 300),
        (SCALE, "9" * 40),
        (KM, "5 miles of 2"),
        (KM, "90 min"),
        (KM, "once"),
        (YES_NO, "maybe"),
        (YES_NO, "yes and no"),
        (YES_NO, "not done"),
        (YES_NO, "did you mean today?"),
        (TEXT, "What is zone 2?"),
        (TEXT, "  "),
    ],
)
def test_what_is_no_answer_is_none(expects: Expects, text: str) -> None:
    assert read_answer(expects, text, "en") is None


@pytest.mark.parametrize("text", ["11", "0", "-3", "eleven", "1000"])
def test_numbers_out_of_range_are_told_apart(text: str) -> None:
    assert isinstance(read_answer(SCALE, text, "en"), OutOfRange)


@given(st.text(max_size=300), st.sampled_from(["bool", "number", "scale", "text"]))
def test_anything_can_be_read(text: str, kind: str) -> None:
    expects = Expects.model_validate({"kind": kind, "minimum": 1, "maximum": 10})
    for locale in (None, "de", "xx"):
        found = read_answer(expects, text, locale)
        if isinstance(found, Answer):
            assert answers.value_of(expects, found.value) == found.value


@given(st.integers(1, 10))
def test_whatever_is_offered_can_be_tapped(value: int) -> None:
    choices = answers.choices_for(SCALE, (), SEND, "en")
    tapped = read_button(choices[value - 1].value)
    assert tapped is not None
    assert tapped.send_id == SEND
    assert read_value(SCALE, tapped.value) == value


def test_choices_are_the_steps_own_else_those_that_go_without_saying() -> None:
    own = (Choice(label="Great", value="5"), Choice(label="Later", value="/later"))
    assert [c.value for c in answers.choices_for(SCALE, own, SEND, "en")] == [
        f"answer:{SEND}:5",
        "/later",
    ]
    labels = [c.label for c in answers.choices_for(YES_NO, (), SEND, "it")]
    assert labels == ["Sì", "No"]
    assert answers.choices_for(STEPS, (), SEND, "en") == ()


@pytest.mark.parametrize(
    ("expects", "raw", "value"),
    [
        (YES_NO, "true", True),
        (YES_NO, "No", False),
        (YES_NO, "7", None),
        (SCALE, "7", 7),
        (SCALE, "11", None),
        (SCALE, "nan", None),
        (SCALE, "1e400", None),
        (SCALE, "seven", None),
        (TEXT, "confirm", "confirm"),
        (TEXT, "", None),
    ],
)
def test_values_behind_buttons(expects: Expects, raw: str, value: object) -> None:
    assert read_value(expects, raw) == value


@pytest.mark.parametrize("text", ["answer:7:1", f"answer:{SEND}", f"xanswer:{SEND}:1", "answer::"])
def test_what_is_no_button(text: str) -> None:
    assert read_button(text) is None


@pytest.mark.parametrize(
    ("expects", "value", "target", "met"),
    [
        (YES_NO, True, None, True),
        (YES_NO, False, None, False),
        (KM, 3, None, True),
        (KM, 3, 5.0, False),
        (KM, 5, 5.0, True),
        (Expects(kind="number", target=2), 3, 5.0, True),
        (TEXT, "well", 5.0, True),
    ],
)
def test_what_counts(
    expects: Expects, value: answers.Value, target: float | None, met: bool
) -> None:
    assert answers.is_met(expects, value, target) is met


@pytest.mark.parametrize("language", sorted(WORDS))
def test_every_language_says_everything(language: str) -> None:
    said = words_in(f"{language}-XX")
    assert said is WORDS[language]
    assert len(said.weekdays.split()) == 7
    assert "3" in said.in_a_row.format(n=3)
    assert "5" in said.this_week.format(n=4, of=5)
    for expects in (YES_NO, SCALE, KM, Expects(kind="number", minimum=1), Expects(kind="number")):
        assert "{" not in answers.ask_again(expects, language)
    text, choices = answers.confirmation(7.5, KM, SEND, language)
    assert "7" in text
    assert [c.value for c in choices][1].endswith(":?")


def test_values_are_shown_as_they_are_written() -> None:
    assert shown(7.5, "km", "de") == "7,5 km"
    assert shown(7.0, "", "en") == "7"
    assert shown(True, "", "fr") == "Oui"
    assert shown(10_000, "", "en") == "10000"
