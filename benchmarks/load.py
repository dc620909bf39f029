"""Post Telegram updates as fast as a server takes them; one JSON request in, one report out.

Raw HTTP/1.1 over kept-alive connections, because a client library would cost more than the server
that is measured. `{"url", "secret", "first", "count", "chats", "connections"}` on standard input.
"""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(kw_only=True)
class Load:
    host: str
    port: int
    path: str
    secret: str
    chats: int
    numbers: "asyncio.Queue[int]" = field(default_factory=asyncio.Queue)
    seconds: list[float] = field(default_factory=list)
    refused: int = 0

    def request(self, number: int) -> bytes:
        chat = 10_000 + number % self.chats
        update = {
            "update_id": number,
            "message": {
                "message_id": number,
                "date": 1_790_000_000,
                "from": {"id": chat, "is_bot": False, "first_name": "Ada", "language_code": "en"},
                "chat": {"id": chat, "type": "private", "first_name": "Ada"},
                "text": f"This is message number {number} of a person who writes to a coach.",
            },
        }
        body = json.dumps(update).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\n"
            f"X-Telegram-Bot-Api-Secret-Token: {self.secret}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def connection(self) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        while not self.numbers.empty():
            request = self.request(self.numbers.get_nowait())
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_content_length(head))
            self.seconds.append(time.perf_counter() - began)
            self.refused += not head.startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def main() -> None:
    order = json.load(sys.stdin)
    address = urlsplit(order["url"])
    load = Load(
        host=address.hostname or "",
        port=address.port or 80,
        path=address.path,
        secret=order["secret"],
        chats=order["chats"],
    )
    for number in range(order["first"], order["first"] + order["count"]):
        load.numbers.put_nowait(number)
    began = time.perf_counter()
    await asyncio.gather(*(load.connection() for _ in range(order["connections"])))
    elapsed = time.perf_counter() - began
    cuts = statistics.quantiles(load.seconds, n=100)
    report = {
        "per_second": len(load.seconds) / elapsed,
        "p50_ms": cuts[49] * 1000,
        "p99_ms": cuts[98] * 1000,
        "refused": load.refused,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    asyncio.run(main())
