"""A broadcast as text messages, to people from a file: paced by its segments, a STOP on its way."""

from collections import Counter
from typing import Any
from uuid import UUID

from adapters.sms.emulator import SmsEmulator
from core.programs.broadcasts.broadcast import Broadcasts
from shared.settings import Settings
from tests.core.programs.coaching import NOW
from tests.emulated import Stage, running_stage
from tests.waiting import eventually

PEOPLE, SEGMENTS = 20, 2
NUMBERS = [f"+1415555{n:04}" for n in range(PEOPLE)]
TEXT = "The spring course begins. " * 7 + "Reply STOP to end."  # more than 160 characters
NEWS: dict[str, Any] = {
    "name": "Spring",
    "purpose": "broadcast",
    "content": {"en": {"text": TEXT}},
    "filter": {"all": []},
    "segment_id": None,
    "channel_id": None,
    "starts_at": None,
    "spread_seconds": 0,
    "expires_after_seconds": 3600,
}
_RATES = "UPDATE app.channels SET settings = settings || $2 WHERE creator_id = $1 RETURNING id"
_LAST = """
SELECT i.address FROM app.scheduled_sends s
JOIN app.contact_identities i ON i.creator_id = $1 AND i.contact_id = s.contact_id
WHERE s.creator_id = $1 AND s.state = 'waiting' ORDER BY s.due_at DESC LIMIT 1
"""
_OUTCOMES = """
SELECT i.address, s.state, s.skip_reason FROM app.scheduled_sends s
JOIN app.contact_identities i ON i.creator_id = $1 AND i.contact_id = s.contact_id
WHERE s.creator_id = $1
"""


async def come(stage: Stage) -> None:
    """People who agreed to news on paper, from a file."""
    app = stage.app
    [channel] = await app.fetch(_RATES, {"rates": {"account": 3, "conversation": 0}})
    lines = [f"{number},broadcast,sheet 12" for number in NUMBERS]
    data = "\n".join(("phone,consent_purposes,consent_evidence", *lines)).encode()
    await app.runtime.contact_imports.add(app.creator_id, channel["id"], data, actor="test")

    async def are_there() -> bool:
        [row] = await app.fetch(
            "SELECT state, added FROM app.contact_imports WHERE creator_id = $1"
        )
        return tuple(row) == ("done", PEOPLE)

    await eventually(are_there)


async def state_of(stage: Stage, broadcast_id: UUID) -> str:
    """As stored: nobody asked for it, which might end it too."""
    [row] = await stage.app.fetch(
        "SELECT state FROM app.broadcasts WHERE creator_id = $1 AND id = $2", broadcast_id
    )
    return str(row["state"])


async def test_texts_go_out_by_segments_and_who_says_stop_gets_none(settings: Settings) -> None:
    async with running_stage(settings, "sms", bot="coach") as stage:
        app, emulator = stage.app, stage.emulator
        assert isinstance(emulator, SmsEmulator)
        app.runtime.clock.move_to(NOW)  # at night no texts are sent
        await come(stage)
        broadcasts = Broadcasts(app.runtime.database, app.runtime.channels, app.runtime.clock)
        made = await broadcasts.add(app.creator_id, NEWS, actor="test")
        foreseen = await broadcasts.dry_run(app.creator_id, made.id)
        assert (foreseen.reached, foreseen.segments) == (PEOPLE, SEGMENTS * PEOPLE)

        await broadcasts.start(app.creator_id, made.id, actor="test")
        await eventually(lambda: len(emulator.sent) >= 3)
        [row] = await app.fetch(_LAST)
        stopped = row["address"]
        await emulator.says("STOP", chat=stopped)

        async def is_done() -> bool:
            return await state_of(stage, made.id) == "done"

        await eventually(is_done)
        await app.drain()
        texts = [text for text in emulator.sent if text.body == TEXT]
        assert Counter(text.theirs for text in texts) == Counter(set(NUMBERS) - {stopped})
        assert {text.segments for text in texts} == {SEGMENTS}
        outcomes = {
            r["address"]: (r["state"], r["skip_reason"]) for r in await app.fetch(_OUTCOMES)
        }
        assert outcomes.pop(stopped) == ("cancelled", "stopped")
        assert set(outcomes.values()) == {("sent", None)}
