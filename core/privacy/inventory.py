"""Every table that holds something of a contact: how its rows are found and what erasure does.

One list for the export, the erasure and the proof that it is complete. A test reads the catalog:
a table that hangs on a contact and isn't named here fails it.
"""

from dataclasses import dataclass
from typing import Literal

Fate = Literal["deleted", "blanked", "kept"]
"""`blanked`: deleted where only this person reads, and without any words in a room."""

# Of a conversation `v`: only this person reads there.
PRIVATE = (
    "v.address ->> 'person' IS NOT NULL AND (coalesce((v.address ->> 'direct')::boolean, false)"
    " OR v.address ->> 'chat' = v.address ->> 'person')"
)
# What a conversation is called once it was taken from its person; nobody finds it any more.
SEVERED = "v.key = 'erased:' || v.id"
OWN = f"v.creator_id = $1 AND v.contact_id = ANY ($2::uuid[]) AND ({PRIVATE} OR {SEVERED})"
_OWN_CONVERSATIONS = f"SELECT v.id FROM app.ai_conversations v WHERE {OWN}"  # noqa: S608
_HASHES = (
    "SELECT c.type || '/' || c.bot, sha256(convert_to("
    "concat_ws('/', i.creator_id, c.type, c.bot, i.address), 'UTF8'))"
    " FROM app.contact_identities i JOIN app.channels c"
    " ON c.creator_id = i.creator_id AND c.id = i.channel_id"
    " WHERE i.creator_id = $1 AND i.contact_id = ANY ($2::uuid[])"
)


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Rows `t` of a table that belong to the contacts $2 of the creator $1.

    `order` names a row: expressions and their types. `withheld` are columns that say nothing about
    the person. `by_message`: rows of messages, $2 being those.
    """

    table: str
    where: str = "t.contact_id = ANY ($2::uuid[])"
    order: tuple[tuple[str, str], ...] = (("t.id", "uuid"),)
    withheld: tuple[str, ...] = ()
    fate: Fate = "deleted"
    by_message: bool = False
    exported: bool = True


HOLDINGS: tuple[Holding, ...] = (
    Holding(table="contacts", where="t.id = ANY ($2::uuid[])"),
    Holding(table="contact_identities"),
    Holding(
        table="contact_links",
        where="t.from_contact = ANY ($2::uuid[]) OR t.to_contact = ANY ($2::uuid[])",
    ),
    # How a code would be recognised; not the code, which nobody keeps.
    Holding(table="link_codes", order=(("encode(t.digest, 'hex')", "text"),), withheld=("digest",)),
    Holding(table="bot_records", order=(("t.bot", "text"), ("t.topic", "text"), ("t.key", "text"))),
    Holding(
        table="ai_conversations",
        where=f"t.id IN ({_OWN_CONVERSATIONS})",
        withheld=(
            "inbound_hinted_at",
            "lease_owner",
            "lease_until",
            "epoch",
            "outbound_hinted_at",
            "delivery_owner",
            "delivery_until",
            "delivery_epoch",
        ),
    ),
    Holding(
        table="user_sessions",
        where=f"t.conversation_id IN ({_OWN_CONVERSATIONS})",
        order=(("t.conversation_id", "uuid"),),
    ),
    Holding(
        table="reply_streams",
        where=f"t.conversation_id IN ({_OWN_CONVERSATIONS})",
        order=(("t.message_id", "uuid"),),
    ),
    Holding(table="enrolments"),
    Holding(table="scheduled_sends", withheld=("due_slot",)),
    Holding(table="goals"),
    Holding(table="check_ins"),
    Holding(table="tickets"),
    Holding(
        table="ticket_notes",
        where="t.ticket_id IN (SELECT k.id FROM app.tickets k"
        " WHERE k.creator_id = $1 AND k.contact_id = ANY ($2::uuid[]))",
    ),
    # What was agreed to outlives the person, for it must be proved; then it names nobody.
    Holding(
        table="consent_events",
        where=f"t.contact_id = ANY ($2::uuid[]) OR (t.scope, t.address_hash) IN ({_HASHES})",
        fate="kept",
    ),
    Holding(
        table="consents",
        where=f"(t.scope, t.address_hash) IN ({_HASHES})",
        order=(("t.event_id", "uuid"), ("t.purpose", "text")),
        fate="kept",
    ),
    Holding(
        table="opt_outs",
        where=f"(t.scope, t.address_hash) IN ({_HASHES})",
        order=(("t.event_id", "uuid"), ("t.purpose", "text")),
        fate="kept",
    ),
    Holding(table="contact_exports", withheld=("progress", "manifest")),
    Holding(
        table="contact_export_files",
        where="t.export_id IN (SELECT x.id FROM app.contact_exports x"
        " WHERE x.creator_id = $1 AND x.contact_id = ANY ($2::uuid[]))",
        order=(("t.export_id", "uuid"), ("t.name", "text"), ("t.part", "integer")),
        exported=False,  # earlier exports of the same
    ),
    Holding(table="contact_erasures", withheld=("progress",), fate="kept"),
    # Ids only: who did what must be told afterwards too.
    Holding(
        table="audit_log",
        where="t.target IN (SELECT i::text FROM unnest($2::uuid[]) AS i)"
        " OR t.actor IN (SELECT 'contact:' || i FROM unnest($2::uuid[]) AS i)",
        fate="kept",
    ),
    Holding(table="messages", where="false", order=(("t.seq", "bigint"),), fate="blanked"),
    Holding(
        table="send_attempts",
        where="t.message_id = ANY ($2::uuid[])",
        by_message=True,
    ),
    Holding(
        table="accepted_events",
        where="(t.channel_id, t.external_id) IN (SELECT m.channel_id, m.external_id"
        " FROM app.messages m WHERE m.creator_id = $1 AND m.id = ANY ($2::uuid[]))",
        order=(("t.channel_id", "uuid"), ("t.external_id", "text")),
        withheld=("digest",),
        by_message=True,
    ),
    Holding(
        table="early_receipts",
        where="(t.channel_id, t.provider_id) IN (SELECT a.channel_id, a.provider_id"
        " FROM app.send_attempts a WHERE a.creator_id = $1 AND a.message_id = ANY ($2::uuid[]))",
        order=(("t.channel_id", "uuid"), ("t.provider_id", "text"), ("t.state", "text")),
        by_message=True,
    ),
)

BY_TABLE = {holding.table: holding for holding in HOLDINGS}
OF_CONTACT = tuple(h for h in HOLDINGS if h.exported and not h.by_message and h.table != "messages")
OF_MESSAGE = tuple(h for h in HOLDINGS if h.by_message)

# Tables that may name people without hanging on a contact, and why they aren't above.
OUTSIDE = {
    "contact_imports": "the creator's own file, deleted when it has been read",
    "broadcasts": "whom a filter means is the creator's wording; recipients are scheduled_sends",
    "segments": "whom a filter means is the creator's wording",
}
