"""A learner in a program whose clock the test moves: what is due is judged, said and delivered."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.programs.sends.scheduler import Scheduler
from shared.utils.clock import Clock
from tests.core.programs.coaching import NOW, Coach, program
from tests.learners import Learner, work

DAY = timedelta(days=1)
_LAST = """
SELECT * FROM app.scheduled_sends WHERE creator_id = $1
ORDER BY settled_at DESC NULLS LAST, due_at, id LIMIT 1
"""


@dataclass(kw_only=True)
class Sending:
    coach: Coach
    learner: Learner
    contact_id: UUID

    @property
    def clock(self) -> Clock:
        return self.learner.app.runtime.clock

    @property
    def scheduler(self) -> Scheduler:
        return self.learner.app.runtime.scheduler

    async def enrol(self, *steps: dict[str, Any], **fields: Any) -> UUID:
        """Put the learner into a program of these steps; its id."""
        id_ = await self.coach.runs(program(*steps, **fields), self.clock.now())
        await self.coach.enrols(id_, [self.contact_id], self.clock.now())
        return id_

    async def ticks(self) -> int:
        """Settle all that is due, take the turns it needs, deliver it."""
        total = 0
        while count := await self.scheduler.tick():
            total += count
        await work(self.learner.app)
        return total

    async def after(self, time: timedelta) -> list[str]:
        """What arrives when so much time has passed."""
        before = len(self.learner.emulator.sent)
        self.clock.move(time)
        await self.ticks()
        return [sent.text for sent in self.learner.emulator.sent[before:]]

    async def change(self, sql: str, *arguments: Any) -> None:
        await self.coach.rows(sql, *arguments)

    async def set_policy(self, **policy: Any) -> None:
        """Nobody is asked why they are silent, unless the test says so."""
        await self.change(
            "INSERT INTO app.creator_policies (creator_id, policy) VALUES ($1, $2)"
            " ON CONFLICT (creator_id) DO UPDATE SET policy = excluded.policy",
            {"silence_days": [], **policy},
        )

    async def outcome(self) -> tuple[str, str | None]:
        """(state, reason) of the send that was settled last, else of the one that waits."""
        [row] = await self.coach.rows(_LAST)
        return row["state"], row["skip_reason"] or row["defer_reason"]

    async def due_at(self) -> datetime:
        """When the next one that waits is looked at."""
        rows = await self.coach.rows(
            "SELECT min(due_at) AS at FROM app.scheduled_sends"
            " WHERE creator_id = $1 AND state = 'waiting'"
        )
        found: datetime = rows[0]["at"]
        return found


async def sending(learner: Learner) -> Sending:
    """It is noon of a Monday; the learner has opened the bot, so they may be written to."""
    runtime = learner.app.runtime
    runtime.clock.move_to(NOW)
    await learner.asks("/start")
    coach = Coach(database=runtime.database, id=learner.app.creator_id)
    contact_id = (await learner.conversation())["contact_id"]
    sent = Sending(coach=coach, learner=learner, contact_id=contact_id)
    await sent.set_policy()
    return sent
