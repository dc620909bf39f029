"""Each command does what it says, on real engines, and says plainly when it can't."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from core.accounts import Accounts
from core.loader import load_channels
from core.seed import DEMO_CREATOR
from migrations.runner import head
from shared.database import DatabaseManager
from shared.embedded import EmbeddedEngines
from shared.errors import AppError, ConfigurationError, InvalidInput, NotFound
from shared.security import KeyRing
from shared.settings import Settings
from shared.utils.ids import new_id
from tests.core.cli.conftest import Cairn
from tests.databases import DatabaseUrls
from tests.databases import drop as drop_database
from tests.databases import execute, fresh_name, urls_of


async def test_a_creator_is_added_listed_suspended_and_woken(cairn: Cairn) -> None:
    added = json.loads((await cairn("creators", "add", "Ann", "--json")).out)
    assert added["api_key"].startswith("cairn_")
    assert "Ann" in (await cairn("creators", "list")).out
    assert (await cairn("creators", "suspend", added["id"])).code == 0
    [line] = (await cairn("creators", "list", "--json")).out.splitlines()
    assert json.loads(line)["status"] == "suspended"
    assert (await cairn("creators", "wake", added["id"])).code == 0
    assert isinstance((await cairn("creators", "wake", str(uuid4()))).error, NotFound)
    assert isinstance((await cairn("creators", "add", " ")).error, InvalidInput)


async def test_a_telegram_channel_takes_its_token_from_the_environment(
    cairn: Cairn, creator: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("add", "telegram", "--creator", str(creator), "--poll")
    assert isinstance((await cairn("channels", *arguments)).error, InvalidInput)
    monkeypatch.setenv("CAIRN_BOT_TOKEN", "123456:SECRET-TOKEN-OF-A-TEST-0000000000000")
    added = await cairn("channels", *arguments)
    assert "/webhooks/telegram/" in json.loads(added.out)["webhook_url"]
    listed = await cairn("channels", "list", "--creator", str(creator))
    assert json.loads(listed.out)["type"] == "telegram"
    assert "SECRET-TOKEN" not in added.out + listed.out


async def test_a_channel_takes_its_credentials_from_a_file(
    cairn: Cairn, creator: UUID, tmp_path: Path
) -> None:
    file = tmp_path / "slack.json"
    add = ("channels", "add", "slack", "--creator", str(creator), "--credentials", str(file))
    assert isinstance((await cairn(*add)).error, InvalidInput)  # there is no such file
    keys = {"bot_token": "xoxb-1234-SECRET", "signing_secret": "0123456789abcdef"}
    for wrong in ("[1]", "{", json.dumps(keys | {"sining_secret": "x"})):
        file.write_text(wrong)
        assert isinstance((await cairn(*add)).error, InvalidInput)
    file.write_text(json.dumps(keys))
    added = await cairn(*add)
    assert "/slack/install/" in json.loads(added.out)["install_url"]
    assert "SECRET" not in added.out


@pytest.mark.parametrize("arguments", [("pigeon",), ("web", "--bot", "nobody")])
async def test_a_channel_of_no_known_kind_or_bot_is_refused(
    cairn: Cairn, creator: UUID, arguments: tuple[str, ...]
) -> None:
    outcome = await cairn("channels", "add", *arguments, "--creator", str(creator))
    assert isinstance(outcome.error, InvalidInput)


async def test_rotation_puts_every_channel_under_the_first_key(
    cairn: Cairn,
    creator: UUID,
    settings: Settings,
    database: DatabaseManager,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await cairn("channels", "add", "web", "--creator", str(creator))
    assert settings.secret_keys is not None
    old = settings.secret_keys.get_secret_value()
    new = "next:" + "A" * 43 + "="
    monkeypatch.setenv("CAIRN_SECRET_KEYS", f"{new},{old}")
    assert "1 channels re-encrypted" in (await cairn("channels", "rotate-keys")).out
    assert "0 channels re-encrypted" in (await cairn("channels", "rotate-keys")).out
    monkeypatch.setenv("CAIRN_SECRET_KEYS", new)
    assert (await cairn("doctor")).code == 0
    monkeypatch.setenv("CAIRN_SECRET_KEYS", old)
    unreadable = await cairn("doctor")
    assert unreadable.code == 1
    assert "1 channels cannot be read" in unreadable.out


async def test_the_doctor_names_what_is_broken_and_how_to_mend_it(
    cairn: Cairn, database_urls: DatabaseUrls
) -> None:
    well = await cairn("doctor")
    assert well.code == 0, well.out
    await execute(database_urls.admin, "ALTER TABLE app.messages NO FORCE ROW LEVEL SECURITY")
    ill = await cairn("doctor")
    assert ill.code == 1
    assert "!!  isolation" in ill.out
    assert "messages" in ill.out


async def test_a_folder_is_ingested_once(cairn: Cairn, creator: UUID, tmp_path: Path) -> None:
    (tmp_path / "rest.md").write_text("# Rest\n\nRest is part of training, not a pause from it.")
    (tmp_path / "notes.txt").write_text("Drink a glass of water before every session.")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n")
    for _ in range(2):
        outcome = await cairn("ingest", str(tmp_path), "--creator", str(creator))
        assert outcome.code == 0, outcome.out
        assert "2 of 2 documents are ready" in outcome.out


async def test_what_cannot_be_read_is_named(cairn: Cairn, creator: UUID, tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("  \n")
    (tmp_path / "fine.md").write_text("Sleep well.")
    outcome = await cairn("ingest", str(tmp_path), "--creator", str(creator))
    assert outcome.code == 1
    assert "empty.md" in outcome.out
    assert "1 of 2 documents are ready" in outcome.out
    missing = await cairn("ingest", str(tmp_path / "nowhere"), "--creator", str(creator))
    assert isinstance(missing.error, InvalidInput)


async def test_dead_messages_are_listed_shown_retried_and_dropped(
    cairn: Cairn, creator: UUID, database: DatabaseManager, settings: Settings
) -> None:
    first, second = await _dead_messages(creator, database, settings, 2)
    lines = [json.loads(line) for line in (await cairn("dead", "list")).out.splitlines()]
    assert {line["id"] for line in lines} == {str(first), str(second)}
    assert "hello" not in (await cairn("dead", "list")).out
    assert "hello 0" in (await cairn("dead", "show", str(first))).out
    assert (await cairn("dead", "retry", str(first))).code == 0
    assert (await cairn("dead", "drop", str(second))).code == 0
    assert (await cairn("dead", "list")).out == ""
    assert isinstance((await cairn("dead", "retry", str(second))).error, NotFound)


async def _dead_messages(
    creator_id: UUID, database: DatabaseManager, settings: Settings, count: int
) -> list[UUID]:
    accounts = Accounts(database, KeyRing(settings.secret_keys))
    web = load_channels()["web"]
    account = await accounts.add(
        creator_id, web, name="Web", bot="coach", credentials={}, settings={}
    )
    contact_id, conversation_id = new_id(), new_id()
    ids = [new_id() for _ in range(count)]
    async with database.transaction(creator_id) as connection:
        await connection.execute(
            "INSERT INTO app.contacts (creator_id, id) VALUES ($1, $2)", creator_id, contact_id
        )
        await connection.execute(
            "INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key,"
            " address)"
            " VALUES ($1, $2, $3, $4, 'k', '{}')",
            *(creator_id, conversation_id, account.channel_id, contact_id),
        )
        for seq, message_id in enumerate(ids):
            await connection.execute(
                "INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id,"
                " seq, direction, kind, author, text, status)"
                " VALUES ($1, $2, $3, $4, $5, $6, 'in', 'message', 'contact', $7, 'dead')",
                *(creator_id, message_id, conversation_id, account.channel_id, contact_id),
                *(seq, f"hello {seq}"),
            )
    return ids


async def test_the_terminal_holds_a_conversation(cairn: Cairn, tmp_path: Path) -> None:
    answers = "/goals\n1\nab\n/cancel\n/quit\n"
    outcome = await cairn("chat", "--name", "Bo", "--data-dir", str(tmp_path), answers=answers)
    assert outcome.code == 0, outcome.error
    for expected in ("Hello Bo!", "no goals yet", "1. Set a goal", "at least 3", "put that aside"):
        assert expected in outcome.out
    listed = await cairn("channels", "list", "--creator", str(DEMO_CREATOR))
    assert json.loads(listed.out)["type"] == "web"


async def test_a_creator_without_a_web_channel_cannot_be_talked_to(
    cairn: Cairn, creator: UUID, tmp_path: Path
) -> None:
    outcome = await cairn("chat", "--creator", str(creator), "--data-dir", str(tmp_path))
    assert isinstance(outcome.error, InvalidInput)


async def test_a_new_database_is_bootstrapped_and_migrated(
    cairn: Cairn, engines: EmbeddedEngines, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = urls_of(engines.urls, fresh_name())
    try:
        monkeypatch.setenv("CAIRN_DATABASE__MIGRATE_URL", urls.admin)
        outcome = await cairn("migrate", "--bootstrap")
        assert f"The schema is at {head()}." in outcome.out, outcome.error
        monkeypatch.setenv("CAIRN_DATABASE__MIGRATE_URL", urls.migrate)
        assert (await cairn("migrate")).code == 0
        monkeypatch.setenv("CAIRN_DATABASE__MIGRATE_URL", urls.app)
        refused = (await cairn("migrate")).error
        assert isinstance(refused, ConfigurationError)
        assert "cairn_migrate" in str(refused)
    finally:
        await drop_database(engines.urls, urls.name)


@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_a_server_refuses_the_address_of_the_migrations(
    cairn: Cairn, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIRN_DATABASE__MIGRATE_URL", "postgresql://cairn_migrate@/cairn")
    outcome = await cairn(command)
    assert isinstance(outcome.error, AppError)
    assert "must not be in a server's environment" in str(outcome.error)


@pytest.mark.parametrize("command", ["channels list", "channels add web", "ingest README.md"])
async def test_an_unknown_creator_is_told_plainly(cairn: Cairn, command: str) -> None:
    outcome = await cairn(*command.split(), "--creator", str(uuid4()))
    assert isinstance(outcome.error, NotFound)


async def test_one_bad_file_is_named_and_the_others_are_read(
    cairn: Cairn, creator: UUID, tmp_path: Path
) -> None:
    (tmp_path / "good.md").write_text("# Sleep\n\nKeep one bedtime.")
    (tmp_path / "large.txt").write_bytes(b"word " * 2_200_000)
    (tmp_path / "loop.md").mkdir()
    outcome = await cairn("ingest", str(tmp_path), "--creator", str(creator))
    assert outcome.code == 1
    assert "large.txt: a document may have 10 MB at most" in outcome.out
    assert "1 of 2 documents are ready." in outcome.out
