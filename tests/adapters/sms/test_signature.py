"""Twilio's signatures: each way it signs passes, all else is refused, nothing else is raised."""

import base64
import dataclasses
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from adapters.sms import signature
from adapters.sms.channel import SmsChannel
from adapters.sms.emulator import DEFAULT_TOKEN
from shared.errors import VerificationError
from tests.adapters.sms.accounts import URL, account_at, inbound, request_with, signed

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "twilio_signature.json"


def fixture_cases(name: str) -> list[Any]:
    return list(json.loads(FIXTURES.read_text())[name]) if FIXTURES.exists() else []


async def passes(request: Any, token: str = DEFAULT_TOKEN, **credentials: str) -> bool:
    account = account_at()
    given = {**account.credentials, "auth_token": token, **credentials}
    try:
        await SmsChannel().verify(request, dataclasses.replace(account, credentials=given))
    except VerificationError:
        return False
    return True


# --- published examples


@pytest.mark.skipif(not FIXTURES.exists(), reason="the shared fixtures are not here")
@pytest.mark.parametrize("case", fixture_cases("cases"), ids=lambda case: case["id"])
async def test_published_signatures_pass(case: dict[str, Any]) -> None:
    request = request_with(case["params"], url=case["url"], x_twilio_signature=case["signature"])

    assert await passes(request, case["auth_token"]) is case["expect"]
    assert not await passes(request, case["auth_token"] + "x")


@pytest.mark.skipif(not FIXTURES.exists(), reason="the shared fixtures are not here")
@pytest.mark.parametrize("case", fixture_cases("signed_strings"), ids=lambda c: c["signed_string"])
async def test_published_strings_are_what_is_signed(case: dict[str, Any]) -> None:
    key = DEFAULT_TOKEN.encode()
    digest = hmac.new(key, case["signed_string"].encode(), hashlib.sha1).digest()
    body = urlencode([tuple(pair) for pair in case["params_list"]]).encode()
    given = base64.b64encode(digest).decode()

    assert await passes(request_with(body, url=case["url"], x_twilio_signature=given))


def test_the_library_signs_the_same() -> None:
    form = inbound("Grüße 🙂 +1 & = %", Empty="")
    for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
        theirs = RequestValidator(DEFAULT_TOKEN).compute_signature(URL, form, algorithm)
        assert signature.sign(DEFAULT_TOKEN, URL, list(form.items()), algorithm) == theirs


# --- what passes


@pytest.mark.parametrize(
    ("signed_url", "received_url"),
    [
        ("https://cairn.example/a?m=1&p=2", "https://cairn.example/a?m=1&p=2"),
        ("https://cairn.example:443/a", "https://cairn.example/a"),
        ("https://cairn.example/a", "https://cairn.example:443/a"),
        ("http://cairn.example:80/a", "http://cairn.example/a"),
        ("https://cairn.example/a", "https://cairn.example:8443/a"),
        ("https://cairn.example:8443/a", "https://cairn.example:8443/a"),
        ("https://[2001:db8::1]:443/a", "https://[2001:db8::1]/a"),
        ("https://[2001:db8::1]/a", "https://[2001:db8::1]:443/a"),
        ("https://cairn.example/a%20b?c=%C3%A9", "https://cairn.example/a%20b?c=%C3%A9"),
    ],
)
async def test_with_and_without_the_port(signed_url: str, received_url: str) -> None:
    given = signature.sign(DEFAULT_TOKEN, signed_url, list(inbound().items()))

    assert await passes(request_with(inbound(), url=received_url, x_twilio_signature=given))


async def test_repeated_names_are_signed_once_and_sorted() -> None:
    pairs = [("b", "2"), ("a", "z"), ("a", "c"), ("a", "c"), ("B", "")]
    text = f"{URL}Bacazb2"
    digest = hmac.new(DEFAULT_TOKEN.encode(), text.encode(), hashlib.sha1).digest()

    request = request_with(
        urlencode(pairs).encode(), x_twilio_signature=base64.b64encode(digest).decode()
    )
    assert await passes(request)


async def test_a_json_body_is_bound_by_its_hash() -> None:
    body = b'{"a": 1}'
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    given = signature.sign(DEFAULT_TOKEN, url)
    kind = "application/json"

    assert await passes(request_with(body, url=url, content_type=kind, x_twilio_signature=given))
    other = request_with(body + b" ", url=url, content_type=kind, x_twilio_signature=given)
    assert not await passes(other)
    bare = signature.sign(DEFAULT_TOKEN, URL)
    assert not await passes(request_with(body, content_type=kind, x_twilio_signature=bare))


async def test_a_form_is_signed_by_its_fields_whatever_hash_the_query_has() -> None:
    form = urlencode(inbound()).encode()
    url = f"{URL}?bodySHA256={hashlib.sha256(form).hexdigest()}"
    by_url_alone = signature.sign(DEFAULT_TOKEN, url)

    assert not await passes(request_with(form, url=url, x_twilio_signature=by_url_alone))


@pytest.mark.parametrize("algorithm", ["HMAC_SHA256", "hmac_sha256", "HMAC_SHA1"])
async def test_the_newer_form_names_its_algorithm(algorithm: str) -> None:
    given = signature.sign("shared-key", URL, list(inbound().items()), algorithm.upper())
    request = request_with(
        inbound(),
        x_twilio_signature=given,
        x_twilio_webhooks_signature_settings=f"key=webhooks_sharedkey_1,algorithm={algorithm}",
    )

    assert await passes(request, webhook_secret="shared-key")
    assert not await passes(request)
    assert await passes(request, token="shared-key")


@pytest.mark.parametrize(
    "settings",
    ["key=k,algorithm=HMAC_MD5", "algorithm=none", "algorithm=HMAC_SHA1", "", "algorithm=\ud800"],
    ids=ascii,
)
async def test_another_algorithm_than_the_named_one_is_refused(settings: str) -> None:
    given = signature.sign(DEFAULT_TOKEN, URL, list(inbound().items()), "HMAC_SHA256")
    request = request_with(
        inbound(), x_twilio_signature=given, x_twilio_webhooks_signature_settings=settings
    )

    assert not await passes(request)


# --- what doesn't


async def test_the_right_signature_passes() -> None:
    assert await passes(signed(inbound()))


@pytest.mark.parametrize(
    "given", ["", "wrong", "sécret", "\ud800", "=" * 28, "9" * 5000, "密" * 300], ids=ascii
)
async def test_any_other_signature_is_refused(given: str) -> None:
    assert not await passes(request_with(inbound(), x_twilio_signature=given))


async def test_another_body_url_or_token_is_refused() -> None:
    given = signed(inbound()).headers["x-twilio-signature"]

    assert not await passes(request_with(inbound("other"), x_twilio_signature=given))
    assert not await passes(request_with(inbound(), url=URL + "?m=1", x_twilio_signature=given))
    assert not await passes(
        request_with(inbound(), url="https://evil.example/", x_twilio_signature=given)
    )
    assert not await passes(signed(inbound()), "another token")


async def test_an_empty_token_signs_nothing() -> None:
    assert not await passes(signed(inbound(), token=""), "")


async def test_odd_addresses_and_endless_forms_are_refused() -> None:
    given = signed(inbound()).headers["x-twilio-signature"]
    for url in ("https://[::1", "https://host:99999/", "", "//"):
        assert not await passes(request_with(inbound(), url=url, x_twilio_signature=given))
    endless = b"&".join(b"a=1" for _ in range(5000))
    assert not await passes(request_with(endless, x_twilio_signature=given))


@given(body=st.binary(max_size=100), header=st.text(max_size=40))
async def test_whatever_comes_is_refused_and_nothing_else_is_raised(
    body: bytes, header: str
) -> None:
    assert not await passes(request_with(body, x_twilio_signature=header))
