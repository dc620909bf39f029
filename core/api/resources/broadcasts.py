"""/api/v1/broadcasts: one message to everybody in a segment, tried out, started, stopped."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.resources.broadcasts_shown import (
    BroadcastDetails,
    BroadcastPatch,
    BroadcastShown,
    DryRun,
    EstimateShown,
    NewBroadcast,
    RecipientShown,
    State,
    details,
    show_estimate,
)
from core.api.strict import StrictRoute
from core.programs.broadcasts.broadcast import Broadcasts
from shared.models.broadcasts import Broadcast

router = APIRouter(prefix="/api/v1/broadcasts", tags=["broadcasts"], route_class=StrictRoute)


class Change(Protocol):
    """What may be done to a broadcast."""

    def __call__(
        self, creator_id: UUID, broadcast_id: UUID, *, actor: str
    ) -> Awaitable[Broadcast]: ...


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The broadcast of the path, as the caller's own."""

    id: UUID
    creator_id: UUID
    actor: str
    broadcasts: Broadcasts

    async def take(self, change: Change) -> BroadcastDetails:
        await change(self.creator_id, self.id, actor=self.actor)
        return await self.show()

    async def show(self) -> BroadcastDetails:
        return details(*await self.broadcasts.get(self.creator_id, self.id))


def get_broadcasts(runtime: RuntimeDep) -> Broadcasts:
    return Broadcasts(runtime.database, runtime.channels, runtime.clock)


BroadcastsDep = Annotated[Broadcasts, Depends(get_broadcasts)]


def _chosen(broadcast_id: UUID, principal: PrincipalDep, broadcasts: BroadcastsDep) -> Chosen:
    return Chosen(
        id=broadcast_id,
        creator_id=principal.creator_id,
        actor=principal.actor,
        broadcasts=broadcasts,
    )


ChosenDep = Annotated[Chosen, Depends(_chosen)]


@router.post("", status_code=201)
async def add_broadcast(
    body: NewBroadcast, principal: PrincipalDep, broadcasts: BroadcastsDep
) -> BroadcastShown:
    """Write a draft; nothing is sent before it is started."""
    made = await broadcasts.add(principal.creator_id, body.values(), actor=principal.actor)
    return BroadcastShown.model_validate(made)


@router.get("")
async def list_broadcasts(
    principal: PrincipalDep, broadcasts: BroadcastsDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[BroadcastShown]:
    """Newest first."""
    cursors = Cursors("broadcasts", principal.creator_id)
    rows = await broadcasts.newest(principal.creator_id, limit + 1, cursors.read_id(cursor))
    return cursors.page(rows, limit, BroadcastShown.model_validate, lambda row: [row.id])


@router.get("/{broadcast_id}")
async def read_broadcast(chosen: ChosenDep) -> BroadcastDetails:
    """With how far it is."""
    return await chosen.show()


@router.patch("/{broadcast_id}")
async def change_broadcast(chosen: ChosenDep, body: BroadcastPatch) -> BroadcastShown:
    """Change a draft; 409 once it was started."""
    changed = await chosen.broadcasts.change(
        chosen.creator_id, chosen.id, body.values(), actor=chosen.actor
    )
    return BroadcastShown.model_validate(changed)


@router.delete("/{broadcast_id}", status_code=204)
async def delete_broadcast(chosen: ChosenDep) -> None:
    """What was sent stays on record; 409 while something waits to be sent."""
    await chosen.broadcasts.delete(chosen.creator_id, chosen.id, actor=chosen.actor)


@router.post("/{broadcast_id}/dry-run")
async def try_broadcast(chosen: ChosenDep, body: DryRun | None = None) -> EstimateShown:
    """Who would get it, who not and why, when it would be done and what text messages cost."""
    found = await chosen.broadcasts.dry_run(chosen.creator_id, chosen.id)
    return show_estimate(found, body or DryRun())


@router.post("/{broadcast_id}/start")
async def start_broadcast(chosen: ChosenDep) -> BroadcastDetails:
    """Plan every send, once however often it is asked; 422 `segment_empty` for nobody."""
    return await chosen.take(chosen.broadcasts.start)


@router.post("/{broadcast_id}/pause")
async def pause_broadcast(chosen: ChosenDep) -> BroadcastDetails:
    """Nothing more of it is begun until it is resumed."""
    return await chosen.take(chosen.broadcasts.pause)


@router.post("/{broadcast_id}/resume")
async def resume_broadcast(chosen: ChosenDep) -> BroadcastDetails:
    """Go on with who still waits."""
    return await chosen.take(chosen.broadcasts.resume)


@router.post("/{broadcast_id}/cancel")
async def cancel_broadcast(chosen: ChosenDep) -> BroadcastDetails:
    """What waits is never sent; what was sent stays."""
    return await chosen.take(chosen.broadcasts.cancel)


@router.get("/{broadcast_id}/recipients")
async def list_recipients(
    chosen: ChosenDep,
    state: Annotated[State | None, Query(description="only those")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RecipientShown]:
    """What became of each contact, and why."""
    cursors = Cursors(f"broadcasts {chosen.id} {state}", chosen.creator_id)
    rows = await chosen.broadcasts.recipients(
        chosen.creator_id,
        chosen.id,
        state=state,
        after=cursors.read_id(cursor),
        limit=limit + 1,
    )
    return cursors.page(rows, limit, lambda row: RecipientShown(**row), lambda row: [row["id"]])
