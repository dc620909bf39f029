"""One example of each thing that has an id over REST, and bodies that are fine for its owner."""

from typing import Any
from uuid import UUID, uuid4

from core.runtime import Runtime
from shared.models import migrations
from shared.utils.ids import new_id
from tests.core.api.conftest import TELEGRAM, Tenant

PROGRAM = {
    "slug": "mine",
    "name": "Mine",
    "steps": [{"key": "hello", "content": {"en": {"text": "Hello"}}}],
}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/api/v1/channels/{channel_id}"): {"name": "Mine now"},
    ("PATCH", "/api/v1/contacts/{contact_id}"): {"name": "Mine now"},
    ("POST", "/api/v1/contacts/{contact_id}/unlink"): {"link_id": str(uuid4())},
    ("POST", "/api/v1/contacts/{contact_id}/erase"): {"confirm": "Mine now"},
    ("POST", "/api/v1/conversations/{conversation_id}/messages"): {"text": "It is me"},
    ("POST", "/api/v1/contacts/{contact_id}/consents"): {
        "channel_id": str(uuid4()),
        "action": "granted",
        "purposes": ["coaching"],
        "evidence": {"text": "She said so."},
    },
    ("POST", "/api/v1/contacts/{contact_id}/goals"): {"title": "Mine"},
    ("PATCH", "/api/v1/contacts/{contact_id}/goals/{goal_id}"): {"title": "Mine now"},
    ("POST", "/api/v1/contacts/{contact_id}/check-ins"): {
        "goal_id": str(uuid4()),
        "value": True,
    },
    ("POST", "/api/v1/tickets/{ticket_id}/reply"): {"text": "It is me"},
    ("POST", "/api/v1/tickets/{ticket_id}/notes"): {"text": "It is me"},
    ("PATCH", "/api/v1/segments/{segment_id}"): {"name": "Mine now"},
    ("PATCH", "/api/v1/broadcasts/{broadcast_id}"): {"name": "Mine now"},
    ("PUT", "/api/v1/programs/{program_id}"): PROGRAM,
    ("POST", "/api/v1/programs/{program_id}/copy"): {"slug": "mine"},
    ("POST", "/api/v1/programs/{program_id}/enrolments"): {"contact_ids": [str(uuid4())]},
}


async def plant(runtime: Runtime, tenant: Tenant, conversation_id: UUID) -> dict[str, str]:
    """One id of each kind, all of this tenant."""
    contact = (await tenant.api.get("/api/v1/contacts")).json()["items"][0]
    messages = await tenant.api.get(f"/api/v1/conversations/{conversation_id}/messages")
    document = await tenant.api.post(
        "/api/v1/knowledge/documents", json={"title": "Mine", "text": "My own words."}
    )
    key = (await tenant.api.get("/api/v1/api-keys")).json()["items"][0]
    migration_id = await begin_migration(runtime, tenant)
    return {
        "channel_id": tenant.web["id"],
        "contact_id": contact["id"],
        "conversation_id": str(conversation_id),
        "message_id": messages.json()["items"][0]["id"],
        "document_id": document.json()["id"],
        "key_id": key["id"],
        "migration_id": str(migration_id),
        **await hand_out(runtime, tenant, UUID(contact["id"])),
        **await ids_of_a_program(tenant, contact["id"]),
        **await ids_of_a_broadcast(tenant),
        **await ids_of_a_goal_and_a_ticket(tenant, contact["id"], str(conversation_id)),
        "import_id": await take_in_a_file(runtime, tenant),
    }


async def ids_of_a_broadcast(tenant: Tenant) -> dict[str, str]:
    """A segment, and a broadcast that is over: who follows it is told so, and no more."""
    segment = await tenant.api.post(
        "/api/v1/segments", json={"name": "Mine", "filter": {"all": []}}
    )
    segment_id = segment.json()["id"]
    body = {"name": "Mine", "content": {"en": "Hello"}, "segment_id": segment_id}
    broadcast_id = (await tenant.api.post("/api/v1/broadcasts", json=body)).json()["id"]
    await tenant.api.post(f"/api/v1/broadcasts/{broadcast_id}/cancel")
    return {"segment_id": segment_id, "broadcast_id": broadcast_id}


async def ids_of_a_program(tenant: Tenant, contact_id: str) -> dict[str, str]:
    """A program, somebody in it, and what waits for them."""
    program = (await tenant.api.post("/api/v1/programs", json=PROGRAM)).json()
    path = f"/api/v1/programs/{program['id']}"
    await tenant.api.post(f"{path}/publish")
    await tenant.api.post(f"{path}/enrolments", json={"contact_ids": [contact_id]})
    [enrolment] = (await tenant.api.get(f"{path}/enrolments")).json()["items"]
    sends = await tenant.api.get("/api/v1/scheduled-sends", params={"program": program["id"]})
    return {
        "program_id": program["id"],
        "enrolment_id": enrolment["id"],
        "send_id": sends.json()["items"][0]["id"],
    }


async def ids_of_a_goal_and_a_ticket(
    tenant: Tenant, contact_id: str, conversation_id: str
) -> dict[str, str]:
    goal = await tenant.api.post(f"/api/v1/contacts/{contact_id}/goals", json={"title": "Mine"})
    ticket = await tenant.api.post(
        "/api/v1/tickets", json={"conversation_id": conversation_id, "detail": "Mine"}
    )
    return {"goal_id": goal.json()["id"], "ticket_id": ticket.json()["id"]}


async def take_in_a_file(runtime: Runtime, tenant: Tenant) -> str:
    """A file of contacts, which nobody reads here; a widget's visitors come in none."""
    account = await runtime.accounts.add(
        tenant.id,
        runtime.channels["telegram"],
        name="mine",
        bot="coach",
        credentials=TELEGRAM,
        settings={},
    )
    accepted = await tenant.api.post(
        "/api/v1/contacts/import",
        data={"channel_id": str(account.channel_id)},
        files={"file": ("mine.csv", b"address\n1001\n")},
    )
    return str(accepted.json()["id"])


async def hand_out(runtime: Runtime, tenant: Tenant, contact_id: UUID) -> dict[str, str]:
    """An export that is done, and an erasure that waits."""
    who, actor = (tenant.id, contact_id), "test"
    exported = await runtime.privacy.ask_export(*who, actor=actor)
    await runtime.privacy.export(tenant.id, exported.id)
    erased = await runtime.privacy.ask_erasure(*who, actor=actor)
    return {"export_id": str(exported.id), "erasure_id": str(erased.id), "name": "contact.json"}


async def begin_migration(runtime: Runtime, tenant: Tenant) -> UUID:
    """A row is enough: nobody works on it here."""
    migration_id = new_id()
    async with runtime.database.transaction(tenant.id) as connection:
        await migrations.insert(
            connection,
            tenant.id,
            migration_id,
            from_space="wordllama-256",
            to_space="another",
            to_model="",
            batch_size=100,
            soak_seconds=0,
        )
    return migration_id
