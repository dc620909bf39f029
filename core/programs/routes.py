"""Where each step of a program may lead: which are never reached, which go round without end."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from core.programs.branching import following
from core.programs.definition import END, Program, Step
from core.programs.schedule import next_due

Routes = Mapping[str, frozenset[str]]
_ZONE = ZoneInfo("UTC")
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)  # in time for a leap day


def routes(program: Program) -> Routes:
    """The steps that may come right after each step; the end, and what there isn't, left out."""
    keys = {step.key for step in program.steps}
    return {step.key: frozenset(_onward(program, step)) & keys for step in program.steps}


def _onward(program: Program, step: Step) -> Iterator[str]:
    after = following(program, step)
    if step.kind == "branch":
        yield from (branch.goto for branch in step.branches)
    if step.on_timeout is not None:
        yield step.on_timeout
    if step.kind == "branch" and step.otherwise is not None:
        yield step.otherwise
    elif after is not None:
        yield after.key


def targets(step: Step) -> list[tuple[str, str]]:
    """(field, step) for each step that this one names as the next."""
    named = [(name, getattr(step, name)) for name in ("otherwise", "on_timeout", "then")]
    named += [(f"branches[{n}].goto", branch.goto) for n, branch in enumerate(step.branches)]
    return [(where, target) for where, target in named if target not in (None, END)]


def unreached(program: Program) -> list[str]:
    """Steps of the chain that nothing leads to."""
    leads = routes(program)
    reached: set[str] = set()
    waiting = [program.steps[0].key]
    waiting += [step.key for step in program.steps if step.when.anchor != "previous"]
    while waiting:
        key = waiting.pop()
        if key not in reached:
            reached.add(key)
            waiting += leads[key]
    return [step.key for step in program.steps if step.key not in reached]


def endless(program: Program) -> list[str]:
    """Steps that lead back to themselves although nothing on the way takes time."""
    pausing = {step.key for step in program.steps if takes_time(step)}
    leads = {key: after - pausing for key, after in routes(program).items() if key not in pausing}
    return [key for key in leads if _comes_back(key, leads)]


def takes_time(step: Step) -> bool:
    """Whether going past the step takes a while: else a loop would send without a pause.

    A date may have passed, and a rule begins at once, so neither is sure to take any.
    """
    if step.kind == "branch":
        return False
    if step.asks or step.kind == "wait":
        return True
    when = step.when
    return when.anchor != "date" and (when.offset.n > 0 or when.at is not None)


def _comes_back(start: str, leads: Routes) -> bool:
    seen: set[str] = set()
    waiting = list(leads[start])
    while waiting:
        key = waiting.pop()
        if key == start:
            return True
        if key not in seen:
            seen.add(key)
            waiting += leads[key]
    return False


def never_due(step: Step) -> bool:
    """Whether a rule comes to nothing on whatever day of a week it begins."""
    days = (_SOME_DAY + timedelta(days=number) for number in range(7))
    return all(next_due(step.when, anchor=day, zone=_ZONE) is None for day in days)
