"""Forms: each field a question, answers checked at once, state that survives a restart."""

from enum import Enum
from typing import Literal

import pytest
from pydantic import BaseModel, Field, field_validator, model_validator

from core.dialogue import forms
from core.dialogue.forms import FormState


class Mood(Enum):
    GOOD = "Good"
    BAD = "Bad"


class Plan(BaseModel):
    goal: str = Field(title="What?", description="In a sentence.", min_length=3, max_length=20)
    days: int = Field(title="How many days?", ge=1, le=7)
    when: Literal["Morning", "Evening"] = Field(title="When?")
    mood: Mood | None = Field(None, title="How do you feel?")
    remind: bool = Field(title="Shall I remind you?")

    @field_validator("goal")
    @classmethod
    def _no_shouting(cls, value: str) -> str:
        if value.isupper():
            raise ValueError("please don't shout")
        return value


def fill(model: type[BaseModel], *answers: str) -> forms.Step:
    step = forms.Step(state=forms.begin(model))
    for answer in answers:
        assert step.state is not None
        stored = step.state.dump()  # what a restart would read back
        step = forms.take(model, forms.load(model, stored), answer)
    return step


def test_a_filled_form_is_the_model() -> None:
    result = fill(Plan, "Run 5 km", "3", "evening", "Good", "yes").result
    assert result == Plan(goal="Run 5 km", days=3, when="Evening", mood=Mood.GOOD, remind=True)


def test_a_question_shows_its_title_hint_and_choices() -> None:
    state = FormState(form="Plan", answers={}, field="mood")
    asked = forms.question(Plan, state)
    assert asked.text == "How do you feel?"
    assert [c.label for c in asked.choices] == ["Good", "Bad", "Skip"]
    assert "In a sentence." in forms.question(Plan, forms.begin(Plan)).text


@pytest.mark.parametrize("picked", ["2", "2.", "two", "EVENING", " evening "])
def test_a_choice_is_taken_by_number_word_or_label(picked: str) -> None:
    step = fill(Plan, "Run 5 km", "3", picked)
    assert step.state is not None
    assert step.state.answers["when"] == "Evening"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (("ab",), "at least 3 characters"),
        (("RUN FAST",), "please don't shout"),
        (("Run", "eight"), "valid integer"),
        (("Run", "8"), "less than or equal to 7"),
        (("Run", "3", "3"), "Please pick one of: Morning, Evening."),
        (("Run", "3", "noon"), "Please pick one of: Morning, Evening."),
        (("Run", "3", "1", "skip", "maybe"), "Please pick one of: Yes, No."),
    ],
)
def test_a_wrong_answer_is_asked_again_with_the_reason(
    answers: tuple[str, ...], reason: str
) -> None:
    before, step = fill(Plan, *answers[:-1]), fill(Plan, *answers)
    assert step.state == before.state
    assert reason in step.reason
    assert step.state is not None
    assert reason in forms.question(Plan, step.state, step.reason).text


def test_an_optional_field_can_be_skipped_and_a_required_one_cannot() -> None:
    result = fill(Plan, "Run", "3", "1", "skip", "no").result
    assert result == Plan(goal="Run", days=3, when="Morning", remind=False)
    assert fill(Plan, "Run", "skip").reason


class Range(BaseModel):
    low: int = Field(title="Low?")
    high: int = Field(title="High?")

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if self.high < self.low:
            raise ValueError("high must not be below low")
        return self


def test_a_rule_over_fields_asks_again_from_the_start() -> None:
    step = fill(Range, "5", "1")
    assert step.result is None
    assert step.state is not None
    assert step.state.field == "low"
    assert step.reason == "high must not be below low."


def test_a_form_that_changed_since_asks_what_is_missing() -> None:
    stored = {"form": "Plan", "answers": {"goal": "Run", "gone": "x"}, "field": "gone"}
    state = forms.load(Plan, stored)
    assert state.answers == {"goal": "Run"}
    assert state.field == "days"


@pytest.mark.parametrize("digits", [19, 5000])
@pytest.mark.parametrize("before", [("a goal",), ("a goal", "3")], ids=["number", "choice"])
def test_a_number_of_thousands_of_digits_is_asked_again(
    before: tuple[str, ...], digits: int
) -> None:
    step = fill(Plan, *before, "9" * digits)
    assert step.state is not None
    assert step.reason


def test_examples_are_offered_and_anything_else_may_be_typed() -> None:
    class Report(BaseModel):
        blockers: str = Field(title="Blockers?", examples=["None"])
        mood: int | None = Field(None, examples=["1", "2"])

    step = forms.Step(state=forms.begin(Report))
    assert step.state is not None
    assert [c.label for c in forms.question(Report, step.state).choices] == ["None"]
    mood = forms.take(Report, step.state, "no key")
    assert mood.state is not None
    assert [c.label for c in forms.question(Report, mood.state).choices] == ["1", "2", "Skip"]
    assert fill(Report, "no key", "2").result == Report(blockers="no key", mood=2)
