"""From what a model wrote to what may be shown: each fact with a passage that says it. Pure.

A quote that isn't in its passage takes its citation with it. A sentence with facts stays when a
passage it cites says it (`core.llm.support`); one without [n] may lean on what the answer cites.
When most of the facts have to go, nothing stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.llm.base import Passage
from core.llm.citations import Cited, resolve
from core.llm.quotes import verbatim
from core.llm.statements import Statement, joined, spaced, split
from core.llm.structured import Draft
from core.llm.support import has_facts, is_supported

MOST_STATEMENTS = 60  # an answer has a dozen
LEAST_KEPT = 0.5  # of an answer's facts: with fewer, what is left may mislead


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The text that may be shown; `dropped` is how many of the answer's sentences may not."""

    text: str
    citations: tuple[Cited, ...]
    dropped: int


@dataclass(frozen=True, kw_only=True)
class _Kept:
    statement: Statement
    passages: tuple[int, ...]  # that it is to name, those first that it does
    has_facts: bool


def check(draft: Draft, passages: Sequence[Passage]) -> Checked | None:
    """None when too little of the answer stands in the passages it cites."""
    text = spaced(draft.answer)
    statements = split(text, len(passages))
    if len(statements) > MOST_STATEMENTS:
        return None
    trial = _Trial(draft=draft, statements=statements, passages=passages)
    kept = _led(list(trial.kept()))
    claims = sum(1 for one in kept if one.has_facts)
    if not claims or claims < LEAST_KEPT * (claims + trial.refused):
        return None
    written = joined(text, [one.statement for one in kept], _shown(kept))
    resolved = resolve(written, passages, trial.quotes)
    if not resolved.is_supported:
        return None
    dropped = len(statements) - len(kept)
    return Checked(text=resolved.text, citations=resolved.citations, dropped=dropped)


class _Trial:
    """One answer before its passages."""

    def __init__(
        self, *, draft: Draft, statements: Sequence[Statement], passages: Sequence[Passage]
    ) -> None:
        self._statements = statements
        self._passages = passages
        self.quotes: dict[int, str] = _found(draft.quotes or {}, passages)
        named = {number - 1 for number in draft.quotes or {}}
        self._broken = named - set(self.quotes)  # every quote from them was invented
        cited = {p for s in statements for p in s.passages} | set(self.quotes)
        self._cited = tuple(sorted(cited - self._broken))
        self.refused = 0

    def kept(self) -> Iterator[_Kept]:
        for index, statement in enumerate(self._statements):
            if not has_facts(statement.body):
                yield _Kept(statement=statement, passages=(), has_facts=False)
                continue
            found = self._support(index, statement)
            if found:
                yield _Kept(statement=statement, passages=found, has_facts=True)
            else:
                self.refused += 1

    def _support(self, index: int, statement: Statement) -> tuple[int, ...]:
        """The passages it is to name; empty when none that it may lean on says it."""
        if statement.passages:
            return self._own_support(statement)
        following = self._named_below(index)
        leaning = (*following, *(p for p in self._cited if p not in following))
        return next(((p,) for p in leaning if self._says(statement, (p,))), ())

    def _own_support(self, statement: Statement) -> tuple[int, ...]:
        """Those of the passages it names that say it; all, when only all of them together do."""
        own = tuple(p for p in statement.passages if p not in self._broken)
        alone = tuple(p for p in own if self._says(statement, (p,)))
        if alone or not own:
            return alone
        return own if self._says(statement, own) else ()

    def _named_below(self, index: int) -> tuple[int, ...]:
        """A marker at the end of a paragraph stands for the sentences before it."""
        block = self._statements[index].block
        for later in self._statements[index + 1 :]:
            if later.block != block:
                break
            if later.passages:
                return tuple(p for p in later.passages if p not in self._broken)
        return ()

    def _says(self, statement: Statement, numbers: Sequence[int]) -> bool:
        return is_supported(
            statement.body,
            [self._passages[p] for p in numbers],
            is_quoted=all(p in self.quotes for p in numbers),
        )


def _found(quotes: Mapping[int, Sequence[str]], passages: Sequence[Passage]) -> dict[int, str]:
    """For each passage the first quote that stands in it, as it stands there."""
    found: dict[int, str] = {}
    for number, listed in quotes.items():
        if not 1 <= number <= len(passages):
            continue
        slices = (verbatim(passages[number - 1], quote) for quote in listed)
        if real := next((one for one in slices if one), None):
            found[number - 1] = real
    return found


def _led(kept: list[_Kept]) -> list[_Kept]:
    """Without sentences that lead to something that was dropped: "You can:"."""
    led: list[_Kept] = []
    for one in reversed(kept):
        leads_nowhere = one.statement.announces and (
            not led or led[-1].statement.block == one.statement.block
        )
        if one.has_facts or not leads_nowhere:
            led.append(one)
    return led[::-1]


def _shown(kept: list[_Kept]) -> list[tuple[int, ...]]:
    """The passages each sentence names: those it leans on only where the next one doesn't."""
    shown: list[tuple[int, ...]] = []
    below: _Kept | None = None
    for one in reversed(kept):
        leans = not one.statement.passages
        follows = below is not None and below.statement.block == one.statement.block
        if leans and follows and one.passages and set(one.passages) <= set(shown[-1]):
            shown.append(())
        else:
            shown.append(one.passages)
        below = one
    return shown[::-1]
