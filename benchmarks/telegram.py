"""The emulated Bot API for a benchmark: everybody has written to it before; nothing is kept."""

import sys
from collections import deque
from typing import Any

import uvicorn

from adapters.telegram.emulator import TelegramEmulator

CHATS = 1000
FIRST_CHAT = 10_000


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"ready http://127.0.0.1:{port}", flush=True)


def main() -> None:
    emulator = TelegramEmulator(sys.argv[1])
    for chat in range(FIRST_CHAT, FIRST_CHAT + CHATS):
        emulator.bot.chats[str(chat)] = {"id": chat, "type": "private", "first_name": "Ada"}
    emulator.requests = deque(maxlen=10)  # type: ignore[assignment]
    config = uvicorn.Config(emulator, port=0, access_log=False, log_config=None, lifespan="off")
    _Server(config).run()


if __name__ == "__main__":
    main()
