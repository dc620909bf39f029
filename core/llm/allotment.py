"""Share out a token budget by sections, the most important first, each with its cap. Pure.

A cap keeps one section from taking what the later ones need; what they leave is shared out once
more in the same order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Section:
    """`costs` of its items in tokens, the dearest to keep first; `cap` is a share of the room."""

    name: str
    cap: float
    costs: Sequence[int]


def allot(room: int, sections: Sequence[Section]) -> Mapping[str, int]:
    """How many items of each section fit, from its first on; their costs never exceed the room."""
    taken = {section.name: 0 for section in sections}
    left = max(room, 0)
    for share in (None, 1.0):
        for section in sections:
            cap = int(room * (section.cap if share is None else share))
            spent = sum(section.costs[: taken[section.name]])
            for cost in section.costs[taken[section.name] :]:
                if cost > left or spent + cost > cap:
                    break
                taken[section.name] += 1
                spent += cost
                left -= cost
    return taken
