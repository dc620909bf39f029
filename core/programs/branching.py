"""Where a branch leads, by the answers that were given. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from core.programs.definition import END, Branch, Program, Step

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda answer, value: answer == value,
    "ne": lambda answer, value: answer != value,
    "lt": lambda answer, value: answer < value,
    "le": lambda answer, value: answer <= value,
    "gt": lambda answer, value: answer > value,
    "ge": lambda answer, value: answer >= value,
    "in": lambda answer, value: answer in value,
}


def following(program: Program, step: Step) -> Step | None:
    """The step that comes after in the chain; None: the chain ends here."""
    if step.then is not None:
        return next((other for other in program.steps if other.key == step.then), None)
    number = program.steps.index(step) + 1
    if number == len(program.steps) or program.steps[number].when.anchor != "previous":
        return None
    return program.steps[number]


def chosen(program: Program, step: Step, answers: Mapping[str, Any]) -> str:
    """The target of the first branch that matches, else `otherwise`, else the step after."""
    for branch in step.branches:
        asked = branch.step or asked_before(program, step)
        if asked is not None and matches(branch, answers.get(asked)):
            return branch.goto
    if step.otherwise is not None:
        return step.otherwise
    after = following(program, step)
    return after.key if after else END


def asked_before(program: Program, step: Step) -> str | None:
    """Whose answer a branch goes by where it names none: the question nearest above."""
    before = program.steps[: program.steps.index(step)]
    return next((other.key for other in reversed(before) if other.asks), None)


def matches(branch: Branch, answer: Any) -> bool:
    """Whether an answer is such; None: there was none."""
    if branch.op in ("missed", "answered"):
        return (answer is None) == (branch.op == "missed")
    if answer is None:
        return False
    try:
        return bool(_COMPARE[branch.op](answer, branch.value))
    except TypeError:  # a text is neither more nor less than a number
        return False
