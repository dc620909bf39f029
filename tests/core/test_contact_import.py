"""Contacts from a file: once each, whatever is killed; who opted out stays out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from core import contact_import
from core.channels import Account
from core.runtime import Runtime
from core.sweeper import sweep_imports
from shared.errors import InvalidInput, NotFound
from shared.models.consents import Person as Known
from shared.models.consents import Said, refuse
from tests.apps import App
from tests.learners import new_school

TWILIO = {
    "account_sid": "AC" + "0" * 32,
    "auth_token": "t" * 32,
    "from_number": "+12025550100",
}
COLUMNS = "phone,name,consent_purposes,consent_evidence"


@pytest.fixture
async def sms(school: App) -> Account:
    return await school.add_channel("sms", bot="concierge", credentials=TWILIO)


@pytest.fixture
async def other(school_runtime: Runtime) -> AsyncIterator[App]:
    async with new_school(school_runtime) as app:
        yield app


def number(index: int) -> str:
    return f"+1415555{index:04}"


def file(count: int, *, first: int = 0, consent: str = "coaching,sheet") -> bytes:
    lines = [f"{number(n)},Person {n},{consent}" for n in range(first, first + count)]
    return "\n".join((COLUMNS, *lines)).encode()


async def add(app: App, account: Account, data: bytes) -> UUID:
    imports = app.runtime.contact_imports
    return await imports.add(app.creator_id, account.channel_id, data, actor="test")


async def run(app: App, account: Account, data: bytes) -> Any:
    import_id = await add(app, account, data)
    await app.runtime.contact_imports.advance(app.creator_id, import_id)
    return await status(app, import_id)


async def status(app: App, import_id: UUID) -> Any:
    [row] = await app.fetch(
        "SELECT * FROM app.contact_imports WHERE creator_id = $1 AND id = $2", import_id
    )
    return row


async def people(app: App) -> list[Any]:
    return await app.fetch(
        "SELECT i.address, i.opted_out_at, c.* FROM app.contact_identities i JOIN app.contacts c"
        " ON c.creator_id = i.creator_id AND c.id = i.contact_id"
        " WHERE i.creator_id = $1 ORDER BY i.address"
    )


async def granted(app: App) -> list[tuple[str, str]]:
    rows = await app.fetch(
        "SELECT scope, purpose FROM app.consents WHERE creator_id = $1 ORDER BY purpose"
    )
    return [(row["scope"], row["purpose"]) for row in rows]


def counts(row: Any) -> tuple[str, int, int, int, int]:
    return row["state"], row["done"], row["added"], row["updated"], row["refused_count"]


async def test_people_come_with_their_consent_and_its_evidence(school: App, sms: Account) -> None:
    data = (
        b"phone;name;tags;consent_purposes;consent_evidence;joined\n"
        b"(415) 555-0100;Ada;vip;coaching broadcast;signed sheet 12;2026-01-05\n"
        b"nonsense;Bob;;;;\n"
    )
    row = await run(school, sms, data)
    assert counts(row) == ("done", 2, 1, 0, 1)
    assert row["refused"][0]["line"] == 3
    assert row["data"] is None  # nothing of the file is kept once it is done
    [ada] = await people(school)
    assert (ada["address"], ada["name"], ada["tags"]) == ("+14155550100", "Ada", ["vip"])
    assert ada["attributes"] == {"joined": "2026-01-05"}
    assert await granted(school) == [
        ("sms/concierge", "broadcast"),
        ("sms/concierge", "coaching"),
    ]
    events = await school.fetch("SELECT * FROM app.consent_events WHERE creator_id = $1")
    assert {(e["source"], e["action"], e["contact_id"]) for e in events} == {
        ("import", "granted", ada["id"])
    }
    assert events[0]["evidence"] == {
        "line": 2,
        "text": "signed sheet 12",
        "import_id": str(row["id"]),
    }


async def test_the_same_file_again_changes_nothing(school: App, sms: Account) -> None:
    await run(school, sms, file(3))
    before = await people(school)
    assert counts(await run(school, sms, file(3))) == ("done", 3, 0, 3, 0)
    after = await people(school)
    assert [row["id"] for row in after] == [row["id"] for row in before]
    [count] = await school.fetch("SELECT count(*) FROM app.consent_events WHERE creator_id = $1")
    assert count[0] == 3


async def test_a_person_twice_in_a_file_is_one(school: App, sms: Account) -> None:
    data = f"phone,name,tags,city\n{number(1)},,a,Rome\n{number(2)},B,,\n(415)555-0001,Ada,b,Bari"
    assert counts(await run(school, sms, data.encode())) == ("done", 3, 2, 1, 0)
    first = (await people(school))[0]
    assert (first["name"], first["tags"], first["attributes"]) == (
        "Ada",
        ["a", "b"],
        {"city": "Bari"},
    )


async def test_what_people_said_of_themselves_is_not_overwritten(school: App, sms: Account) -> None:
    await run(school, sms, f"phone,name,timezone\n{number(1)},Ada,Europe/Rome\n".encode())
    await run(school, sms, f"phone,name,timezone,tags\n{number(1)},X,Asia/Tokyo,new\n".encode())
    [ada] = await people(school)
    assert (ada["name"], ada["timezone"], ada["tags"]) == ("Ada", "Europe/Rome", ["new"])


async def opts_out(app: App, address: str) -> None:
    person = Known(creator_id=app.creator_id, scope="sms/concierge", address=address)
    said = Said(source="word", actor="test", at=app.runtime.clock.now())
    async with app.runtime.database.transaction(app.creator_id) as connection:
        await refuse(connection, person, ["*"], said)


async def test_who_opted_out_stays_out_also_after_being_deleted(
    school: App, sms: Account, other: App
) -> None:
    await run(school, sms, file(1))
    await opts_out(school, number(0))
    await school.fetch("DELETE FROM app.contacts WHERE creator_id = $1")
    await school.fetch("DELETE FROM app.consents WHERE creator_id = $1")
    await run(school, sms, file(2, consent="coaching broadcast,sheet"))
    assert [row["opted_out_at"] is not None for row in await people(school)] == [True, False]
    # Nor does the file's word bring them back after a START: it isn't theirs.
    assert len(await granted(school)) == 2
    # Another creator's contacts opted out there, and nowhere else.
    theirs = await other.add_channel("sms", bot="concierge", credentials=TWILIO)
    await run(other, theirs, file(1))
    assert [row["opted_out_at"] for row in await people(other)] == [None]
    assert len(await granted(other)) == 1


async def test_a_killed_import_goes_on_where_it_stood(
    school: App, sms: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_import, "BATCH", 2)
    import_id = await add(school, sms, file(7))
    reached = asyncio.Event()
    written = 0

    async def stop_here(name: str) -> None:
        nonlocal written
        written += 1
        if written == 2:
            reached.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(contact_import, "failpoint", stop_here)
    imports = school.runtime.contact_imports
    worker = asyncio.create_task(imports.advance(school.creator_id, import_id))
    await reached.wait()
    assert counts(await status(school, import_id)) == ("running", 4, 4, 0, 0)
    # While somebody has it nobody else goes on.
    await imports.advance(school.creator_id, import_id)
    assert (await status(school, import_id))["done"] == 4
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await imports.advance(school.creator_id, import_id)
    assert counts(await status(school, import_id)) == ("done", 7, 7, 0, 0)
    assert len(await people(school)) == 7


async def test_the_sweeper_finds_what_a_dead_worker_left(school: App, sms: Account) -> None:
    import_id = await add(school, sms, file(1))
    assert await sweep_imports(school.runtime.database) == 0
    await school.fetch(
        "UPDATE app.contact_imports SET state = 'running', due_at = now() - interval '5 s'"
        " WHERE creator_id = $1"
    )
    assert await sweep_imports(school.runtime.database) == 1
    await school.runtime.contact_imports.advance(school.creator_id, import_id)
    assert await sweep_imports(school.runtime.database) == 0


async def test_only_files_that_can_work_are_taken_in(school: App, sms: Account, other: App) -> None:
    web = await school.add_channel("web")
    for app, account, data, error in (
        (school, sms, b"name\nAda\n", InvalidInput),
        (school, web, b"address\nx\n", InvalidInput),
        (other, sms, file(1), NotFound),
    ):
        with pytest.raises(error):
            await add(app, account, data)
    assert await school.fetch("SELECT 1 FROM app.contact_imports WHERE creator_id = $1") == []
