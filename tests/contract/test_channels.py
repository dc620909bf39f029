"""Every channel keeps the contract: the tests that others run too, and any input at all."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.channels import ChannelAdapter
from core.loader import ROOT, load_channels
from core.testing.contract import *  # noqa: F403
from core.testing.contract import account_of, request_with
from shared.errors import InvalidInput

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner),
    max_leaves=12,
)
thorough = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
)


def test_the_channels_of_this_tree_are_found() -> None:
    folders = {path.parent.name for path in (ROOT / "adapters").glob("*/channel.py")}
    assert {"telegram", "web"} <= folders == set(load_channels())


@given(value=json_values)
@thorough
def test_any_json_parses(pushed: ChannelAdapter, value: Any) -> None:
    body = json.dumps(value).encode()
    for event in pushed.parse(request_with(body), account_of(pushed)).events:
        assert 0 < len(event.external_id) <= 300


@given(body=st.binary(max_size=200))
@thorough
def test_any_bytes_parse_or_are_invalid_input(pushed: ChannelAdapter, body: bytes) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        try:
            pushed.parse(request_with(body, kind), account_of(pushed))
        except InvalidInput:
            continue
