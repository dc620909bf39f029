"""Secrets: the key ring that encrypts them, API keys, web visitors' tokens, clean log texts.

Keys come from CAIRN_SECRET_KEYS, `id:base64 of 32 bytes` and comma separated. The first encrypts
and signs, every other still reads, so a key is changed by putting a new one in front.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from shared.errors import ConfigurationError, SecretError, Unauthorized
from shared.utils.clock import utc_now

VERSION = "v1"
KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D §8.2: 96 random bits
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class _Key(NamedTuple):
    id: str
    secret: bytes


class KeyRing:
    """Encrypts for one creator and purpose. Raises ConfigurationError for a missing or bad key."""

    def __init__(self, spec: SecretStr | None) -> None:
        entries = [part.strip() for part in (spec.get_secret_value() if spec else "").split(",")]
        keys = [_parse_key(entry) for entry in entries if entry]
        if not keys:
            raise ConfigurationError(
                "CAIRN_SECRET_KEYS is not set; make one with:"
                ' echo "main:$(openssl rand -base64 32)"'
            )
        self._by_id = {key.id: key for key in keys}
        if len(self._by_id) < len(keys):
            raise ConfigurationError("CAIRN_SECRET_KEYS names two keys alike")
        self._newest = keys[0]

    def encrypt(self, plaintext: str, *, creator_id: UUID, purpose: str) -> str:
        """An envelope `v1:key-id:nonce:ciphertext` that only this creator and purpose can open."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        key = self._newest
        bound = _bound_to(key.id, creator_id, purpose)
        sealed = AESGCM(_derived(key, "encrypt")).encrypt(nonce, plaintext.encode(), bound)
        return ":".join((VERSION, key.id, _b64(nonce), _b64(sealed)))

    def decrypt(self, envelope: str, *, creator_id: UUID, purpose: str) -> str:
        """Raises SecretError for another creator's envelope, an unknown key or a changed byte."""
        try:
            version, key_id, nonce, sealed = envelope.split(":")
            if version != VERSION:
                raise SecretError
            cipher = AESGCM(_derived(self._by_id[key_id], "encrypt"))
            bound = _bound_to(key_id, creator_id, purpose)
            return cipher.decrypt(_unb64(nonce), _unb64(sealed), bound).decode()
        except (KeyError, ValueError, InvalidTag) as error:
            raise SecretError from error

    def needs_rotation(self, envelope: str) -> bool:
        """Whether it was not made with the newest key."""
        return not envelope.startswith(f"{VERSION}:{self._newest.id}:")

    def derive(self, purpose: str) -> bytes:
        """32 bytes for signing with the newest key; a purpose never shares them with another."""
        return _derived(self._newest, f"sign:{purpose}")

    def derive_all(self, purpose: str) -> list[bytes]:
        """The same for every key of the ring, the newest first, to verify with."""
        return [_derived(key, f"sign:{purpose}") for key in self._by_id.values()]


def _parse_key(entry: str) -> _Key:
    key_id, separator, encoded = entry.partition(":")
    if not separator or not _KEY_ID.fullmatch(key_id):
        # The text may hold the key itself, so it is not repeated.
        raise ConfigurationError("CAIRN_SECRET_KEYS: write each key as id:base64 of 32 bytes")
    try:
        # Both alphabets of RFC 4648 are at home in a terminal.
        plain = encoded.strip().replace("-", "+").replace("_", "/")
        secret = base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"CAIRN_SECRET_KEYS: key {key_id} is not base64") from None
    if len(secret) != KEY_BYTES:
        raise ConfigurationError(
            f"CAIRN_SECRET_KEYS: key {key_id} has {len(secret)} bytes instead of {KEY_BYTES}"
        )
    return _Key(key_id, secret)


def _derived(key: _Key, use: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"cairn:{use}".encode())
    return kdf.derive(key.secret)


def _bound_to(key_id: str, creator_id: UUID, purpose: str) -> bytes:
    return f"cairn:{VERSION}:{key_id}:{creator_id}:{purpose}".encode()


# --- API keys -----------------------------------------------------------------------------------

_API_KEY = re.compile(r"cairn_([0-9a-f]{12})_[0-9a-f]{64}")


class NewApiKey(NamedTuple):
    plaintext: str
    prefix: str
    hash: bytes


def new_api_key() -> NewApiKey:
    """`cairn_<prefix>_<secret>`. Only the prefix, to find it by, and the hash are stored."""
    prefix = secrets.token_hex(6)
    plaintext = f"cairn_{prefix}_{secrets.token_hex(32)}"
    return NewApiKey(plaintext, prefix, hash_api_key(plaintext))


def hash_api_key(api_key: str) -> bytes:
    # 256 random bits cannot be guessed, so a fast hash is enough and costs no request its time.
    return hashlib.sha256(api_key.encode("utf-8", "surrogatepass")).digest()


def api_key_prefix(api_key: str) -> str | None:
    """The public part of a key; None when the text cannot be a key."""
    match = _API_KEY.fullmatch(api_key)
    return match[1] if match else None


def verify_api_key(api_key: str, digest: bytes) -> bool:
    return hmac.compare_digest(hash_api_key(api_key), digest)


# --- web visitors -------------------------------------------------------------------------------

_VISITOR_MARK = "cv1"
_VISITOR_PURPOSE = "web-visitor"
MAX_TOKEN_CHARACTERS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who talks in a web chat: an address on one channel, for pages of one origin."""

    creator_id: UUID
    channel_id: UUID
    address: str
    origin: str
    expires_at: datetime
    conversation_id: UUID | None = None


def sign_visitor(keys: KeyRing, visitor: Visitor) -> str:
    """A bearer token `cv1.payload.signature`. The payload is readable, so it holds no secret."""
    payload = _b64(
        orjson.dumps(
            [
                visitor.creator_id,
                visitor.channel_id,
                visitor.address,
                visitor.origin,
                int(visitor.expires_at.timestamp()),
                visitor.conversation_id,
            ],
            default=str,  # the database driver's UUID, a subclass
        )
    )
    return f"{_VISITOR_MARK}.{payload}.{_signature(keys.derive(_VISITOR_PURPOSE), payload)}"


def read_visitor(
    keys: KeyRing, token: str, *, channel_id: UUID, origin: str, now: datetime | None = None
) -> Visitor:
    """Raises Unauthorized unless the token is ours, fresh, and of this channel and origin."""
    visitor = _open_token(keys, token)
    is_fresh = (now or utc_now()) < visitor.expires_at
    if not is_fresh or visitor.channel_id != channel_id or visitor.origin != origin:
        raise Unauthorized
    return visitor


def _open_token(keys: KeyRing, token: str) -> Visitor:
    mark, _, rest = token[:MAX_TOKEN_CHARACTERS].partition(".")
    payload, _, signature = rest.partition(".")
    if mark != _VISITOR_MARK or not token.isascii() or not _is_signed(keys, payload, signature):
        raise Unauthorized
    creator, channel, address, origin, expires, conversation = orjson.loads(_unb64(payload))
    return Visitor(
        creator_id=UUID(creator),
        channel_id=UUID(channel),
        address=address,
        origin=origin,
        expires_at=datetime.fromtimestamp(expires, UTC),
        conversation_id=UUID(conversation) if conversation else None,
    )


def _is_signed(keys: KeyRing, payload: str, signature: str) -> bool:
    given = signature.encode()
    return any(
        hmac.compare_digest(_signature(key, payload).encode(), given)
        for key in keys.derive_all(_VISITOR_PURPOSE)
    )


def _signature(key: bytes, payload: str) -> str:
    return _b64(hmac.digest(key, payload.encode(), "sha256"))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


# --- log texts ----------------------------------------------------------------------------------

REDACTED = "[redacted]"
_CLEANERS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Telegram's token stands in the address of every call: /bot<id>:<secret>/sendMessage
    (re.compile(r"(?<!\d)\d{6,12}(?::|%3[Aa])[A-Za-z0-9_-]{30,}"), REDACTED),
    (re.compile(r"\bcairn_[0-9a-z]{6,}_[\w-]{16,}"), REDACTED),
    (re.compile(r"\bcv1\.[\w-]+\.[\w-]+"), REDACTED),
    (re.compile(r"\b(?:xox[a-z]|xapp)-[\w-]{8,}"), REDACTED),
    (re.compile(r"\b(Bearer|Basic)\s+(?!\[redacted\])[\w.~+/=-]{6,}", re.I), rf"\1 {REDACTED}"),
    (re.compile(r"(://[^\s/:@]*):(?!\[redacted\])[^\s/@]+@"), rf"\1:{REDACTED}@"),
    (
        re.compile(
            r"((?:password|passwd|secret|secret_keys|token|api_?key)[\"']?\s*[=:]\s*)"
            r"(?!\[redacted\]|Bearer\b|Basic\b)"
            r"(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;&\"']+)",
            re.I,
        ),
        rf"\1{REDACTED}",
    ),
)


def redact(text: str) -> str:
    """The text without what looks like a token, key or password."""
    for pattern, replacement in _CLEANERS:
        text = pattern.sub(replacement, text)
    return text
