"""The first start's demo: a creator, a web channel, and the coach's handbook as its knowledge."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from core.creators import add_creator
from core.runtime import Runtime

# Fixed, so that a second start finds it.
DEMO_CREATOR = UUID("01900000-0000-7000-8000-00000000de30")
DEMO_BOT = "coach"

_ROUTE = """
SELECT route_key FROM app.channels WHERE creator_id = $1 AND type = 'web' ORDER BY id LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """`api_key` is set only when the creator was made just now."""

    route_key: str
    api_key: str | None


async def seed_demo(runtime: Runtime) -> Demo:
    """Make the demo creator and its web channel, unless they are there."""
    async with runtime.database.transaction(DEMO_CREATOR) as connection:
        exists = await connection.fetchval(
            "SELECT 1 FROM app.creators WHERE creator_id = $1", DEMO_CREATOR
        )
        route_key: str | None = await connection.fetchval(_ROUTE, DEMO_CREATOR)
    api_key = None
    if not exists:
        api_key = (await add_creator(runtime.database, "demo", creator_id=DEMO_CREATOR)).api_key
    if route_key is None:
        account = await runtime.accounts.add(
            DEMO_CREATOR,
            runtime.channels["web"],
            name="Coach",
            bot=DEMO_BOT,
            credentials={},
            settings={},
        )
        route_key = account.route_key
    return Demo(route_key=route_key, api_key=api_key)


def handbook(runtime: Runtime, name: str | None = None) -> list[Path]:
    """The knowledge files that come with a bot; with the demo's when none is named."""
    bot = runtime.bots[name or DEMO_BOT]
    if bot.folder is None or bot.knowledge is None:
        return []
    return sorted((bot.folder / bot.knowledge).glob("*.md"))
