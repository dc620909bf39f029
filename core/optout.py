"""Who doesn't want to be written to first: the words that say so, and where it is kept.

It stops what Cairn starts by itself. What a person asks afterwards is answered, except where the
platform's own opt-out lets nothing through (`reachable` is then `opted_out`).
"""

import unicodedata
from typing import Literal
from uuid import UUID

from core.audit import contact_actor, note
from shared.database import PgConnection

# As whole messages only, in the words that carriers and platforms made customary.
_STOP = {
    "en": "stop stopall unsubscribe optout opt-out",
    "de": "stopp abmelden abbestellen",
    "fr": "arrêt arret arrêter arreter désabonner desabonner",
    "es": "alto baja parar",
    "pt": "pare sair descadastrar",
    "it": "basta ferma disiscrivi disiscrivimi",
}
_START = {
    "en": "start unstop subscribe",
    "de": "anmelden",
    "fr": "reprendre",
    "es": "alta",
    "pt": "voltar",
    "it": "riprendi",
}
STOP_WORDS = frozenset(word for words in _STOP.values() for word in words.split())
START_WORDS = frozenset(word for words in _START.values() for word in words.split())

STOPPED = (
    "You won't get messages from me any more unless you write first. Write /start to change that."
)
RESUMED = "You'll get messages from me again. Write /stop to end that."

_SET = """
UPDATE app.contact_identities
SET opted_out_at = CASE WHEN $4 THEN coalesce(opted_out_at, now()) END,
    reachable = CASE WHEN $5 <> 'platform' THEN reachable WHEN $4 THEN 'opted_out'
                     WHEN reachable = 'opted_out' THEN 'yes' ELSE reachable END
WHERE creator_id = $1 AND channel_id = $2 AND address = $3
  AND ((opted_out_at IS NOT NULL) <> $4 OR $5 = 'platform' AND (reachable = 'opted_out') <> $4)
RETURNING id, contact_id
"""

By = Literal["person", "platform"]


def is_stop(text: str) -> bool:
    """Whether a whole message is a word that ends messages."""
    return _word(text) in STOP_WORDS


def is_start(text: str) -> bool:
    """Whether a whole message is a word that begins them again."""
    return _word(text) in START_WORDS


def _word(text: str) -> str:
    """The text as one bare word; whatever is longer than a word stays what it is."""
    bare = unicodedata.normalize("NFC", text[:60]).strip()
    edges = "".join(char for char in set(bare) if unicodedata.category(char).startswith("P"))
    return bare.strip(edges + " ").casefold()


async def set_opted_out(
    connection: PgConnection,
    creator_id: UUID,
    channel_id: UUID,
    address: str,
    *,
    out: bool,
    by: By,
) -> None:
    """Remember a person's wish and note the change. `by` platform: it lets nothing through."""
    row = await connection.fetchrow(_SET, creator_id, channel_id, address, out, by)
    if row is None:
        return
    await note(
        connection,
        creator_id,
        actor=contact_actor(row["contact_id"]),
        action="contact.opted_out" if out else "contact.opted_in",
        target=row["contact_id"],
        channel_id=str(channel_id),
        identity_id=str(row["id"]),
        by=by,
    )
