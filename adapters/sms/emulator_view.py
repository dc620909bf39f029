"""What people's phones show of the emulated text messages."""

from typing import Literal

from adapters.sms.emulator_account import EmulatedAccount, Text
from core.emulators import Bubble

MAX_BUBBLES = 300

BubbleState = Literal["", "queued", "sent", "delivered", "read", "failed"]
_STATES: dict[str, BubbleState] = {
    "accepted": "queued",
    "queued": "queued",
    "sent": "sent",
    "delivered": "delivered",
    "failed": "failed",
    "undelivered": "failed",
}


def bubbles(account: EmulatedAccount, number: str, name: str) -> tuple[Bubble, ...]:
    """The texts of one phone, oldest first."""
    texts = [text for text in account.texts if text.theirs == number]
    return tuple(_bubble(text, name) for text in texts[-MAX_BUBBLES:])


def _bubble(text: Text, name: str) -> Bubble:
    images = tuple(text.media)
    if not text.outbound:
        return Bubble(
            id=text.sid, author="person", name=name, text=text.body, images=images, at=text.at
        )
    return Bubble(
        id=text.sid,
        author="notice" if text.notice else "bot",
        name=text.ours,
        text=text.body,
        images=images,
        state=_STATES.get(text.status, ""),
        segments=text.segments,
        encoding=text.encoding,
        at=text.at,
    )
