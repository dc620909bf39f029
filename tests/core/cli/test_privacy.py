"""`cairn privacy` and `cairn usage`: what an operator does with a contact's data."""

import hashlib
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from core.runtime import open_runtime
from shared.models import policies
from shared.settings import Settings
from tests.core.cli.conftest import Cairn
from tests.core.privacy.conftest import add_account
from tests.core.privacy.lives import Life, lead_life


@pytest.fixture
async def ada(settings: Settings) -> AsyncIterator[Life]:
    async with open_runtime(settings) as runtime:
        account = await add_account(runtime, "Ada's school")
        yield await lead_life(runtime, account, "AdaCanary", "address-of-ada")


async def test_an_export_is_written_as_an_archive_or_a_folder(
    cairn: Cairn, ada: Life, tmp_path: Path
) -> None:
    archive, folder = tmp_path / "ada.zip", tmp_path / "ada"
    for target in (archive, folder):
        done = await cairn("privacy", "export", str(ada.contact_id), "--to", str(target))
        assert done.code == 0, done.out
    with zipfile.ZipFile(archive) as opened:
        manifest = json.loads(opened.read("manifest.json"))
        for file in manifest["files"]:
            assert hashlib.sha256(opened.read(file["name"])).hexdigest() == file["sha256"]
        assert b"AdaCanary" in opened.read("contact.json")
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        *(file["name"] for file in manifest["files"]),
    }


async def test_a_contact_is_erased_when_it_is_confirmed(cairn: Cairn, ada: Life) -> None:
    wrong = await cairn("privacy", "erase", str(ada.contact_id), answers="Bob\n")
    assert wrong.code == 1
    done = await cairn("privacy", "erase", str(ada.contact_id), answers="AdaCanary\n")
    assert done.code == 0, done.out
    assert '"state": "done"' in done.out
    assert await ada.run("SELECT 1 FROM app.contacts WHERE creator_id = $1") == []
    again = await cairn("privacy", "erase", str(ada.contact_id), "--confirm", "AdaCanary")
    assert again.code == 1


async def test_nobody_of_that_id_is_an_error(cairn: Cairn, ada: Life) -> None:
    assert (await cairn("privacy", "export", str(uuid4()))).code == 1


async def test_usage_shows_what_is_used_of_the_limits(cairn: Cairn, ada: Life) -> None:
    async with ada.runtime.database.transaction(ada.creator_id) as db:
        await policies.write(db, ada.creator_id, {"quotas": {"messages": {"hard": 0}}}, 0)
    shown = await cairn("usage", "--creator", str(ada.creator_id))
    assert "at the limit" in shown.out
    told = json.loads((await cairn("usage", "--json")).out)
    assert told["quotas"]["messages"] == {"used": 0, "soft": None, "hard": 0, "state": "hard"}
