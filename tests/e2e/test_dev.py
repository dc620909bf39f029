"""A newcomer's first hour: start, ask, stop, start again, crash, and the plain lines of errors."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from shared.embedded.engines import discard
from tests.e2e.dev import developing, run
from tests.waiting import eventually


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "cairn"
    yield folder
    if folder.exists():
        discard(folder)


async def test_start_crash_and_start_again(data_dir: Path) -> None:
    async with developing(data_dir) as dev:
        key_file = data_dir / "demo-api-key"
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        assert "Chat with the coach" in dev.output
        assert "no Ollama" in dev.output
        key = key_file.read_text().strip()
        async with httpx.AsyncClient(base_url=dev.url) as client:
            ready = (await client.get("/readyz")).json()["dependencies"]
            assert ready["postgres"] == "ok"
            route_key = (await client.get("/chat/config")).json()["route_key"]
            documents = await client.get(
                "/api/v1/knowledge/documents?limit=100", headers={"Authorization": f"Bearer {key}"}
            )
        items = documents.json()["items"]
        assert len(items) >= 12
        assert {item["status"] for item in items} == {"ready"}
        children = dev.children()
        assert len(children) >= 3
        await dev.stop(signal.SIGKILL)
        await eventually(lambda: not any(_is_alive(child) for child in children))

    async with developing(data_dir) as dev:
        async with httpx.AsyncClient(base_url=dev.url) as client:
            assert (await client.get("/chat/config")).json()["route_key"] == route_key
            usage = await client.get("/api/v1/usage", headers={"Authorization": f"Bearer {key}"})
            assert usage.status_code == 200
        code, out, _ = await run("creators", "add", "Ann", "--json", "--data-dir", str(data_dir))
        assert code == 0
        assert '"api_key": "cairn_' in out
        code, out, _ = await run("doctor", "--data-dir", str(data_dir))
        assert code == 0, out
        children = dev.children()
        assert await dev.stop() == 0
        assert not any(_is_alive(child) for child in children)


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


async def test_without_a_seed_there_is_no_demo(data_dir: Path) -> None:
    async with developing(data_dir, "--no-seed") as dev:
        assert not (data_dir / "demo-api-key").exists()
        async with httpx.AsyncClient(base_url=dev.url) as client:
            assert (await client.get("/simulator")).status_code == 404
            answer = await client.get("/chat/config")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_port_in_use_is_one_plain_line(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, error = await run("dev", "--port", port, "--data-dir", str(data_dir))
    assert code == 78
    assert (
        error
        == f"cairn: 127.0.0.1:{port}: address already in use; choose another port with --port\n"
    )
    assert not data_dir.exists()


async def test_a_broken_data_folder_is_one_plain_line(tmp_path: Path) -> None:
    not_a_folder = tmp_path / "cairn"
    not_a_folder.write_text("x")
    code, _, error = await run("dev", "--port", "0", "--data-dir", str(not_a_folder))
    assert code == 69
    assert str(not_a_folder) in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (("serve",), {}, (78, "CAIRN_DATABASE__URL is not set")),
        (("worker",), {"CAIRN_DATABSE__URL": "x"}, (78, "did you mean CAIRN_DATABASE__URL?")),
        (("migrate",), {}, (78, "CAIRN_DATABASE__MIGRATE_URL is not set")),
        (("worker",), {"CAIRN_WORKER__CONCURRENCY": "many"}, (78, "CAIRN_WORKER__CONCURRENCY")),
        (
            ("migrate",),
            {"CAIRN_DATABASE__MIGRATE_URL": "postgresql://cairn_migrate:hush@127.0.0.1:9/x"},
            (69, "no database answers"),
        ),
    ],
    ids=["no database", "typo", "no migrate url", "not a number", "database away"],
)
async def test_bad_settings_end_in_one_line(
    arguments: tuple[str, ...], environment: dict[str, str], expected: tuple[int, str]
) -> None:
    code, out, error = await run(*arguments, **environment)
    assert code == expected[0]
    assert expected[1] in error
    assert error.count("\n") == 1
    assert "hush" not in out + error
    assert os.environ.get("CAIRN_DATABASE__MIGRATE_URL") is None
