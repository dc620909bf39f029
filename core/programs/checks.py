"""Whether the parts of a program fit together; each problem in a line, with its place first.

What one value alone can get wrong is refused where it is declared, in `definition`.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping

from core.programs.branching import asked_before
from core.programs.check_ins.answers import read_value
from core.programs.definition import END, Branch, Content, Expects, Program, Step, When
from core.programs.recurrence import parse_rule
from core.programs.routes import endless, never_due, targets, unreached

PLACEHOLDERS = ("name", "goal", "streak", "week")
_OF_ENROLMENT = ("answer", "week")  # what only somebody in a program has
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)(?::([^{}\s]*))?\}")
_CLOSE = 0.7  # how alike a misspelt placeholder is; others are attributes of the contact
_SPEAKS = ("message", "check_in", "question", "nudge")


def problems_of(program: Program) -> list[str]:
    """Everything that is wrong with a program, as `steps[2].when.rrule: …`; empty when sound."""
    return [
        *(f"steps[{place}].{what}" for place, what in _by_step(program)),
        *_problems_of_the_whole(program),
    ]


def problems_of_news(contents: Mapping[str, Content]) -> list[str]:
    """What is wrong with the placeholders of a broadcast, by language; empty when sound."""
    problems = []
    for language, content in contents.items():
        for name, detail in _PLACEHOLDER.findall(content.text):
            if name in _OF_ENROLMENT:
                problem: str | None = f"{{{name}}} is known in programs only"
            else:
                problem = _of_placeholder((), name, detail)
            if problem:
                problems.append(f"content.{language}.text: {problem}")
    return problems


def _by_step(program: Program) -> Iterator[tuple[int, str]]:
    keys = [step.key for step in program.steps]
    for number, step in enumerate(program.steps):
        if step.key in keys[:number]:
            yield number, f"key: {step.key!r} is the key of two steps"
        if step.key == END:
            yield number, "key: `end` means the end of a chain; choose another"
        for check in _CHECKS:
            yield from ((number, problem) for problem in check(program, step))


def _problems_of_the_whole(program: Program) -> Iterator[str]:
    keys = [step.key for step in program.steps]
    if len(set(keys)) < len(keys):
        return  # which way it goes can't be told
    place = {key: f"steps[{number}]" for number, key in enumerate(keys)}
    for key in unreached(program):
        yield f"{place[key]}: no step leads to {key!r}"
    for key in endless(program):
        yield (
            f"{place[key]}: {key!r} leads back to itself without a pause; "
            "put a wait, a question or a step that is due later between"
        )


# What goes with each kind of step


def _of_targets(program: Program, step: Step) -> Iterator[str]:
    keys = {other.key for other in program.steps}
    yield from (
        f"{where}: there is no step {target!r}"
        for where, target in targets(step)
        if target not in keys
    )


def _of_kind(program: Program, step: Step) -> Iterator[str]:
    if step.kind == "branch":
        yield from _of_branch(step)
        yield from _of_branches(program, step)
    elif step.branches or step.otherwise is not None:
        yield "branches: only a `branch` has some"
    if step.kind == "wait":
        if step.timeout is None and _is_at_once(step.when):
            yield "timeout: nothing but a message would end this wait; say how long it lasts"
    elif not step.asks and (step.timeout or step.on_timeout):
        yield "timeout: only a wait, a question and a check_in run out of time"


def _of_content(_program: Program, step: Step) -> Iterator[str]:
    is_said = any((step.content, step.template, step.show, step.action))
    if step.kind in _SPEAKS and not is_said:
        yield "content: nothing is said; give a text by language, or a template"
    elif step.kind in ("wait", "branch") and is_said:
        yield f"content: a {step.kind} says nothing; put a message beside it"
    if step.kind == "nudge" and step.template and not step.content:
        yield "content: a nudge that a model writes needs a text for when it can't"


def _of_branch(step: Step) -> Iterator[str]:
    if not step.branches:
        yield "branches: a branch needs at least one"
    if step.when != When():
        yield "when: a branch is decided at once; put a wait before it"
    if step.then is not None:
        yield "then: a branch has `otherwise` for that"


def _of_branches(program: Program, step: Step) -> Iterator[str]:
    by_key = {other.key: other for other in program.steps}
    for number, branch in enumerate(step.branches):
        asked = branch.step or asked_before(program, step)
        if asked is None:
            problem = "no question comes before; name the step whose answer is meant"
            yield f"branches[{number}].step: {problem}"
        elif asked not in by_key:
            yield f"branches[{number}].step: there is no step {asked!r}"
        elif not by_key[asked].asks:
            yield f"branches[{number}].step: {asked!r} asks nothing"
        yield from (f"branches[{number}].{problem}" for problem in _of_comparison(branch))


def _of_comparison(branch: Branch) -> Iterator[str]:
    is_list = isinstance(branch.value, tuple)
    if branch.op in ("missed", "answered"):
        if branch.value is not None:
            yield f"value: `{branch.op}` compares with nothing"
    elif branch.op == "in":
        if not is_list:
            yield "value: `in` needs a list"
    elif is_list or branch.value is None:
        yield f"value: `{branch.op}` needs one value to compare with"


def _is_at_once(when: When) -> bool:
    return when.offset.n == 0 and when.at is None and not when.weekdays


# When


def _of_anchor(_program: Program, step: Step) -> Iterator[str]:
    when, is_date = step.when, step.when.anchor == "date"
    if is_date and not when.attribute:
        yield "when.attribute: the anchor `date` needs an attribute of the contact"
    if when.attribute and not is_date:
        yield "when.attribute: only the anchor `date` has one"
    if when.offset.n < 0:
        if not is_date:
            yield "when.offset: only a date is known before it comes"
        if when.at is not None and when.offset.unit in ("minutes", "hours"):
            yield "when.at: an offset before a date is in days when there is a time"


def _of_spans(_program: Program, step: Step) -> Iterator[str]:
    spans = (("timeout", step.timeout), ("expires_after", step.expires_after))
    yield from (
        f"{name}: a span of time is more than nothing"
        for name, span in spans
        if span is not None and span.n <= 0
    )
    if step.late_after.n < 0:
        yield "late_after: a span of time is not less than nothing"


def _of_rule(_program: Program, step: Step) -> Iterator[str]:
    if step.when.rrule is None:
        return
    try:
        parse_rule(step.when.rrule)
    except ValueError as error:
        yield f"when.rrule: {error}"
        return
    if step.kind in ("wait", "branch"):
        yield f"when.rrule: a {step.kind} doesn't recur; what it follows may"
    elif never_due(step):
        yield "when.rrule: this never comes true, with its weekdays and days left out"


# Answers


def _of_answer(_program: Program, step: Step) -> Iterator[str]:
    expects = step.expects
    if expects is None:
        if step.asks:
            yield f"expects: say what a {step.kind} is answered with: bool, number, scale or text"
        return
    if not step.asks:
        yield "expects: only a question and a check_in are answered"
        return
    yield from _of_bounds(expects)
    for language, content in step.content.items():
        for number, choice in enumerate(content.choices):
            if read_value(expects, choice.value) is None:
                place = f"content.{language}.choices[{number}].value"
                yield f"{place}: {choice.value!r} is no answer of the kind `{expects.kind}`"


def _of_bounds(expects: Expects) -> Iterator[str]:
    low, high = expects.minimum, expects.maximum
    if expects.kind in ("bool", "text"):
        if (low, high, expects.target) != (None, None, None):
            yield f"expects: minimum, maximum and target are for numbers, not for {expects.kind}"
        return
    if low is not None and high is not None and low >= high:
        yield "expects.minimum: it must be less than the maximum"
    elif expects.target is not None and not _is_between(expects.target, low, high):
        yield "expects.target: it is not between minimum and maximum"


def _is_between(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


# Words


def _of_words(program: Program, step: Step) -> Iterator[str]:
    asked = [other.key for other in program.steps if other.asks]
    for name, contents in _contents(step):
        for language, content in contents.items():
            for placeholder, detail in _PLACEHOLDER.findall(content.text):
                if problem := _of_placeholder(asked, placeholder, detail):
                    yield f"{name}.{language}.text: {problem}"


def _contents(step: Step) -> Iterator[tuple[str, Mapping[str, Content]]]:
    yield "content", step.content
    if step.expects is not None:
        yield "expects.thanks", step.expects.thanks


def _of_placeholder(asked: Collection[str], name: str, detail: str) -> str | None:
    if name == "answer":
        return None if detail in asked else f"no question has the key {detail!r}"
    if detail:
        known = name == "attribute"
        return None if known else f"{{{name}:…}} is not known; use {{answer:<step>}}"
    near = difflib.get_close_matches(name, PLACEHOLDERS, n=1, cutoff=_CLOSE)
    if not near or near[0] == name:
        return None  # a contact's attribute, of any name
    return f"{{{name}}} is not known; did you mean {{{near[0]}}}?"


_CHECKS = (
    *(_of_targets, _of_kind, _of_content, _of_anchor, _of_rule, _of_spans),
    *(_of_answer, _of_words),
)
