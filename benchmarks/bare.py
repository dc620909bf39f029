"""The bound of `accept`: a server that does nothing but the durable statements, on bare asyncpg.

Of one request it takes the same transaction as Cairn: bind the tenant, the accepting statement,
the queue's insert. It checks nothing, knows every conversation already and has no other feature.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.jobs import PRIORITY, payload
from shared.queue_settings import QUEUE
from shared.utils.ids import new_id

_BIND = "SELECT set_config('app.current_creator_id', $1, true)"
_ACCEPT = """
WITH fresh AS (
  INSERT INTO app.accepted_events (creator_id, channel_id, external_id, message_id, digest)
  VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING message_id
), conversation AS (
  UPDATE app.ai_conversations
  SET last_seq = last_seq + 1, address = $7, last_message_at = now(),
      inbound_due_at = coalesce(inbound_due_at, now()), inbound_hinted_at = now()
  WHERE creator_id = $1 AND id = $6 AND EXISTS (SELECT FROM fresh)
  RETURNING last_seq
)
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
                          kind, author, external_id, text, payload, status, occurred_at)
SELECT $1, $4, $6, $2, $8, last_seq, 'in', $9, 'contact', $3, $10, $11, 'pending', $12
FROM conversation RETURNING seq
"""
_ENQUEUE = f"""
INSERT INTO {QUEUE.db_schema}.{QUEUE.queue_table}
  (priority, entrypoint, payload, execute_after, headers, status)
VALUES ($1, $2, $3, now(), NULL, 'queued')
"""


class Bare:
    def __init__(self, pool: Any, creator_id: UUID, channel_id: UUID) -> None:
        self.pool = pool
        self.creator_id, self.channel_id = creator_id, channel_id
        self.conversations: dict[str, tuple[UUID, UUID]] = {}

    async def learn(self) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_BIND, str(self.creator_id))
            rows = await connection.fetch("SELECT id, contact_id, key FROM app.ai_conversations")
        self.conversations = {row["key"]: (row["id"], row["contact_id"]) for row in rows}

    async def accept(self, request: Request) -> Response:
        message = (update := orjson.loads(await request.body()))["message"]
        chat = str(message["chat"]["id"])
        conversation_id, contact_id = self.conversations[chat]
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_BIND, str(self.creator_id))
            await connection.fetchval(
                _ACCEPT,
                self.creator_id,
                self.channel_id,
                f"bare:{update['update_id']}",
                new_id(),
                b"digest",
                conversation_id,
                {"chat": chat, "person": chat},
                contact_id,
                "message",
                message["text"],
                {},
                datetime.now(UTC),
            )
            await connection.execute(
                _ENQUEUE, PRIORITY["turn"], "turn", payload(self.creator_id, conversation_id)
            )
        return Response()


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
        schema="pg_catalog",
        format="binary",
    )


def make_app(url: str, creator_id: UUID, channel_id: UUID, pool_size: int) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(url, min_size=0, max_size=pool_size, init=_prepare) as pool:
            bare = Bare(pool, creator_id, channel_id)
            await bare.learn()
            app.router.routes.append(Route("/bare", bare.accept, methods=["POST"]))
            yield

    return Starlette(lifespan=lifespan)


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"ready http://127.0.0.1:{port}/bare", flush=True)


def main() -> None:
    app = make_app(
        os.environ["BARE_URL"],
        UUID(os.environ["BARE_CREATOR"]),
        UUID(os.environ["BARE_CHANNEL"]),
        int(os.environ["BARE_POOL"]),
    )
    _Server(uvicorn.Config(app, port=0, access_log=False, log_config=None)).run()


if __name__ == "__main__":
    main()
