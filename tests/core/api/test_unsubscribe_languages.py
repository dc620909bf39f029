"""The page that ends messages speaks the contact's language, else the browser's."""

import pytest

from core.api.unsubscribe_texts import PAGE_TEXTS
from core.consent import ALL, BROADCAST
from core.runtime import Runtime
from core.unsubscribe import Links
from shared.messages import Message
from shared.models.consents import Person
from tests.core.api.conftest import BASE_URL, Connect, Tenant, Visitor, drain

SCOPE = "web/coach"
_SPEAKS = "UPDATE app.contacts SET language = $1, locale = $2"


async def link_of(
    runtime: Runtime, ada: Tenant, visitor: Visitor, *tags: str | None
) -> tuple[str, str]:
    """The addresses that end broadcasts and everything, of a contact who speaks these."""
    await visitor.post({"id": "0190a1b2-0000-7000-8000-000000000001", "text": "hello"})
    await drain(runtime, ada.id, visitor.conversation_id)
    async with runtime.database.transaction(ada.id) as connection:
        await connection.execute(_SPEAKS, *tags)
        address = await connection.fetchval("SELECT address FROM app.contact_identities")
    person = Person(creator_id=ada.id, scope=SCOPE, address=address)
    links = Links(runtime.keys, BASE_URL)
    return links.of(person, BROADCAST), links.of(person, ALL)


@pytest.mark.parametrize(
    ("chosen", "device", "language"),
    [("de", "fr-FR", "de"), (None, "fr-FR", "fr"), (None, None, "pl"), ("sv", "fi", "pl")],
    ids=["chosen", "device", "browser", "unknown"],
)
async def test_the_page_is_in_the_contacts_language(
    runtime: Runtime,
    connect: Connect,
    ada: Tenant,
    visitor: Visitor,
    chosen: str | None,
    device: str | None,
    language: str,
) -> None:
    some, all_ = await link_of(runtime, ada, visitor, chosen, device)
    browser, texts = connect(**{"Accept-Language": "sv, pl;q=0.9, it;q=0.5"}), PAGE_TEXTS[language]
    asked = (await browser.get(some)).text
    assert f'<html lang="{language}">' in asked
    assert texts.ask.format(what=texts.broadcast) in asked
    assert f">{texts.button}</button>" in asked
    done = (await browser.post(all_)).text
    assert f'<html lang="{language}">' in done
    assert texts.done.format(what=texts.all) in done


@pytest.mark.parametrize(
    ("header", "language"), [("tr-TR,tr;q=0.9", "tr"), ("ja", "en"), ("", "en")]
)
async def test_who_is_no_contact_reads_it_in_their_browsers_language(
    runtime: Runtime, connect: Connect, ada: Tenant, header: str, language: str
) -> None:
    person = Person(creator_id=ada.id, scope=SCOPE, address="gone")
    browser = connect(**{"Accept-Language": header})
    for method, link, title in (
        (
            "GET",
            Links(runtime.keys, BASE_URL).of(person, BROADCAST),
            PAGE_TEXTS[language].ask_title,
        ),
        ("POST", f"{BASE_URL}/u/forged", PAGE_TEXTS[language].unknown_title),
    ):
        page = (await browser.request(method, link)).text
        assert f'<html lang="{language}">' in page
        assert f"<h1>{title}</h1>" in page


async def test_a_purpose_of_the_creators_own_is_named_as_it_is(
    runtime: Runtime, connect: Connect, ada: Tenant
) -> None:
    person = Person(creator_id=ada.id, scope=SCOPE, address="gone")
    link = Links(runtime.keys, BASE_URL).of(person, "<b>{yoga}")
    page = (await connect(**{"Accept-Language": "de"}).get(link)).text
    assert "Nachrichten zu &lt;b&gt;{yoga}" in page


def test_a_broadcasts_link_is_in_the_contacts_language(runtime: Runtime, ada: Tenant) -> None:
    person = Person(creator_id=ada.id, scope=SCOPE, address="visitor")
    links, said = Links(runtime.keys, BASE_URL), Message(text="News!")
    assert "[Nichts mehr davon](" in links.ended(said, person, BROADCAST, None, "de-AT").text
    assert "[No more of these](" in links.ended(said, person, BROADCAST, "sv").text
