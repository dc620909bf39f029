"""Everything one process shares, opened together and closed together: the composition root."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from uuid import UUID

from core.accounts import Accounts
from core.attachments import Attachments
from core.bots import Bot
from core.channels import ChannelAdapter
from core.contact_import import ContactImports
from core.desk import Desk
from core.dialogue.answering import Answering
from core.dialogue.engine import Engine
from core.dialogue.reply_stream import Means
from core.dialogue.router import Router
from core.evaluation.gate import EvaluationGate
from core.inbox import Inbox
from core.installations import StoredInstallations
from core.knowledge import Knowledge
from core.linking import Linking
from core.live import LiveBus
from core.llm.prompt_store import PromptStore
from core.llm.writer import Writer
from core.loader import load_bots, load_channels
from core.models import Models, open_models
from core.outbox import Outbox
from core.pace import Pace
from core.privacy.jobs import Privacy
from core.programs.check_ins.answering import Asking
from core.programs.check_ins.pictures import Pictures
from core.programs.check_ins.showing import Showing
from core.programs.declared import Declared
from core.programs.sends.due_turns import DueTurns
from core.programs.sends.nudging import Nudging
from core.programs.sends.saying import Saying
from core.programs.sends.scheduler import Scheduler
from core.rag.calibration import StoredCalibrations
from core.rag.intake import Quota
from core.rag.targets import by_registry
from core.rag.vectors import ChromaVectors
from core.unsubscribe import Links
from core.usage import Meter
from shared.cache.client import open_redis
from shared.cache.limits import RateLimiter
from shared.database import DatabaseManager
from shared.errors import ConfigurationError
from shared.security import KeyRing
from shared.settings import Settings
from shared.utils.clock import Clock
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
    declared: Declared
    vectors: ChromaVectors
    knowledge: Knowledge
    models: Models
    prompts: PromptStore
    inbox: Inbox
    attachments: Attachments
    outbox: Outbox
    desk: Desk
    pictures: Pictures
    engine: Engine
    scheduler: Scheduler
    contact_imports: ContactImports
    privacy: Privacy
    clock: Clock


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
        gate = EvaluationGate(database)
        prompts = PromptStore(database=database, gate=gate)
        models = await stack.enter_async_context(
            open_models(settings.ollama, database, redis=redis, templates=prompts, gate=gate)
        )
        yield _assemble(
            _Opened(
                settings=settings,
                database=database,
                keys=keys,
                live=live,
                limiter=RateLimiter(redis),
                channels=channels,
                bots=bots,
                vectors=vectors,
                models=models,
                prompts=prompts,
            )
        )


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """What was opened or loaded, and what several parts are built on."""

    settings: Settings
    database: DatabaseManager
    keys: KeyRing
    live: LiveBus
    limiter: RateLimiter
    channels: dict[str, ChannelAdapter]
    bots: dict[str, Bot]
    vectors: ChromaVectors
    models: Models
    prompts: PromptStore
    owner: UUID = field(default_factory=new_id)
    clock: Clock = field(default_factory=Clock)

    @cached_property
    def accounts(self) -> Accounts:
        base_url = self.settings.public_base_url
        return Accounts(
            self.database, self.keys, public_base_url=base_url, reach=self.declared.reach
        )

    @cached_property
    def declared(self) -> Declared:
        return Declared(self.bots, self.clock)

    @cached_property
    def knowledge(self) -> Knowledge:
        return Knowledge(
            self.database,
            self.vectors,
            self.models.embedders,
            calibrations=StoredCalibrations(self.database),
            lease_seconds=self.settings.worker.lease_seconds,
            resolve=by_registry(self.models.registry),
            quota=Quota(
                documents=self.settings.limits.knowledge_documents,
                size_bytes=self.settings.limits.knowledge_bytes,
            ),
        )

    @cached_property
    def meter(self) -> Meter:
        return Meter(self.database)

    @cached_property
    def writer(self) -> Writer:
        return Writer(rungs=self.models.rungs, templates=self.prompts)

    @cached_property
    def pictures(self) -> Pictures:
        base_url = self.settings.public_base_url
        return Pictures(keys=self.keys, base_url=base_url, channels=self.channels)

    @cached_property
    def pace(self) -> Pace:
        # Half of a worker's places stay free for whoever needs not wait.
        return Pace(self.limiter, places=self.settings.worker.concurrency // 2)


def _assemble(opened: _Opened) -> Runtime:
    return Runtime(
        settings=opened.settings,
        database=opened.database,
        keys=opened.keys,
        accounts=opened.accounts,
        installations=StoredInstallations(opened.database, opened.accounts),
        live=opened.live,
        limiter=opened.limiter,
        channels=opened.channels,
        bots=opened.bots,
        declared=opened.declared,
        vectors=opened.vectors,
        knowledge=opened.knowledge,
        models=opened.models,
        prompts=opened.prompts,
        inbox=Inbox(opened.database, opened.clock),
        attachments=Attachments(
            database=opened.database,
            accounts=opened.accounts,
            channels=opened.channels,
            max_bytes=opened.settings.limits.attachment_bytes,
        ),
        outbox=_outbox(opened),
        desk=Desk(
            database=opened.database,
            channels=opened.channels,
            live=opened.live,
            clock=opened.clock,
        ),
        pictures=opened.pictures,
        engine=_engine(opened),
        privacy=Privacy(opened.database, opened.limiter),
        contact_imports=ContactImports(
            database=opened.database,
            accounts=opened.accounts,
            channels=opened.channels,
            clock=opened.clock,
        ),
        scheduler=Scheduler(
            database=opened.database,
            clock=opened.clock,
            channels=opened.channels,
            live=opened.live,
            links=Links(opened.keys, opened.settings.public_base_url),
        ),
        clock=opened.clock,
    )


def _outbox(opened: _Opened) -> Outbox:
    return Outbox(
        database=opened.database,
        accounts=opened.accounts,
        channels=opened.channels,
        pace=opened.pace,
        settings=opened.settings.worker,
        owner=opened.owner,
    )


def _engine(opened: _Opened) -> Engine:
    return Engine(
        database=opened.database,
        accounts=opened.accounts,
        channels=opened.channels,
        router=_router(opened),
        live=opened.live,
        streams=Means(database=opened.database, limiter=opened.limiter, pace=opened.pace),
        settings=opened.settings.worker,
        owner=opened.owner,
    )


def _router(opened: _Opened) -> Router:
    answering = Answering(
        knowledge=opened.knowledge,
        chain=opened.models.answers,
        live=opened.live,
        meter=opened.meter,
        budget_seconds=opened.settings.worker.turn_seconds * (1 - TURN_RESERVE),
    )
    return Router(
        database=opened.database,
        bots=opened.bots,
        channels=opened.channels,
        answering=answering,
        linking=Linking(database=opened.database, limiter=opened.limiter, keys=opened.keys),
        asking=Asking(database=opened.database, writer=opened.writer),
        showing=Showing(
            database=opened.database, accounts=opened.accounts, pictures=opened.pictures
        ),
        clock=opened.clock,
        meter=opened.meter,
        due_turns=DueTurns(database=opened.database, clock=opened.clock, channels=opened.channels),
        saying=Saying(
            nudging=Nudging(database=opened.database, writer=opened.writer),
            pictures=opened.pictures,
            clock=opened.clock,
        ),
    )
