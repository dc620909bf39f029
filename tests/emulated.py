"""A whole Cairn whose channels talk to emulators: what a person writes goes the whole way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from core.cli.gateway import address, bind, serving
from core.emulators import Bubble, CatchesUp, Emulator
from core.runtime import open_runtime
from core.simulator.mounts import PREFIX, Mounts
from core.testing.apps import App, quick, working
from core.testing.school import School
from shared.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One creator's channel on one emulated platform."""

    app: App
    emulator: Emulator

    @property
    def people(self) -> list[str]:
        """Places in which somebody is alone with the bot; the web has them when they come."""
        alone = [place.id for place in self.emulator.places() if place.kind != "channel"]
        return alone or ["Ada", "Ben"]

    async def settle(self, seconds: float = 60.0) -> None:
        await self.app.drain(seconds)
        if isinstance(self.emulator, CatchesUp):
            await self.emulator.catch_up()

    async def asks(self, place: str, text: str) -> list[Bubble]:
        """Write, and what the bot says to it in that place."""
        seen = len(self.said(place))
        await self.emulator.writes(place, text)
        await self.settle()
        return self.said(place)[seen:]

    async def presses(self, place: str, label: str) -> list[Bubble]:
        """Press the newest button with this label, and what the bot says to it there."""
        seen = len(self.said(place))
        bubble, value = next(
            (bubble, button.value)
            for bubble in reversed(self.emulator.view(place))
            for button in bubble.buttons
            if button.label == label
        )
        await self.emulator.presses(place, bubble.id, value)
        await self.settle()
        return self.said(place)[seen:]

    def said(self, place: str) -> list[Bubble]:
        known = {each.id for each in self.emulator.places()}
        view = self.emulator.view(place) if place in known else ()
        return [bubble for bubble in view if bubble.author == "bot"]


@asynccontextmanager
async def running_stage(settings: Settings, type_: str, *, bot: str) -> AsyncIterator[Stage]:
    listener = bind("127.0.0.1", 0)
    url = address(listener)
    try:
        async with open_runtime(quick(settings, public_base_url=url)) as runtime, working(runtime):
            school = School(runtime=runtime, url=url)

            def extend(app: FastAPI) -> None:
                app.mount(PREFIX.rstrip("/"), Mounts(school.emulators, {}))

            async with serving(runtime, listener, extend=extend):
                app = await school.new_app("Test school")
                emulator, _ = await school.connect(app, type_, bot)
                yield Stage(app=app, emulator=emulator)
                await emulator.close()
                await runtime.channels[type_].close()
    finally:
        listener.close()
