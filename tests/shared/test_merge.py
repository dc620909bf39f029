"""Merging loses nothing silently, changes neither side, and repeats to the same."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.utils.merge import rebased, united

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
memories = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@pytest.mark.parametrize(
    ("first", "second", "merged", "lost"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, {}),
        ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": 1}, {"a": 1}, {}),
        ({"a": [1, 2]}, {"a": [2, 3]}, {"a": [1, 2, 3]}, {}),
        ({"a": {"x": 1}}, {"a": {"x": 2, "y": 3}}, {"a": {"x": 1, "y": 3}}, {"a": {"x": 2}}),
        ({"a": [1]}, {"a": 2}, {"a": [1]}, {"a": 2}),
        ({"a": None}, {"a": 2}, {"a": None}, {"a": 2}),
    ],
    ids=str,
)
def test_two_memories_become_one(
    first: dict[str, Any], second: dict[str, Any], merged: dict[str, Any], lost: dict[str, Any]
) -> None:
    assert united(first, second) == (merged, lost)


@given(first=memories, second=memories)
def test_uniting_keeps_the_first_and_changes_nothing(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    before = copy.deepcopy((first, second))
    merged, lost = united(first, second)
    assert (first, second) == before
    assert merged.keys() == first.keys() | second.keys()
    assert lost.keys() <= first.keys() & second.keys()
    assert united(merged, first) == (merged, {})


@pytest.mark.parametrize(
    ("base", "changed", "newer", "result"),
    [
        ({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {}, {"a": 1, "b": 2}, {"b": 2}),
        ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 2}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 3]}, {"a": [1, 3, 2]}),
        ({}, {"a": [2]}, {"a": [3]}, {"a": [3, 2]}),
        ({"a": [1, 2]}, {"a": [2]}, {"a": [1, 2, 3]}, {"a": [2]}),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, {"a": {"z": 3}}, {"a": {"y": 2, "z": 3}}),
    ],
    ids=str,
)
def test_changes_are_made_again_on_what_is_newer(
    base: dict[str, Any], changed: dict[str, Any], newer: dict[str, Any], result: dict[str, Any]
) -> None:
    assert rebased(base, changed, newer) == result


@given(base=memories, changed=memories)
def test_changes_on_what_was_read_are_the_changes(
    base: dict[str, Any], changed: dict[str, Any]
) -> None:
    assert rebased(base, changed, base) == changed
