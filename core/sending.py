"""One part of one message on its way: what is sent, whether it may be, and the single call."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.channels import Account, Address, ChannelAdapter, OutboundPart, SendResult
from core.dialogue.degrade import degrade
from shared.errors import ChannelError, MessageRejected, OutcomeUnknown
from shared.messages import Message
from shared.utils.clock import utc_now

SEND_SECONDS = 10.0
# A channel that was switched off keeps its messages; we look again this often.
PAUSED_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The next message to send with everything the send needs; its attempt is written already."""

    attempt_id: UUID
    message_id: UUID
    channel_id: UUID
    address: Address
    message: Message
    part: int
    attempts: int


def part_of(delivery: Delivery, adapter: ChannelAdapter) -> OutboundPart:
    """The part that is next, fitted to the channel. Raises MessageRejected when there is none."""
    parts = degrade(delivery.message, adapter.capabilities, delivery.message_id)
    if delivery.part >= len(parts):  # nothing in it that anybody would see
        raise MessageRejected("The message is empty.", code="message_empty")
    return parts[delivery.part]


async def send_once(
    adapter: ChannelAdapter, to: Address, part: OutboundPart, account: Account
) -> SendResult:
    """One call, one deadline; every failure comes out as a ChannelError."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            return await adapter.send(to, part, account)
    except TimeoutError as error:
        raise OutcomeUnknown from error
    except ChannelError:
        raise
    except Exception as error:
        raise adapter.classify(error) from error


def verdict(row: Any) -> tuple[str, str, str] | None:
    """(status, outcome, code) of a message that must not be sent; None when it may be."""
    if row["status"] == "sending":
        # The worker died between writing ahead and settling: the part may be out or not.
        return "uncertain", "unknown", "worker_died_while_sending"
    if row["reachable"] != "yes":
        return "failed", "refused", f"recipient_{row['reachable']}"
    return None


def pause_until(row: Any) -> datetime | None:
    """Until when the channel takes nothing."""
    now = utc_now()
    if row["channel_status"] != "active":
        return now + timedelta(seconds=PAUSED_SECONDS)
    blocked: datetime | None = row["blocked_until"]
    return blocked if blocked and blocked > now else None
