"""Visitors of the web chat, without a browser. No API is faked here: they use the real routes.

There is no platform between a web page and Cairn, so this "emulator" answers nothing itself; it
only plays the pages. `connect` takes the chat's own address, `…/chat/{route_key}`. A visitor's
first act opens a session, which the bot greets as it greets on a page.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from uuid import uuid4

import httpx
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from core.emulators import Bubble, Button, Mark, Place
from shared import richtext

DEFAULT_VISITOR = "Ada"
_SECONDS = 30
_PAGE = 200  # the most messages one request may ask for


@dataclass(kw_only=True)
class Visit:
    """One visitor's page: its session, and the messages it has fetched so far."""

    token: str
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def last_seq(self) -> int:
        return int(self.messages[-1]["seq"]) if self.messages else 0

    @property
    def from_bot(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["role"] != "contact"]


class WebVisitors:
    """Some people with the chat open, told apart by name."""

    name: ClassVar[str] = "web"

    def __init__(self, *, client: httpx.AsyncClient | None = None) -> None:
        self.client = client
        self.visits: dict[str, Visit] = {}
        self._revision = 0
        self._url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("the web chat has no platform", 404)(scope, receive, send)

    @property
    def credentials(self) -> dict[str, str]:
        return {}

    def connect(self, webhook_url: str) -> None:
        self._url = webhook_url

    async def close(self) -> None:
        if self.client:
            await self.client.aclose()
            self.client = None

    # --- for tests

    @property
    def sent(self) -> list[dict[str, Any]]:
        """What the bot said to all visitors, as their pages were given it, after `catch_up`."""
        return [message for visit in self.visits.values() for message in visit.from_bot]

    def texts(self, place: str | None = None) -> list[str]:
        if place is None:
            return [message["text"] for message in self.sent]
        return [message["text"] for message in self.visits[place].from_bot]

    async def opens(self, *, visitor: str = DEFAULT_VISITOR, start: str = "") -> Visit:
        """Open the page, perhaps through a link that carried `start`. Once for each visitor."""
        if visitor not in self.visits:
            body = {"visitor": {"name": visitor}, "start": start}
            response = await self._http().post(f"{self._url}/sessions", json=body)
            response.raise_for_status()
            self.visits[visitor] = Visit(token=response.json()["token"])
            self._revision += 1
        return self.visits[visitor]

    async def says(
        self, text: str, *, visitor: str = DEFAULT_VISITOR, **details: Any
    ) -> httpx.Response:
        """Write a message; `details` are further fields of it, such as its `id`."""
        visit = await self.opens(visitor=visitor)
        return await self._post(visit, {"id": str(uuid4()), "text": text, **details})

    async def taps(self, label: str, *, visitor: str = DEFAULT_VISITOR) -> httpx.Response:
        """Tap the newest choice with this label. Raises LookupError without one."""
        visit = await self.opens(visitor=visitor)
        await self.catch_up()
        for message in reversed(visit.from_bot):
            for choice in message.get("choices") or []:
                if choice["label"] == label:
                    return await self._pick(visit, message["id"], choice["value"])
        raise LookupError(f"no choice {label!r} before {visitor}")

    async def catch_up(self) -> None:
        """Fetch what was said since, as a page does that comes back."""
        for visit in self.visits.values():
            while items := await self._fetch(visit):
                visit.messages += items
                self._revision += 1

    def fails(self, kind: str, **details: Any) -> None:
        raise LookupError(f"there is no platform here that could fail with {kind!r}")

    # --- for the simulator, which shows the real page instead

    @property
    def revision(self) -> int:
        return self._revision

    def places(self) -> tuple[Place, ...]:
        return tuple(Place(id=name, title=name, kind="dm", person=name) for name in self.visits)

    def view(self, place: str) -> tuple[Bubble, ...]:
        return tuple(_bubble(place, message) for message in self.visits[place].messages)

    def is_typing(self, place: str) -> bool:
        return False

    async def writes(self, place: str, text: str, *, thread: str | None = None) -> None:
        (await self.says(text, visitor=place)).raise_for_status()

    async def presses(self, place: str, bubble: str, value: str) -> None:
        (await self._pick(self.visits[place], bubble, value)).raise_for_status()

    # --- the wire

    async def _pick(self, visit: Visit, message_id: str, value: str) -> httpx.Response:
        body = {"id": str(uuid4()), "action": value, "message_id": message_id}
        return await self._post(visit, body)

    async def _post(self, visit: Visit, body: dict[str, Any]) -> httpx.Response:
        return await self._http().post(f"{self._url}/messages", json=body, headers=visit.headers)

    async def _fetch(self, visit: Visit) -> list[dict[str, Any]]:
        response = await self._http().get(
            f"{self._url}/messages",
            params={"after": visit.last_seq, "limit": _PAGE},
            headers=visit.headers,
        )
        response.raise_for_status()
        items: list[dict[str, Any]] = response.json()["items"]
        return items

    def _http(self) -> httpx.AsyncClient:
        if self.client is None:
            self.client = httpx.AsyncClient(timeout=_SECONDS, trust_env=False)
        return self.client


def _bubble(visitor: str, message: dict[str, Any]) -> Bubble:
    rich = richtext.from_markdown(message["text"])
    is_own = message["role"] == "contact"
    return Bubble(
        id=message["id"],
        author="person" if is_own else "bot",
        name=visitor if is_own else "",
        text=rich.text,
        marks=tuple(
            Mark(kind=mark.kind, start=mark.start, end=mark.end, value=mark.value)
            for mark in rich.marks
        ),
        buttons=tuple(
            Button(label=choice["label"], value=choice["value"])
            for choice in message.get("choices") or []
        ),
        context=tuple(
            f"[{citation['number']}] {citation['title']}"
            for citation in message.get("citations") or []
        ),
        at=datetime.fromisoformat(message["at"]).timestamp(),
    )


def create_emulator() -> WebVisitors:
    return WebVisitors()
