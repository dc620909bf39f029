"""Whether a send may leave at this moment: every rule, asked again each time. Pure.

What will never be sent is settled first, so that nothing is carried through the night for no
reason; then comes what only moves it. Each verdict names its reason.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from core.channels import Address
from core.consent import Refusal
from core.policies import DEFAULT_QUIET_HOURS
from core.programs.definition import QuietHours
from core.programs.schedule import next_allowed
from core.programs.sends.claims import Send

# Somebody's hand has to end these, and wakes what waits; we look by ourselves too.
LOOK_AGAIN = timedelta(minutes=15)
# A phone that rings at night is the channel's own doing; everywhere else people mute themselves.
QUIET_BY_TYPE = {"sms": DEFAULT_QUIET_HOURS}
# Waits that others impose; those that are ours (quiet hours, caps, pace) make nothing late.
IMPOSED = frozenset({"human", "program_paused", "broadcast_paused", "no_channel", "suspended"})

Kind = Literal["send", "defer", "skip", "expire"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A way to a contact: an identity on a channel, and their own conversation there, if any."""

    channel_id: UUID
    type: str
    bot: str
    address: str
    is_active: bool
    reachable: str  # yes, or why not
    refusal: Refusal | None = None
    owner: str = "bot"  # who answers there
    conversation_id: UUID | None = None
    to: Address | None = None  # None: there is no conversation, and none can be begun
    key: str = ""

    @property
    def obstacle(self) -> str | None:
        """Why nothing may be sent there."""
        if self.reachable == "opted_out":
            return "opted_out"
        if self.refusal is not None:
            return self.refusal
        if self.reachable != "yes":
            return "unreachable"
        return "no_channel" if self.to is None else None


@dataclass(frozen=True, kw_only=True)
class Halt:
    """Why the source of a send holds it up: for good, or for a while."""

    reason: str
    is_final: bool


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that a verdict rests on, as it stands when the send is looked at."""

    zone: ZoneInfo
    places: tuple[Place, ...] = ()  # those that the send allows, the best first
    quiet: QuietHours | None = None  # of the contact, program or creator; None: by channel
    halt: Halt | None = None
    is_suspended: bool = False
    is_silent: bool = False  # a step that says nothing: a wait, a hand-off
    is_late: bool = False  # missed, and by its policy not made up for
    has_replied: bool = False
    has_content: bool = True
    free_at: datetime | None = None  # when the caps let the next one through; None: now


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What becomes of a send. `until` of one that is deferred, `place` of one that leaves."""

    kind: Kind
    reason: str | None = None
    until: datetime | None = None
    place: Place | None = None


def judge(send: Send, facts: Facts, now: datetime) -> Verdict:
    """What to do with a send at this moment."""
    final = _final(send, facts, now)
    if final is not None:
        return final
    place = next((p for p in facts.places if p.obstacle is None and p.is_active), None)
    held_up = _held_up(facts, place, now) or _moved(send, facts, place, now)
    return held_up or Verdict(kind="send", place=place)


def _final(send: Send, facts: Facts, now: datetime) -> Verdict | None:
    """What will never be sent, whatever comes."""
    if facts.halt is not None and facts.halt.is_final:
        return _skip(facts.halt.reason)
    if send.window_end is not None and send.window_end <= now:
        return Verdict(kind="expire", reason="expired")
    if facts.has_replied:
        return _skip("replied")
    if facts.is_late:
        return _skip("late")
    return None if facts.is_silent else _unsayable(facts)


def _unsayable(facts: Facts) -> Verdict | None:
    if not facts.has_content:
        return _skip("no_content")
    if any(place.obstacle is None for place in facts.places):
        return None
    return _skip(_obstacle(facts.places))


def _obstacle(places: tuple[Place, ...]) -> str:
    """Why no place is open: what the person said counts most."""
    found = {place.obstacle for place in places}
    ranked = ("opted_out", "no_consent", "unreachable")
    return next((reason for reason in ranked if reason in found), "no_channel")


def _held_up(facts: Facts, place: Place | None, now: datetime) -> Verdict | None:
    """What somebody else must end."""
    if facts.is_suspended:
        return _defer("suspended", now + LOOK_AGAIN)
    if facts.halt is not None:
        return _defer(facts.halt.reason, now + LOOK_AGAIN)
    if facts.is_silent:
        return None
    if any(place.owner == "human" for place in facts.places):
        return _defer("human", now + LOOK_AGAIN)
    return _defer("no_channel", now + LOOK_AGAIN) if place is None else None


def _moved(send: Send, facts: Facts, place: Place | None, now: datetime) -> Verdict | None:
    """What only time must end. A reply is awaited, so no hour is wrong for it."""
    if send.send_class == "reply" or place is None:
        return None
    quiet = facts.quiet or QUIET_BY_TYPE.get(place.type)
    allowed = next_allowed(now, facts.zone, quiet)
    if allowed > now:
        return _defer("quiet_hours", allowed)
    if facts.free_at is not None and facts.free_at > now:
        return _defer("cap", next_allowed(facts.free_at, facts.zone, quiet))
    return None


def _defer(reason: str, until: datetime) -> Verdict:
    return Verdict(kind="defer", reason=reason, until=until)


def _skip(reason: str) -> Verdict:
    return Verdict(kind="skip", reason=reason)
