"""Consent with its evidence, opt-outs that outlive contacts, segments and broadcasts.

Revision ID: 0011
"""

from migrations import rls

revision = "0011"
down_revision = "0010"

TABLES = (
    "consents",
    "opt_outs",
    "segments",
    "broadcasts",
)


def upgrade() -> None:
    rls.begin()
    _consent()
    _broadcasts()
    for table in TABLES:
        rls.protect(table)
    rls.protect("consent_events", grants="SELECT, INSERT")
    # An erasure takes the contact out of an event; what was agreed to stays as it was said.
    rls.script("GRANT UPDATE (contact_id, actor) ON app.consent_events TO authenticated_user;")


def _consent() -> None:
    rls.script("""
    -- Who agreed to what or took it back, when and by which words. Never changed; it names nobody
    -- once the contact is gone, for the address is kept as a hash only.
    CREATE TABLE app.consent_events (
      creator_id   uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id           uuid NOT NULL,
      contact_id   uuid,
      channel_id   uuid,
      scope        text NOT NULL,  -- channel type and bot, `sms/concierge`
      address_hash bytea NOT NULL,
      purpose      text NOT NULL,  -- coaching, broadcast, reminder …; * is all of them
      action       text NOT NULL CHECK (action IN ('granted', 'withdrawn')),
      source       text NOT NULL CHECK (source IN
                     ('word', 'command', 'button', 'link', 'platform', 'import', 'api', 'enrolment',
                      'start')),
      evidence     jsonb NOT NULL DEFAULT '{}',
      actor        text NOT NULL,
      at           timestamptz NOT NULL,
      PRIMARY KEY (creator_id, id)
    );
    CREATE INDEX consent_events_contact ON app.consent_events (creator_id, contact_id, id);
    CREATE INDEX consent_events_address ON app.consent_events (creator_id, address_hash, id);
    -- What stands now. Without keys to contacts and channels: a wish outlives both.
    CREATE TABLE app.consents (
      creator_id   uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      scope        text NOT NULL,
      address_hash bytea NOT NULL,
      purpose      text NOT NULL,
      event_id     uuid NOT NULL,
      at           timestamptz NOT NULL,
      PRIMARY KEY (creator_id, scope, address_hash, purpose)
    );
    CREATE TABLE app.opt_outs (
      creator_id   uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      scope        text NOT NULL,
      address_hash bytea NOT NULL,
      purpose      text NOT NULL,
      event_id     uuid NOT NULL,
      at           timestamptz NOT NULL,
      PRIMARY KEY (creator_id, scope, address_hash, purpose)
    );
    """)


def _broadcasts() -> None:
    rls.script("""
    CREATE TABLE app.segments (
      creator_id  uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id          uuid NOT NULL,
      name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
      filter      jsonb NOT NULL,
      created_at  timestamptz NOT NULL DEFAULT now(),
      updated_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, name)
    );
    CREATE TABLE app.broadcasts (
      creator_id   uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id           uuid NOT NULL,
      name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
      purpose      text NOT NULL DEFAULT 'broadcast',
      content      jsonb NOT NULL,
      filter       jsonb NOT NULL,  -- the segment's, as it was when the broadcast was started
      segment_id   uuid,
      channel_id   uuid,  -- only this one; null: each contact's own
      state        text NOT NULL DEFAULT 'draft' CHECK (state IN
                     ('draft', 'running', 'paused', 'cancelled', 'done')),
      starts_at    timestamptz,
      spread_seconds integer NOT NULL DEFAULT 0 CHECK (spread_seconds >= 0),
      expires_after_seconds integer NOT NULL DEFAULT 86400 CHECK (expires_after_seconds > 0),
      planned      integer NOT NULL DEFAULT 0,
      actor        text NOT NULL,
      created_at   timestamptz NOT NULL DEFAULT now(),
      updated_at   timestamptz NOT NULL DEFAULT now(),
      finished_at  timestamptz,
      PRIMARY KEY (creator_id, id)
    );
    CREATE INDEX broadcasts_running ON app.broadcasts (creator_id) WHERE state = 'running';
    """)


def downgrade() -> None:
    rls.begin()
    rls.script("""
    DROP TABLE app.broadcasts, app.segments, app.opt_outs, app.consents, app.consent_events;
    """)
