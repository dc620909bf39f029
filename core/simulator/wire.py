"""What passed between a platform and Cairn, for the page's drawer: the last requests, redacted."""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_EXCHANGES = 60
MAX_BODY = 4000  # bytes of a body that are kept
MASK = "•••"

Direction = Literal["in", "out"]  # in: a webhook to Cairn; out: a call of the platform's API


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and its answer; no secret in any of it."""

    number: int
    at: float
    direction: Direction
    method: str
    path: str
    status: int  # 0: no answer
    milliseconds: float
    request: str
    response: str


class Wire:
    """The last exchanges of one platform. `secrets` are masked wherever they stand."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""))}
        # The longest first: a secret may be a part of another.
        self._secrets = sorted(forms, key=len, reverse=True)
        self.exchanges: deque[Exchange] = deque(maxlen=MAX_EXCHANGES)
        self.count = 0

    async def record(
        self,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        direction: Direction,
    ) -> None:
        """Let the application answer, and note what went over the wire."""
        request, response = _Copy(), _Copy()
        status, began = 0, time.perf_counter()

        async def send_noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            response.add(message)
            await send(message)

        try:
            await app(scope, request.of(receive), send_noted)
        finally:
            self.count += 1
            self.exchanges.append(
                Exchange(
                    number=self.count,
                    at=time.time(),
                    direction=direction,
                    method=scope["method"],
                    path=self._masked(scope["path"]),
                    status=status,
                    milliseconds=(time.perf_counter() - began) * 1000,
                    request=self._masked(request.text),
                    response=self._masked(response.text),
                )
            )

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


class _Copy:
    """The beginning of a body, as it streams by."""

    def __init__(self) -> None:
        self._bytes = b""

    def add(self, message: Message) -> None:
        if len(self._bytes) < MAX_BODY:
            self._bytes += message.get("body", b"")[: MAX_BODY - len(self._bytes)]

    def of(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        async def receive_noted() -> Message:
            message = await receive()
            self.add(message)
            return message

        return receive_noted

    @property
    def text(self) -> str:
        return self._bytes.decode("utf-8", "replace")
