"""Whom a filter reaches now, and on which channel: the gates' rules for all contacts at once.

It tells and spreads only. Every rule is asked again, contact by contact, when something is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from core.channels import ChannelAdapter, Reaches
from core.consent import BROADCAST, EXPLICIT_TYPES
from core.policies import load_policy
from core.programs.segments.filters import compile_filter
from shared.database import PgConnection
from shared.models.consents import HASH_SQL

READY = "ready"
_FIRST_OF_FILTER = 7

# One row a contact: the best way to them, else why there is none; what they said counts most.
# Step by step and joined as sets, whole: a look-up for each of very many would take long.
_REACHED = f"""
WITH people AS (
  SELECT c.id, c.locale, c.language, c.preferred_channel_id FROM app.contacts c WHERE %s
), places AS MATERIALIZED (
  SELECT p.*, i.id AS identity_id, i.channel_id, i.address, i.reachable,
    i.opted_out_at IS NOT NULL AS is_out, c.type, c.status, c.type || '/' || c.bot AS scope,
    {HASH_SQL} AS hash
  FROM people p
  LEFT JOIN app.contact_identities i ON i.creator_id = $1 AND i.contact_id = p.id
    AND ($3::uuid IS NULL OR i.channel_id = $3)
  LEFT JOIN app.channels c ON c.creator_id = $1 AND c.id = i.channel_id
), ways AS MATERIALIZED (
  SELECT p.*, v.last_message_at, CASE
    WHEN p.identity_id IS NULL THEN 'no_channel'
    WHEN p.reachable = 'opted_out' OR p.is_out OR o.scope IS NOT NULL THEN 'opted_out'
    WHEN g.scope IS NULL AND NOT ($4 AND p.type <> ALL ($5::text[])) THEN 'no_consent'
    WHEN p.reachable <> 'yes' THEN 'unreachable'
    WHEN p.status <> 'active' THEN 'no_channel'
    WHEN v.id IS NULL AND p.type <> ALL ($6::text[]) THEN 'no_channel'
    ELSE 'ready' END AS verdict
  FROM places p
  LEFT JOIN app.opt_outs o ON o.creator_id = $1 AND o.scope = p.scope
    AND o.address_hash = p.hash AND o.purpose IN ('*', $2)
  LEFT JOIN app.consents g ON g.creator_id = $1 AND g.scope = p.scope
    AND g.address_hash = p.hash AND g.purpose = $2
  LEFT JOIN app.ai_conversations v ON v.creator_id = $1 AND v.contact_id = p.id
    AND v.channel_id = p.channel_id AND v.address ->> 'person' = p.address
    AND v.key NOT LIKE 'post:%%'
    AND (v.address ->> 'chat' = p.address OR (v.address ->> 'direct')::boolean)
), reached AS (
  SELECT DISTINCT ON (id) id, locale, language, channel_id, verdict FROM ways
  ORDER BY id,
    array_position('{{ready,opted_out,no_consent,unreachable,no_channel}}'::text[], verdict),
    channel_id IS DISTINCT FROM preferred_channel_id, last_message_at DESC NULLS LAST, identity_id
)
"""  # noqa: S608 - constants only
_COUNTED = """
SELECT channel_id, verdict, locale, language, count(*) AS count FROM reached
GROUP BY channel_id, verdict, locale, language
"""


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Whom something is for: a filter, and what decides over whom of them it reaches."""

    filter: Mapping[str, Any]
    purpose: str = BROADCAST
    channel_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How many contacts of one kind: the channel that carries it, or why none does."""

    channel_id: UUID | None
    verdict: str
    locale: str | None
    language: str | None
    count: int


@dataclass(frozen=True, kw_only=True)
class ReachSql:
    """`WITH … reached AS (id, locale, language, channel_id, verdict)`; a statement follows."""

    sql: str
    arguments: tuple[Any, ...]

    @property
    def next_place(self) -> int:
        """The number of the next placeholder."""
        return len(self.arguments) + 1


async def reach_sql(
    connection: PgConnection,
    creator_id: UUID,
    audience: Audience,
    adapters: Mapping[str, ChannelAdapter],
    now: datetime,
) -> ReachSql:
    """Raises InvalidInput for a bad filter."""
    compiled = compile_filter(audience.filter, now=now, first=_FIRST_OF_FILTER)
    policy = await load_policy(connection, creator_id)
    is_implied = audience.purpose == BROADCAST and policy.broadcast_consent == "implied"
    reaching = [name for name, adapter in adapters.items() if isinstance(adapter, Reaches)]
    return ReachSql(
        sql=_REACHED % compiled.where,
        arguments=(
            creator_id,
            audience.purpose,
            audience.channel_id,
            is_implied,
            sorted(EXPLICIT_TYPES),
            reaching,
            *compiled.arguments,
        ),
    )


async def count_reached(connection: PgConnection, reach: ReachSql) -> list[Reached]:
    rows = await connection.fetch(reach.sql + _COUNTED, *reach.arguments)
    return [Reached(**row) for row in rows]
