"""The one place that protects a table: row level security, both policies, grants."""

from typing import Any

from alembic import op

TENANT = "creator_id = (SELECT app.tenant_id())"


def script(sql: str) -> None:
    """Run several statements at once on the migration's own connection and transaction."""

    async def run(connection: Any) -> None:
        await connection.execute(sql)

    op.get_bind().connection.dbapi_connection.run_async(run)  # type: ignore[union-attr]


def begin() -> None:
    """First in every migration: become the owner, and never queue behind a long lock."""
    op.execute("SET LOCAL ROLE cairn_owner")
    op.execute("SET LOCAL lock_timeout = '5s'")


def protect(table: str, *, grants: str = "SELECT, INSERT, UPDATE, DELETE") -> None:
    """Let `authenticated_user` reach rows of the bound creator only; TRUNCATE is never granted."""
    script(f"""
    ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY;
    ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant_isolation ON app.{table} AS PERMISSIVE FOR ALL TO authenticated_user
      USING ({TENANT}) WITH CHECK ({TENANT});
    CREATE POLICY tenant_guard ON app.{table} AS RESTRICTIVE FOR ALL TO authenticated_user
      USING ({TENANT}) WITH CHECK ({TENANT});
    GRANT {grants} ON app.{table} TO authenticated_user;
    GRANT SELECT ON app.{table} TO cairn_backup;
    """)


def protect_partition(table: str) -> None:
    """A partition read directly shows every row: protected too, and granted to backups alone."""
    script(f"""
    ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY;
    ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY;
    GRANT SELECT ON app.{table} TO cairn_backup;
    """)
