"""Days on a fast clock: what people see meanwhile in the simulator, and what REST says of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from tests.e2e.simulated import OWN_PAGE, Simulator
from tests.waiting import eventually

TRAVEL_SECONDS = 60.0
MINUTE = timedelta(minutes=1)


@dataclass(kw_only=True)
class Walk:
    """A running `cairn dev`, the clock of its simulator, and the demo creator's API."""

    client: httpx.AsyncClient
    api_key: str

    @cached_property
    def simulator(self) -> Simulator:
        return Simulator(client=self.client)

    async def api(self, method: str, path: str, **options: Any) -> Any:
        """The answer's body; for lists their items."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        answer = await self.client.request(method, f"/api/v1/{path}", headers=headers, **options)
        assert answer.is_success, answer.text
        body = answer.json()
        return body.get("items", body)

    async def uses(self, bot: str, pane: str) -> None:
        change = {"bot": bot, "pane": pane}
        answer = await self.client.patch("/simulator/api/bot", json=change, headers=OWN_PAGE)
        assert answer.status_code == 204, answer.text

    async def lets_all_through(self) -> None:
        """No limits to how fast channels send: each message of a chat would cost a second."""
        for channel in await self.api("GET", "channels"):
            rates = {"account": 0, "conversation": 0}
            settings = {**channel["settings"], "rates": rates}
            await self.api("PATCH", f"channels/{channel['id']}", json={"settings": settings})

    # --- time

    async def time(self) -> dict[str, Any]:
        time: dict[str, Any] = (await self.client.get("/simulator/api/time")).json()
        return time

    async def now(self) -> datetime:
        return datetime.fromisoformat((await self.time())["now"])

    async def passes(self, minutes: int | None = None) -> datetime:
        """Let time pass, by default until the next send of a program; what time it is then."""
        travel = {"minutes": minutes}
        answer = await self.client.post("/simulator/api/time", json=travel, headers=OWN_PAGE)
        assert answer.status_code == 202, answer.text

        async def has_passed() -> bool:
            return not (await self.time())["is_moving"]

        await eventually(has_passed, timeout=TRAVEL_SECONDS)
        return await self.now()

    async def until(self, moment: datetime) -> datetime:
        left = moment - await self.now()
        return await self.passes(max(1, -(-left // MINUTE)))

    async def next_weekday(self, day: int, at: str, zone: ZoneInfo) -> datetime:
        """The next day of a week (Monday is 0) that has not begun yet, at a local time."""
        today = (await self.now()).astimezone(zone).date()
        date = today + timedelta(days=(day - today.weekday() - 1) % 7 + 1)
        return datetime.fromisoformat(f"{date}T{at}").replace(tzinfo=zone)


@dataclass(kw_only=True)
class Person:
    """Somebody at their window of the simulator. What they have read counts no more as news."""

    walk: Walk
    pane: str
    place: str
    address: str
    zone: ZoneInfo
    read: int = 0
    known_id: str = ""

    async def view(self) -> list[dict[str, Any]]:
        bubbles = await self.walk.simulator.view(self.pane, self.place)
        return [bubble for bubble in bubbles if bubble["author"] == "bot"]

    async def says(self, text: str, answer: str = "") -> None:
        """Write; with an `answer`, wait until it stands there."""
        await self.walk.simulator.writes(self.pane, self.place, text)
        if answer:
            await self.hears(answer)

    async def taps(self, label: str, answer: str) -> None:
        await self.walk.simulator.presses(self.pane, self.place, label)
        await self.hears(answer)

    async def hears(self, text: str) -> dict[str, Any]:
        """The first new message of the bot with this text, once it is there."""

        async def look() -> dict[str, Any] | None:
            for number, bubble in enumerate(await self.view()):
                if number >= self.read and text in bubble["text"]:
                    self.read = number + 1
                    return bubble
            return None

        found: dict[str, Any] = await eventually(look)
        return found

    async def news(self) -> list[str]:
        """What the bot has said that was not read yet."""
        return [bubble["text"] for bubble in (await self.view())[self.read :]]

    async def reads_all(self) -> None:
        self.read = len(await self.view())

    async def times(self, text: str) -> int:
        return sum(text in bubble["text"] for bubble in await self.view())

    # --- as REST sees them

    async def contact_id(self) -> str:
        """Once the first message has made a contact of them."""
        if not self.known_id:
            self.known_id = await eventually(self._find)
        return self.known_id

    async def _find(self) -> str | None:
        [pane] = [
            channel["id"]
            for channel in await self.walk.api("GET", "channels")
            if channel["type"] == self.pane
        ]

        for contact in await self.walk.api("GET", "contacts"):
            details = await self.walk.api("GET", f"contacts/{contact['id']}")
            who = [(i["channel_id"], i["address"]) for i in details["identities"]]
            if (pane, self.address) in who:
                return str(contact["id"])
        return None

    async def about(self, what: str) -> Any:
        return await self.walk.api("GET", f"contacts/{await self.contact_id()}/{what}")

    async def changes(self, **values: Any) -> None:
        await self.walk.api("PATCH", f"contacts/{await self.contact_id()}", json=values)

    async def sends(self, step: str = "", **filters: Any) -> list[dict[str, Any]]:
        """Theirs, in the order in which they are due; of one step, if named."""
        wanted = {"contact": await self.contact_id(), "limit": 200, **filters}
        found = await self.walk.api("GET", "scheduled-sends", params=wanted)
        return [send for send in found if step in ("", send["step_key"])]

    async def ticket(self, **filters: Any) -> dict[str, Any]:
        """Their newest one, open unless filters say otherwise."""
        wanted = {"contact_id": await self.contact_id(), **filters}
        found: list[dict[str, Any]] = await self.walk.api("GET", "tickets", params=wanted)
        return found[0]

    async def leaves(self) -> None:
        """Whatever programs they are in end, so that the clock stops for others only."""
        contact_id = await self.contact_id()
        for program in await self.walk.api("GET", "programs"):
            path = f"programs/{program['id']}/enrolments"
            for one in await self.walk.api("GET", path, params={"status": "active"}):
                if one["contact_id"] == contact_id:
                    await self.walk.api("POST", f"{path}/{one['id']}/exit")

    def clock(self, moment: datetime | str) -> str:
        """A moment on their own clock: `Mon 19:00`."""
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return f"{at.astimezone(self.zone):%a %H:%M}"
