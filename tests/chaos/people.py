"""People who write to the bot as platforms deliver it: again and again, until it is taken."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

import httpx

from tests.chaos.stage import Gateway, Stage
from tests.waiting import eventually

ANSWER_SECONDS = 5.0
PATIENCE_SECONDS = 40.0
PAGE = 200

Choose = Callable[[], Gateway]


class Person(Protocol):
    """`said` holds what was acknowledged, in order."""

    said: list[str]
    refusals: list[int]

    @property
    def key(self) -> str: ...

    async def says(self, text: str, *, copies: int = 1) -> None: ...

    async def heard(self) -> list[str]: ...


@dataclass(kw_only=True)
class TelegramPerson:
    stage: Stage
    gateway: Choose
    chat: int
    said: list[str] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)

    @property
    def key(self) -> str:
        return str(self.chat)

    async def says(self, text: str, *, copies: int = 1) -> None:
        """`copies`: how often Telegram delivers this update, also after it was acknowledged."""
        update = self.stage.emulator.message(text, chat=self.chat)
        for _ in range(copies):
            await until_taken(lambda: self._post(update), self.refusals)
        self.said.append(text)

    async def heard(self) -> list[str]:
        return self.stage.emulator.texts(self.chat)

    async def _post(self, update: dict[str, Any]) -> httpx.Response:
        account = self.stage.telegram
        return await self.stage.client.post(
            f"{self.gateway().url}/webhooks/telegram/{account.route_key}",
            json=update,
            headers={"X-Telegram-Bot-Api-Secret-Token": account.credentials["secret_token"]},
        )


@dataclass(kw_only=True)
class WebPerson:
    stage: Stage
    gateway: Choose
    said: list[str] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    token: str = ""
    conversation_id: str = ""

    @property
    def key(self) -> str:
        return self.conversation_id

    async def opens(self) -> None:
        """Open the chat; the greeting is its first reply."""
        response = await self._post("sessions", {})
        assert response.status_code == 201, response.text
        body = response.json()
        self.token, self.conversation_id = body["token"], body["conversation_id"]
        self.said.append("/start")

    async def says(self, text: str, *, copies: int = 1) -> None:
        body = {"id": str(uuid4()), "text": text}
        for _ in range(copies):
            await until_taken(lambda: self._post("messages", body), self.refusals)
        self.said.append(text)

    async def heard(self) -> list[str]:
        found: list[str] = []
        after = 0
        while items := await self._page(after):
            found += [item["text"] for item in items if item["role"] != "contact"]
            after = items[-1]["seq"]
        return found

    async def _page(self, after: int) -> list[dict[str, Any]]:
        response = await self.stage.client.get(
            f"{self._chat}/messages", params={"after": after, "limit": PAGE}, headers=self._headers
        )
        items: list[dict[str, Any]] = response.raise_for_status().json()["items"]
        return items

    async def _post(self, what: str, body: dict[str, Any]) -> httpx.Response:
        return await self.stage.client.post(
            f"{self._chat}/{what}", json=body, headers=self._headers
        )

    @property
    def _chat(self) -> str:
        return f"{self.gateway().url}/chat/{self.stage.web.route_key}"

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


async def until_taken(
    post: Callable[[], Any], refusals: list[int], timeout: float = PATIENCE_SECONDS
) -> None:
    """Post until the answer is 2xx. Only a gateway that died or asks for a pause is forgiven."""

    async def is_taken() -> bool:
        try:
            response: httpx.Response = await post()
        except httpx.TransportError:
            return False
        if response.is_success:
            return True
        refusals.append(response.status_code)
        assert response.status_code == 503, f"{response.status_code} {response.text}"
        assert "retry-after" in response.headers
        return False

    await eventually(is_taken, timeout=timeout)
