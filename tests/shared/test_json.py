"""Strict reading of JSON that strangers send."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.utils.json import MAX_DEPTH, parse_json

MALFORMED = {
    "empty": b"",
    "not json": b"<xml/>",
    "trailing": b"{} {}",
    "nan": b'{"a": NaN}',
    "infinity": b"[-Infinity]",
    "infinite float": b"[1e999]",
    "duplicate keys": b'{"a": 1, "a": 2}',
    "nested duplicate keys": b'[{"b": {"a": 1, "a": 2}}]',
    "invalid utf-8": b'{"a": "\xff"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "very deep": b"[" * 100_000,
    "very deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "just too deep": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "endless integer": b"1" * 5_000,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_malformed_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_json(body)

    assert refused.value.detail_code == "malformed_json"


def test_nul_is_stripped_and_lone_surrogates_are_shown() -> None:
    body = rb'{"a\u0000": ["x\u0000y", "\ud800", "\ud83d\udc4b"]}'

    assert parse_json(body) == {"a": ["xy", "\ufffd", "👋"]}


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


plain_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | plain_text,
        lambda inner: st.lists(inner) | st.dictionaries(plain_text, inner),
    )
)
def test_valid_json_comes_back_as_it_was(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value
