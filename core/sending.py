"""One part of one message on its way: what is sent, whether it may be, and the single call."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from core.channels import (
    Account,
    Address,
    ChannelAdapter,
    OutboundPart,
    Reconciles,
    SendResult,
    Streams,
)
from core.dialogue.degrade import degrade
from shared.errors import ChannelError, OutcomeUnknown
from shared.messages import Message
from shared.utils.clock import utc_now

# A channel that was switched off keeps its messages; we look again this often.
PAUSED_SECONDS = 60.0
# Platforms' clocks and ours may differ by so much.
SINCE_SECONDS = 60.0

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The next part to send with everything the send needs; `attempt_id` names this attempt."""

    attempt_id: UUID
    message_id: UUID
    channel_id: UUID
    channel_type: str
    address: Address
    message: Message
    part: int
    attempts: int
    expires_at: datetime | None
    # The message on the channel in which this answer grows already.
    stream: str | None
    # Of an attempt that was begun before and whose outcome nobody knows: since when, and when its
    # call was over, if its worker lived to see that.
    begun_at: datetime | None
    over_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A part ready to go: fitted to its channel, with the account that sends it."""

    delivery: Delivery
    adapter: ChannelAdapter
    account: Account
    part: OutboundPart

    @property
    def streams(self) -> bool:
        """Whether it completes what grows on the channel: an edit, which is safe to repeat."""
        delivery = self.delivery
        grows = delivery.part == 0 and delivery.stream and not self.part.attachments
        return bool(grows) and isinstance(self.adapter, Streams)


def delivery_of(row: Any, attempt_id: UUID) -> Delivery:
    """A row of `attempts.next_row` as values."""
    payload = row["payload"]
    is_begun = row["status"] == "sending"
    return Delivery(
        attempt_id=row["attempt_id"] if is_begun else attempt_id,
        message_id=row["id"],
        channel_id=row["channel_id"],
        channel_type=row["channel_type"],
        address=Address.model_validate(row["address"]),
        message=Message(
            text=row["text"],
            choices=payload.get("choices", ()),
            citations=payload.get("citations", ()),
            attachments=payload.get("attachments", ()),
        ),
        part=row["parts_sent"],
        attempts=row["attempts"] + (not is_begun),
        expires_at=expiry(payload),
        stream=row["stream"],
        begun_at=row["started_at"] if is_begun else None,
        over_at=row["finished_at"] if is_begun else None,
    )


def parts_of(delivery: Delivery, adapter: ChannelAdapter) -> tuple[OutboundPart, ...]:
    """All parts of the message, fitted to the channel; none when nobody would see anything."""
    return degrade(
        delivery.message,
        adapter.capabilities,
        delivery.message_id,
        valid_seconds=seconds_left(delivery.expires_at),
    )


async def send_once(envelope: Envelope, seconds: float) -> SendResult:
    """One call, one deadline; every failure comes out as a ChannelError."""
    adapter, account, part = envelope.adapter, envelope.account, envelope.part
    to, stream = envelope.delivery.address, envelope.delivery.stream
    if envelope.streams and stream and isinstance(adapter, Streams):
        return await _called(adapter, adapter.end_stream(to, stream, part, account), seconds)
    return await _called(adapter, adapter.send(to, part, account), seconds)


async def find(envelope: Envelope, since: datetime, seconds: float) -> SendResult | None:
    """What the platform knows of a send whose answer never came. Raises ChannelError."""
    adapter = envelope.adapter
    assert isinstance(adapter, Reconciles)  # noqa: S101 - `can_reconcile` was asked before
    asked = adapter.find(
        envelope.delivery.address,
        envelope.part,
        envelope.account,
        since - timedelta(seconds=SINCE_SECONDS),
    )
    return await _called(adapter, asked, seconds)


async def _called(adapter: ChannelAdapter, call: Awaitable[T], seconds: float) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError as error:
        raise OutcomeUnknown from error
    except ChannelError:
        raise
    except Exception as error:
        raise adapter.classify(error) from error


# --- whether it may be sent


def expiry(payload: Any) -> datetime | None:
    """Until when a message is worth sending; None = always, also when the time can't be read."""
    try:
        found = datetime.fromisoformat(str(payload.get("expires_at") or ""))
    except ValueError:
        return None
    return found if found.tzinfo else None


def seconds_left(expires_at: datetime | None) -> float | None:
    return (expires_at - utc_now()).total_seconds() if expires_at else None


def verdict(row: Any) -> tuple[str, str] | None:
    """(status, code) of a queued message that must not be sent; None when it may be."""
    expires_at = expiry(row["payload"])
    if expires_at is not None and expires_at <= utc_now():
        return "canceled", "expired"
    if row["reachable"] != "yes":
        return "failed", f"recipient_{row['reachable']}"
    return ("canceled", "recipient_opted_out") if row["unwanted"] else None


def pause_until(row: Any) -> datetime | None:
    """Until when the channel takes nothing, by the database's clock."""
    now: datetime = row["now"]
    if row["channel_status"] != "active":
        return now + timedelta(seconds=PAUSED_SECONDS)
    blocked: datetime | None = row["blocked_until"]
    return blocked if blocked and blocked > now else None


def is_taken_back(account: Account, to: Address) -> bool:
    """Whether the app was removed from this space, while it goes on in the channel's others."""
    if to.space is None or not account.installations or to.space in account.installations:
        return False
    named = {name for own in account.installations.values() for name in own}
    return named.isdisjoint(account.credentials)
