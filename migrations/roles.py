"""The database roles of Cairn and who may become whom. Run once, by an administrator."""

# Roles are global to a server, so each statement tolerates that the role exists already.
ROLES: tuple[tuple[str, str], ...] = (
    ("cairn_owner", "NOLOGIN NOSUPERUSER NOBYPASSRLS"),
    ("cairn_migrate", "LOGIN NOSUPERUSER NOBYPASSRLS"),
    ("authenticated_user", "NOLOGIN NOSUPERUSER NOBYPASSRLS"),
    ("cairn_app", "LOGIN NOSUPERUSER NOBYPASSRLS"),
    ("cairn_dispatch", "LOGIN NOSUPERUSER NOBYPASSRLS"),
    ("cairn_router", "NOLOGIN NOSUPERUSER NOBYPASSRLS"),
    ("cairn_backup", "LOGIN NOSUPERUSER BYPASSRLS"),
)
MEMBERSHIPS: tuple[tuple[str, str], ...] = (
    ("cairn_owner", "cairn_migrate"),
    ("cairn_router", "cairn_owner"),  # so that migrations can hand it the look-up functions
    ("authenticated_user", "cairn_app"),
)


def create_roles_sql() -> str:
    """Idempotent SQL that makes every role and membership."""
    lines = []
    for name, attributes in ROLES:
        lines.append(
            f"DO $$ BEGIN CREATE ROLE {name} {attributes};"
            " EXCEPTION WHEN duplicate_object OR unique_violation"
            f" THEN ALTER ROLE {name} {attributes}; END $$;"
        )
    lines += [f"GRANT {role} TO {member};" for role, member in MEMBERSHIPS]
    return "\n".join(lines)


def prepare_database_sql(database: str) -> str:
    """SQL, run inside a new database: only our roles may enter, the owner gets its schemas."""
    return f"""
    REVOKE ALL ON DATABASE "{database}" FROM PUBLIC;
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT CONNECT ON DATABASE "{database}"
      TO cairn_migrate, cairn_app, cairn_dispatch, cairn_backup;
    CREATE SCHEMA IF NOT EXISTS app AUTHORIZATION cairn_owner;
    CREATE SCHEMA IF NOT EXISTS queue AUTHORIZATION cairn_owner;
    GRANT USAGE ON SCHEMA app TO authenticated_user, cairn_dispatch, cairn_router, cairn_backup;
    GRANT CREATE ON SCHEMA app TO cairn_router;
    GRANT USAGE ON SCHEMA queue TO authenticated_user, cairn_dispatch, cairn_backup;
    """
