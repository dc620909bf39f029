"""Whether somebody may be written to first: what they agreed to, and what they took back.

A wish counts for one type of channel with one bot. STOP refuses everything there; START brings
back what had been agreed to, and nothing else.
"""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from core.audit import note
from core.policies import Policy
from core.programs.sends.stopping import cancel_sends, revive_sends
from shared.database import PgConnection
from shared.models import consents
from shared.models.consents import ALL, Asked, Person, Said, Source, Standing, address_hash
from shared.models.consents import left as left
from shared.models.consents import standing as standing

COACHING, REMINDER, BROADCAST = "coaching", "reminder", "broadcast"
PURPOSES = (COACHING, REMINDER, BROADCAST)

# Who opens a bot there asked for it. A phone number is only written to after an explicit yes.
EXPLICIT_TYPES = frozenset({"sms"})
GRANTED_BY_START = (COACHING, REMINDER)

# Purposes as people write them after `/stop`.
_NAMES = {
    COACHING: "coaching coach program programs checkin checkins check-in check-ins",
    REMINDER: "reminder reminders",
    BROADCAST: "broadcast broadcasts news newsletter newsletters offers",
}
PURPOSE_BY_NAME = {name: purpose for purpose, names in _NAMES.items() for name in names.split()}

Refusal = Literal["opted_out", "no_consent"]

_PERSON = """
SELECT c.type, c.bot, i.contact_id
FROM app.channels c LEFT JOIN app.contact_identities i
  ON i.creator_id = $1 AND i.channel_id = $2 AND i.address = $3
WHERE c.creator_id = $1 AND c.id = $2
"""
# What every identity of this scope shows of it. `opted_out_at` is compared with the times of
# messages, so it goes by the database's clock.
_SHOW = """
UPDATE app.contact_identities i
SET opted_out_at = CASE WHEN $5 THEN coalesce(i.opted_out_at, now()) END,
    reachable = CASE WHEN NOT $6 OR i.channel_id <> $2 THEN i.reachable WHEN $5 THEN 'opted_out'
                     WHEN i.reachable = 'opted_out' THEN 'yes' ELSE i.reachable END
FROM app.channels c
WHERE i.creator_id = $1 AND i.address = $3 AND c.creator_id = $1 AND c.id = i.channel_id
  AND c.type || '/' || c.bot = $4
  AND ((i.opted_out_at IS NOT NULL) <> $5
       OR $6 AND i.channel_id = $2 AND (i.reachable = 'opted_out') <> $5)
RETURNING i.id, i.contact_id, i.channel_id
"""
_BEGUN = """
UPDATE app.contact_identities SET agreed_at = $4
WHERE creator_id = $1 AND channel_id = $2 AND address = $3
"""


def shown(purpose: str) -> str:
    """A purpose in a sentence, as commands read it back."""
    return {REMINDER: "reminders", BROADCAST: "broadcasts"}.get(purpose, purpose)


def scope_of(type_: str, bot: str) -> str:
    """What a wish counts for: channels of one type with one bot."""
    return f"{type_}/{bot}"


def grants_by_start(type_: str) -> tuple[str, ...]:
    """What writing first agrees to on a type of channel."""
    return () if type_ in EXPLICIT_TYPES else GRANTED_BY_START


def grants_by_word(type_: str) -> tuple[str, ...]:
    """What a bare START or JOIN agrees to, where writing first agrees to nothing."""
    return GRANTED_BY_START if type_ in EXPLICIT_TYPES else ()


def refusal(found: Standing, *, type_: str, purpose: str, policy: Policy) -> Refusal | None:
    """Why this may not be sent; None when it may."""
    if found.is_out:
        return "opted_out"
    is_implied = (
        purpose == BROADCAST
        and policy.broadcast_consent == "implied"
        and type_ not in EXPLICIT_TYPES
    )
    return None if found.is_granted or is_implied else "no_consent"


async def find_person(
    connection: PgConnection, creator_id: UUID, channel_id: UUID, address: str
) -> Person | None:
    """Who has this address, known as a contact or not; None where there is no such channel."""
    row = await connection.fetchrow(_PERSON, creator_id, channel_id, address)
    if row is None:
        return None
    return Person(
        creator_id=creator_id,
        scope=scope_of(row["type"], row["bot"]),
        address=address,
        contact_id=row["contact_id"],
        channel_id=channel_id,
    )


async def grant(
    connection: PgConnection, person: Person, purposes: Sequence[str], said: Said
) -> None:
    """Note that somebody agrees to these purposes. Who said STOP stays out until START."""
    await consents.agree(connection, person, purposes, said)


async def offer(
    connection: PgConnection, person: Person, purposes: Sequence[str], said: Said
) -> list[str]:
    """Grant what isn't refused and doesn't stand yet; what that was.

    For what others say of a person, and for what their first message implies: neither takes back
    a refusal of theirs.
    """
    key = person.key[2]
    asked = [(person.scope, key, purpose) for purpose in purposes]
    stands = await standing(connection, person.creator_id, asked)
    refused = await consents.refused(connection, person)
    new = [
        purpose
        for scope, hash_, purpose in asked
        if purpose not in refused and not stands[scope, hash_, purpose].is_granted
    ]
    if new:
        await consents.agree(connection, person, new, said)
    return new


async def begin(connection: PgConnection, person: Person, said: Said) -> None:
    """Note what a person's first message agrees to, once for each identity."""
    if purposes := grants_by_start(person.channel_type):
        await offer(connection, person, purposes, said)
    await connection.execute(_BEGUN, person.creator_id, person.channel_id, person.address, said.at)


async def withdraw(
    connection: PgConnection, person: Person, purposes: Sequence[str], said: Said
) -> None:
    """Note that somebody takes these back; with `*` among them, everything, as STOP means it."""
    if ALL in purposes:
        await _stop(connection, person, said)
        return
    refused = await consents.refused(connection, person)
    if new := [purpose for purpose in purposes if purpose not in refused]:
        await consents.refuse(connection, person, new, said)
        for purpose in new:
            if person.contact_id:
                await cancel_sends(
                    connection, person.creator_id, person.contact_id, said.now, purpose
                )


async def _stop(connection: PgConnection, person: Person, said: Said) -> None:
    shown = await _show(connection, person, said, out=True)
    is_new = ALL not in await consents.refused(connection, person)
    if is_new:
        await consents.refuse(connection, person, [ALL], said)
    if (is_new or shown) and person.contact_id:
        await cancel_sends(connection, person.creator_id, person.contact_id, said.now)


async def resume(connection: PgConnection, person: Person, said: Said) -> None:
    """Note that somebody ended their STOP."""
    await _show(connection, person, said, out=False)
    if ALL not in await consents.refused(connection, person):
        return
    await consents.unrefuse(connection, person, said)
    if person.contact_id:
        await revive_sends(connection, person.creator_id, person.contact_id, said.now)


async def _show(connection: PgConnection, person: Person, said: Said, *, out: bool) -> bool:
    """Let the identities say so too, and note the change of each; whether there was any."""
    rows = await connection.fetch(
        _SHOW,
        person.creator_id,
        person.channel_id,
        person.address,
        person.scope,
        out,
        said.source == "platform",
    )
    for row in rows:
        await note(
            connection,
            person.creator_id,
            actor=said.actor,
            action="contact.opted_out" if out else "contact.opted_in",
            target=row["contact_id"],
            channel_id=str(row["channel_id"]),
            identity_id=str(row["id"]),
            by=_BY.get(said.source, "person"),
        )
    return bool(rows)


_BY: dict[Source, str] = {"platform": "platform", "api": "team", "import": "team"}


__all__ = [
    "ALL",
    "Asked",
    "Person",
    "Refusal",
    "Said",
    "Standing",
    "address_hash",
    "begin",
    "find_person",
    "grant",
    "grants_by_word",
    "left",
    "offer",
    "refusal",
    "resume",
    "scope_of",
    "standing",
    "withdraw",
]
