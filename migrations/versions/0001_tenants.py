"""Creators, members, API keys, channels, contacts, usage and the audit log.

Revision ID: 0001
"""

from migrations import rls

revision = "0001"
down_revision = None

TABLES = (
    "creators",
    "members",
    "api_keys",
    "channels",
    "contacts",
    "contact_identities",
    "usage_counters",
)


def upgrade() -> None:
    rls.begin()
    rls.script("""
    CREATE FUNCTION app.tenant_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
      RETURN nullif(pg_catalog.current_setting('app.current_creator_id', true), '')::uuid;
    GRANT EXECUTE ON FUNCTION app.tenant_id() TO authenticated_user;
    -- Every process compares the schema with its own code before it starts.
    GRANT SELECT ON app.alembic_version TO authenticated_user, cairn_dispatch, cairn_backup;

    CREATE TABLE app.creators (
      creator_id  uuid PRIMARY KEY,
      name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
      status      text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
      locale      text NOT NULL DEFAULT 'en',
      timezone    text NOT NULL DEFAULT 'UTC',
      created_at  timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE app.members (
      creator_id  uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id          uuid NOT NULL,
      email       text NOT NULL,
      name        text NOT NULL DEFAULT '',
      role        text NOT NULL DEFAULT 'owner' CHECK (role IN ('owner', 'coach', 'viewer')),
      created_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, email)
    );
    CREATE TABLE app.api_keys (
      creator_id   uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id           uuid NOT NULL,
      member_id    uuid,
      name         text NOT NULL,
      prefix       text NOT NULL,
      hash         bytea NOT NULL,
      created_at   timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz,
      revoked_at   timestamptz,
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, prefix),
      FOREIGN KEY (creator_id, member_id) REFERENCES app.members (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX api_keys_prefix ON app.api_keys (prefix);
    CREATE TABLE app.channels (
      creator_id    uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id            uuid NOT NULL,
      type          text NOT NULL,
      name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
      bot           text NOT NULL,
      route_key     text NOT NULL,
      credentials   text NOT NULL,
      settings      jsonb NOT NULL DEFAULT '{}',
      status        text NOT NULL DEFAULT 'active'
                    CHECK (status IN ('active', 'disabled', 'revoked')),
      status_reason text,
      blocked_until timestamptz,
      listens       boolean GENERATED ALWAYS AS (coalesce(settings ->> 'mode', '') = 'poll') STORED,
      created_at    timestamptz NOT NULL DEFAULT now(),
      updated_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, route_key)
    );
    CREATE INDEX channels_route_key ON app.channels (route_key);
    CREATE TABLE app.contacts (
      creator_id  uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id          uuid NOT NULL,
      name        text NOT NULL DEFAULT '',
      locale      text,
      timezone    text,
      memory      jsonb NOT NULL DEFAULT '{}',
      created_at  timestamptz NOT NULL DEFAULT now(),
      updated_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id)
    );
    CREATE TABLE app.contact_identities (
      creator_id    uuid NOT NULL,
      id            uuid NOT NULL,
      contact_id    uuid NOT NULL,
      channel_id    uuid NOT NULL,
      address       text NOT NULL,
      username      text,
      reachable     text NOT NULL DEFAULT 'yes'
                    CHECK (reachable IN ('yes', 'blocked', 'deactivated', 'opted_out', 'invalid')),
      created_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, channel_id, address),
      FOREIGN KEY (creator_id, contact_id)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE,
      FOREIGN KEY (creator_id, channel_id)
        REFERENCES app.channels (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX contact_identities_contact ON app.contact_identities (creator_id, contact_id);
    CREATE TABLE app.usage_counters (
      creator_id  uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      day         date NOT NULL,
      metric      text NOT NULL,
      shard       smallint NOT NULL DEFAULT 0,
      value       bigint NOT NULL DEFAULT 0,
      PRIMARY KEY (creator_id, day, metric, shard)
    );
    CREATE TABLE app.audit_log (
      creator_id  uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id          uuid NOT NULL,
      at          timestamptz NOT NULL DEFAULT now(),
      actor       text NOT NULL,
      action      text NOT NULL,
      target      text NOT NULL DEFAULT '',
      detail      jsonb NOT NULL DEFAULT '{}',
      PRIMARY KEY (creator_id, id)
    );
    """)
    for table in TABLES:
        rls.protect(table)
    rls.protect("audit_log", grants="SELECT, INSERT")
    _lookups()


def _lookups() -> None:
    # The only statements that see across creators: they answer one exact, unguessable key.
    rls.script("""
    CREATE POLICY router_reads ON app.channels FOR SELECT TO cairn_router USING (true);
    CREATE POLICY router_reads ON app.api_keys FOR SELECT TO cairn_router USING (true);
    CREATE POLICY router_reads ON app.creators FOR SELECT TO cairn_router USING (true);
    GRANT SELECT (creator_id, id, type, route_key) ON app.channels TO cairn_router;
    GRANT SELECT (creator_id, id, prefix, hash, revoked_at) ON app.api_keys TO cairn_router;
    GRANT SELECT (creator_id, status) ON app.creators TO cairn_router;
    SET LOCAL ROLE cairn_router;
    CREATE FUNCTION app.find_channel(wanted_type text, wanted_route_key text)
      RETURNS TABLE (creator_id uuid, channel_id uuid)
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
      BEGIN ATOMIC
        SELECT c.creator_id, c.id FROM app.channels c
        WHERE c.route_key = wanted_route_key AND c.type = wanted_type;
      END;
    CREATE FUNCTION app.find_api_key(wanted_prefix text)
      RETURNS TABLE (creator_id uuid, key_id uuid, hash bytea, suspended boolean)
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
      BEGIN ATOMIC
        SELECT k.creator_id, k.id, k.hash, c.status <> 'active'
        FROM app.api_keys k JOIN app.creators c ON c.creator_id = k.creator_id
        WHERE k.prefix = wanted_prefix AND k.revoked_at IS NULL;
      END;
    REVOKE ALL ON FUNCTION app.find_channel(text, text), app.find_api_key(text) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION app.find_channel(text, text), app.find_api_key(text)
      TO authenticated_user;
    SET LOCAL ROLE cairn_owner;
    """)
    # Workers and the operator's CLI loop over creators; rows are read under each one's own name.
    rls.script("""
    CREATE POLICY dispatch_lists ON app.creators FOR SELECT TO cairn_dispatch USING (true);
    CREATE POLICY dispatch_lists ON app.channels FOR SELECT TO cairn_dispatch USING (listens);
    GRANT SELECT (creator_id, status) ON app.creators TO cairn_dispatch;
    GRANT SELECT (creator_id, id, type, status, listens) ON app.channels TO cairn_dispatch;
    """)


def downgrade() -> None:
    raise RuntimeError("the first schema has nothing to go back to")
