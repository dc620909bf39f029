"""An appointment somebody asks for: as it is kept for the practice, and in one short line."""

from datetime import datetime
from typing import Any, Literal

from bots.concierge.forms import NO_CALL, Appointment
from core.bots import Turn

TOPIC = "appointments"
Status = Literal["requested", "withdrawn"]
Request = dict[str, Any]


def draft(turn: Turn, form: Appointment) -> Request:
    """What is about to be sent. A change keeps the request's key, so that it replaces it."""
    now = turn.local_now()
    current: Request = turn.memory.get("request", {})
    is_open = current.get("status") == "requested"
    return {
        "key": current["key"] if is_open else _key(turn, now),
        "name": turn.contact_name,
        "asked_at": now.isoformat(timespec="seconds"),
        **form.model_dump(),
    }


def put(turn: Turn, request: Request, status: Status) -> None:
    """Keep it where the practice reads it, and as the person's own."""
    kept = {**request, "status": status}
    turn.memory["request"] = kept
    turn.put(TOPIC, kept["key"], {name: value for name, value in kept.items() if name != "key"})


def line(request: Request) -> str:
    call = "no call" if request["callback"] == NO_CALL else f"call {request['callback']}"
    return f"{request['what']}, {request['day']}, {request['time'].lower()}, {call}"


def person(turn: Turn) -> str:
    return turn.place.person or turn.place.chat


def _key(turn: Turn, now: datetime) -> str:
    return f"{person(turn)}:{now:%Y%m%d%H%M%S}"
