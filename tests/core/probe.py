"""A push channel without a network: it takes every part, or raises what a test tells it to."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from core.channels import (
    Account,
    Address,
    Capabilities,
    ChannelEvent,
    InboundRequest,
    OutboundPart,
    Parsed,
    SendResult,
)
from shared.errors import ChannelError, OutcomeUnknown


class ProbeChannel:
    name: ClassVar[str] = "probe"
    credential_names: ClassVar[frozenset[str]] = frozenset()
    capabilities: ClassVar[Capabilities] = Capabilities(max_text=40)

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.parts: list[OutboundPart] = []
        self.errors: list[Exception] = []
        self.errors_at: dict[int, Exception] = {}  # by the part's place in its message, once
        # Awaited with a part that was taken, before the call returns.
        self.before_answer: Callable[[int], Awaitable[None]] | None = None

    def check_account(self, account: Account) -> None:
        return

    async def verify(self, request: InboundRequest, account: Account) -> None:
        return

    def parse(self, request: InboundRequest, account: Account) -> Parsed:
        return Parsed()

    def conversation(self, event: ChannelEvent) -> str:
        return event.address.chat

    async def send(self, to: Address, part: OutboundPart, account: Account) -> SendResult:
        if self.errors:
            raise self.errors.pop(0)
        if part.index in self.errors_at:
            raise self.errors_at.pop(part.index)
        self.sent.append(part.text.text)
        self.parts.append(part)
        if self.before_answer:
            await self.before_answer(part.index)
        return SendResult(external_ids=(f"probe:{len(self.sent)}",))

    def classify(self, error: Exception) -> ChannelError:
        return OutcomeUnknown(type(error).__name__)

    async def close(self) -> None:
        return
