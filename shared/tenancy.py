"""May this process start on this database? The role must be weak, the schema the code's own.

`refuse_strong_role` and `check_schema` raise ConfigurationError (exit 78) with one plain line;
`audit_catalog` lists everything in the schema that would let one creator see another's rows.
"""

from collections.abc import Collection

import asyncpg

from shared.catalog import audit_catalog
from shared.database import DriverConnection, PgConnection
from shared.errors import ConfigurationError

__all__ = ["audit_catalog", "check_schema", "refuse_strong_role"]

Connection = PgConnection | DriverConnection

APP_ROLE_MAY_JOIN = frozenset({"authenticated_user"})

# The session's own role counts too: RESET ROLE would return to it.
_ROLES = """
SELECT r.rolname AS name, r.rolsuper AS is_super, r.rolbypassrls AS bypasses,
  EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relowner = r.oid
          AND c.relnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace n
                                 WHERE n.nspname IN ('app', 'queue'))) AS is_owner,
  ARRAY(SELECT o.rolname::text FROM pg_catalog.pg_roles o
        WHERE o.oid <> r.oid AND pg_catalog.pg_has_role(r.oid, o.oid, 'MEMBER')
        ORDER BY o.rolname) AS member_of
FROM pg_catalog.pg_roles r WHERE r.rolname IN (session_user, current_user) ORDER BY r.rolname
"""
_ACTIVE = """
SELECT pg_catalog.row_security_active(c.oid) FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'app' AND c.relname = 'messages'
"""


async def refuse_strong_role(
    connection: Connection,
    *,
    may_join: Collection[str] = APP_ROLE_MAY_JOIN,
    mend: str = "connect as cairn_app in CAIRN_DATABASE__URL",
) -> None:
    """Raises ConfigurationError when row level security would not bind this connection.

    For the dispatch pool pass `may_join=()` and its own `mend`.
    """
    for role in await connection.fetch(_ROLES):
        strength = _strength(role, may_join)
        if strength:
            raise ConfigurationError(f"the database role {role['name']} {strength}; {mend}")
    if await connection.fetchval(_ACTIVE) is False:
        raise ConfigurationError(f"row level security is not active for this role; {mend}")


def _strength(role: asyncpg.Record, may_join: Collection[str]) -> str | None:
    if role["is_super"]:
        return "is a superuser, whom row level security does not bind"
    if role["bypasses"]:
        return "has BYPASSRLS, so row level security does not bind it"
    if role["is_owner"]:
        return "owns tables, and an owner can switch row level security off"
    others = [name for name in role["member_of"] if name not in may_join]
    if others:
        return f"is a member of {', '.join(others)}"
    return None


async def check_schema(connection: Connection, head: str) -> None:
    """Raises ConfigurationError unless the database is exactly at `head`, the code's version."""
    try:
        version = await connection.fetchval("SELECT version_num FROM app.alembic_version")
    except (
        asyncpg.UndefinedTableError,
        asyncpg.InvalidSchemaNameError,
        asyncpg.InsufficientPrivilegeError,
    ):
        version = None
    if version is None:
        raise ConfigurationError("the database has no schema yet; run `cairn migrate`")
    if version < head:
        raise ConfigurationError(
            f"the database schema {version} is older than this code's {head}; run `cairn migrate`"
        )
    if version > head:
        raise ConfigurationError(
            f"the database schema {version} is newer than this code's {head};"
            " install the newer Cairn (`cairn migrate` never goes back)"
        )
