"""Secrets: sealed for one creator, keys that rotate, tokens that cannot be forged, clean logs."""

import base64
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.errors import ConfigurationError, SecretError, Unauthorized
from shared.security import (
    KeyRing,
    Visitor,
    api_key_prefix,
    hash_api_key,
    new_api_key,
    read_visitor,
    redact,
    sign_visitor,
    verify_api_key,
)

NOW = datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC)
TELEGRAM_TOKEN = "123456789:AAF0" + "x1Y_-" * 6
BASE64_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def spec_of(*names: str) -> str:
    return ",".join(f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in names)


def ring_of(spec: str) -> KeyRing:
    return KeyRing(SecretStr(spec))


OLD_SPEC = spec_of("old")
OLD = ring_of(OLD_SPEC)
ROTATED = ring_of(f"{spec_of('new')},{OLD_SPEC}")
STRANGER = ring_of(spec_of("old"))

texts = st.text()
creators = st.uuids()


@given(text=texts, creator_id=creators, purpose=st.text(max_size=30))
def test_what_is_sealed_is_read_back(text: str, creator_id: UUID, purpose: str) -> None:
    envelope = OLD.encrypt(text, creator_id=creator_id, purpose=purpose)
    assert envelope.startswith("v1:old:")
    assert OLD.decrypt(envelope, creator_id=creator_id, purpose=purpose) == text
    assert ROTATED.decrypt(envelope, creator_id=creator_id, purpose=purpose) == text


@given(text=texts, other=creators)
def test_another_creator_or_purpose_cannot_open(text: str, other: UUID) -> None:
    creator_id = uuid4()
    envelope = OLD.encrypt(text, creator_id=creator_id, purpose="a")
    with pytest.raises(SecretError):
        OLD.decrypt(envelope, creator_id=other, purpose="a")
    with pytest.raises(SecretError):
        OLD.decrypt(envelope, creator_id=creator_id, purpose="b")
    with pytest.raises(SecretError):
        STRANGER.decrypt(envelope, creator_id=creator_id, purpose="a")


@given(data=st.data())
def test_a_changed_character_is_noticed(data: st.DataObject) -> None:
    creator_id = uuid4()
    envelope = OLD.encrypt("secret", creator_id=creator_id, purpose="p")
    at = data.draw(st.integers(0, len(envelope) - 1))
    forged = _with_another(data, envelope, at, BASE64_ALPHABET + ":%é")
    try:
        opened = OLD.decrypt(forged, creator_id=creator_id, purpose="p")
    except SecretError:
        return
    # The last character of base64 carries spare bits: the same bytes may be spelled twice.
    assert opened == "secret"
    assert at in (len(envelope) - 1, envelope.rindex(":") - 1)


@given(garbage=st.text())
def test_garbage_is_a_secret_error(garbage: str) -> None:
    with pytest.raises(SecretError):
        OLD.decrypt(garbage, creator_id=uuid4(), purpose="p")


def test_equal_texts_never_look_equal() -> None:
    creator_id = uuid4()
    envelopes = {OLD.encrypt("x", creator_id=creator_id, purpose="p") for _ in range(100)}
    assert len(envelopes) == 100


def test_an_old_envelope_needs_rotation() -> None:
    creator_id = uuid4()
    envelope = OLD.encrypt("x", creator_id=creator_id, purpose="p")
    assert not OLD.needs_rotation(envelope)
    assert ROTATED.needs_rotation(envelope)
    assert not ROTATED.needs_rotation(ROTATED.encrypt("x", creator_id=creator_id, purpose="p"))


def test_derived_keys_differ_by_purpose_and_keep_their_value() -> None:
    assert OLD.derive("a") != OLD.derive("b")
    assert OLD.derive("a") == ring_of(OLD_SPEC).derive("a")
    assert ROTATED.derive_all("a")[1] == OLD.derive("a")
    assert ROTATED.derive("a") == ROTATED.derive_all("a")[0]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param("", "not set", id="empty"),
        pytest.param(" , ", "not set", id="blank"),
        pytest.param("c2VjcmV0", "id:base64", id="no-id"),
        pytest.param("a b:c2VjcmV0", "id:base64", id="bad-id"),
        pytest.param("main:c2VjcmV0", "6 bytes instead of 32", id="short"),
        pytest.param("main:" + "A" * 88, "66 bytes instead of 32", id="long"),
        pytest.param("main:c2Vj%%%cmV0", "not base64", id="garbage"),
        pytest.param("main:ключ", "not base64", id="not-ascii"),
        pytest.param(f"{OLD_SPEC},{OLD_SPEC}", "alike", id="twice"),
    ],
)
def test_a_bad_key_is_one_plain_line_without_the_key(spec: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        ring_of(spec)
    assert "\n" not in caught.value.message
    assert "c2V" not in caught.value.message
    assert caught.value.exit_code == 78


def test_a_missing_key_says_how_to_make_one() -> None:
    with pytest.raises(ConfigurationError, match="openssl rand -base64 32"):
        KeyRing(None)


def test_both_base64_alphabets_are_read() -> None:
    key = b"\xff\xef" * 16
    plain, url_safe = base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()
    assert plain != url_safe
    assert ring_of(f"a:{plain}").derive("x") == ring_of(f"a:{url_safe}").derive("x")


def test_an_api_key_is_found_by_prefix_and_verified_by_hash() -> None:
    key = new_api_key()
    assert api_key_prefix(key.plaintext) == key.prefix
    assert hash_api_key(key.plaintext) == key.hash
    assert verify_api_key(key.plaintext, key.hash)
    assert not verify_api_key(new_api_key().plaintext, key.hash)
    assert key.prefix.encode() not in key.hash


@given(text=st.text(st.characters()))
def test_any_text_may_be_sent_as_an_api_key(text: str) -> None:
    assert api_key_prefix(text) is None
    assert not verify_api_key(text, new_api_key().hash)


def test_a_key_with_more_behind_it_is_not_a_key() -> None:
    plaintext = new_api_key().plaintext
    assert api_key_prefix(plaintext + "\n") is None
    assert api_key_prefix(plaintext.upper()) is None


VISITOR = Visitor(
    creator_id=uuid4(),
    channel_id=uuid4(),
    address="visitor-1",
    origin="https://coach.example",
    expires_at=NOW + timedelta(hours=1),
)


def read(token: str, keys: KeyRing = OLD, **changes: Any) -> Visitor:
    expected: dict[str, Any] = {
        "channel_id": VISITOR.channel_id,
        "origin": VISITOR.origin,
        "now": NOW,
    } | changes
    return read_visitor(keys, token, **expected)


@given(address=st.text(st.characters(codec="utf-8"), max_size=200), talk=st.none() | st.uuids())
def test_a_visitor_is_read_back(address: str, talk: UUID | None) -> None:
    visitor = replace(VISITOR, address=address, conversation_id=talk)
    token = sign_visitor(OLD, visitor)
    assert read(token) == visitor
    assert read(token, ROTATED) == visitor


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"channel_id": uuid4()}, id="other-channel"),
        pytest.param({"origin": "https://coach.example.evil"}, id="other-origin"),
        pytest.param({"origin": "null"}, id="null-origin"),
        pytest.param({"now": VISITOR.expires_at}, id="expired"),
        pytest.param({"keys": STRANGER}, id="other-keys"),
    ],
)
def test_a_token_is_good_for_its_place_and_time_only(changes: dict[str, Any]) -> None:
    token = sign_visitor(OLD, VISITOR)
    assert read(token) == VISITOR
    with pytest.raises(Unauthorized):
        read(token, **changes)


@given(data=st.data())
def test_no_character_of_a_token_can_be_changed(data: st.DataObject) -> None:
    token = sign_visitor(OLD, VISITOR)
    at = data.draw(st.integers(0, len(token) - 1))
    forged = _with_another(data, token, at, BASE64_ALPHABET + ".é=")
    with pytest.raises(Unauthorized):
        read(forged)


def _with_another(data: st.DataObject, text: str, at: int, symbols: str) -> str:
    # Nonces are new in every run, so what is drawn must not depend on what the text says.
    steps = data.draw(st.integers(1, len(symbols) - 1))
    changed = symbols[(symbols.index(text[at]) + steps) % len(symbols)]
    return text[:at] + changed + text[at + 1 :]


@given(garbage=st.text(st.characters()))
def test_a_garbage_token_is_unauthorized(garbage: str) -> None:
    for token in (
        garbage,
        f"cv1.{garbage}",
        "x" * 10_000,
        sign_visitor(OLD, VISITOR) + garbage + ".",
    ):
        with pytest.raises(Unauthorized):
            read(token)


API_KEY = new_api_key().plaintext
VISITOR_TOKEN = sign_visitor(OLD, VISITOR)
SLACK_TOKEN = "-".join(("xoxb", "1234567890", "1234567890123", "abcDEFghiJKL"))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        pytest.param("POST https://api.telegram.org/bot{}/sendMessage", TELEGRAM_TOKEN, id="url"),
        pytest.param("/bot{}/getMe", TELEGRAM_TOKEN.replace(":", "%3A"), id="quoted-url"),
        pytest.param("token {} refused", TELEGRAM_TOKEN, id="telegram"),
        pytest.param("key {} is not known", API_KEY, id="api-key"),
        pytest.param("Authorization: Bearer {}", "abcdef.123-456", id="bearer"),
        pytest.param("authorization: basic {}", "QUM6c2VjcmV0", id="basic"),
        pytest.param("opened with {}", VISITOR_TOKEN, id="visitor"),
        pytest.param("slack said {}", SLACK_TOKEN, id="slack"),
        pytest.param("host=db password={} user=x", "hunter2", id="password"),
        pytest.param("PASSWORD: '{}'", "hunter 2", id="quoted"),
        pytest.param('{{"auth_token": "{}", "a": 1}}', 'x\\"y', id="json"),
        pytest.param("{{'signing_secret': '{}'}}", "shhh", id="repr"),
        pytest.param("postgresql://cairn_app:{}@db/cairn", "hunter2", id="url-password"),
        pytest.param("redis://:{}@cache:6379/0", "hunter2", id="redis-url"),
    ],
)
def test_a_secret_is_cleaned_out_of_a_log_text(text: str, secret: str) -> None:
    cleaned = redact(text.format(secret))
    assert secret not in cleaned
    assert "[redacted]" in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "turn.completed turn_id=0190b7a5-7b1a-7cc3-8e6d-0123456789ab rung=extractive",
        "total_tokens=120 tokens: 3",
        "GET http://127.0.0.1:8000/readyz 200",
        "2026-12-31T23:59:30Z worker ready",
        "a bearer of news",
    ],
)
def test_plain_texts_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


secrets_in_text = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from([TELEGRAM_TOKEN, API_KEY, SLACK_TOKEN, VISITOR_TOKEN]).map(
            lambda secret: f" {secret} "
        ),
        st.sampled_from(["password=", "token: ", "Bearer ", "://a:", "@", '"', "'"]),
    )
).map("".join)


@given(text=secrets_in_text)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    for secret in (TELEGRAM_TOKEN, API_KEY, SLACK_TOKEN, VISITOR_TOKEN):
        assert secret not in once


def test_cleaning_a_long_hostile_text_takes_linear_time() -> None:
    for part in (
        "token" + " " * 50,
        "://" + "a" * 20,
        "password='" + "\\" * 30,
        "1" * 40,
        "cairn_a",
    ):
        redact(part * 4000)
