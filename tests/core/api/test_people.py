"""REST over what people sent and who they are: attachments, links, language and time zone."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.channels import InboundAttachment
from core.linking import Attempt, Linking, new_code
from core.runtime import Runtime
from shared.utils.ids import new_id
from tests.apps import App
from tests.core.api.conftest import Connect, Tenant
from tests.core.test_inbox import message
from tests.learners import Learner, on_telegram

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40


@pytest.fixture
async def learner(runtime: Runtime, ada: Tenant) -> AsyncIterator[Learner]:
    async with on_telegram(App(runtime=runtime, creator_id=ada.id)) as learner:
        yield learner


async def sent(learner: Learner, **content: Any) -> str:
    await learner.says("", **content)
    return str((await learner.inbound())[-1]["id"])


async def document(learner: Learner, body: bytes, name: str) -> str:
    file_id = learner.emulator.bot.add_file(body)
    file = {"file_id": file_id, "file_unique_id": "u", "file_name": name, "mime_type": "text/html"}
    return await sent(learner, document=file)


# --- attachments


async def test_a_message_lists_its_attachments(ada: Tenant, learner: Learner) -> None:
    message_id = await document(learner, PNG, "plan.pdf")
    path = f"/api/v1/messages/{message_id}"
    shown = (await ada.api.get(path)).json()["attachments"]
    assert shown == [
        {
            "kind": "document",
            "name": "plan.pdf",
            "media_type": "text/html",
            "size": None,
            "url": f"{path}/attachments/0",
        }
    ]
    conversation = await learner.conversation_id()
    listed = await ada.api.get(f"/api/v1/conversations/{conversation}/messages")
    assert listed.json()["items"][0]["attachments"] == shown


async def test_a_place_is_listed_without_an_address_to_fetch(ada: Tenant, learner: Learner) -> None:
    message_id = await sent(learner, location={"latitude": 1.5, "longitude": 2.5})
    [shown] = (await ada.api.get(f"/api/v1/messages/{message_id}")).json()["attachments"]
    assert (shown["name"], shown["url"]) == ("geo:1.500000,2.500000", None)


async def test_a_file_is_served_for_keeping_only(ada: Tenant, learner: Learner) -> None:
    message_id = await document(learner, PNG, 'p"lan\r\nä.html')
    response = await ada.api.get(f"/api/v1/messages/{message_id}/attachments/0")
    assert (response.status_code, response.content) == (200, PNG)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-length"] == str(len(PNG))
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-disposition"] == (
        "attachment; filename=\"p_lan_.html\"; filename*=UTF-8''p%22lan%C3%A4.html"
    )


async def test_every_failure_has_its_code(ada: Tenant, bob: Tenant, learner: Learner) -> None:
    gone = await sent(learner, document={"file_id": "x", "file_unique_id": "u"})
    nothing = await sent(learner, location={"latitude": 1, "longitude": 2})
    claim = {"file_id": "x", "file_unique_id": "u", "file_size": 20_000_001}
    large = await sent(learner, document=claim)
    for message_id, status, code in (
        (gone, 410, "gone"),
        (nothing, 409, "not_fetchable"),
        (large, 413, "too_large"),
        (uuid4(), 404, "not_found"),
    ):
        response = await ada.api.get(f"/api/v1/messages/{message_id}/attachments/0")
        assert (response.status_code, response.json()["code"]) == (status, code)
    other = await ada.api.get(f"/api/v1/messages/{gone}/attachments/7")
    assert other.status_code == 404
    foreign = await bob.api.get(f"/api/v1/messages/{gone}/attachments/0")
    assert foreign.status_code == 404


async def test_without_a_key_there_is_no_file(connect: Connect, learner: Learner) -> None:
    message_id = await document(learner, PNG, "a.png")
    response = await connect().get(f"/api/v1/messages/{message_id}/attachments/0")
    assert response.status_code == 401


# --- contacts


async def contact_path(ada: Tenant, learner: Learner) -> str:
    await learner.says("hello")
    newest = (await ada.api.get("/api/v1/contacts")).json()["items"][0]
    return f"/api/v1/contacts/{newest['id']}"


@pytest.mark.parametrize("tag", ["de", "pt-BR", "zh-Hant-TW", "sl-rozaj-biske", "de-CH-1996", None])
async def test_a_locale_is_a_language_tag(ada: Tenant, learner: Learner, tag: str | None) -> None:
    response = await ada.api.patch(await contact_path(ada, learner), json={"locale": tag})
    assert (response.status_code, response.json()["locale"]) == (200, tag)


@pytest.mark.parametrize(
    "wrong",
    [
        {"locale": "german!"},
        {"locale": "d"},
        {"locale": "abcd"},
        {"locale": "de_DE"},
        {"locale": "de-"},
        {"locale": ""},
        {"timezone": "Mars/X"},
        {"timezone": "europe/berlin"},
        {"timezone": "../../etc/passwd"},
        {"timezone": ""},
    ],
    ids=str,
)
async def test_what_is_no_language_and_no_zone_is_refused(
    ada: Tenant, learner: Learner, wrong: dict[str, str]
) -> None:
    response = await ada.api.patch(await contact_path(ada, learner), json=wrong)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


async def joined(learner: Learner) -> tuple[UUID, UUID]:
    """(contact, link) after somebody on the web became the learner."""
    runtime, creator_id = learner.app.runtime, learner.app.creator_id
    web = await learner.app.add_channel("web")
    first = await runtime.inbox.accept(message(learner.account, "hello"), conversation_key="1001")
    second = await runtime.inbox.accept(
        message(web, "hello", person="visitor"), conversation_key="visitor"
    )
    linking = Linking(database=runtime.database, limiter=runtime.limiter, keys=runtime.keys)
    code = new_code()
    async with runtime.database.transaction(creator_id) as connection:
        await linking.add_code(connection, creator_id, first.contact_id, code)
    assert await linking.redeem(
        Attempt(
            creator_id=creator_id,
            contact_id=second.contact_id,
            channel_id=web.channel_id,
            address="visitor",
            message_id=new_id(),
            code=code,
        )
    )
    [row] = await learner.app.fetch("SELECT id FROM app.contact_links WHERE creator_id = $1")
    return first.contact_id, row["id"]


async def test_a_link_is_shown_and_taken_back(ada: Tenant, learner: Learner) -> None:
    contact_id, link_id = await joined(learner)
    path = f"/api/v1/contacts/{contact_id}"
    shown = (await ada.api.get(path)).json()
    assert len(shown["identities"]) == 2
    assert [(link["id"], link["undone_at"]) for link in shown["links"]] == [(str(link_id), None)]
    response = await ada.api.post(f"{path}/unlink", json={"link_id": str(link_id)})
    assert response.status_code == 200, response.text
    assert len(response.json()["identities"]) == 1
    assert response.json()["links"][0]["undone_at"] is not None
    again = await ada.api.post(f"{path}/unlink", json={"link_id": str(link_id)})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    rows = await learner.app.fetch(
        "SELECT actor FROM app.audit_log WHERE creator_id = $1 AND action = 'contact.unlinked'"
    )
    assert [row["actor"].split(":")[0] for row in rows] == ["api_key"]


async def test_a_link_of_another_creator_is_not_found(
    ada: Tenant, bob: Tenant, learner: Learner
) -> None:
    contact_id, link_id = await joined(learner)
    for api, path_id, body_id in (
        (bob.api, contact_id, link_id),
        (ada.api, uuid4(), link_id),
        (ada.api, contact_id, uuid4()),
    ):
        response = await api.post(
            f"/api/v1/contacts/{path_id}/unlink", json={"link_id": str(body_id)}
        )
        assert response.status_code == 404


def test_an_attachment_of_an_event_holds_no_bytes() -> None:
    assert set(InboundAttachment.model_fields) == {"kind", "ref", "name", "media_type", "size"}
