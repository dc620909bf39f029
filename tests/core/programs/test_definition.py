"""What may be declared, how short it may be written, and what is wrong with what doesn't fit."""

import re
from datetime import UTC, date, time
from typing import Any

import pytest
from pydantic import ValidationError

from core.bots import Branch, Choice, Content, Expects, Program, QuietHours, Span, Step, When
from core.programs.checks import problems_of
from tests.core.programs.journeys import program


def says(key: str = "one", **fields: Any) -> dict[str, Any]:
    return {"key": key, "content": "Hello", **fields}


def asks(key: str = "ask", **fields: Any) -> dict[str, Any]:
    return {"key": key, "kind": "question", "content": "How?", "expects": "scale", **fields}


def branch(*branches: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"key": "fork", "kind": "branch", "branches": branches, **fields}


class TestShort:
    @pytest.mark.parametrize(
        ("text", "n", "unit"),
        [
            ("2 days", 2, "days"),
            ("1 day", 1, "days"),
            ("90 minutes", 90, "minutes"),
            ("-3 hours", -3, "hours"),
            ("2 weeks before", -2, "weeks"),
            ("1 month after", 1, "months"),
            ("0 days", 0, "days"),
        ],
    )
    def test_a_span_is_a_few_words(self, text: str, n: int, unit: Any) -> None:
        assert Span.model_validate(text) == Span(n=n, unit=unit)
        assert Span.model_validate(str(Span(n=n, unit=unit))) == Span(n=n, unit=unit)

    @pytest.mark.parametrize(
        ("text", "at"),
        [("9:30", time(9, 30)), ("21:05", time(21, 5)), ("9:30:15", time(9, 30, 15))],
    )
    def test_a_time_is_as_on_a_clock(self, text: str, at: time) -> None:
        assert When(at=text).at == at

    @pytest.mark.parametrize(
        ("text", "days"),
        [
            ("mo-fr", ("mo", "tu", "we", "th", "fr")),
            ("fr-mo", ("mo", "fr", "sa", "su")),
            ("th, mo", ("mo", "th")),
            ("MO WE", ("mo", "we")),
            (["su", "mo", "su"], ("mo", "su")),
        ],
    )
    def test_weekdays_are_a_stretch_or_a_list(self, text: Any, days: tuple[str, ...]) -> None:
        assert When(weekdays=text).weekdays == days

    def test_a_text_is_content_in_english(self) -> None:
        hello = Content(text="Hello")
        assert Step(key="a", content="Hello").content == {"en": hello}
        assert Step(key="a", content=hello).content == {"en": hello}
        assert Step(key="a", content={"text": "Hello"}).content == {"en": hello}
        assert Step(key="a", content={"en": "Hello"}).content == {"en": hello}

    def test_choices_say_what_they_mean(self) -> None:
        content = Content(text="Well?", choices=["Good", Choice(label="Bad", value="b")])
        assert [choice.value for choice in content.choices] == ["Good", "b"]

    def test_a_scale_goes_from_one_to_five(self) -> None:
        assert Step(key="a", expects="scale").expects == Expects(kind="scale", minimum=1, maximum=5)
        assert Expects(kind="scale", maximum=10).maximum == 10

    def test_what_is_written_is_read_again(self) -> None:
        whole = Program(
            slug="plan",
            name="Plan",
            timezone="Asia/Kathmandu",
            quiet_hours=QuietHours(start="22:00", end="7:30"),
            steps=[
                Step(
                    key="ask",
                    kind="question",
                    when=When(
                        anchor="date",
                        attribute="exam",
                        offset="2 days before",
                        at="9:30",
                        weekdays="mo-fr",
                        exdates=["2026-12-24"],
                    ),
                    content={"en": Content(text="How?", choices=["1", "2"]), "pt-BR": "Como?"},
                    expects=Expects(kind="scale", thanks="Thanks", target=3),
                    timeout="3 hours",
                ),
                Step(
                    key="fork",
                    kind="branch",
                    branches=[
                        Branch(op="in", value=[1, 2], goto="end"),
                        Branch(op="missed", goto="b"),
                    ],
                ),
                Step(key="b", content="Bye", when=When(offset="1 week", rrule="FREQ=DAILY")),
            ],
        )
        for dumped in (
            whole.model_dump(mode="json"),
            whole.model_dump(mode="json", exclude_defaults=True),
        ):
            assert Program.model_validate(dumped) == whole
        assert problems_of(whole) == []


class TestValues:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ({"at": 930}, "09:30"),
            ({"at": "9.30"}, "09:30"),
            ({"at": "09:30Z"}, "09:30"),
            ({"at": "25:00"}, "hour value"),
            ({"at": time(9, tzinfo=UTC)}, "09:30"),
            ({"weekdays": "mo-xy"}, "mo-fr"),
            ({"weekdays": [1]}, "mo-fr"),
            ({"offset": "2 fortnights"}, "2 days"),
            ({"offset": "soon"}, "2 days"),
            ({"offset": "9000 weeks"}, "ten years"),
            ({"offset": {"n": 1, "unit": "seconds"}}, "minutes"),
            ({"exdates": ["2026-02-30"]}, "day value"),
            ({"exdates": [20261224]}, "2026-12-24"),
            ({"exdates": ["24.12.2026"]}, "2026-12-24"),
            ({"anchor": "noon"}, "enrolment"),
            ({"cron": "0 9 * * *"}, "not permitted"),
        ],
        ids=lambda value: (
            str(value)[:30].replace("datetime.", "") if isinstance(value, dict) else ""
        ),
    )
    def test_nonsense_is_refused_where_it_stands(self, value: dict[str, Any], words: str) -> None:
        with pytest.raises(ValidationError, match=re.escape(words)):
            When.model_validate(value)

    @pytest.mark.parametrize(
        ("zone", "words"),
        [("Mars/X", "use a name like"), ("Europe/Berln", "Europe/Berlin"), ("", "use a name like")],
    )
    def test_a_zone_is_one_of_the_earth(self, zone: str, words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            Program(slug="a", name="A", timezone=zone, steps=[says()])

    @pytest.mark.parametrize("tag", ["english!", "e", "de_DE", ""])
    def test_a_language_is_a_tag(self, tag: str) -> None:
        with pytest.raises(ValidationError, match="language tag"):
            Step(key="a", content={tag: "Hello"})

    @pytest.mark.parametrize("key", ["", "Two Words", "@", "1st", "x" * 65])
    def test_a_key_is_a_slug(self, key: str) -> None:
        with pytest.raises(ValidationError, match="key"):
            Step(key=key)

    def test_there_is_an_end_to_steps(self) -> None:
        with pytest.raises(ValidationError, match="steps"):
            program(*[says(f"s{n}") for n in range(201)])
        with pytest.raises(ValidationError, match="steps"):
            program()

    def test_a_number_is_finite(self) -> None:
        with pytest.raises(ValidationError, match="finite"):
            Expects(kind="number", maximum=float("inf"))


WRONG: dict[str, tuple[tuple[dict[str, Any], ...], str]] = {
    "two-of-a-name": ((says(), says()), "steps[1].key: 'one' is the key of two steps"),
    "end": ((says("end"),), "steps[0].key: `end` means"),
    "goto": (
        (asks(), branch({"op": "missed", "goto": "away"})),
        "steps[1].branches[0].goto: there is no step 'away'",
    ),
    "on-timeout": ((asks(on_timeout="away"),), "steps[0].on_timeout: there is no step 'away'"),
    "otherwise": (
        (asks(), branch({"op": "missed", "goto": "ask"}, otherwise="away")),
        "steps[1].otherwise: there is no step 'away'",
    ),
    "then": ((says(then="away"),), "steps[0].then: there is no step 'away'"),
    "branch-step": (
        (asks(), branch({"op": "missed", "step": "away", "goto": "ask"})),
        "steps[1].branches[0].step: there is no step 'away'",
    ),
    "branch-asks-nothing": (
        (says(), asks(), branch({"op": "missed", "step": "one", "goto": "end"})),
        "steps[2].branches[0].step: 'one' asks nothing",
    ),
    "branch-of-nothing": (
        (says(), branch({"op": "missed", "goto": "end"})),
        "steps[1].branches[0].step: no question comes before",
    ),
    "branch-in-one": (
        (asks(), branch({"op": "in", "value": 3, "goto": "end"})),
        "steps[1].branches[0].value: `in` needs a list",
    ),
    "branch-less-than-nothing": (
        (asks(), branch({"op": "lt", "goto": "end"})),
        "steps[1].branches[0].value: `lt` needs one value",
    ),
    "branch-missed-three": (
        (asks(), branch({"op": "missed", "value": 3, "goto": "end"})),
        "steps[1].branches[0].value: `missed` compares with nothing",
    ),
    "no-branches": ((asks(), branch()), "steps[1].branches: a branch needs at least one"),
    "branch-later": (
        (asks(), branch({"op": "missed", "goto": "end"}, when={"offset": "1 day"})),
        "steps[1].when: a branch is decided at once",
    ),
    "branches-of-a-message": (
        (asks(), says(branches=[{"op": "missed", "goto": "end"}])),
        "steps[1].branches: only a `branch` has some",
    ),
    "silent": (({"key": "one"},), "steps[0].content: nothing is said"),
    "nudge-by-a-model": (
        ({"key": "one", "kind": "nudge", "template": "nudge"},),
        "steps[0].content: a nudge that a model writes needs a text",
    ),
    "talking-wait": (
        (says("one", kind="wait", timeout="1 day"),),
        "steps[0].content: a wait says nothing",
    ),
    "endless-wait": (
        (says(), {"key": "w", "kind": "wait"}),
        "steps[1].timeout: nothing but a message would end this wait",
    ),
    "wait-that-recurs": (
        (says(), {"key": "w", "kind": "wait", "timeout": "1 day", "when": {"rrule": "FREQ=DAILY"}}),
        "steps[1].when.rrule: a wait doesn't recur",
    ),
    "timeout-of-a-message": (
        (says(timeout="1 day"),),
        "steps[0].timeout: only a wait, a question and a check_in",
    ),
    "no-time": ((asks(timeout="0 days"),), "steps[0].timeout: a span of time is more"),
    "negative-expiry": ((says(expires_after="-1 days"),), "steps[0].expires_after: a span"),
    "negative-lateness": ((says(late_after="-1 days"),), "steps[0].late_after: a span"),
    "no-expectations": (
        ({"key": "ask", "kind": "check_in", "content": "How?"},),
        "steps[0].expects: say what a check_in is answered with",
    ),
    "message-expects": (
        (says(expects="bool"),),
        "steps[0].expects: only a question and a check_in",
    ),
    "bounds": (
        (asks(expects={"kind": "number", "minimum": 5, "maximum": 5}),),
        "steps[0].expects.minimum: it must be less",
    ),
    "bool-bounds": (
        (asks(expects={"kind": "bool", "maximum": 5}),),
        "steps[0].expects: minimum, maximum and target are for numbers",
    ),
    "target": (
        (asks(expects={"kind": "scale", "target": 9}),),
        "steps[0].expects.target: it is not between",
    ),
    "choice-out-of-range": (
        (asks(content={"text": "How?", "choices": ["1", "9"]}),),
        "steps[0].content.en.choices[1].value: '9' is no answer of the kind `scale`",
    ),
    "choice-of-words": (
        (asks(content={"text": "How?", "choices": ["maybe"]}, expects="bool"),),
        "steps[0].content.en.choices[0].value: 'maybe' is no answer of the kind `bool`",
    ),
    "date-of-nothing": ((says(when={"anchor": "date"}),), "steps[0].when.attribute: the anchor"),
    "attribute": ((says(when={"attribute": "on"}),), "steps[0].when.attribute: only the anchor"),
    "before-enrolment": (
        (says(when={"offset": "2 days before"}),),
        "steps[0].when.offset: only a date is known before it comes",
    ),
    "hours-before-at": (
        (says(when={"anchor": "date", "attribute": "on", "offset": "-2 hours", "at": "9:00"}),),
        "steps[0].when.at: an offset before a date is in days",
    ),
    "cron": ((says(when={"rrule": "0 9 * * 1-5"}),), "steps[0].when.rrule: '0 9 * * 1-5' is no"),
    "byday": ((says(when={"rrule": "FREQ=WEEKLY;BYDAY=XX"}),), "steps[0].when.rrule: BYDAY: 'XX'"),
    "feb-30": (
        (says(when={"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}),),
        "steps[0].when.rrule: BYMONTHDAY: no month of BYMONTH has such a day",
    ),
    "never": (
        (says(when={"rrule": "FREQ=WEEKLY;BYDAY=MO", "weekdays": "fr"}),),
        "steps[0].when.rrule: this never comes true",
    ),
    "placeholder": ((says(content="Hi {nmae}"),), "steps[0].content.en.text: {nmae} is not known"),
    "placeholder-of-an-answer": (
        (says(content="You said {answer:ask}"),),
        "steps[0].content.en.text: no question has the key 'ask'",
    ),
    "placeholder-in-thanks": (
        (asks(expects={"kind": "scale", "thanks": {"de": "Danke {naem}"}}),),
        "steps[0].expects.thanks.de.text: {naem} is not known",
    ),
    "unreached": (
        (says("one", then="end"), says("two")),
        "steps[1]: no step leads to 'two'",
    ),
    "flood": (
        (says("one", then="two"), says("two", then="one")),
        "steps[0]: 'one' leads back to itself without a pause",
    ),
    "branches-round-and-round": (
        (
            asks(),
            branch({"op": "missed", "goto": "again"}, otherwise="end"),
            branch({"op": "answered", "step": "ask", "goto": "end"}, otherwise="fork")
            | {"key": "again"},
        ),
        "steps[1]: 'fork' leads back to itself without a pause",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_named_with_its_place(name: str) -> None:
    steps, problem = WRONG[name]
    problems = problems_of(program(*steps))
    assert any(found.startswith(problem) for found in problems), problems


SOUND: dict[str, tuple[dict[str, Any], ...]] = {
    "loop-with-a-wait": (says(), {"key": "w", "kind": "wait", "timeout": "1 day", "then": "one"}),
    "loop-with-a-question": (asks(), branch({"op": "lt", "value": 3, "goto": "ask"})),
    "loop-of-days": (says(when={"offset": "1 day"}, then="one"),),
    "wait-until-a-day": (says(), {"key": "w", "kind": "wait", "when": {"weekdays": "mo"}}),
    "only-a-template": (says(content={}, template="answer"),),
    "german": (says(content={"de": "Hallo {name}, {goal}, {streak}, {week}"}),),
    "answers": (asks(), says(content="You said {answer:ask}, {first_name}, {attribute:age}")),
    "braces": (says(content="A set {1, 2}, code {} and { name }"),),
    "numbers": (asks(expects={"kind": "number", "minimum": 0, "unit": "km", "target": 5}),),
    "yes-no": (asks(content={"text": "Well?", "choices": ["Yes", "no"]}, expects="bool"),),
    "all-words": (asks(content={"text": "Well?", "choices": ["Any", "words"]}, expects="text"),),
    "leap-days": (says(when={"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"}),),
    "until": (says(when={"rrule": "FREQ=DAILY;UNTIL=20991231", "exdates": [date(2026, 12, 24)]}),),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_fits_has_no_problems(name: str) -> None:
    assert problems_of(program(*SOUND[name])) == []
