"""Which team a person reports to: the room where they last said so."""

from dataclasses import dataclass
from typing import Any

from core.bots import Place, Turn

# How a platform's names of rooms begin: https://api.slack.com/types/conversation (a direct
# message's begins with D); Telegram's groups and channels have negative numbers.
_ROOMS = {"slack": ("C", "G"), "telegram": ("-",)}


@dataclass(frozen=True, kw_only=True)
class Team:
    """`room` is where a summary is posted; None for a person who reports to themselves, and for a
    team that meets on another channel than the one this turn came by."""

    key: str
    room: Place | None = None


def is_room(channel: str, place: Place) -> bool:
    """Whether several people read what is said there."""
    return place.chat.startswith(_ROOMS.get(channel, ()))


def room_of(turn: Turn) -> Place | None:
    """The room this turn comes from, without its thread and its person."""
    for place in (turn.origin, turn.place):
        if is_room(turn.channel, place):
            # A Telegram thread is a topic, a room of its own; a Slack thread is one conversation.
            thread = place.thread if turn.channel == "telegram" else None
            return Place(chat=place.chat, thread=thread, space=place.space)
    return None


def remember(turn: Turn, room: Place) -> None:
    turn.memory["team"] = {"channel": turn.channel, "room": room.model_dump()}


def forget(turn: Turn) -> bool:
    """Whether there was a team to forget."""
    return turn.memory.pop("team", None) is not None


def of(turn: Turn) -> Team:
    """The team of the room this turn comes from, else the remembered one, else the person alone."""
    if room := room_of(turn):
        return Team(key=_key(turn.channel, room), room=room)
    stored: dict[str, Any] | None = turn.memory.get("team")
    if stored is None:
        return Team(key=f"{turn.channel}:{person(turn)}")
    room = Place.model_validate(stored["room"])
    is_here = stored["channel"] == turn.channel
    return Team(key=_key(stored["channel"], room), room=room if is_here else None)


def person(turn: Turn) -> str:
    """Who reports, by their name on this channel."""
    where = turn.place
    return "/".join(part for part in (where.space, where.person or where.chat) if part)


def _key(channel: str, room: Place) -> str:
    return ":".join(part for part in (channel, room.space, room.chat, room.thread) if part)
