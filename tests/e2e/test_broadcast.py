"""A broadcast on its way to two hundred: a STOP, a pause, a cancel; the platform's log decides."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from core.programs.broadcasts.broadcast import Broadcasts
from core.runtime import open_runtime
from core.testing.apps import quick, working
from shared.settings import Settings
from tests.apps import App
from tests.crowds import add_crowd
from tests.learners import Learner, new_school, on_telegram
from tests.waiting import eventually

PEOPLE, FIRST = 200, 5000
TEXT = "The spring course begins."
_WAITING = """
SELECT i.address FROM app.scheduled_sends s
JOIN app.contact_identities i ON i.creator_id = $1 AND i.contact_id = s.contact_id
WHERE s.creator_id = $1 AND s.state = 'waiting' ORDER BY s.due_at DESC
"""
_QUEUED = """
SELECT count(*) AS count FROM app.messages
WHERE creator_id = $1 AND direction = 'out' AND status IN ('queued', 'sending')
"""
_SENT = """
SELECT i.address FROM app.scheduled_sends s
JOIN app.contact_identities i ON i.creator_id = $1 AND i.contact_id = s.contact_id
WHERE s.creator_id = $1 AND s.state = 'sent'
"""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A broadcast to a crowd on an emulated Telegram, with a worker beside the test."""

    learner: Learner
    broadcasts: Broadcasts
    id: UUID

    @property
    def app(self) -> App:
        return self.learner.app

    @property
    def got(self) -> list[str]:
        """The chats that got it, by the platform's own log."""
        return [sent.chat for sent in self.learner.emulator.sent if sent.text == TEXT]

    async def take(self, step: str) -> Any:
        return await getattr(self.broadcasts, step)(self.app.creator_id, self.id, actor="test")

    async def reaches(self, count: int) -> None:
        await eventually(lambda: len(self.got) >= count)

    async def is_quiet(self) -> bool:
        """Whether nothing is on its way any more."""
        [row] = await self.app.fetch(_QUEUED)
        return bool(row["count"] == 0)

    async def sent(self) -> Counter[str]:
        return Counter(row["address"] for row in await self.app.fetch(_SENT))


@pytest.fixture
async def running(settings: Settings) -> AsyncIterator[Running]:
    async with open_runtime(quick(settings)) as runtime, new_school(runtime) as app:
        # So slow that it is on its way for ten seconds, however long each step of a test takes.
        rates = {"account": 20, "conversation": 0}
        async with on_telegram(app, rates=rates) as learner, working(runtime):
            channel_id = learner.account.channel_id
            async with runtime.database.transaction(app.creator_id) as connection:
                await add_crowd(connection, app.creator_id, channel_id, PEOPLE, first=FIRST)
            for chat in range(FIRST + 1, FIRST + PEOPLE + 1):
                learner.emulator.bot.chats[str(chat)] = {"id": chat, "type": "private"}
            broadcasts = Broadcasts(runtime.database, runtime.channels, runtime.clock)
            made = await broadcasts.add(app.creator_id, DRAFT, actor="test")
            yield Running(learner=learner, broadcasts=broadcasts, id=made.id)


DRAFT: dict[str, Any] = {
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


async def test_stop_pause_resume_and_cancel_in_mid_flight(running: Running) -> None:
    await running.take("start")
    await running.reaches(20)
    stopped = (await running.app.fetch(_WAITING))[0]["address"]
    await running.learner.emulator.says("STOP", chat=int(stopped))
    await running.learner.arrive()

    await running.reaches(40)
    await running.take("pause")
    await eventually(running.is_quiet)
    paused_at = len(running.got)
    assert paused_at < PEOPLE
    assert Counter(running.got) == await running.sent()
    assert await running.app.runtime.scheduler.tick() == 0

    await running.take("resume")
    await running.reaches(paused_at + 30)
    await running.take("cancel")
    await eventually(running.is_quiet)
    sent = await running.sent()
    assert Counter(running.got) == sent
    assert set(sent.values()) == {1}
    assert stopped not in sent
    assert len(sent) < PEOPLE
    await _adds_up(running, len(sent), "cancelled")


async def test_everybody_gets_it_once_and_then_it_is_done(running: Running) -> None:
    await running.take("start")
    await running.take("start")
    await running.reaches(PEOPLE)
    await eventually(running.is_quiet)
    assert Counter(running.got) == {str(FIRST + n): 1 for n in range(1, PEOPLE + 1)}
    await _adds_up(running, PEOPLE, "done")


async def _adds_up(running: Running, sent: int, state: str) -> None:
    found, progress = await running.broadcasts.get(running.app.creator_id, running.id)
    rest = progress.skipped + progress.cancelled + progress.expired
    assert (found.state, progress.sent, progress.waiting) == (state, sent, 0)
    assert sent + rest == progress.planned == PEOPLE
    assert sum(progress.reasons.values()) == rest
