"""`cairn broadcasts`: from a draft to its end, and what is refused in one line."""

import json
from uuid import UUID

import pytest

from core.runtime import open_runtime
from shared.errors import Conflict, InvalidInput, NotFound
from shared.settings import Settings
from tests.core.cli.conftest import Cairn
from tests.core.test_contact_import import TWILIO
from tests.crowds import add_crowd


@pytest.fixture
async def of(settings: Settings, creator: UUID) -> tuple[str, str]:
    """The option that names a creator with twelve contacts."""
    async with open_runtime(settings) as runtime:
        account = await runtime.accounts.add(
            creator,
            runtime.channels["sms"],
            name="Texts",
            bot="concierge",
            credentials=TWILIO,
            settings={},
        )
        async with runtime.database.transaction(creator) as connection:
            await add_crowd(connection, creator, account.channel_id, 12, locale="de")
    return "--creator", str(creator)


async def test_a_broadcast_from_a_draft_to_its_end(cairn: Cairn, of: tuple[str, str]) -> None:
    texts = ("--text", "2 + 2 = 4, {name}", "--text", "fr=Bonjour")
    made = await cairn("broadcasts", "create", "News", *texts, "--everybody", *of)
    assert made.code == 0, made.out
    id_ = made.out.strip()
    tried = (await cairn("broadcasts", "dry-run", id_, "--price", "0.05", *of)).out
    assert tried.splitlines()[:4] == [
        "12 contacts, 12 can be reached now",
        "  on Texts (sms): 12, 12 segments",
        "  no text in de: 12 get en",
        "  text messages cost 0.60 USD",
    ]
    steps = {"start": "running", "pause": "paused", "resume": "running", "cancel": "cancelled"}
    for step, state in steps.items():
        told = (await cairn("broadcasts", step, id_, *of)).out
        assert told == f"News: {state}, 12 planned\n"
    last = json.loads((await cairn("broadcasts", "watch", id_, *of)).out.splitlines()[-1])
    assert (last["state"], last["cancelled"]) == ("cancelled", 12)
    listed = json.loads((await cairn("broadcasts", "list", *of)).out)
    assert (listed["name"], listed["state"]) == ("News", "cancelled")
    again = await cairn("broadcasts", "start", id_, *of)
    assert isinstance(again.error, Conflict)


async def test_what_cannot_be_is_said_in_one_line(
    cairn: Cairn, of: tuple[str, str], creator: UUID
) -> None:
    words = ("broadcasts", "create", "News", "--text", "x")
    for given, said in (
        ((), "give a filter or a segment_id"),
        (("--filter", "{"), "not valid JSON"),
        (("--filter", "@/no/such/file"), "No such file"),
        (("--filter", "{}"), "filter: must hold one of"),
        (("--everybody", "--expires-after", "soon"), "expires_after"),
    ):
        error = (await cairn(*words, *given, *of)).error
        assert isinstance(error, InvalidInput), given
        assert said in error.message
    assert isinstance((await cairn("broadcasts", "start", str(creator), *of)).error, NotFound)
