"""/api/v1/policy: when, how often and with whose consent a creator's contacts are written to."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.etags import IfMatch
from core.api.strict import StrictRoute
from core.audit import note
from core.policies import Policy, load_policy
from shared.database import PgConnection
from shared.errors import Conflict, InvalidInput
from shared.models import policies

router = APIRouter(prefix="/api/v1/policy", tags=["policy"], route_class=StrictRoute)

CHANGED = "it was changed since you read it; read it again"


class PolicyShown(BaseModel):
    """`version` 0: nothing was set, these are the defaults."""

    version: int
    policy: Policy


@router.get("")
async def read_policy(
    principal: PrincipalDep, runtime: RuntimeDep, response: Response
) -> PolicyShown:
    async with runtime.database.transaction(principal.creator_id) as connection:
        stored = await policies.read(connection, principal.creator_id)
        policy = await load_policy(connection, principal.creator_id)
    version = stored.version if stored else 0
    response.headers["ETag"] = _etag(version)
    return PolicyShown(version=version, policy=policy)


@router.put("")
async def write_policy(
    body: Policy,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    response: Response,
    if_match: IfMatch = None,
) -> PolicyShown:
    """Replace the whole policy; what is left out has its default."""
    creator_id = principal.creator_id
    async with runtime.database.transaction(creator_id) as connection:
        stored = await policies.read(connection, creator_id)
        before = stored.version if stored else 0
        if if_match is not None and if_match not in ("*", _etag(before)):
            raise Conflict(CHANGED)
        await _check_room(connection, principal.creator_id, body)
        document = body.model_dump(mode="json", exclude_unset=True)
        version = await policies.write(connection, creator_id, document, before)
        if version is None:  # another one was written since we read
            raise Conflict(CHANGED)
        await note(
            connection,
            creator_id,
            actor=principal.actor,
            action="policy.changed",
            target=version,
            set=sorted(body.model_fields_set),
        )
    response.headers["ETag"] = _etag(version)
    return PolicyShown(version=version, policy=body)


async def _check_room(connection: PgConnection, creator_id: object, policy: Policy) -> None:
    room = policy.handoff.room
    if room is None:
        return
    sql = "SELECT true FROM app.channels WHERE creator_id = $1 AND id = $2"
    if not await connection.fetchval(sql, creator_id, room.channel_id):
        raise InvalidInput("the room's channel is not one of yours", code="unknown_channel")


def _etag(version: int) -> str:
    return f'"{version}"'
