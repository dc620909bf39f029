"""People on each channel for a benchmark: what they say goes in signed, what they get is timed."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

import httpx

from adapters.slack.emulator import SlackEmulator
from adapters.sms.emulator import SmsEmulator
from adapters.telegram.emulator import TelegramEmulator
from core.channels import Account
from tests.serving import serving

PEOPLE = 100
VISITORS = 20  # each holds an event stream open
NO_RATES = {"account": 0, "conversation": 0, "group": 0}


class Crowd(Protocol):
    """`say` returns once the message was acknowledged; `heard` is when each answer came."""

    async def say(self, number: int) -> None: ...

    def heard(self) -> dict[int, float]: ...


def text_of(number: int) -> str:
    return f"This is message number {number}"


def number_of(text: str) -> int | None:
    head, _, number = text.rpartition(" ")
    return int(number) if head == text_of(0)[:-2] and number.isdigit() else None


@dataclass(kw_only=True)
class PlatformCrowd:
    """Behind an emulated platform: an answer came when the platform was called with it."""

    emulator: Any
    who: Callable[[int], dict[str, Any]]
    text_field: str

    async def say(self, number: int) -> None:
        response = await self.emulator.says(text_of(number), **self.who(number % PEOPLE))
        if response is None or not response.is_success:
            raise SystemExit(f"a webhook was refused: {response and response.text}")

    def heard(self) -> dict[int, float]:
        found = {}
        for request in self.emulator.requests:
            number = number_of(str(request.params.get(self.text_field, "")))
            if number is not None:
                found[number] = request.at
        return found


@dataclass(kw_only=True)
class WebCrowd:
    """Visitors of the chat page, each with a stream of events."""

    client: httpx.AsyncClient
    chat_url: str
    tokens: list[str] = field(default_factory=list)
    came: dict[int, float] = field(default_factory=dict)
    is_open: bool = False

    async def open(self, streams: asyncio.TaskGroup) -> None:
        for _ in range(VISITORS):
            response = await self.client.post(f"{self.chat_url}/sessions", json={})
            self.tokens.append(response.raise_for_status().json()["token"])
            opened = asyncio.Event()
            streams.create_task(self._listen(self.tokens[-1], opened))
            await opened.wait()
        self.is_open = True

    async def say(self, number: int) -> None:
        body = {"id": str(uuid4()), "text": text_of(number)}
        headers = {"Authorization": f"Bearer {self.tokens[number % VISITORS]}"}
        response = await self.client.post(f"{self.chat_url}/messages", json=body, headers=headers)
        response.raise_for_status()

    def heard(self) -> dict[int, float]:
        return self.came

    async def _listen(self, token: str, opened: asyncio.Event) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.chat_url}/events"
        async with self.client.stream("GET", url, headers=headers, timeout=None) as response:
            opened.set()
            async for line in response.aiter_lines():
                if line.startswith("data:") and "number" in line:
                    self._note(json.loads(line.removeprefix("data:")))

    def _note(self, event: dict[str, Any]) -> None:
        number = number_of(str(event.get("text", "")))
        if number is not None and event.get("role") != "contact":
            self.came.setdefault(number, time.monotonic())


@asynccontextmanager
async def platform(channel: str) -> AsyncIterator[tuple[PlatformCrowd, dict[str, Any]]]:
    """A crowd, and how to create its channel: credentials and settings."""
    async with AsyncExitStack() as stack:
        crowd = _crowd(channel)
        stack.push_async_callback(crowd.emulator.close)
        url = await stack.enter_async_context(serving(crowd.emulator, lifespan="off"))
        base_url = f"{url}/api/" if channel == "slack" else url
        yield crowd, {
            "credentials": crowd.emulator.credentials,
            "settings": {"api_base_url": base_url, "rates": NO_RATES},
        }


def _crowd(channel: str) -> PlatformCrowd:
    if channel == "telegram":
        return PlatformCrowd(
            emulator=TelegramEmulator(), who=lambda n: {"chat": 10_000 + n}, text_field="text"
        )
    if channel == "slack":
        slack = SlackEmulator()
        for number in range(PEOPLE):
            slack.workspace().add_person(f"Person {number}")
        return PlatformCrowd(
            emulator=slack, who=lambda n: {"user": f"Person {n}"}, text_field="text"
        )
    return PlatformCrowd(
        emulator=SmsEmulator(), who=lambda n: {"chat": f"+1202555{n:04d}"}, text_field="Body"
    )


def webhook(gateway: str, account: Account) -> str:
    return f"{gateway}/webhooks/{account.type}/{account.route_key}"
