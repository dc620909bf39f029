"""Everything one process shares, opened together and closed together: the composition root."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from core.accounts import Accounts
from core.bots import Bot
from core.channels import ChannelAdapter
from core.dialogue.answering import Answering
from core.dialogue.engine import Engine
from core.dialogue.router import Router
from core.inbox import Inbox
from core.knowledge import Knowledge
from core.live import LiveBus
from core.llm.chain import AnswerChain
from core.loader import load_bots, load_channels
from core.outbox import Outbox
from shared.cache.client import open_redis
from shared.cache.limits import RateLimiter
from shared.database import DatabaseManager
from shared.errors import ConfigurationError
from shared.security import KeyRing
from shared.settings import Settings
from shared.utils.ids import new_id


@dataclass(frozen=True, kw_only=True)
class Runtime:
    settings: Settings
    database: DatabaseManager
    keys: KeyRing
    accounts: Accounts
    live: LiveBus
    limiter: RateLimiter
    channels: dict[str, ChannelAdapter]
    bots: dict[str, Bot]
    knowledge: Knowledge
    answers: AnswerChain
    inbox: Inbox
    outbox: Outbox
    engine: Engine


def extra_folders(settings: Settings) -> list[Path]:
    return [Path(part.strip()) for part in settings.extra_paths.split(",") if part.strip()]
