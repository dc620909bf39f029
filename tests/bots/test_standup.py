"""The stand-up in an emulated Slack: asked in private, told in the channel, blockers kept."""

import json
from collections.abc import AsyncIterator

import pytest

from shared.settings import Settings
from tests.emulated import Stage, running_stage

INTRO = "Your stand-up for"


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    async with running_stage(settings, "slack", bot="standup") as running:
        yield running


def place_of(stage: Stage, person: str, kind: str) -> str:
    """Somebody's own window of the direct conversation with the bot, or of the channel."""
    return next(
        place.id
        for place in stage.emulator.places()
        if (place.person, place.kind) == (person, kind)
    )


async def reports(stage: Stage, person: str, blocker: str, mood: str = "Skip") -> None:
    """Use `/standup` in the channel, and answer the questions in private."""
    room, private = place_of(stage, person, "channel"), place_of(stage, person, "dm")
    before = len(stage.said(private))
    await stage.emulator.writes(room, "/standup")
    await stage.settle()
    asked = stage.said(private)[before:]
    assert asked[0].text.startswith(INTRO)
    for answer in (f"{person}'s *old* task", f"{person}'s new task", blocker):
        await stage.asks(private, answer)
    [thanked] = await stage.presses(private, mood)
    assert "I've told your team" in thanked.text


async def test_a_stand_up_begun_in_the_channel_is_asked_in_private_and_told_there(
    stage: Stage,
) -> None:
    room = place_of(stage, "Ada", "channel")
    await reports(stage, "Ada", "no key for <!channel> [a](https://evil.example)")
    [post] = stage.said(room)
    blocker = "no key for @channel [a](https://evil.example)"
    wire = json.dumps([sent.message for sent in stage.emulator.sent])
    assert "<!channel" not in wire  # nobody is called
    assert '"broadcast"' not in wire
    assert "reported for" in post.text.split("\n")[0]
    assert post.text.index(blocker) < post.text.index("Ada's *old* task")
    assert "link" not in {mark.kind for mark in post.marks}
    assert post.thread is None
    assert [button.label for button in post.buttons] == ["Blocker resolved"]


async def test_a_second_stand_up_of_the_day_replaces_the_first(stage: Stage) -> None:
    room, private = (place_of(stage, "Ada", kind) for kind in ("channel", "dm"))
    await reports(stage, "Ada", "no key")
    await reports(stage, "Ada", "No blockers", mood="4")
    assert "updated their stand-up" in stage.said(room)[-1].text
    [digest] = await stage.asks(private, "/summary")
    assert "1 person has reported" in digest.text
    assert "no key" not in digest.text
    assert "Mood" not in digest.text  # one person's is nobody's business
    [nothing] = await stage.asks(private, "/blockers")
    assert nothing.text == "No open blockers."


async def test_colleagues_see_each_others_blockers_and_resolve_them(stage: Stage) -> None:
    await reports(stage, "Ada", "no key")
    await reports(stage, "Ben", "No blockers")
    private, room = place_of(stage, "Ben", "dm"), place_of(stage, "Ben", "channel")
    [listed] = await stage.asks(private, "/blockers")
    # By their names, or by those of their accounts while Slack hasn't told more.
    assert "ada: no key" in listed.text.lower()
    assert "ben" not in listed.text.lower()
    [resolved] = await stage.presses(private, "1 is resolved")
    assert "Resolved: no key" in resolved.text
    assert stage.said(room)[-1].text.lower() == "ben resolved ada's blocker: no key"
    await stage.presses(private, "1 is resolved")
    assert "isn't open any more" in stage.said(private)[-1].text


async def test_without_a_team_only_the_person_is_told(stage: Stage) -> None:
    private, room = place_of(stage, "Ada", "dm"), place_of(stage, "Ada", "channel")
    await stage.asks(private, "/standup")
    for answer in ("Old task", "New task", "No blockers"):
        await stage.asks(private, answer)
    [thanked] = await stage.presses(private, "Skip")
    assert "go to nobody else yet" in thanked.text
    assert stage.said(room) == []


async def test_a_mention_in_the_channel_is_answered_with_the_digest_there(stage: Stage) -> None:
    await reports(stage, "Ada", "no key")
    room = place_of(stage, "Ada", "channel")
    before = len(stage.said(room))
    await stage.emulator.writes(room, "@Cairn summary")
    await stage.settle()
    [digest] = stage.said(room)[before:]
    assert "1 person has reported" in digest.text
    assert digest.thread is not None


async def test_a_form_is_never_asked_in_the_channel(stage: Stage) -> None:
    room = place_of(stage, "Ada", "channel")
    await stage.emulator.writes(room, "@Cairn standup")
    await stage.settle()
    [told] = stage.said(room)
    assert "direct message" in told.text
