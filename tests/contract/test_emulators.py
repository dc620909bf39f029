"""Every channel has an emulator, and whatever a bot says arrives on it whole and in order."""

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import count

import pytest

from core.bots import Bot, Turn
from core.emulators import Bubble, Emulator
from core.loader import load_channels, load_emulators
from shared.settings import Settings
from tests.emulated import Stage, running_stage

CHANNELS = load_channels()
LENGTH = 6000
FAMILY, FLAG, WAVE = "👩\u200d👩\u200d👧\u200d👦", "🇳🇱", "👋🏾"
EMOJI = f"{FAMILY} {FLAG} {WAVE}"
MARKER = re.compile(r"m\d{4}")


def written() -> str:
    """An answer in everything Markdown has, with a marker in each thing, in order."""
    numbers = count()
    text = ""
    while len(text) < LENGTH:
        a, b, c, d, e, f, g, h, i, j = (f"m{next(numbers):04d}" for _ in range(10))
        text += (
            f"## Heading {a}\n\nSome **bold {b}** and _italic {c}_ words, `code {d}`, a"
            f" [link {e}](https://cairn.example/page?a=1&b=2), {EMOJI},"
            " prices like 3 < 5 & 7 > 6.\n\n"
            f"- first {f}\n- second: ~{g}~\n  1. inner {h}\n\n"
            f"| name | value |\n|---|---|\n| row | {i} |\n\n```python\nprint('{j} <b>')\n```\n\n"
        )
    return text


TEXT = written()
MARKERS = MARKER.findall(TEXT)


def talker() -> Bot:
    bot = Bot(name="talker", persona="You say what a test wants.")

    @bot.message("^long$")
    async def speak_long(turn: Turn) -> None:
        turn.say(TEXT)

    @bot.message("^full$")
    async def speak_full(turn: Turn) -> None:
        turn.say("a" * min(CHANNELS[turn.channel].capabilities.max_text, 20_000))

    @bot.message("^who$")
    async def speak_name(turn: Turn) -> None:
        turn.say(f"You are {turn.place.person or turn.place.chat}.")

    return bot


@pytest.fixture
async def stage(settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with running_stage(settings, request.param, bot="talker") as running:
        running.app.runtime.bots["talker"] = talker()
        yield running


on_each = pytest.mark.parametrize("stage", list(CHANNELS), indirect=True)


def test_every_channel_has_an_emulator() -> None:
    emulators = load_emulators()
    assert set(emulators) == set(CHANNELS)
    for name, emulator in emulators.items():
        assert isinstance(emulator, Emulator), name


@pytest.mark.parametrize("name", list(CHANNELS))
def test_an_emulators_credentials_can_be_saved(name: str) -> None:
    emulator = load_emulators()[name]
    assert set(emulator.credentials) <= CHANNELS[name].credential_names


@on_each
async def test_a_long_answer_arrives_whole_and_in_order(stage: Stage) -> None:
    bubbles = await stage.asks(stage.people[0], "long")
    assert MARKER.findall(text_of(bubbles)) == MARKERS
    for emoji in (FAMILY, FLAG, WAVE):  # none was cut in two
        assert text_of(bubbles).count(emoji) == TEXT.count(emoji)
    assert text_of(bubbles).count("3 < 5 & 7 > 6") == TEXT.count("3 < 5 & 7 > 6")
    assert "https://cairn.example/page?a=1&b=2" in text_of(bubbles) + marks_of(bubbles)


@on_each
async def test_what_a_channel_can_mark_is_marked(stage: Stage) -> None:
    can = CHANNELS[stage.emulator.name].capabilities
    bubbles = await stage.asks(stage.people[0], "long")
    if can.delivery == "pull":  # the page itself reads the Markdown
        return
    shown = {mark.kind for bubble in bubbles for mark in bubble.marks}
    assert shown >= can.marks - {"quote", "strike"}
    assert "**" not in text_of(bubbles)
    assert "](" not in text_of(bubbles)


@on_each
async def test_the_longest_text_is_one_message(stage: Stage) -> None:
    *_, bubble = await stage.asks(stage.people[0], "full")  # the web greets first
    limit = min(CHANNELS[stage.emulator.name].capabilities.max_text, 20_000)
    assert bubble.text == "a" * limit


@on_each
async def test_two_people_at_the_same_moment_get_an_answer_each(stage: Stage) -> None:
    first, second = stage.people[:2]
    await asyncio.gather(*(stage.emulator.writes(person, "who") for person in (first, second)))
    await stage.settle()
    answers = [
        [bubble.text for bubble in stage.said(person) if bubble.text.startswith("You are")]
        for person in (first, second)
    ]
    assert [len(texts) for texts in answers] == [1, 1]
    assert answers[0] != answers[1]
    [[rows]] = await stage.app.fetch(
        "SELECT count(*) FROM app.ai_conversations WHERE creator_id = $1"
    )
    assert rows == 2


def text_of(bubbles: list[Bubble]) -> str:
    return "\n".join(bubble.text for bubble in bubbles)


def marks_of(bubbles: list[Bubble]) -> str:
    return " ".join(mark.value for bubble in bubbles for mark in bubble.marks)
