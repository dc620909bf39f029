"""The connection to Redis: short timeouts, no retries, every failure one kind of exception."""

import asyncio

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import RedisError

from shared.settings import RedisSettings

# What a command raises when Redis is away, slow, full or not Redis at all.
REDIS_AWAY = (RedisError, OSError, asyncio.TimeoutError)
MAX_CONNECTIONS = 50
# One for all: without it each connection reads the package's version from the disk, on the loop.
_DRIVER = DriverInfo()


def open_redis(settings: RedisSettings) -> "Redis | None":
    """A lazy client, or None when Redis is not configured. Never connects by itself."""
    if settings.url is None:
        return None
    pool = BlockingConnectionPool.from_url(
        settings.url.get_secret_value(),
        max_connections=MAX_CONNECTIONS,
        timeout=settings.timeout_seconds,
        socket_timeout=settings.timeout_seconds,
        socket_connect_timeout=settings.timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        driver_info=_DRIVER,
    )
    return Redis.from_pool(pool)
