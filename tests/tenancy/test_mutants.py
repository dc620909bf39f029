"""Break the isolation once in every way we know: the audit must name each break.

Every mutant lives in a transaction that is rolled back. One that the audit misses means that the
same mistake in a migration would go unseen.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from shared.catalog import REVIEWED_COLUMNS
from shared.database import DriverConnection
from shared.embedded import EmbeddedEngines
from shared.tenancy import audit_catalog
from tests.databases import cloned

TENANT = "creator_id = (SELECT app.tenant_id())"
BARE = "creator_id = current_setting('app.current_creator_id')::uuid"

_TABLES = """
SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
  AND c.relispartition = $1 ORDER BY 1
"""


@pytest.fixture(scope="module")
async def admin(
    engines: EmbeddedEngines, template_database: None
) -> AsyncIterator[DriverConnection]:
    """A superuser on one database for all mutants: each of them is rolled back."""
    async with cloned(engines.urls) as urls:
        connection = await asyncpg.connect(urls.admin)
        yield connection
        await connection.close()


@asynccontextmanager
async def mutant(admin: DriverConnection, sql: str) -> AsyncIterator[None]:
    """Break by `sql`, look as cairn_app, undo all."""
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute(sql)
        await admin.execute("SET LOCAL ROLE cairn_app")
        yield
    finally:
        await transaction.rollback()


async def problems_of(admin: DriverConnection, sql: str) -> list[str]:
    async with mutant(admin, sql):
        return await audit_catalog(admin)


async def table_names(admin: DriverConnection, *, partitions: bool = False) -> list[str]:
    names: list[str] = [row[0] for row in await admin.fetch(_TABLES, partitions)]
    assert len(names) > 3
    return names


def policy(
    name: str,
    *,
    using: str = TENANT,
    check: str = TENANT,
    to: str = "authenticated_user",
    kind: str = "PERMISSIVE",
    command: str = "ALL",
) -> str:
    """Replace a policy of `{table}` by one that is a little different."""
    clauses = f"USING ({using})" + (f" WITH CHECK ({check})" if check else "")
    return (
        f"DROP POLICY IF EXISTS {name} ON app.{{table}};"
        f"CREATE POLICY {name} ON app.{{table}} AS {kind} FOR {command} TO {to} {clauses}"
    )


def guard(**changes: str) -> str:
    return policy("tenant_guard", kind=changes.pop("kind", "RESTRICTIVE"), **changes)


EVERY_TABLE = {
    "security-off": "ALTER TABLE app.{table} DISABLE ROW LEVEL SECURITY",
    "not-forced": "ALTER TABLE app.{table} NO FORCE ROW LEVEL SECURITY",
    "other-owner": "ALTER TABLE app.{table} OWNER TO cairn_migrate",
    "no-isolation": "DROP POLICY tenant_isolation ON app.{table}",
    "no-guard": "DROP POLICY tenant_guard ON app.{table}",
    "isolation-true": policy("tenant_isolation", using="true"),
    "isolation-writes-all": policy("tenant_isolation", check="true"),
    "isolation-no-check": policy("tenant_isolation", check=""),
    "isolation-bare": policy("tenant_isolation", using=BARE, check=BARE),
    "isolation-public": policy("tenant_isolation", to="PUBLIC"),
    "isolation-other-role": policy("tenant_isolation", to="authenticated_user, cairn_dispatch"),
    "isolation-or": policy("tenant_isolation", using=f"{TENANT} OR creator_id IS NULL"),
    "isolation-unwrapped": policy("tenant_isolation", using="creator_id = app.tenant_id()"),
    "guard-true": guard(using="true"),
    "guard-writes-all": guard(check="true"),
    "guard-permissive": guard(kind="PERMISSIVE"),
    "guard-select-only": guard(command="SELECT", check=""),
    "guard-public": guard(to="PUBLIC"),
    "guard-bare": guard(using=BARE),
    "extra-true": policy("reports", using="true", check="", command="SELECT"),
    "extra-for-dispatch": policy("more", using="true", check="", to="cairn_dispatch"),
    "extra-for-all": policy("open", using="true", check="true", to="PUBLIC"),
    "grant-truncate": "GRANT TRUNCATE ON app.{table} TO authenticated_user",
    "grant-trigger": "GRANT TRIGGER ON app.{table} TO authenticated_user",
    "grant-references": "GRANT REFERENCES ON app.{table} TO authenticated_user",
    "grant-column-references": "GRANT REFERENCES (creator_id) ON app.{table} TO authenticated_user",
    "grant-app": "GRANT SELECT ON app.{table} TO cairn_app",
    "grant-public": "GRANT SELECT ON app.{table} TO PUBLIC",
    "grant-dispatch": "GRANT SELECT ON app.{table} TO cairn_dispatch",
    "grant-router": "GRANT SELECT ON app.{table} TO cairn_router",
    "grant-backup-writes": "GRANT DELETE ON app.{table} TO cairn_backup",
    "grant-option": "GRANT SELECT ON app.{table} TO authenticated_user WITH GRANT OPTION",
    "grant-public-column": "GRANT SELECT (creator_id) ON app.{table} TO PUBLIC",
    "unique-without-creator": "ALTER TABLE app.{table} ADD COLUMN broken int UNIQUE",
    "include-is-not-a-key": "ALTER TABLE app.{table} ADD COLUMN broken int;"
    "CREATE UNIQUE INDEX ON app.{table} (broken) INCLUDE (creator_id)",
    "view": "CREATE VIEW app.broken AS SELECT * FROM app.{table}",
    "materialized-view": "CREATE MATERIALIZED VIEW app.broken AS SELECT * FROM app.{table}",
    "child-table": "CREATE TABLE app.broken () INHERITS (app.{table})",
    "rule": "CREATE RULE broken AS ON DELETE TO app.{table} DO ALSO NOTHING",
}
# PostgreSQL itself refuses these on a partitioned table.
NOT_PARTITIONED = {"unique-without-creator", "include-is-not-a-key", "child-table"}


@pytest.mark.parametrize("name", EVERY_TABLE)
async def test_a_break_of_any_table_is_seen(admin: DriverConnection, name: str) -> None:
    tables = await table_names(admin)
    if name in NOT_PARTITIONED:
        tables.remove("messages")
    missed = [
        table
        for table in tables
        if not await problems_of(admin, EVERY_TABLE[name].format(table=table))
    ]
    assert missed == []
    assert await audit_catalog(admin) == []  # the last break left nothing behind


PARTITIONS = {
    "security-off": "ALTER TABLE app.{table} DISABLE ROW LEVEL SECURITY",
    "not-forced": "ALTER TABLE app.{table} NO FORCE ROW LEVEL SECURITY",
    "granted": "GRANT SELECT ON app.{table} TO authenticated_user",
    "column-granted": "GRANT SELECT (id) ON app.{table} TO cairn_dispatch",
    "public": "GRANT INSERT ON app.{table} TO PUBLIC",
    "policy": "CREATE POLICY open ON app.{table} FOR SELECT TO authenticated_user USING (true)",
    "other-owner": "ALTER TABLE app.{table} OWNER TO cairn_migrate",
    "unique": "CREATE UNIQUE INDEX ON app.{table} (id)",
}


@pytest.mark.parametrize("name", PARTITIONS)
async def test_a_break_of_any_partition_is_seen(admin: DriverConnection, name: str) -> None:
    missed = [
        table
        for table in await table_names(admin, partitions=True)
        if not await problems_of(admin, PARTITIONS[name].format(table=table))
    ]
    assert missed == []


DEFINER = "LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
NEW_TABLE = "CREATE TABLE app.broken ({columns}); ALTER TABLE app.broken OWNER TO cairn_owner;"
PROTECTED = (
    "ALTER TABLE app.broken ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
    f"CREATE POLICY tenant_isolation ON app.broken TO authenticated_user USING ({TENANT})"
    f" WITH CHECK ({TENANT});"
    "CREATE POLICY tenant_guard ON app.broken AS RESTRICTIVE TO authenticated_user"
    f" USING ({TENANT}) WITH CHECK ({TENANT});"
)


def protected_table(columns: str) -> str:
    return NEW_TABLE.format(columns=columns) + PROTECTED


ONCE = {
    "table-without-creator": (NEW_TABLE.format(columns="id uuid PRIMARY KEY"), "no creator_id"),
    "creator-is-text": (
        NEW_TABLE.format(columns="creator_id text PRIMARY KEY"),
        "broken: has no creator_id uuid",
    ),
    "creator-nullable": (
        protected_table("creator_id uuid, id int, UNIQUE (creator_id, id)"),
        "broken: creator_id may be null",
    ),
    "creator-not-leading": (
        protected_table("id int, creator_id uuid, PRIMARY KEY (id, creator_id)"),
        "broken: creator_id leads no index",
    ),
    "only-a-partial-index": (
        protected_table("creator_id uuid NOT NULL, id int")
        + "CREATE INDEX ON app.broken (creator_id) WHERE id > 0",
        "broken: creator_id leads no index",
    ),
    "foreign-key-alone": (
        "SET CONSTRAINTS ALL IMMEDIATE;"
        "CREATE UNIQUE INDEX one ON app.contacts (id);"
        "ALTER TABLE app.user_sessions ADD contact_id uuid REFERENCES app.contacts (id)",
        "user_sessions: foreign key",
    ),
    "foreign-key-crossed": (
        "ALTER TABLE app.user_sessions ADD other uuid;"
        "ALTER TABLE app.user_sessions ADD CONSTRAINT crossed FOREIGN KEY (other, conversation_id)"
        " REFERENCES app.contacts (creator_id, id)",
        "user_sessions: foreign key crossed",
    ),
    "exclusion": (
        "ALTER TABLE app.usage_counters ADD CONSTRAINT one EXCLUDE USING btree (day WITH =)",
        "usage_counters: unique index one lacks creator_id",
    ),
    "tenant-function-default": (
        "CREATE OR REPLACE FUNCTION app.tenant_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE"
        " RETURN current_setting('app.current_creator_id', true)::uuid",
        "app.tenant_id(): missing or not the reviewed one",
    ),
    "tenant-function-text": (
        "CREATE OR REPLACE FUNCTION app.tenant_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE"
        " AS 'SELECT (SELECT creator_id FROM app.creators LIMIT 1)'",
        "app.tenant_id(): missing",
    ),
    "tenant-function-definer": (
        "ALTER FUNCTION app.tenant_id() SECURITY DEFINER",
        "app.tenant_id(): an unlisted SECURITY DEFINER function",
    ),
    "definer-unlisted": (
        f"CREATE FUNCTION app.count_all() RETURNS bigint {DEFINER} AS 'SELECT 1::bigint'",
        "app.count_all(): an unlisted SECURITY DEFINER function",
    ),
    "definer-overloaded": (
        f"CREATE FUNCTION app.find_channel(text) RETURNS bigint {DEFINER} AS 'SELECT 1::bigint'",
        "app.find_channel(text): an unlisted",
    ),
    "definer-in-public": (
        f"CREATE FUNCTION public.peek() RETURNS bigint {DEFINER} AS 'SELECT 1::bigint'",
        "public.peek(): an unlisted",
    ),
    "definer-unpinned": (
        "ALTER FUNCTION app.find_channel(text, text) RESET search_path",
        "search_path is not pinned",
    ),
    "definer-pinned-elsewhere": (
        "ALTER FUNCTION app.find_api_key(text) SET search_path = public, pg_catalog",
        "search_path is not pinned",
    ),
    "definer-of-superuser": (
        "ALTER FUNCTION app.find_api_key(text) OWNER TO postgres",
        "owned by postgres instead of cairn_router",
    ),
    "definer-for-everybody": (
        "GRANT EXECUTE ON FUNCTION app.find_api_key(text) TO PUBLIC",
        "everybody may call it",
    ),
    "leakproof": ("ALTER FUNCTION app.tenant_id() LEAKPROOF", "marked LEAKPROOF"),
    "view-invoker-off": (
        "CREATE VIEW public.broken WITH (security_invoker = false) AS SELECT 1",
        "public.broken: a view without security_invoker",
    ),
    "foreign-table": (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        "CREATE FOREIGN TABLE app.broken (creator_id uuid) SERVER s",
        "app.broken: a foreign table",
    ),
    "table-elsewhere": (
        "CREATE TABLE public.broken AS SELECT * FROM app.messages",
        "public.broken: a table outside",
    ),
    "app-superuser": ("ALTER ROLE cairn_app SUPERUSER", "cairn_app: too strong"),
    "app-bypass": ("ALTER ROLE cairn_app BYPASSRLS", "cairn_app: too strong"),
    "app-makes-roles": ("ALTER ROLE cairn_app CREATEROLE", "cairn_app: too strong"),
    "dispatch-bypass": ("ALTER ROLE cairn_dispatch BYPASSRLS", "cairn_dispatch: too strong"),
    "group-bypass": ("ALTER ROLE authenticated_user BYPASSRLS", "authenticated_user: too strong"),
    "owner-bypass": ("ALTER ROLE cairn_owner BYPASSRLS", "cairn_owner: too strong"),
    "owner-login": ("ALTER ROLE cairn_owner LOGIN", "cairn_owner: too strong"),
    "router-login": ("ALTER ROLE cairn_router LOGIN", "cairn_router: too strong"),
    "app-owner": ("GRANT cairn_owner TO cairn_app", "cairn_app: a member of cairn_owner"),
    "app-reader": ("GRANT pg_read_all_data TO cairn_app", "a member of pg_read_all_data"),
    "app-dispatch": ("GRANT cairn_dispatch TO cairn_app", "a member of cairn_dispatch"),
    "group-owner": ("GRANT cairn_owner TO authenticated_user", "authenticated_user: a member"),
    "dispatch-app": ("GRANT authenticated_user TO cairn_dispatch", "cairn_dispatch: a member"),
    "router-reader": ("GRANT pg_read_all_data TO cairn_router", "cairn_router: a member"),
    "bound-role": (
        "ALTER ROLE cairn_app SET app.current_creator_id = '0190b7a5-7b1a-7cc3-8e6d-0123456789ab'",
        "bound by default",
    ),
    "bound-database": (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET app.current_creator_id = ''x''',"
        " current_database()); END $$",
        "bound by default",
    ),
    "create-in-app": ("GRANT CREATE ON SCHEMA app TO cairn_app", "app: cairn_app may create"),
    "create-in-public": ("GRANT CREATE ON SCHEMA public TO PUBLIC", "everybody may create"),
    "default-privileges": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE cairn_owner GRANT ALL ON TABLES TO authenticated_user",
        "default privileges",
    ),
    "version-writable": (
        "GRANT UPDATE ON app.alembic_version TO authenticated_user",
        "alembic_version: authenticated_user has UPDATE",
    ),
    "queue-truncate": (
        "GRANT TRUNCATE ON queue.pgqueuer TO cairn_dispatch",
        "cairn_dispatch has TRUNCATE",
    ),
    "queue-read": (
        "GRANT SELECT ON queue.pgqueuer TO authenticated_user",
        "authenticated_user has SELECT",
    ),
    "dispatch-reads-text": (
        "GRANT SELECT (text) ON app.messages TO cairn_dispatch",
        "messages.text: cairn_dispatch has SELECT",
    ),
    "dispatch-moves-rows": (
        "GRANT UPDATE (creator_id) ON app.ai_conversations TO cairn_dispatch",
        "ai_conversations.creator_id: cairn_dispatch has UPDATE",
    ),
    "router-reads-credentials": (
        "GRANT SELECT (credentials) ON app.channels TO cairn_router",
        "channels.credentials: cairn_router has SELECT",
    ),
    "dispatch-policy-wider": (
        "ALTER POLICY dispatch_sees_due ON app.ai_conversations USING (true)",
        "policy dispatch_sees_due was not reviewed",
    ),
    "router-policy-for-app": (
        "ALTER POLICY router_reads ON app.channels TO cairn_router, authenticated_user",
        "policy router_reads was not reviewed",
    ),
}


@pytest.mark.parametrize("name", ONCE)
async def test_a_break_is_named(admin: DriverConnection, name: str) -> None:
    sql, says = ONCE[name]
    problems = await problems_of(admin, sql)
    assert any(says in problem for problem in problems), problems


async def test_every_column_of_the_reviewed_list_is_still_granted(admin: DriverConnection) -> None:
    """A list that allows more than the schema grants would hide a later mistake."""
    for place, columns in REVIEWED_COLUMNS.items():
        role, privilege, table = place.split()
        for column in columns.split():
            assert await admin.fetchval(
                "SELECT has_column_privilege($1, 'app.' || $2, $3, $4)",
                role,
                table,
                column,
                privilege,
            ), f"{place} {column}"
