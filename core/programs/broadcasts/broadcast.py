"""Broadcasts: written as a draft, tried out, started once, paused, resumed, cancelled, done.

Each step holds the broadcast's row, so that of two at once the second finds the first one's state.
Starting plans every contact's send in one statement; from then on the scheduler sends them like
any other, through every gate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from core.audit import note
from core.channels import ChannelAdapter
from core.programs.broadcasts import plan as broadcast_plan
from core.programs.broadcasts.estimate import Estimate, estimate, read_means
from core.programs.broadcasts.plan import Spread
from core.programs.broadcasts.reach import Audience, ReachSql, count_reached, reach_sql
from core.programs.checks import problems_of_news
from core.programs.definition import Content
from core.programs.segments.filters import check_filter
from shared.database import DatabaseManager, PgConnection
from shared.errors import Conflict, InvalidInput, NotFound
from shared.models import broadcasts
from shared.models.broadcasts import CHANGEABLE, Broadcast, Progress
from shared.utils.clock import Clock
from shared.utils.ids import new_id

HOLD_SECONDS = 12
MAX_PROBLEMS = 5  # that are told at once
_SEGMENT = "SELECT filter FROM app.segments WHERE creator_id = $1 AND id = $2"
_CHANNEL = "SELECT true FROM app.channels WHERE creator_id = $1 AND id = $2"


@dataclass(frozen=True, kw_only=True)
class Step:
    """Who does what to which broadcast, while its row is held."""

    connection: PgConnection
    creator_id: UUID
    found: Broadcast
    actor: str
    now: datetime

    def require(self, *states: str) -> None:
        """Raise Conflict in any other state."""
        if self.found.state not in states:
            raise Conflict(f"the broadcast is {self.found.state}")

    async def note(self, action: str, **detail: Any) -> None:
        await note(
            self.connection,
            self.creator_id,
            actor=self.actor,
            action=f"broadcast.{action}",
            target=self.found.id,
            **detail,
        )


class Broadcasts:
    def __init__(
        self, database: DatabaseManager, adapters: Mapping[str, ChannelAdapter], clock: Clock
    ) -> None:
        self._database = database
        self._adapters = adapters
        self._clock = clock

    async def add(self, creator_id: UUID, values: Mapping[str, Any], *, actor: str) -> Broadcast:
        """Write a draft from what `CHANGEABLE` names; a segment's filter is copied.

        Raises InvalidInput for a bad filter, NotFound for an unknown segment or channel.
        """
        async with self._database.transaction(creator_id) as connection:
            checked = await _checked(connection, creator_id, dict(values))
            made = await broadcasts.add(connection, creator_id, new_id(), **checked, actor=actor)
            step = Step(
                connection=connection,
                creator_id=creator_id,
                found=made,
                actor=actor,
                now=self._clock.now(),
            )
            await step.note("added", name=made.name)
        return made

    async def get(self, creator_id: UUID, broadcast_id: UUID) -> tuple[Broadcast, Progress]:
        """With how far it is. Raises NotFound."""
        async with self._database.transaction(creator_id) as connection:
            await broadcasts.finish(connection, creator_id)
            found = _there(await broadcasts.find(connection, creator_id, broadcast_id))
            return found, await broadcasts.progress(connection, creator_id, broadcast_id)

    async def newest(self, creator_id: UUID, limit: int, before: UUID | None) -> list[Broadcast]:
        async with self._database.transaction(creator_id) as connection:
            await broadcasts.finish(connection, creator_id)
            return await broadcasts.newest(connection, creator_id, limit, before)

    async def recipients(
        self,
        creator_id: UUID,
        broadcast_id: UUID,
        *,
        state: str | None,
        after: UUID | None,
        limit: int,
    ) -> list[Any]:
        """What became of each contact. Raises NotFound."""
        async with self._database.transaction(creator_id) as connection:
            _there(await broadcasts.find(connection, creator_id, broadcast_id))
            return list(
                await broadcasts.recipients(
                    connection, creator_id, broadcast_id, state=state, after=after, limit=limit
                )
            )

    async def change(
        self, creator_id: UUID, broadcast_id: UUID, changes: Mapping[str, Any], *, actor: str
    ) -> Broadcast:
        """Change a draft. Raises Conflict once it was started."""
        async with self._database.transaction(creator_id) as connection:
            step = await self._hold(connection, creator_id, broadcast_id, actor)
            step.require("draft")
            values = {name: getattr(step.found, name) for name in CHANGEABLE} | dict(changes)
            checked = await _checked(connection, creator_id, values)
            await step.note("changed", changed=sorted(changes))
            return await broadcasts.change(connection, creator_id, broadcast_id, checked)

    async def delete(self, creator_id: UUID, broadcast_id: UUID, *, actor: str) -> None:
        """What was sent stays on record. Raises Conflict while something waits to be sent."""
        async with self._database.transaction(creator_id) as connection:
            await broadcasts.finish(connection, creator_id)
            step = await self._hold(connection, creator_id, broadcast_id, actor)
            step.require("draft", "cancelled", "done")
            await broadcasts.delete(connection, creator_id, broadcast_id)
            await step.note("deleted", name=step.found.name)

    async def dry_run(self, creator_id: UUID, broadcast_id: UUID) -> Estimate:
        """Whom it would reach if it were started now; of one that runs, whom the rest reaches."""
        async with self._database.transaction(creator_id) as connection:
            found = _there(await broadcasts.find(connection, creator_id, broadcast_id))
            if found.state == "draft":
                found = await _with_segment(connection, creator_id, found)
            else:
                waiting = await broadcasts.waiting(connection, creator_id, broadcast_id)
                found = _rest_of(found, waiting)
            return (await self._estimate(connection, creator_id, found))[1]

    async def start(self, creator_id: UUID, broadcast_id: UUID, *, actor: str) -> Broadcast:
        """Plan every send, once. Raises InvalidInput (`segment_empty`) when there is nobody."""
        async with self._database.transaction(creator_id) as connection:
            step = await self._hold(connection, creator_id, broadcast_id, actor)
            if step.found.state == "running":
                return step.found
            step.require("draft")
            found = await _with_segment(connection, creator_id, step.found)
            reach, foreseen = await self._estimate(connection, creator_id, found)
            if not foreseen.recipients:
                raise InvalidInput("nobody is in this segment", code="segment_empty")
            spread = _spread(found, foreseen)
            planned = await broadcast_plan.plan(connection, broadcast_id, reach, spread)
            await step.note("started", planned=planned)
            return await broadcasts.move(
                connection,
                creator_id,
                broadcast_id,
                "running",
                planned=planned,
                filter=found.filter,
                starts_at=foreseen.starts_at,
            )

    async def pause(self, creator_id: UUID, broadcast_id: UUID, *, actor: str) -> Broadcast:
        """From now on nothing more of it is begun."""
        async with self._database.transaction(creator_id) as connection:
            step = await self._hold(connection, creator_id, broadcast_id, actor)
            if step.found.state == "paused":
                return step.found
            step.require("running")
            waiting = await broadcast_plan.park(connection, creator_id, broadcast_id)
            await step.note("paused", waiting=waiting)
            return await broadcasts.move(connection, creator_id, broadcast_id, "paused")

    async def resume(self, creator_id: UUID, broadcast_id: UUID, *, actor: str) -> Broadcast:
        """Go on with who still waits, from now on, at the channels' pace."""
        async with self._database.transaction(creator_id) as connection:
            step = await self._hold(connection, creator_id, broadcast_id, actor)
            if step.found.state == "running":
                return step.found
            step.require("paused")
            rest = _rest_of(
                step.found, await broadcasts.waiting(connection, creator_id, broadcast_id)
            )
            reach, foreseen = await self._estimate(connection, creator_id, rest)
            spread = _spread(rest, foreseen)
            waiting = await broadcast_plan.spread_anew(connection, broadcast_id, reach, spread)
            await step.note("resumed", waiting=waiting)
            resumed = await broadcasts.move(connection, creator_id, broadcast_id, "running")
            if waiting:
                return resumed
            # Whoever was left may have said STOP meanwhile.
            await broadcasts.finish(connection, creator_id, [broadcast_id])
            return _there(await broadcasts.find(connection, creator_id, broadcast_id))

    async def cancel(self, creator_id: UUID, broadcast_id: UUID, *, actor: str) -> Broadcast:
        """What waits is never sent; what was sent stays."""
        async with self._database.transaction(creator_id) as connection:
            await broadcasts.finish(connection, creator_id)
            step = await self._hold(connection, creator_id, broadcast_id, actor)
            if step.found.state == "cancelled":
                return step.found
            step.require("draft", "running", "paused")
            now = step.now
            stopped = await broadcast_plan.cancel(connection, creator_id, broadcast_id, now)
            await step.note("cancelled", stopped=stopped)
            return await broadcasts.move(
                connection, creator_id, broadcast_id, "cancelled", finished_at=now
            )

    async def _hold(
        self, connection: PgConnection, creator_id: UUID, broadcast_id: UUID, actor: str
    ) -> Step:
        # Whoever plans a hundred thousand sends is waited for longer than usual.
        await connection.execute(f"SET LOCAL lock_timeout = '{HOLD_SECONDS}s'")
        found = await broadcasts.find(connection, creator_id, broadcast_id, for_update=True)
        return Step(
            connection=connection,
            creator_id=creator_id,
            found=_there(found),
            actor=actor,
            now=self._clock.now(),
        )

    async def _estimate(
        self, connection: PgConnection, creator_id: UUID, found: Broadcast
    ) -> tuple[ReachSql, Estimate]:
        now = self._clock.now()
        audience = Audience(filter=found.filter, purpose=found.purpose, channel_id=found.channel_id)
        reach = await reach_sql(connection, creator_id, audience, self._adapters, now)
        return reach, estimate(
            content_of(found.content),
            await count_reached(connection, reach),
            await read_means(connection, creator_id, self._adapters),
            starts_at=max(found.starts_at or now, now),
            spread_seconds=found.spread_seconds,
        )


def content_of(content: Mapping[str, Any]) -> dict[str, Content]:
    return {tag: Content.model_validate(one) for tag, one in content.items()}


def _there(found: Broadcast | None) -> Broadcast:
    if found is None:
        raise NotFound("no broadcast with this id")
    return found


async def _checked(
    connection: PgConnection, creator_id: UUID, values: dict[str, Any]
) -> dict[str, Any]:
    """The values with the filter that its segment has now."""
    if values["segment_id"] is not None:
        values["filter"] = await connection.fetchval(_SEGMENT, creator_id, values["segment_id"])
        if values["filter"] is None:
            raise NotFound("no segment with this id")
    check_filter(values["filter"])
    _check_words(values["content"])
    channel_id = values["channel_id"]
    if channel_id and not await connection.fetchval(_CHANNEL, creator_id, channel_id):
        raise NotFound("no channel with this id")
    return values


def _check_words(content: Mapping[str, Any]) -> None:
    if problems := problems_of_news(content_of(content)):
        raise InvalidInput("; ".join(problems[:MAX_PROBLEMS]), code="bad_placeholder")


async def _with_segment(connection: PgConnection, creator_id: UUID, found: Broadcast) -> Broadcast:
    """A draft follows its segment while that is there."""
    if found.segment_id is None:
        return found
    filter = await connection.fetchval(_SEGMENT, creator_id, found.segment_id)
    return replace(found, filter=filter) if filter is not None else found


def _rest_of(found: Broadcast, waiting: int) -> Broadcast:
    """The same for those who still wait, spread over their share of its time."""
    return replace(
        found,
        filter={"field": f"broadcast:{found.id}", "op": "eq", "value": "waiting"},
        spread_seconds=found.spread_seconds * waiting // max(found.planned, 1),
    )


def _spread(found: Broadcast, foreseen: Estimate) -> Spread:
    return Spread(
        starts_at=foreseen.starts_at,
        seconds=found.spread_seconds,
        gaps=foreseen.gaps,
        expires_after_seconds=found.expires_after_seconds,
    )
