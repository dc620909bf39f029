"""The day's upkeep in a process of its own, for a test to kill: `python -m tests.chaos.upkeep`."""

import asyncio

from core.privacy.retention import keep_up
from core.runtime import open_runtime
from shared.settings import load_settings


async def main() -> None:
    async with open_runtime(load_settings()) as runtime:
        await keep_up(runtime.database)


if __name__ == "__main__":
    asyncio.run(main())
