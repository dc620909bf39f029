"""What all of Slack's payloads have in common: whose workspace, which bot, who, where, when. Pure.

https://docs.slack.dev/apis/events-api/#events-JSON
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.channels import Account, Address, InboundRequest, Sender, Unsupported

_ID = re.compile(r"[A-Z][A-Z0-9]{1,40}")
_TS = re.compile(r"[0-9]{1,16}\.[0-9]{1,10}")
Payload = Mapping[str, Any]


class WrongShape(ValueError):
    """A field that Slack always sends is missing or of another kind."""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """One request's payload with what it says about itself."""

    account: Account
    request: InboundRequest
    payload: Payload

    # --- whose

    @property
    def space(self) -> str:
        """The workspace whose token answers; an organisation's, where the app is installed so.

        In a shared channel the event's `team_id` may be the other company's, the authorization
        is ours.
        """
        first = self._authorizations[0] if self._authorizations else {}
        team = _known(first.get("team_id")) or self._team
        enterprise = _known(first.get("enterprise_id")) or self._enterprise
        if enterprise and (not team or self._is_installed_by(enterprise, team)):
            return enterprise
        if not team:
            raise WrongShape("team")
        return team

    @property
    def bots(self) -> frozenset[str]:
        """The user ids by which this app is called here."""
        found = {_known(each.get("user_id")) for each in self._authorizations if each.get("is_bot")}
        own = self.own_bot
        return frozenset(bot for bot in (*found, own) if bot)

    @property
    def own_bot(self) -> str | None:
        """The bot's user id as an install or a setting tells it."""
        stored = self.account.settings.get("bot_user_id")
        try:
            space = self.space
        except WrongShape:
            space = None
        return self.account.credential("bot_user_id", space) or _known(stored)

    @property
    def _authorizations(self) -> list[Payload]:
        listed = self.payload.get("authorizations")
        if not isinstance(listed, list):
            return []
        return [each for each in listed if isinstance(each, dict)]

    @property
    def _team(self) -> str | None:
        nested = self.payload.get("team")
        team = _known(nested.get("id")) if isinstance(nested, dict) else None
        user = self.payload.get("user")
        of_user = _known(user.get("team_id")) if isinstance(user, dict) else None
        return team or _known(self.payload.get("team_id")) or of_user

    @property
    def _enterprise(self) -> str | None:
        nested = self.payload.get("enterprise")
        enterprise = _known(nested.get("id")) if isinstance(nested, dict) else None
        return enterprise or _known(self.payload.get("enterprise_id"))

    def _is_installed_by(self, enterprise: str, team: str) -> bool:
        installed = self.account.installations
        return team not in installed and enterprise in installed

    # --- what events are made of

    def address(self, chat: str, person: str | None, thread: str | None = None) -> Address:
        return Address(
            chat=chat, thread=thread, person=person, space=self.space, direct=is_direct(chat)
        )

    def fields(self, external_id: str, address: Address, at: str | None = None) -> dict[str, Any]:
        """What every event has; `at`: when, as Slack writes time."""
        return {
            "creator_id": self.account.creator_id,
            "channel_id": self.account.channel_id,
            "external_id": external_id,
            "occurred_at": moment(at) or self.request.received_at,
            "address": address,
            "sender": Sender(address=address.person or "unknown"),
            "raw": self._raw(),
        }

    def unsupported(self, reason: str) -> Unsupported:
        """Counted and forgotten."""
        nobody = Address(chat="unknown", person=None)
        return Unsupported(**self.fields(self.body_id(), nobody), reason=reason)

    def body_id(self) -> str:
        """The name of a payload that has none: by its content."""
        return f"body:{hashlib.sha256(self.request.body).hexdigest()}"

    def _raw(self) -> dict[str, Any]:
        # Both let anybody speak as Slack or as us for a while.
        secret = ("token", "response_url")
        return {name: value for name, value in self.payload.items() if name not in secret}


# --- reading fields


def known_id(value: Any) -> str:
    """An id of Slack's (`U…`, `C…`, `T…`). Raises WrongShape."""
    found = _known(value)
    if found is None:
        raise WrongShape("id")
    return found


def timestamp(value: Any) -> str:
    """A message's `ts`: its name within a channel. Raises WrongShape."""
    if not isinstance(value, str) or not _TS.fullmatch(value):
        raise WrongShape("ts")
    return value


def optional_timestamp(value: Any) -> str | None:
    return value if isinstance(value, str) and _TS.fullmatch(value) else None


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> Payload:
    return value if isinstance(value, dict) else {}


def is_direct(chat: str) -> bool:
    """A conversation of one person with the bot: an IM, or the person's own id."""
    return chat[:1] in ("D", "U", "W")


def moment(ts: str | None) -> datetime | None:
    try:
        seconds = float(ts or "nan")
        return None if math.isnan(seconds) else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _known(value: Any) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None
