"""`cairn contacts`: a file in, with a bar; what was refused by line; the list."""

import json
from pathlib import Path
from uuid import UUID

from core.runtime import open_runtime
from shared.errors import InvalidInput, NotFound
from shared.settings import Settings
from tests.core.cli.conftest import Cairn
from tests.core.test_contact_import import TWILIO

PEOPLE = "phone;name;consent_purposes;consent_evidence\n(202) 555-0101;Zoë;coaching;sheet 4\n"


async def test_a_file_of_contacts_comes_in_and_is_listed(
    cairn: Cairn, settings: Settings, creator: UUID, tmp_path: Path
) -> None:
    async with open_runtime(settings) as runtime:
        account = await runtime.accounts.add(
            creator,
            runtime.channels["sms"],
            name="sms",
            bot="concierge",
            credentials=TWILIO,
            settings={},
        )
    of = ("--creator", str(creator), "--channel", str(account.channel_id))
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE, encoding="latin-1")
    done = await cairn("contacts", "import", str(file), *of)
    assert (done.code, "1 added, 0 known before, 0 refused." in done.out) == (0, True), done.out
    file.write_text(PEOPLE + "12;No;;\n", encoding="utf-8")
    again = await cairn("contacts", "import", str(file), *of)
    assert (again.code, "0 added, 1 known before, 1 refused." in again.out) == (1, True), again.out
    assert "line 3: there can be no such phone number" in again.out
    listed = await cairn("contacts", "list", "--creator", str(creator))
    assert [json.loads(line)["name"] for line in listed.out.splitlines()] == ["Zoë"]


async def test_what_cannot_come_in_is_said_in_one_line(
    cairn: Cairn, creator: UUID, tmp_path: Path
) -> None:
    of = ("--creator", str(creator), "--channel", str(creator))
    missing = await cairn("contacts", "import", str(tmp_path / "no.csv"), *of)
    assert isinstance(missing.error, InvalidInput)
    assert "can't be read: No such file" in missing.error.message
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE)
    assert isinstance((await cairn("contacts", "import", str(file), *of)).error, NotFound)
