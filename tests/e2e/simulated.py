"""What a person does in the simulator's page: its API, as the page uses it."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.waiting import eventually

OWN_PAGE = {"Cairn-Simulator": "1"}
ANSWER_SECONDS = 40.0


@dataclass(kw_only=True)
class Simulator:
    """The page's API, as the page uses it."""

    client: httpx.AsyncClient

    async def stage(self) -> dict[str, Any]:
        stage: dict[str, Any] = (await self.client.get("/simulator/api/stage")).json()
        return stage

    async def places(self, pane: str) -> list[dict[str, Any]]:
        [found] = [each for each in (await self.stage())["panes"] if each["name"] == pane]
        places: list[dict[str, Any]] = found["places"]
        return places

    async def writes(self, pane: str, place: str, text: str) -> None:
        response = await self.client.post(
            f"/simulator/api/panes/{pane}/writes",
            json={"place": place, "text": text},
            headers=OWN_PAGE,
        )
        assert response.status_code == 204, response.text

    async def presses(self, pane: str, place: str, label: str) -> None:
        for bubble in reversed(await self.view(pane, place)):
            for button in bubble["buttons"]:
                if button["label"] == label:
                    body = {"place": place, "bubble": bubble["id"], "value": button["value"]}
                    response = await self.client.post(
                        f"/simulator/api/panes/{pane}/presses", json=body, headers=OWN_PAGE
                    )
                    assert response.status_code == 204, response.text
                    return
        raise AssertionError(f"no button {label!r}")

    async def view(self, pane: str, place: str) -> list[dict[str, Any]]:
        response = await self.client.get(f"/simulator/api/panes/{pane}", params={"place": place})
        assert response.status_code == 200, response.text
        bubbles: list[dict[str, Any]] = response.json()["bubbles"]
        return bubbles

    async def sees(self, pane: str, place: str, text: str) -> dict[str, Any]:
        """The bot's bubble with this text, once it is there."""

        async def look() -> dict[str, Any] | None:
            for bubble in await self.view(pane, place):
                if bubble["author"] == "bot" and text in bubble["text"]:
                    return bubble
            return None

        found: dict[str, Any] = await eventually(look, timeout=ANSWER_SECONDS)
        return found
