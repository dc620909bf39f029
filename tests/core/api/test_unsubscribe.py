"""The page that ends messages with a click: only the click counts, and only a link of ours."""

import re
from base64 import b64encode, urlsafe_b64decode
from uuid import uuid4

import pytest
from pydantic import SecretStr

from core import unsubscribe
from core.consent import BROADCAST
from core.runtime import Runtime
from core.unsubscribe import Links, Wish
from shared.errors import NotFound
from shared.messages import Message
from shared.models.consents import Person, address_hash, standing
from shared.security import KeyRing
from tests.core.api.conftest import BASE_URL, Connect, Tenant, Visitor, drain

SCOPE = "web/coach"


async def address_of(runtime: Runtime, ada: Tenant) -> str:
    async with runtime.database.transaction(ada.id) as connection:
        found: str = await connection.fetchval("SELECT address FROM app.contact_identities")
    return found


async def link_of(runtime: Runtime, ada: Tenant, address: str) -> str:
    person = Person(creator_id=ada.id, scope=SCOPE, address=address)
    return Links(runtime.keys, BASE_URL).of(person, BROADCAST)


async def is_out(runtime: Runtime, ada: Tenant, address: str) -> bool:
    asked = (SCOPE, address_hash(ada.id, SCOPE, address), BROADCAST)
    async with runtime.database.transaction(ada.id) as connection:
        return (await standing(connection, ada.id, [asked]))[asked].is_out


async def test_looking_changes_nothing_and_clicking_ends_it(
    runtime: Runtime, connect: Connect, ada: Tenant, visitor: Visitor
) -> None:
    await visitor.post({"id": "0190a1b2-0000-7000-8000-000000000001", "text": "hello"})
    await drain(runtime, ada.id, visitor.conversation_id)
    address = await address_of(runtime, ada)
    link, browser = await link_of(runtime, ada, address), connect()
    page = await browser.get(link)
    assert (page.status_code, "<form method=" in page.text) == (200, True)
    assert "form-action 'self'" in page.headers["content-security-policy"]
    for style in re.findall(r'href="([^"]+\.css)"', page.text):
        assert (await browser.get(style)).status_code == 200
    assert not await is_out(runtime, ada, address)
    for _ in range(2):
        assert "no more news" in (await browser.post(link)).text
    assert await is_out(runtime, ada, address)
    async with runtime.database.transaction(ada.id) as connection:
        rows = await connection.fetch(
            "SELECT contact_id, action, source, evidence FROM app.consent_events"
            " WHERE purpose = 'broadcast'"
        )
        contact_id = await connection.fetchval("SELECT contact_id FROM app.contact_identities")
    assert [(row["contact_id"], row["action"], row["source"]) for row in rows] == [
        (contact_id, "withdrawn", "link")
    ]
    assert "click" in rows[0]["evidence"]


async def test_a_link_outlives_the_contact_and_says_nothing_of_them(
    runtime: Runtime, connect: Connect, ada: Tenant, bob: Tenant
) -> None:
    link = await link_of(runtime, ada, "+15550100")
    assert b"15550100" not in urlsafe_b64decode(link.rsplit("/", 1)[1] + "==")
    assert (await connect().post(link)).status_code == 200
    assert await is_out(runtime, ada, "+15550100")
    assert not await is_out(runtime, bob, "+15550100")


@pytest.mark.parametrize("damage", ["last", "first", "longer", "empty", "odd"])
async def test_no_other_link_works(
    runtime: Runtime, connect: Connect, ada: Tenant, damage: str
) -> None:
    link = await link_of(runtime, ada, "+15550100")
    base, token = link.rsplit("/", 1)
    flipped = {"A": "B"}.get(token[0], "A")
    wrong = {
        "last": token[:-8],
        "first": flipped + token[1:],
        "longer": "A" * 700,
        "empty": "-",
        "odd": "%F0%9F%98%80",
    }[damage]
    for method in ("GET", "POST"):
        response = await connect().request(method, f"{base}/{wrong}")
        assert (response.status_code, "answer one of them with STOP" in response.text) == (
            404,
            True,
        )
    assert not await is_out(runtime, ada, "+15550100")


def test_a_link_works_as_long_as_its_key_is_known() -> None:
    old, new = (f"{name}:{b64encode(name.encode() * 32).decode()}" for name in ("a", "b"))
    wish = Wish(creator_id=uuid4(), scope=SCOPE, address_hash=b"h" * 32, purpose=BROADCAST)
    token = unsubscribe.sign(KeyRing(SecretStr(old)), wish)
    assert unsubscribe.read(KeyRing(SecretStr(f"{new},{old}")), token) == wish
    with pytest.raises(NotFound):
        unsubscribe.read(KeyRing(SecretStr(new)), token)


def test_a_text_says_stop_instead_of_a_link(runtime: Runtime, ada: Tenant) -> None:
    links, said = Links(runtime.keys, BASE_URL), Message(text="News!")
    texted = Person(creator_id=ada.id, scope="sms/concierge", address="+15550100")
    chatted = Person(creator_id=ada.id, scope=SCOPE, address="visitor")
    assert links.ended(said, texted, BROADCAST) == said
    ended = links.ended(said, chatted, BROADCAST).text
    assert ended == f"News!\n\n[No more of these]({links.of(chatted, BROADCAST)})"
    assert Links(runtime.keys, "").ended(said, chatted, BROADCAST) == said
