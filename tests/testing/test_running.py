"""What the plugin's fixtures hand out, used from this process: a Cairn in a thread of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.web.emulator import WebVisitors
from core.bots import Bot, Choice, Turn
from core.emulators import CatchesUp, Emulator
from core.testing.background import Background
from core.testing.plugin import AppUnderTest, RunningCairn
from tests.waiting import eventually

parrot = Bot(name="parrot", persona="You repeat.")


@parrot.start
async def greet(turn: Turn) -> None:
    turn.say(f"Hello {turn.contact_name}!", choices=[Choice(label="Again", value="once **more**")])


@parrot.message(r".*")
async def repeat(turn: Turn) -> None:
    turn.say(f"{turn.channel}: {turn.text}")


@pytest.fixture(scope="module")
def cairn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCairn]:
    running = RunningCairn(tmp_path_factory.mktemp("running"), None)
    yield running
    running.background.stop()


@pytest.fixture
def app(cairn: RunningCairn) -> Iterator[AppUnderTest]:
    app = AppUnderTest(cairn, cairn.bot_named(parrot))
    yield app
    app.close()


@pytest.fixture
def other(cairn: RunningCairn) -> Iterator[AppUnderTest]:
    other = AppUnderTest(cairn, "parrot")
    yield other
    other.close()


@pytest.mark.parametrize("channel", ["telegram", "slack", "sms", "web"])
async def test_a_word_comes_back_on_every_channel(app: AppUnderTest, channel: str) -> None:
    people = app.connect(channel)
    response = await people.says("hello")
    assert response.is_success
    await app.drain()
    assert people.texts()[-1] == f"{channel}: hello"


async def test_creators_of_two_tests_see_nothing_of_each_other(
    app: AppUnderTest, other: AppUnderTest
) -> None:
    ours, theirs = app.connect("telegram"), other.connect("telegram")
    await ours.says("for us")
    await theirs.says("for them")
    await app.drain()
    await other.drain()
    assert (ours.texts(), theirs.texts()) == (["telegram: for us"], ["telegram: for them"])
    [row] = await app.fetch("SELECT count(*) FROM app.contacts WHERE creator_id <> $1")
    assert row["count"] == 0


async def test_visitors_of_the_web_chat_tap_read_and_are_told_apart(app: AppUnderTest) -> None:
    web = app.connect("web")
    await web.opens(visitor="Ada")
    await web.opens(visitor="Ben", start="campaign")
    await app.drain()
    assert web.texts("Ada") == ["Hello Ada!"]
    await web.taps("Again", visitor="Ada")
    await app.drain()
    assert web.texts("Ada")[-1] == "web: once **more**"
    assert web.texts("Ben") == ["Hello Ben!"]
    greeting, own, answer = web.view("Ada")
    assert [button.label for button in greeting.buttons] == ["Again"]
    assert (own.author, own.text) == ("person", "Again")
    assert (answer.text, answer.marks[0].kind) == ("web: once more", "bold")
    with pytest.raises(LookupError, match="no choice 'Nowhere'"):
        await web.taps("Nowhere")
    await web.writes("Ben", "here too")
    await web.presses("Ben", web.view("Ben")[0].id, "once **more**")
    await app.drain()
    assert web.texts("Ben")[1:] == ["web: here too", "web: once **more**"]


def test_the_web_has_no_platform_that_could_fail() -> None:
    web = WebVisitors()
    assert isinstance(web, Emulator)
    assert isinstance(web, CatchesUp)
    with pytest.raises(LookupError, match="no platform"):
        web.fails("rate_limit")


def test_the_bot_is_the_named_one_or_the_coach(cairn: RunningCairn) -> None:
    assert cairn.default_bot == "coach"
    assert cairn.bot_named("coach") == "coach"
    with pytest.raises(LookupError, match="there is no bot 'nobody'; there are: coach"):
        cairn.bot_named("nobody")


class Door:
    """An asynchronous context that may fail to open, and that notes its end."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.is_closed = False

    async def __aenter__(self) -> "Door":
        if self.error:
            raise self.error
        return self

    async def __aexit__(self, *error: Any) -> None:
        self.is_closed = True


async def test_what_lives_in_the_background_is_called_from_any_loop() -> None:
    door = Door()
    background = Background(door)
    assert background.start() is door

    async def add(a: int, b: int) -> int:
        return a + b

    assert await background.call(add(1, 2)) == 3
    background.stop()
    await eventually(lambda: door.is_closed)


def test_what_cannot_be_opened_raises_where_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no door"):
        Background(Door(OSError("no door"))).start()
