"""Addresses of pictures of progress, for platforms that fetch what they show.

An address is all it takes to see one, so it can't be guessed, runs out, and tells nobody whose it
is: the ids inside are encrypted, and the picture holds no words. It shows what was known at the
moment it was made, however often it is fetched.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.channels import Account, ChannelAdapter
from shared.errors import NotFound
from shared.messages import Attachment
from shared.security import NONCE_BYTES, KeyRing
from shared.utils.addresses import is_private_host

LIFETIME = timedelta(days=30)
NAME = "progress.png"
_PURPOSE = "pictures"
_MAX_TOKEN = 200
_UUID_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Whose progress, as it was known when."""

    creator_id: UUID
    contact_id: UUID
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Makes and reads the addresses; `base_url` is how the world reaches the gateway."""

    keys: KeyRing
    base_url: str
    channels: Mapping[str, ChannelAdapter]

    def attachment(self, account: Account, shot: Shot, description: str) -> Attachment | None:
        """The picture for a channel that shows pictures and can fetch this one; else None."""
        if not description or not self.is_shown(account):
            return None
        url = f"{self.base_url}/pictures/{self._token(shot)}.png"
        return Attachment(kind="image", url=url, name=NAME, description=description[:1000])

    def is_shown(self, account: Account) -> bool:
        capabilities = self.channels[account.type].capabilities
        if capabilities.delivery == "pull":
            return True  # a page of ours, which reaches us wherever we are
        if capabilities.text_unit == "gsm7_or_ucs2":
            return False  # a text message with a picture costs many times one without
        return "image" in capabilities.attachments and self._is_fetchable(account)

    def read(self, token: str, now: datetime) -> Shot:
        """Raises NotFound for what we didn't make, and for what has run out."""
        shot = self._opened(token)
        if shot is None or now >= shot.at + LIFETIME:
            raise NotFound
        return shot

    def _is_fetchable(self, account: Account) -> bool:
        """No platform reaches a server on this machine, unless it runs here itself."""
        if not is_private_host(urlsplit(self.base_url).hostname or "localhost"):
            return True
        platform = urlsplit(account.api_base_url or "").hostname
        return platform is not None and is_private_host(platform)

    def _token(self, shot: Shot) -> str:
        seconds = int(shot.at.timestamp()).to_bytes(8, "big")
        nonce = secrets.token_bytes(NONCE_BYTES)
        plain = shot.creator_id.bytes + shot.contact_id.bytes + seconds
        sealed = AESGCM(self.keys.derive(_PURPOSE)).encrypt(nonce, plain, None)
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def _opened(self, token: str) -> Shot | None:
        if len(token) > _MAX_TOKEN or not token.isascii():
            return None
        try:
            data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        for key in self.keys.derive_all(_PURPOSE):
            try:
                plain = AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None)
            except (InvalidTag, ValueError):
                continue
            return Shot(
                creator_id=UUID(bytes=plain[:_UUID_BYTES]),
                contact_id=UUID(bytes=plain[_UUID_BYTES : 2 * _UUID_BYTES]),
                at=datetime.fromtimestamp(int.from_bytes(plain[2 * _UUID_BYTES :], "big"), UTC),
            )
        return None
