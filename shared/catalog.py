"""Reads the database's own catalog for anything that would let one creator see another's rows.

Every check is one query that returns a line per problem. All of it is readable for cairn_app, so
the same audit runs in the tests, in `cairn doctor` and at boot. Names under review stand here.
"""

from typing import Any, NamedTuple

from shared.database import DriverConnection, PgConnection

# Holds no tenant's row: which version the schema is at.
EXEMPT_TABLES = ["alembic_version"]
TENANT = "(creator_id = ( SELECT app.tenant_id() AS tenant_id))"
TENANT_ID = "(NULLIF(current_setting('app.current_creator_id'::text, true), ''::text))::uuid"
PINNED_PATH = "search_path=pg_catalog, pg_temp"
DEFINERS = ["app.find_api_key(text)", "app.find_channel(text,text)"]
DUE = "((inbound_due_at IS NOT NULL) OR (outbound_due_at IS NOT NULL))"
UNFINISHED = "(status = ANY (ARRAY['pending'::text, 'reading'::text, 'indexing'::text]))"
LOOKS = "((status = 'live'::text) AND (looks_at < 'infinity'::timestamp with time zone))"
WAITING = "(state = ANY (ARRAY['waiting'::text, 'claimed'::text, 'sent'::text]))"
OVERDUE = "((state = 'queued'::text) AND (overdue_at IS NULL))"
RUNNING = "(state = ANY (ARRAY['waiting'::text, 'running'::text]))"
OPEN = "((state <> ALL (ARRAY['done'::text, 'aborted'::text])) AND (NOT is_paused))"

# Policies beside the two of every table, as `table policy command role expression`. Those with
# `true` carry no content: which columns their role may read stands in COLUMNS.
REVIEWED_POLICIES = [
    "channels router_reads r cairn_router true",
    "api_keys router_reads r cairn_router true",
    "creators router_reads r cairn_router true",
    "creators dispatch_lists r cairn_dispatch true",
    "channels dispatch_lists r cairn_dispatch listens",
    f"ai_conversations dispatch_sees_due r cairn_dispatch {DUE}",
    f"ai_conversations dispatch_hints w cairn_dispatch {DUE}",
    f"knowledge_documents dispatch_sees_unfinished r cairn_dispatch {UNFINISHED}",
    f"embedding_migrations dispatch_sees_open r cairn_dispatch {OPEN}",
    f"coaching_programs dispatch_sees_looks r cairn_dispatch {LOOKS}",
    f"scheduled_sends dispatch_sees_waiting r cairn_dispatch {WAITING}",
    "broadcasts dispatch_sees_running r cairn_dispatch (state = 'running'::text)",
    f"tickets dispatch_sees_overdue r cairn_dispatch {OVERDUE}",
    f"contact_imports dispatch_sees_open r cairn_dispatch {RUNNING}",
    f"contact_exports dispatch_sees_open r cairn_dispatch {RUNNING}",
    f"contact_erasures dispatch_sees_open r cairn_dispatch {RUNNING}",
]
# What cairn_dispatch and cairn_router may touch, as `role privilege table: columns`.
REVIEWED_COLUMNS = {
    "cairn_dispatch SELECT creators": "creator_id status",
    "cairn_dispatch SELECT channels": "creator_id id type status listens",
    "cairn_dispatch SELECT ai_conversations": "creator_id id inbound_due_at inbound_hinted_at"
    " lease_until outbound_due_at outbound_hinted_at delivery_until",
    "cairn_dispatch UPDATE ai_conversations": "inbound_hinted_at outbound_hinted_at",
    "cairn_dispatch SELECT knowledge_documents": "creator_id id status updated_at",
    "cairn_dispatch SELECT embedding_migrations": "creator_id id state is_paused due_at",
    "cairn_dispatch SELECT coaching_programs": "creator_id id status looks_at",
    "cairn_dispatch SELECT scheduled_sends": "creator_id state due_at due_slot settled_at"
    " answer_until answered_at missed_at",
    "cairn_dispatch SELECT broadcasts": "creator_id state",
    "cairn_dispatch SELECT tickets": "creator_id id state respond_by overdue_at",
    "cairn_dispatch SELECT contact_imports": "creator_id id state due_at",
    "cairn_dispatch SELECT contact_exports": "creator_id id state due_at",
    "cairn_dispatch SELECT contact_erasures": "creator_id id state due_at",
    "cairn_router SELECT creators": "creator_id status",
    "cairn_router SELECT channels": "creator_id id type route_key",
    "cairn_router SELECT api_keys": "creator_id id prefix hash revoked_at",
}


class Check(NamedTuple):
    sql: str
    arguments: tuple[Any, ...] = ()


# `tables` are those that hold tenants' rows; `relations` everything of ours that has columns.
_WITH = """
WITH relations AS (
  SELECT c.oid, c.relname::text AS name, c.relkind AS kind, c.relispartition AS is_partition,
         c.relrowsecurity AS secured, c.relforcerowsecurity AS forced, c.reloptions AS options,
         c.relowner AS owner, c.relacl AS acl, n.nspname::text AS schema
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
), tables AS (
  SELECT * FROM relations WHERE schema = 'app' AND kind IN ('r', 'p')
    AND name <> ALL ($1::text[])
), columns AS (
  SELECT t.oid, a.attnum, a.attnotnull AS is_required, a.atttypid AS type
  FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid
  WHERE a.attname = 'creator_id' AND NOT a.attisdropped
)
"""

_TABLES = """
SELECT name || ': row level security is off' FROM tables WHERE NOT secured
UNION ALL SELECT name || ': row level security is not forced' FROM tables WHERE NOT forced
UNION ALL SELECT t.name || ': owned by ' || r.rolname FROM tables t
  JOIN pg_roles r ON r.oid = t.owner WHERE r.rolname <> 'cairn_owner'
UNION ALL SELECT t.name || ': inherits from another table' FROM tables t
  JOIN pg_inherits i ON i.inhrelid = t.oid WHERE NOT t.is_partition
UNION ALL SELECT t.name || ': has the rule ' || w.rulename FROM tables t
  JOIN pg_rewrite w ON w.ev_class = t.oid
"""

_TENANT_COLUMN = """
SELECT t.name || ': has no creator_id uuid' FROM tables t
  LEFT JOIN columns c ON c.oid = t.oid WHERE c.type IS DISTINCT FROM 'uuid'::regtype
UNION ALL SELECT t.name || ': creator_id may be null' FROM tables t
  JOIN columns c ON c.oid = t.oid WHERE NOT c.is_required
UNION ALL SELECT t.name || ': creator_id leads no index' FROM tables t
  LEFT JOIN columns c ON c.oid = t.oid
  WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisvalid
                    AND i.indpred IS NULL AND i.indkey[0] = c.attnum)
"""

_POLICIES = """
, policies AS (
  SELECT t.name AS table_name, p.polname::text AS name, p.polcmd::text AS command,
         p.polpermissive AS is_permissive, 0 = ANY (p.polroles) AS is_public,
         array_to_string(ARRAY(SELECT r.rolname FROM pg_roles r
                               WHERE r.oid = ANY (p.polroles) ORDER BY 1), ',') AS roles,
         pg_get_expr(p.polqual, p.polrelid) AS visible,
         pg_get_expr(p.polwithcheck, p.polrelid) AS writable
  FROM tables t JOIN pg_policy p ON p.polrelid = t.oid
), expected AS (
  SELECT t.name AS table_name, e.name, e.is_permissive FROM tables t,
    (VALUES ('tenant_isolation', true), ('tenant_guard', false)) AS e (name, is_permissive)
  WHERE NOT t.is_partition
)
SELECT p.table_name || ': policy ' || p.name || ' is for everybody' FROM policies p
  WHERE p.is_public
UNION ALL SELECT p.table_name || ': policy ' || p.name || ' reads the setting by itself'
  FROM policies p WHERE concat(p.visible, p.writable) ~ 'current_setting'
UNION ALL SELECT e.table_name || ': policy ' || e.name || ' is missing' FROM expected e
  LEFT JOIN policies p USING (table_name, name) WHERE p.name IS NULL
UNION ALL SELECT e.table_name || ': policy ' || e.name || ' is not the reviewed one'
  FROM expected e JOIN policies p USING (table_name, name)
  WHERE (p.command, p.is_permissive, p.roles, p.visible, p.writable)
    IS DISTINCT FROM ('*', e.is_permissive, 'authenticated_user', $2::text, $2::text)
UNION ALL SELECT p.table_name || ': policy ' || p.name || ' was not reviewed'
  FROM policies p LEFT JOIN expected e USING (table_name, name)
  WHERE e.name IS NULL AND (p.writable IS NOT NULL OR concat_ws(' ',
    p.table_name, p.name, p.command, p.roles, p.visible) <> ALL ($3::text[]))
"""

_OTHER_RELATIONS = """
SELECT schema || '.' || name || ': a view without security_invoker' FROM relations
  WHERE kind = 'v' AND NOT coalesce(options && ARRAY['security_invoker=true',
    'security_invoker=on', 'security_invoker=1', 'security_invoker=yes'], false)
UNION ALL SELECT schema || '.' || name || ': a materialized view' FROM relations WHERE kind = 'm'
UNION ALL SELECT schema || '.' || name || ': a foreign table' FROM relations WHERE kind = 'f'
UNION ALL SELECT schema || '.' || name || ': a table outside app and queue' FROM relations
  WHERE kind IN ('r', 'p') AND schema NOT IN ('app', 'queue')
"""

_FUNCTIONS = """
, functions AS (
  SELECT f.oid, n.nspname || '.' || f.proname || '(' || replace(oidvectortypes(f.proargtypes),
           ', ', ',') || ')' AS name, f.prosecdef AS is_definer, f.proleakproof AS is_leakproof,
         f.proconfig AS settings, f.provolatile AS volatility, f.proacl AS acl,
         f.proowner AS owner_id, r.rolname AS owner
  FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace JOIN pg_roles r ON r.oid = f.proowner
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
)
SELECT name || ': an unlisted SECURITY DEFINER function' FROM functions
  WHERE is_definer AND name <> ALL ($2::text[])
UNION ALL SELECT name || ': its search_path is not pinned' FROM functions
  WHERE name = ANY ($2::text[]) AND settings IS DISTINCT FROM ARRAY[$3::text]
UNION ALL SELECT name || ': owned by ' || owner || ' instead of cairn_router' FROM functions
  WHERE name = ANY ($2::text[]) AND owner <> 'cairn_router'
UNION ALL SELECT name || ': everybody may call it' FROM functions,
    aclexplode(coalesce(acl, acldefault('f', owner_id))) a
  WHERE name = ANY ($2::text[]) AND a.grantee = 0
UNION ALL SELECT name || ': marked LEAKPROOF' FROM functions WHERE is_leakproof
UNION ALL SELECT 'app.tenant_id(): missing or not the reviewed one' WHERE NOT EXISTS (
  SELECT FROM functions WHERE name = 'app.tenant_id()' AND NOT is_definer AND settings IS NULL
    AND owner = 'cairn_owner' AND volatility = 's'
    AND pg_get_function_sqlbody(oid) = 'RETURN ' || $4::text)
"""

_KEYS = """
SELECT t.name || ': foreign key ' || k.conname || ' crosses creators'
  FROM tables t JOIN columns own ON own.oid = t.oid
  JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
  LEFT JOIN columns other ON other.oid = k.confrelid
  WHERE NOT EXISTS (SELECT FROM generate_subscripts(k.conkey, 1) AS i
                    WHERE k.conkey[i] = own.attnum AND k.confkey[i] = other.attnum)
UNION ALL SELECT t.name || ': unique index ' || x.relname || ' lacks creator_id'
  FROM tables t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class x ON x.oid = i.indexrelid
  LEFT JOIN columns c ON c.oid = t.oid
  WHERE (i.indisunique OR i.indisexclusion)
    AND NOT coalesce(c.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]), false)
"""

_ROLES = """
SELECT rolname || ': too strong a role' FROM pg_roles
  WHERE rolname IN ('cairn_app', 'cairn_dispatch', 'cairn_router', 'authenticated_user',
                    'cairn_owner', 'cairn_migrate')
    AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
         OR rolcanlogin AND rolname IN ('cairn_router', 'authenticated_user', 'cairn_owner'))
UNION ALL SELECT m.rolname || ': a member of ' || r.rolname FROM pg_auth_members a
  JOIN pg_roles m ON m.oid = a.member JOIN pg_roles r ON r.oid = a.roleid
  WHERE m.rolname IN ('cairn_app', 'cairn_dispatch', 'cairn_router', 'authenticated_user')
    AND (m.rolname, r.rolname) <> ('cairn_app', 'authenticated_user')
UNION ALL SELECT 'a creator is bound by default, to a role or the database' FROM pg_db_role_setting
  WHERE EXISTS (SELECT FROM unnest(setconfig) s WHERE s LIKE 'app.current\\_creator\\_id=%')
UNION ALL SELECT n.nspname || ': ' || coalesce(r.rolname, 'everybody') || ' may create in it'
  FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
  LEFT JOIN pg_roles r ON r.oid = a.grantee
  WHERE n.nspname IN ('app', 'queue', 'public') AND a.privilege_type = 'CREATE'
    AND a.grantee <> n.nspowner AND (n.nspname, r.rolname) IS DISTINCT FROM ('app', 'cairn_router')
UNION ALL SELECT 'default privileges give new tables away' FROM pg_default_acl d,
    aclexplode(d.defaclacl) a WHERE a.grantee <> d.defaclrole
"""

_GRANTS = """
, grants AS (
  SELECT r.schema, r.name, r.kind, r.is_partition,
         coalesce(g.rolname, 'everybody')::text AS grantee,
         a.privilege_type AS privilege, a.is_grantable, '' AS column_name
  FROM relations r, aclexplode(coalesce(r.acl,
    acldefault(CASE r.kind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.owner))) a
  LEFT JOIN pg_roles g ON g.oid = a.grantee
  WHERE r.kind NOT IN ('i', 'I', 'c', 't') AND a.grantee <> r.owner
  UNION ALL
  SELECT r.schema, r.name, r.kind, r.is_partition, coalesce(g.rolname, 'everybody')::text,
         a.privilege_type, a.is_grantable, t.attname::text
  FROM relations r JOIN pg_attribute t ON t.attrelid = r.oid, aclexplode(t.attacl) a
  LEFT JOIN pg_roles g ON g.oid = a.grantee WHERE a.grantee <> r.owner
)
SELECT concat(schema, '.', name, nullif('.' || column_name, '.'), ': ', grantee, ' has ', privilege,
              CASE WHEN is_grantable THEN ' and may pass it on' END)
FROM grants WHERE is_grantable OR NOT CASE
  WHEN grantee = 'cairn_backup' THEN privilege = 'SELECT'
  WHEN is_partition THEN false
  WHEN schema = 'app' AND name = ANY ($1::text[]) THEN
    grantee IN ('authenticated_user', 'cairn_dispatch') AND privilege = 'SELECT'
  WHEN kind = 'S' THEN grantee IN ('authenticated_user', 'cairn_dispatch') AND privilege = 'USAGE'
  WHEN schema = 'app' AND grantee = 'authenticated_user' THEN
    privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
  WHEN schema = 'app' THEN concat_ws(' ', grantee, privilege, name, column_name) = ANY ($2::text[])
  WHEN schema = 'queue' AND grantee = 'cairn_dispatch' THEN
    privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
  WHEN schema = 'queue' AND grantee = 'authenticated_user' THEN
    privilege = 'INSERT' OR privilege = 'SELECT' AND column_name <> ''
  ELSE false END
"""


def _reviewed_grants() -> list[str]:
    return [
        f"{place} {column}" for place, all_ in REVIEWED_COLUMNS.items() for column in all_.split()
    ]


CHECKS = (
    Check(_TABLES),
    Check(_TENANT_COLUMN),
    Check(_POLICIES, (TENANT, REVIEWED_POLICIES)),
    Check(_OTHER_RELATIONS),
    Check(_FUNCTIONS, (DEFINERS, PINNED_PATH, TENANT_ID)),
    Check(_KEYS),
    Check(_ROLES),
    Check(_GRANTS, (_reviewed_grants(),)),
)


async def audit_catalog(connection: PgConnection | DriverConnection) -> list[str]:
    """One line per problem, sorted; empty when every table is isolated. Changes nothing."""
    problems: list[str] = []
    async with connection.transaction():
        # Expressions are printed by what the search path sees; with none, every name is whole.
        path = await connection.fetchval("SELECT current_setting('search_path')")
        await _set_path(connection, "pg_catalog")
        for check in CHECKS:
            rows = await connection.fetch(_WITH + check.sql, EXEMPT_TABLES, *check.arguments)
            problems += [row[0] for row in rows]
        await _set_path(connection, path)
    return sorted(set(problems))


async def _set_path(connection: PgConnection | DriverConnection, path: str) -> None:
    await connection.execute("SELECT pg_catalog.set_config('search_path', $1, true)", path)
