"""Slack's signature: what passes, and that everything else fails closed."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.slack.channel import SlackChannel
from adapters.slack.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from core.channels import InboundRequest
from shared.errors import VerificationError
from tests.adapters.slack.accounts import CREDENTIALS, RECEIVED_AT, account_at, request_with

FIXTURES = Path(__file__).parents[3].parent / "shared" / "fixtures"
NOW = str(int(RECEIVED_AT.timestamp()))


async def verified(request: InboundRequest, secret: str | None = None) -> bool:
    credentials = CREDENTIALS if secret is None else {"signing_secret": secret}
    try:
        await SlackChannel().verify(request, account_at(credentials=credentials))
    except VerificationError:
        return False
    return True


async def test_slacks_signature_passes() -> None:
    assert await verified(request_with({"type": "event_callback"}))


@pytest.mark.parametrize("seconds", [-300, 0, 300])
async def test_five_minutes_are_allowed_for(seconds: int) -> None:
    request = request_with({})
    moved = dataclasses.replace(request, received_at=RECEIVED_AT + timedelta(seconds=seconds))

    assert await verified(moved)


@pytest.mark.parametrize("seconds", [-360, -301, 301, 360, 86_400])
async def test_stale_and_future_requests_are_refused(seconds: int) -> None:
    request = request_with({})
    moved = dataclasses.replace(request, received_at=RECEIVED_AT + timedelta(seconds=seconds))

    assert not await verified(moved)


@pytest.mark.parametrize(
    "timestamp",
    ["", "abc", "9" * 5000, "-1", "1e9", " 1", "١٢٣", "\ud800", NOW + ".0", "0x1"],
    ids=lambda value: ascii(value)[:20],
)
async def test_a_strange_timestamp_is_refused_even_when_it_is_signed(timestamp: str) -> None:
    body = b"{}"
    signature = "v0=" + "0" * 64
    if timestamp.isascii():
        signature = sign(CREDENTIALS["signing_secret"], timestamp, body)
    headers = {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: signature}

    assert not await verified(request_with(body, **headers))


@pytest.mark.parametrize(
    "signature",
    ["", "v0=", "v0=bad", "v0=" + "0" * 64, "v1=" + "0" * 64, "sécret", "\ud800", "密" * 999],
    ids=lambda value: ascii(value)[:20],
)
async def test_any_other_signature_is_refused(signature: str) -> None:
    assert not await verified(request_with(b"{}", **{SIGNATURE_HEADER: signature}))


async def test_the_signature_is_over_the_raw_bytes() -> None:
    request = request_with(b'{"a": 1}')

    assert await verified(request)
    assert not await verified(dataclasses.replace(request, body=b'{"a":1}'))


async def test_another_apps_signature_is_refused() -> None:
    assert not await verified(request_with({}, secret="f" * 32))


async def test_without_a_secret_nothing_passes() -> None:
    assert not await verified(request_with({}, secret=""), secret="")


def recorded_cases() -> list[dict[str, Any]]:
    path = FIXTURES / "slack_signature.json"
    return json.loads(path.read_text())["cases"] if path.exists() else []


async def test_recorded_signatures() -> None:
    cases = recorded_cases()
    if not cases:
        pytest.skip("no recorded signatures beside this checkout")
    by_id = {case["id"]: case for case in cases}
    for case in cases:
        base = by_id[case["same_as"]] if "same_as" in case else {}
        whole = {**base, **case}
        headers = whole.get("headers", {}) | whole.get("headers_override", {})
        request = InboundRequest(
            method="POST",
            url="https://cairn.example/webhooks/slack/route",
            headers={name.lower(): value for name, value in headers.items()},
            body=(whole.get("body", "") + whole.get("body_suffix", "")).encode(),
            received_at=datetime.fromtimestamp(whole.get("now", 1531420618), UTC),
        )
        secret = whole.get("signing_secret", by_id["valid"]["signing_secret"])
        assert await verified(request, secret) is (case["expect"] is True), case["id"]
