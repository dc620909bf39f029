"""PostgreSQL, Redis and Chroma as children of this process, in one data folder."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Literal

from shared.embedded.children import created_at
from shared.embedded.chroma import Chroma
from shared.embedded.cluster import remove_outside
from shared.embedded.engine import Engine, Progress
from shared.embedded.folder import CLOCK_TOLERANCE_SECONDS, DataFolder
from shared.embedded.postgres import DATABASE, PORT, SUPERUSER, Postgres
from shared.embedded.redis import Redis
from shared.embedded.takeover import stop_left_overs
from shared.embedded.urls import EngineUrls, postgres_url

EngineName = Literal["postgres", "redis", "chroma"]


class EmbeddedEngines:
    """`async with EmbeddedEngines(folder) as urls:` starts all three and stops them at the end.

    The engines keep their addresses over `stop` and `start`. Raises EngineError.
    """

    def __init__(self, data_dir: Path, *, progress: Progress | None = None) -> None:
        self._folder = DataFolder(data_dir)
        self._progress = progress or _silent
        self._postgres = Postgres(self._folder, self._progress)
        self._redis = Redis(self._folder, self._progress)
        self._chroma = Chroma(self._folder, self._progress)

    async def __aenter__(self) -> EngineUrls:
        self._folder.open()
        try:
            await self._prepare()
            await _together(engine.start() for engine in self._engines)
            self._folder.remember(urls=asdict(self.urls))
        except OSError as error:
            await self._stop_all()
            raise self._folder.unusable(error) from error
        except BaseException:
            await self._stop_all()
            raise
        return self.urls

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop_all()

    @property
    def urls(self) -> EngineUrls:
        socket_dir = str(self._postgres.socket_dir)
        return EngineUrls(
            postgres_admin=postgres_url(SUPERUSER, "", DATABASE, socket_dir=socket_dir, port=PORT),
            postgres_socket_dir=socket_dir,
            postgres_port=PORT,
            database=DATABASE,
            redis=self._redis.url,
            chroma=self._chroma.url,
        )

    async def start(self, name: EngineName) -> None:
        await self._engine(name).start()

    async def stop(self, name: EngineName) -> None:
        await self._engine(name).stop()

    async def restart(self, name: EngineName) -> None:
        await self.stop(name)
        await self.start(name)

    def kill(self, name: EngineName) -> None:
        """End the engine at once, as a crash would."""
        self._engine(name).kill()

    def is_running(self, name: EngineName) -> bool:
        return self._engine(name).is_running

    @property
    def _engines(self) -> tuple[Engine, ...]:
        return (self._postgres, self._redis, self._chroma)

    def _engine(self, name: EngineName) -> Engine:
        return next(engine for engine in self._engines if engine.name == name)

    async def _prepare(self) -> None:
        await self._postgres.locate()
        steps_by_name = {engine.name: engine.stop_steps for engine in self._engines}
        stopped = await stop_left_overs(self._folder, self._postgres.data, steps_by_name)
        if stopped:
            self._progress(f"Stopped what an earlier run left behind: {', '.join(stopped)}")
        socket_dir = await asyncio.to_thread(self._folder.open_socket_dir, self._postgres.account)
        self._postgres.socket_dir = self._redis.socket_dir = socket_dir
        parent = {"pid": os.getpid(), "created_at": created_at(os.getpid())}
        self._folder.remember(parent=parent)

    async def _stop_all(self) -> None:
        try:
            await _together(engine.stop() for engine in self._engines)
            self._folder.drop_socket_dir()
            self._folder.remember(parent=None, urls=None)
        finally:
            for engine in self._engines:
                engine.kill()
            self._folder.close()


def running_urls(data_dir: Path) -> EngineUrls | None:
    """The addresses of the engines that another process runs in this folder, if one does."""
    state = DataFolder(data_dir).read_state()
    parent, urls = state.get("parent"), state.get("urls")
    if not parent or not urls:
        return None
    created = created_at(parent["pid"])
    if created is None or abs(created - parent["created_at"]) > CLOCK_TOLERANCE_SECONDS:
        return None
    return EngineUrls(**urls)


def discard(data_dir: Path) -> None:
    """Delete a data folder that nobody uses, with what we keep for it elsewhere."""
    folder = DataFolder(data_dir)
    folder.open()
    try:
        remove_outside(folder.path / Postgres.name)
        folder.drop_socket_dir()
        shutil.rmtree(folder.path)
    finally:
        folder.close()


async def _together(jobs: Iterable[Awaitable[None]]) -> None:
    """Run the jobs at once; the first failure cancels the others and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(_await(job))
    except ExceptionGroup as failures:
        raise _first(failures) from None


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, ExceptionGroup) else failure


async def _await(job: Awaitable[None]) -> None:
    await job


def _silent(_: str) -> None:
    return None
