"""Merge JSON values: two people's memories into one, or one turn's changes into newer ones. Pure.

Neither side is changed, and neither loses anything silently.
"""

from typing import Any

Json = dict[str, Any]
_ABSENT: Any = object()


def united(first: Json, second: Json) -> tuple[Json, Json]:
    """(all that both hold, what of `second` had to stand back). `first` wins where they differ.

    Lists are joined, without what stands in both; objects are united key by key.
    """
    merged, lost = dict(first), {}
    for key, value in second.items():
        merged[key], aside = _united_value(first.get(key, _ABSENT), value)
        if aside is not _ABSENT:
            lost[key] = aside
    return merged, lost


def _united_value(first: Any, second: Any) -> tuple[Any, Any]:
    if first is _ABSENT or first == second:
        return second, _ABSENT
    if isinstance(first, dict) and isinstance(second, dict):
        merged, lost = united(first, second)
        return merged, lost or _ABSENT
    if isinstance(first, list) and isinstance(second, list):
        return first + [item for item in second if item not in first], _ABSENT
    return first, second


def rebased(base: Json, changed: Json, newer: Json) -> Json:
    """`newer` with the changes that led from `base` to `changed`; where both changed, they win.

    What was added to the end of a list is added to the newer list.
    """
    result = dict(newer)
    for key in base.keys() | changed.keys():
        before, after = base.get(key, _ABSENT), changed.get(key, _ABSENT)
        if before == after:
            continue
        value = _rebased_value(before, after, newer.get(key, _ABSENT))
        if value is _ABSENT:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def _rebased_value(before: Any, after: Any, newer: Any) -> Any:
    if isinstance(after, dict) and isinstance(newer, dict):
        return rebased(before if isinstance(before, dict) else {}, after, newer)
    if isinstance(after, list) and isinstance(newer, list):
        known = before if isinstance(before, list) else []
        if after[: len(known)] == known:
            return newer + after[len(known) :]
    return after
