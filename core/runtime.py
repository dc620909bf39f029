"""Everything one process shares, opened together and closed together: the composition root."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from core.accounts import Accounts
from core.attachments import Attachments
from core.bots import Bot
from core.channels import ChannelAdapter
from core.desk import Desk
from core.dialogue.answering import Answering
from core.dialogue.engine import Engine
from core.dialogue.reply_stream import Means
from core.dialogue.router import Router
from core.inbox import Inbox
from core.installations import StoredInstallations
from core.knowledge import Knowledge
from core.linking import Linking
from core.live import LiveBus
from core.loader import load_bots, load_channels
from core.models import Models, open_models
from core.outbox import Outbox
from core.pace import Pace
from core.rag.vectors import ChromaVectors
from shared.cache.client import open_redis
from shared.cache.limits import RateLimiter
from shared.database import DatabaseManager
from shared.errors import ConfigurationError
from shared.security import KeyRing
from shared.settings import Settings
from shared.utils.ids import new_id

# Kept back from a turn's budget for retrieval, the commit and a slow machine.
TURN_RESERVE = 0.15


@dataclass(frozen=True, kw_only=True)
class Runtime:
    settings: Settings
    database: DatabaseManager
    keys: KeyRing
    accounts: Accounts
    installations: StoredInstallations
    live: LiveBus
    limiter: RateLimiter
    channels: dict[str, ChannelAdapter]
    bots: dict[str, Bot]
    vectors: ChromaVectors
    knowledge: Knowledge
    models: Models
    inbox: Inbox
    attachments: Attachments
    outbox: Outbox
    desk: Desk
    engine: Engine


def extra_folders(settings: Settings) -> list[Path]:
    """Folders beside the tree's own that hold adapters/ and bots/."""
    return [Path(part.strip()) for part in settings.extra_paths.split(",") if part.strip()]


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Open everything. Engines that are away don't prevent it: each is found again by itself."""
    if settings.secret_keys is None:
        raise ConfigurationError("CAIRN_SECRET_KEYS is not set")
    keys = KeyRing(settings.secret_keys)
    folders = extra_folders(settings)
    channels, bots = load_channels(folders), load_bots(folders)
    async with AsyncExitStack() as stack:
        database = DatabaseManager(settings.database)
        stack.push_async_callback(database.close)
        await database.open()
        for adapter in channels.values():
            stack.push_async_callback(adapter.close)
        redis = open_redis(settings.redis)
        if redis is not None:
            stack.push_async_callback(redis.aclose)
        live = LiveBus(redis)
        stack.push_async_callback(live.close)
        vectors = ChromaVectors(settings.chroma)
        stack.push_async_callback(vectors.close)
        models = await stack.enter_async_context(open_models(settings.ollama))
        yield _assemble(
            settings=settings,
            database=database,
            keys=keys,
            live=live,
            limiter=RateLimiter(redis),
            channels=channels,
            bots=bots,
            vectors=vectors,
            models=models,
        )


def _assemble(
    *,
    settings: Settings,
    database: DatabaseManager,
    keys: KeyRing,
    live: LiveBus,
    limiter: RateLimiter,
    channels: dict[str, ChannelAdapter],
    bots: dict[str, Bot],
    vectors: ChromaVectors,
    models: Models,
) -> Runtime:
    owner = new_id()
    accounts = Accounts(database, keys, public_base_url=settings.public_base_url)
    knowledge = Knowledge(database, vectors, models.embedders)
    answering = Answering(
        knowledge=knowledge,
        chain=models.answers,
        live=live,
        budget_seconds=settings.worker.turn_seconds * (1 - TURN_RESERVE),
    )
    # Half of a worker's places stay free for whoever needs not wait.
    pace = Pace(limiter, places=settings.worker.concurrency // 2)
    return Runtime(
        settings=settings,
        database=database,
        keys=keys,
        accounts=accounts,
        installations=StoredInstallations(database, accounts),
        live=live,
        limiter=limiter,
        channels=channels,
        bots=bots,
        vectors=vectors,
        knowledge=knowledge,
        models=models,
        inbox=Inbox(database),
        attachments=Attachments(
            database=database,
            accounts=accounts,
            channels=channels,
            max_bytes=settings.limits.attachment_bytes,
        ),
        outbox=Outbox(
            database=database,
            accounts=accounts,
            channels=channels,
            pace=pace,
            settings=settings.worker,
            owner=owner,
        ),
        desk=Desk(database=database, channels=channels, live=live),
        engine=Engine(
            database=database,
            accounts=accounts,
            channels=channels,
            router=Router(
                database=database,
                bots=bots,
                channels=channels,
                answering=answering,
                linking=Linking(database=database, limiter=limiter, keys=keys),
            ),
            live=live,
            streams=Means(database=database, limiter=limiter, pace=pace),
            settings=settings.worker,
            owner=owner,
        ),
    )
