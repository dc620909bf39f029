"""The guide's adapter is complete: taken from the page, found outside the tree, it works."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from core.creators import add_api_key
from shared.settings import Settings
from tests.apps import App, quick, running_app
from tests.docs import pages
from tests.docs.pigeon import SIGNING_SECRET, TOKEN, Pigeon, post
from tests.gateway import new_gateway
from tests.serving import serving
from tests.waiting import eventually

PAGE = "adding-a-channel.md"
ADAPTER = "adapters/pigeon/channel.py"
MOST_LINES = 150


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder outside the tree that holds exactly what the page shows."""
    pages.write(pages.files_of(PAGE), tmp_path)
    return tmp_path


def test_the_adapter_is_one_file_of_under_150_lines() -> None:
    files = pages.files_of(PAGE)
    assert [path for path in files if path.endswith(".py")] == [ADAPTER]
    assert len(files[ADAPTER].splitlines()) < MOST_LINES


# --- the contract, as the page says to run it


def contract(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "--pyargs", "core.testing.contract", "-k", "pigeon"]
    return subprocess.run(
        [*command, "-q", "-p", "no:cacheprovider", "-c", os.devnull],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=150,
    )


def test_the_contract_is_kept_from_an_extra_folder(folder: Path) -> None:
    done = contract(folder, CAIRN_EXTRA_PATHS=str(folder), PYTHONPATH=str(pages.ROOT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_the_contract_is_kept_from_an_installed_package(folder: Path) -> None:
    """What an installer leaves behind: the package, and its metadata beside it."""
    site = folder / "site"
    site.mkdir()
    (folder / "adapters" / "pigeon").rename(site / "cairn_pigeon")
    metadata = site / "cairn_pigeon-1.0.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: cairn-pigeon\n")
    metadata.joinpath("entry_points.txt").write_text(
        "[cairn.adapters]\npigeon = cairn_pigeon.channel\n"
    )
    done = contract(folder, PYTHONPATH=os.pathsep.join((str(site), str(pages.ROOT))))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_broken_adapter_fails_the_contract(folder: Path) -> None:
    """The tests bite: without its check of the signature the same adapter is caught."""
    file = folder / ADAPTER
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("            raise errors.VerificationError", "            pass"))
    done = contract(folder, CAIRN_EXTRA_PATHS=str(folder), PYTHONPATH=str(pages.ROOT))
    assert done.returncode == 1
    assert "test_an_unsigned_request_is_refused" in done.stdout


# --- a conversation


@dataclass(kw_only=True)
class Stage:
    """A running Cairn with a pigeon channel, connected over REST."""

    app: App
    gateway: httpx.AsyncClient
    pigeon: Pigeon
    webhook: str

    async def says(self, text: str) -> None:
        assert (await post(self.gateway, self.webhook, self.pigeon.event(text))).is_success

    async def hears(self, count: int) -> list[str]:
        await eventually(lambda: len(self.pigeon.sent) >= count)
        await self.app.drain()
        assert len(self.pigeon.sent) == count
        return self.pigeon.texts


@pytest.fixture
async def stage(settings: Settings, folder: Path) -> AsyncIterator[Stage]:
    pigeon = Pigeon()
    async with (
        running_app(quick(settings, extra_paths=str(folder))) as app,
        serving(new_gateway(app.runtime)) as url,
        serving(pigeon.app) as pigeon_url,
        httpx.AsyncClient(base_url=url) as gateway,
    ):
        webhook = await connect(app, gateway, pigeon_url)
        yield Stage(app=app, gateway=gateway, pigeon=pigeon, webhook=webhook)
        await app.runtime.channels["pigeon"].close()


async def connect(app: App, gateway: httpx.AsyncClient, pigeon_url: str) -> str:
    """As the page says: one POST; the answer holds the webhook's address."""
    async with app.runtime.database.transaction(app.creator_id) as connection:
        key = await add_api_key(connection, app.creator_id, "guide")
    response = await gateway.post(
        "/api/v1/channels",
        headers={"Authorization": f"Bearer {key}"},
        json={
            "type": "pigeon",
            "name": "My pigeon",
            "bot": "coach",
            "credentials": {"token": TOKEN, "signing_secret": SIGNING_SECRET},
            "settings": {"api_base_url": pigeon_url},
        },
    )
    assert response.status_code == 201, response.text
    assert TOKEN not in response.text
    return httpx.URL(response.json()["webhook_url"]).path


async def test_a_form_is_filled_with_words_and_a_button(stage: Stage) -> None:
    await stage.says("/goal")
    assert "Let's set a goal" in (await stage.hears(2))[0]
    for number, answer in enumerate(("Run five kilometres", "For my health", "3"), start=3):
        await stage.says(answer)
        await stage.hears(number)
    buttons = stage.pigeon.sent[-1]["buttons"]
    assert [button["label"] for button in buttons] == ["Morning", "Midday", "Evening"]
    tap = stage.pigeon.event(value=buttons[2]["value"])
    assert (await post(stage.gateway, stage.webhook, tap)).status_code == 200
    assert "in the evening" in (await stage.hears(6))[-1]


async def test_a_webhook_that_comes_twice_is_answered_once(stage: Stage) -> None:
    body = stage.pigeon.event("/help")
    for _ in range(3):
        assert (await post(stage.gateway, stage.webhook, body)).status_code == 200
    [text] = await stage.hears(1)
    assert "/goal" in text


async def test_what_is_wrongly_signed_is_refused(stage: Stage) -> None:
    body = stage.pigeon.event("/help")
    assert (await post(stage.gateway, stage.webhook, body, "another-secret-16")).status_code == 401
    assert (await stage.gateway.post(stage.webhook, content=body)).status_code == 401
    assert await stage.hears(0) == []


async def test_too_fast_means_later(stage: Stage) -> None:
    stage.pigeon.refusals = [(429, {"Retry-After": "1"}), (429, {"Retry-After": "1"})]
    await stage.says("/goals")
    [text] = await stage.hears(1)
    assert "no goals yet" in text
    assert stage.pigeon.calls == 3


async def test_its_own_words_are_not_answered(stage: Stage) -> None:
    own = stage.pigeon.event("/help", is_bot=True)
    assert (await post(stage.gateway, stage.webhook, own)).status_code == 200
    await stage.says("/goals")
    assert len(await stage.hears(1)) == 1


async def test_a_person_who_left_is_not_written_to_again(stage: Stage) -> None:
    stage.pigeon.refusals = [(410, {})]
    await stage.says("/help")
    await eventually(lambda: stage.pigeon.calls == 1)
    await stage.app.drain()
    [row] = await stage.app.fetch(
        "SELECT status, error_code FROM app.messages WHERE creator_id = $1 AND direction = 'out'"
    )
    assert tuple(row) == ("failed", "recipient_blocked")
