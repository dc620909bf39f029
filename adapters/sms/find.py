"""Look a send up whose answer never came, in Twilio's list of messages; unsure means unsure.

A message carries no name of ours, so only its text can tell. Claiming another message's name or
sending twice are both worse than a message that stays listed as uncertain.
"""

from datetime import datetime, timedelta
from typing import Any

from twilio.rest import Client

from shared.errors import OutcomeUnknown
from shared.utils.clock import utc_now

SKEW = timedelta(seconds=2)  # Twilio's times are whole seconds, by another clock
EARLIER = timedelta(minutes=5)  # texts like this one so shortly before make it doubtful
# Until then an accepted message may be missing from the list; `since` may be a minute early.
SETTLED = timedelta(minutes=3)
MAX_LISTED = 200
PAGE_SIZE = 100
TRIAL_PREFIX = "Sent from your Twilio trial account - "


async def find(client: Client, to: str, body: str, since: datetime) -> str | None:
    """The message's SID; None when Twilio surely hasn't got it. Raises OutcomeUnknown if unsure."""
    # Not by DateSent: a message that still waits in a queue has none.
    listed = await client.messages.list_async(to=to, limit=MAX_LISTED, page_size=PAGE_SIZE)
    return judge(listed, body, since, now=utc_now())


def judge(listed: list[Any], body: str, since: datetime, *, now: datetime) -> str | None:
    """Whether exactly one of the newest messages to a person, or none at all, can be ours. Pure."""
    begin = since - EARLIER
    alike = _alike(listed, body, begin)
    if len(alike) == 1 and _is_same(alike[0], body) and _is_since(alike[0], since):
        return str(alike[0].sid)
    reaches_back = len(listed) < MAX_LISTED or any(_is_before(m, begin) for m in listed)
    if not alike and reaches_back and now - since >= SETTLED:
        return None
    raise OutcomeUnknown("Twilio's list can't tell which message this one is.")


def _alike(listed: list[Any], body: str, begin: datetime) -> list[Any]:
    """What we sent since `begin` that may be this text."""
    ours = [m for m in listed if str(m.direction).startswith("outbound")]
    return [m for m in ours if not _is_before(m, begin) and _is_like(m.body or "", body)]


def _is_before(message: Any, at: datetime) -> bool:
    return message.date_created is not None and message.date_created < at


def _is_since(message: Any, since: datetime) -> bool:
    return message.date_created is not None and message.date_created >= since - SKEW


def _is_same(message: Any, body: str) -> bool:
    return str(message.body).removeprefix(TRIAL_PREFIX) == body


def _is_like(listed: str, body: str) -> bool:
    """Twilio may change signs and spaces, and put words before it; a picture may have no text."""
    bare = _bare(body)
    return bare in _bare(listed) if bare else True


def _bare(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
