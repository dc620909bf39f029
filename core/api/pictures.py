"""/pictures/{token}.png: somebody's progress, for the platform that shows it to them."""

import asyncio
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from core.api.deps import RuntimeDep
from core.programs.check_ins import picture
from core.programs.check_ins.progress import calendars, read_progress
from core.runtime import Runtime
from shared.errors import NotFound

router = APIRouter(include_in_schema=False)

AT_ONCE = 2  # drawing is work for a processor: more wait for their turn
# What was known at one moment doesn't change; nobody but the one who fetched it keeps it.
CACHE = "private, max-age=3600"
_drawing = asyncio.Semaphore(AT_ONCE)


@router.api_route("/pictures/{token}.png", methods=["GET", "HEAD"])
async def read_picture(token: str, runtime: RuntimeDep) -> Response:
    shot = runtime.pictures.read(token, runtime.clock.now())
    data = await _drawn(runtime, shot.creator_id, shot.contact_id, shot.at)
    headers = {"Cache-Control": CACHE, "X-Robots-Tag": "noindex"}
    return Response(data, media_type="image/png", headers=headers)


async def _drawn(runtime: Runtime, creator_id: UUID, contact_id: UUID, at: datetime) -> bytes:
    async with runtime.database.transaction(creator_id) as connection:
        is_active = await connection.fetchval(
            "SELECT status = 'active' FROM app.creators WHERE creator_id = $1", creator_id
        )
        found = await read_progress(connection, creator_id, [contact_id], at)
    if not is_active or contact_id not in found:
        raise NotFound  # they were erased since, or their school was suspended
    progress = found[contact_id]
    async with _drawing:
        return await asyncio.to_thread(picture.draw, calendars(progress), progress.today)
