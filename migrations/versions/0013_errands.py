"""Errands on people's data: imports, exports, erasures; and what was told of quotas.

Revision ID: 0013
"""

from migrations import rls

revision = "0013"
down_revision = "0012"

TABLES = (
    "contact_imports",
    "contact_exports",
    "contact_export_files",
    "contact_erasures",
    "quota_notices",
)


def upgrade() -> None:
    rls.begin()
    _errands()
    for table in TABLES:
        rls.protect(table)
    # Which errands wait for a worker; never whose data they are about.
    for table in ("contact_imports", "contact_exports", "contact_erasures"):
        rls.script(f"""
        CREATE POLICY dispatch_sees_open ON app.{table} FOR SELECT TO cairn_dispatch
          USING (state IN ('waiting', 'running'));
        GRANT SELECT (creator_id, id, state, due_at) ON app.{table} TO cairn_dispatch;
        """)


def _errands() -> None:
    rls.script("""
    -- Work on people's data that a worker goes on with where another stopped.
    CREATE TABLE app.contact_imports (
      creator_id  uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id          uuid NOT NULL,
      channel_id  uuid NOT NULL,
      state       text NOT NULL DEFAULT 'waiting'
                  CHECK (state IN ('waiting', 'running', 'done', 'failed')),
      data        bytea,  -- the file, until it is done
      total       integer NOT NULL DEFAULT 0,
      done        integer NOT NULL DEFAULT 0,
      added       integer NOT NULL DEFAULT 0,
      updated     integer NOT NULL DEFAULT 0,
      refused     jsonb NOT NULL DEFAULT '[]',  -- the first of them, with line and reason
      refused_count integer NOT NULL DEFAULT 0,
      actor       text NOT NULL,
      error_code  text,
      due_at      timestamptz NOT NULL DEFAULT now(),
      created_at  timestamptz NOT NULL DEFAULT now(),
      updated_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      FOREIGN KEY (creator_id, channel_id)
        REFERENCES app.channels (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX contact_imports_due ON app.contact_imports (due_at)
      WHERE state IN ('waiting', 'running');
    CREATE TABLE app.contact_exports (
      creator_id  uuid NOT NULL,
      id          uuid NOT NULL,
      contact_id  uuid NOT NULL,
      state       text NOT NULL DEFAULT 'waiting'
                  CHECK (state IN ('waiting', 'running', 'done', 'failed', 'expired')),
      progress    jsonb NOT NULL DEFAULT '{}',
      manifest    jsonb NOT NULL DEFAULT '{}',  -- files with rows, bytes and digests
      actor       text NOT NULL,
      error_code  text,
      due_at      timestamptz NOT NULL DEFAULT now(),
      expires_at  timestamptz,
      created_at  timestamptz NOT NULL DEFAULT now(),
      updated_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      FOREIGN KEY (creator_id, contact_id)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX contact_exports_contact ON app.contact_exports (creator_id, contact_id);
    CREATE INDEX contact_exports_expiring ON app.contact_exports (creator_id, expires_at)
      WHERE state = 'done';
    CREATE INDEX contact_exports_due ON app.contact_exports (due_at)
      WHERE state IN ('waiting', 'running');
    CREATE TABLE app.contact_export_files (
      creator_id  uuid NOT NULL,
      export_id   uuid NOT NULL,
      name        text NOT NULL,
      part        integer NOT NULL,
      data        bytea NOT NULL,
      PRIMARY KEY (creator_id, export_id, name, part),
      FOREIGN KEY (creator_id, export_id)
        REFERENCES app.contact_exports (creator_id, id) ON DELETE CASCADE
    );
    -- Proof that somebody was erased; says whom only to those who know the id.
    CREATE TABLE app.contact_erasures (
      creator_id   uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id           uuid NOT NULL,
      contact_id   uuid NOT NULL,
      state        text NOT NULL DEFAULT 'waiting'
                   CHECK (state IN ('waiting', 'running', 'done', 'failed')),
      counts       jsonb NOT NULL DEFAULT '{}',
      progress     jsonb NOT NULL DEFAULT '{}',  -- what is being erased; empty at the end
      actor        text NOT NULL,
      error_code   text,
      due_at       timestamptz NOT NULL DEFAULT now(),
      created_at   timestamptz NOT NULL DEFAULT now(),
      finished_at  timestamptz,
      updated_at   timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id)
    );
    CREATE INDEX contact_erasures_contact ON app.contact_erasures (creator_id, contact_id);
    CREATE INDEX contact_erasures_due ON app.contact_erasures (due_at)
      WHERE state IN ('waiting', 'running');
    -- That a limit was reached is told once a month.
    CREATE TABLE app.quota_notices (
      creator_id  uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      month       date NOT NULL,
      quota       text NOT NULL CHECK (quota IN ('messages', 'tokens', 'sends', 'storage')),
      level       text NOT NULL CHECK (level IN ('soft', 'hard')),
      at          timestamptz NOT NULL,
      PRIMARY KEY (creator_id, month, quota, level)
    );
    """)


def downgrade() -> None:
    rls.begin()
    tables = ", ".join(f"app.{table}" for table in reversed(TABLES))
    rls.script(f"DROP TABLE {tables};")
