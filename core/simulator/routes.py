"""/simulator and its API, on the server of `cairn dev` only."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import orjson
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from pydantic import BaseModel, Field

from core.api.events import HELLO, PING, PING_SECONDS, EventResponse
from core.api.pages import content_policy, file_response
from core.api.streams import StreamSlots
from core.api.strict import Body, StrictRoute
from core.emulators import Bubble, Emulator, Narrates, Place
from core.simulator.mounts import PREFIX, Mounts, WebhookTap
from core.simulator.stage import Stage
from shared.errors import AppError, Forbidden, InvalidInput, NotFound
from shared.utils.text import is_blank

STATIC = Path(__file__).resolve().parent / "static"
LOOK_SECONDS = 0.1  # how often the emulators' revisions are compared
ACT_SECONDS = 30.0  # a webhook may be slow, but not for ever
MAX_TEXT = 8000


class WebhookFailed(AppError):
    """The webhook could not be reached."""

    code = "webhook_unreachable"
    status = 502


class BotShown(BaseModel):
    name: str
    greeting: str
    suggestions: list[str]


class PaneShown(BaseModel):
    name: str
    bot: str
    places: list[Place]


class WebShown(BaseModel):
    page: str
    bot: str


class TimeShown(BaseModel):
    """The time that programs go by; ahead of the wall clock once it was moved."""

    now: datetime
    is_moving: bool
    next_due: datetime | None


class StageShown(BaseModel):
    bots: list[BotShown]
    panes: list[PaneShown]
    web: WebShown | None


class View(BaseModel):
    """What stands in one place now; `counts` of bubbles in all places tell where news are."""

    is_typing: bool
    status: str
    bubbles: list[Bubble]
    counts: dict[str, int]


class Writing(Body):
    place: str = Field(max_length=200)
    text: str = Field(max_length=MAX_TEXT)
    thread: str | None = Field(None, max_length=200)


class Press(Body):
    place: str = Field(max_length=200)
    bubble: str = Field(max_length=200)
    value: str = Field(max_length=4000)


class Travel(Body):
    """Let `minutes` pass, or the time until the next message of a program (null)."""

    minutes: int | None = Field(None, ge=1, le=62 * 24 * 60)


class BotChange(Body):
    """`pane` None: all of them."""

    bot: str = Field(max_length=100)
    pane: str | None = Field(None, max_length=50)


def get_stage(request: Request) -> Stage:
    stage: Stage = request.app.state.stage
    return stage


def refuse_other_sites(cairn_simulator: Annotated[str | None, Header()] = None) -> None:
    """A page of another site can't send this header without asking first, and is told no."""
    if cairn_simulator is None:
        raise Forbidden("send the header Cairn-Simulator: 1")


StageDep = Annotated[Stage, Depends(get_stage)]
router = APIRouter(prefix="/simulator", include_in_schema=False, route_class=StrictRoute)
own_page = [Depends(refuse_other_sites)]


def install(app: FastAPI, stage: Stage) -> None:
    """Add the page, its API and the emulators to an application that is not serving yet."""
    app.state.stage = stage
    app.include_router(router)
    app.mount(PREFIX.rstrip("/"), Mounts(stage.emulators, stage.wires))
    app.add_middleware(WebhookTap, wires=stage.wires)


# --- files


@router.get("")
async def read_simulator() -> Response:
    policy = f"{content_policy([])}; frame-src 'self'"
    return file_response(STATIC, "simulator.html", {"Content-Security-Policy": policy})


@router.get("/static/{path:path}")
async def read_simulator_file(path: str) -> Response:
    return file_response(STATIC, path, {})


# --- what is to be seen


@router.get("/api/stage")
async def read_stage(stage: StageDep) -> StageShown:
    web = stage.web
    return StageShown(
        bots=[
            BotShown(name=bot.name, greeting=bot.greeting, suggestions=list(bot.suggestions))
            for bot in stage.runtime.bots.values()
        ],
        panes=[
            PaneShown(name=pane.name, bot=pane.bot, places=list(pane.emulator.places()))
            for pane in stage.panes.values()
        ],
        web=WebShown(page=f"/embed?channel={web.route_key}", bot=web.bot) if web else None,
    )


@router.get("/api/panes/{name}")
async def read_view(
    stage: StageDep, name: str, place: Annotated[str, Query(max_length=200)]
) -> View:
    emulator = _emulator_at(stage, name, place)
    return View(
        is_typing=emulator.is_typing(place),
        status=emulator.status(place) if isinstance(emulator, Narrates) else "",
        bubbles=list(emulator.view(place)),
        counts={known.id: len(emulator.view(known.id)) for known in emulator.places()},
    )


@router.get("/api/panes/{name}/wire")
async def read_wire(stage: StageDep, name: str) -> Response:
    exchanges = list(stage.pane(name).wire.exchanges)
    return Response(orjson.dumps(exchanges), media_type="application/json")


@router.get("/api/changes")
async def stream_changes(stage: StageDep, request: Request) -> Response:
    """`changed` events name the panes that look different since the last one."""
    return EventResponse(_changes(stage, request.app.state.streams))


async def _changes(stage: Stage, slots: StreamSlots) -> AsyncIterator[bytes]:
    """Compares before each event, so a slow reader gets fewer events and never an old one."""
    seen: dict[str, tuple[object, ...]] = {}
    yield HELLO
    told_at = time.monotonic()
    while not slots.is_closing:
        now = {name: pane.signature for name, pane in stage.panes.items()}
        changed = [name for name, signature in now.items() if seen.get(name) != signature]
        seen = now
        if changed:
            yield b"event: changed\ndata: %b\n\n" % orjson.dumps(changed)
            told_at = time.monotonic()
        elif time.monotonic() - told_at > PING_SECONDS:
            yield PING
            told_at = time.monotonic()
        await asyncio.sleep(LOOK_SECONDS)


# --- time


@router.get("/api/time")
async def read_time(stage: StageDep) -> TimeShown:
    machine = stage.time
    due = await machine.next_due()
    return TimeShown(now=machine.now, is_moving=machine.is_moving, next_due=due)


@router.post("/api/time", status_code=202, dependencies=own_page)
async def travel(stage: StageDep, body: Travel) -> TimeShown:
    """Programs send what is due on the way; deliveries take the time that they take."""
    machine = stage.time
    due = await machine.next_due()
    if body.minutes is not None:
        machine.start(machine.now + timedelta(minutes=body.minutes))
    elif due is None:
        raise InvalidInput("no program has anything to send", code="nothing_due")
    else:
        machine.start(due)
    return TimeShown(now=machine.now, is_moving=True, next_due=due)


# --- what people do


@router.post("/api/panes/{name}/writes", status_code=204, dependencies=own_page)
async def write(stage: StageDep, name: str, body: Writing) -> None:
    if is_blank(body.text):
        raise InvalidInput("the message is empty", code="empty_text")
    emulator = _emulator_at(stage, name, body.place)
    await _act(emulator.writes(body.place, body.text, thread=body.thread))


@router.post("/api/panes/{name}/presses", status_code=204, dependencies=own_page)
async def press(stage: StageDep, name: str, body: Press) -> None:
    emulator = _emulator_at(stage, name, body.place)
    await _act(emulator.presses(body.place, body.bubble, body.value))


@router.patch("/api/bot", status_code=204, dependencies=own_page)
async def change_bot(stage: StageDep, body: BotChange) -> None:
    await stage.set_bot(body.pane, body.bot)


def _emulator_at(stage: Stage, name: str, place: str) -> Emulator:
    emulator = stage.pane(name).emulator
    if place not in {known.id for known in emulator.places()}:
        raise NotFound("there is no such place")
    return emulator


async def _act(act: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.timeout(ACT_SECONDS):
            await act
    except LookupError as error:
        raise NotFound(str(error)) from error
    except (httpx.HTTPError, TimeoutError) as error:
        raise WebhookFailed from error
