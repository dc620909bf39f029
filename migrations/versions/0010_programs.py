"""Programs, enrolments, sends that are due, consent, goals, segments, broadcasts, tickets, policies.

Revision ID: 0010
"""

from migrations import rls

revision = "0010"
down_revision = "0009"

TABLES = (
    "creator_policies",
    "coaching_programs",
    "program_versions",
    "program_steps",
    "enrolments",
    "scheduled_sends",
    "channel_paces",
    "goals",
    "check_ins",
    "consents",
    "opt_outs",
    "segments",
    "broadcasts",
    "tickets",
    "ticket_notes",
    "contact_imports",
    "contact_exports",
    "contact_export_files",
    "contact_erasures",
    "quota_notices",
)
APPEND_ONLY = ("consent_events",)


def upgrade() -> None:
    rls.begin()
    _people()
    _programs()
    _sends()
    _progress()
    _consent()
    _broadcasts()
    _tickets()
    _errands()
    for table in TABLES:
        rls.protect(table)
    for table in APPEND_ONLY:
        rls.protect(table, grants="SELECT, INSERT")
    # An erasure takes the contact out of an event; what was agreed to stays as it was said.
    rls.script("GRANT UPDATE (contact_id, actor) ON app.consent_events TO authenticated_user;")
    _dispatch()


def _people() -> None:
    rls.script("""
    ALTER TABLE app.contacts
      ADD COLUMN quiet_hours jsonb,
      ADD COLUMN preferred_channel_id uuid,
      ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
      -- What the creator knows of a person beside what bots remember: dates, groups, plain values.
      ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}';
    ALTER TABLE app.contact_identities
      ADD COLUMN last_inbound_at timestamptz,
      -- When it was noted what this person's first message agrees to.
      ADD COLUMN agreed_at timestamptz;
    CREATE INDEX contacts_tags ON app.contacts USING gin (tags);

    -- One row a creator: quiet hours, caps, retention, hand-off, limits; absent means defaults.
    CREATE TABLE app.creator_policies (
      creator_id  uuid PRIMARY KEY REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      policy      jsonb NOT NULL DEFAULT '{}',
      version     integer NOT NULL DEFAULT 1,
      updated_at  timestamptz NOT NULL DEFAULT now()
    );
    """)


def _programs() -> None:
    rls.script("""
    CREATE TABLE app.coaching_programs (
      creator_id  uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id          uuid NOT NULL,
      slug        text NOT NULL CHECK (slug ~ '^[a-z][a-z0-9-]{0,63}$'),
      name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
      bot         text NOT NULL DEFAULT '',
      -- `code`: declared beside a bot, `api`: written over REST or the CLI
      origin      text NOT NULL DEFAULT 'api' CHECK (origin IN ('code', 'api')),
      status      text NOT NULL DEFAULT 'draft'
                  CHECK (status IN ('draft', 'live', 'paused', 'archived')),
      version     integer NOT NULL DEFAULT 1,  -- the newest
      live_version integer,                    -- the one that contacts are in
      generation  integer NOT NULL DEFAULT 1,  -- grows whenever waiting sends are planned anew
      created_at  timestamptz NOT NULL DEFAULT now(),
      updated_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, slug)
    );
    CREATE TABLE app.program_versions (
      creator_id  uuid NOT NULL,
      program_id  uuid NOT NULL,
      version     integer NOT NULL CHECK (version > 0),
      definition  jsonb NOT NULL,
      digest      bytea NOT NULL,
      note        text NOT NULL DEFAULT '',
      actor       text NOT NULL,
      created_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, program_id, version),
      FOREIGN KEY (creator_id, program_id)
        REFERENCES app.coaching_programs (creator_id, id) ON DELETE CASCADE
    );
    CREATE TABLE app.program_steps (
      creator_id  uuid NOT NULL,
      program_id  uuid NOT NULL,
      version     integer NOT NULL,
      key         text NOT NULL,
      ordinal     smallint NOT NULL,
      kind        text NOT NULL CHECK (kind IN
                    ('message', 'check_in', 'question', 'wait', 'branch', 'nudge', 'handoff')),
      definition  jsonb NOT NULL,
      PRIMARY KEY (creator_id, program_id, version, key),
      FOREIGN KEY (creator_id, program_id, version)
        REFERENCES app.program_versions (creator_id, program_id, version) ON DELETE CASCADE
    );
    CREATE TABLE app.enrolments (
      creator_id  uuid NOT NULL,
      id          uuid NOT NULL,
      program_id  uuid NOT NULL,
      contact_id  uuid NOT NULL,
      status      text NOT NULL DEFAULT 'active'
                  CHECK (status IN ('active', 'paused', 'completed', 'exited', 'cancelled')),
      reason      text,
      started_at  timestamptz NOT NULL,
      -- where the chain of steps stands, and what was answered, by step key
      step_key    text,
      answers     jsonb NOT NULL DEFAULT '{}',
      actor       text NOT NULL,
      ended_at    timestamptz,
      created_at  timestamptz NOT NULL DEFAULT now(),
      updated_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      FOREIGN KEY (creator_id, program_id)
        REFERENCES app.coaching_programs (creator_id, id) ON DELETE CASCADE,
      FOREIGN KEY (creator_id, contact_id)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE
    ) WITH (fillfactor = 85);
    CREATE UNIQUE INDEX enrolments_one_active ON app.enrolments (creator_id, program_id, contact_id)
      WHERE status IN ('active', 'paused');
    CREATE INDEX enrolments_contact ON app.enrolments (creator_id, contact_id);
    CREATE INDEX enrolments_program ON app.enrolments (creator_id, program_id, status, id);
    """)


def _sends() -> None:
    rls.script("""
    CREATE TABLE app.scheduled_sends (
      creator_id   uuid NOT NULL,
      id           uuid NOT NULL,
      contact_id   uuid NOT NULL,
      -- step: source is the enrolment · broadcast: the broadcast · silence: the contact
      source_kind  text NOT NULL CHECK (source_kind IN ('step', 'broadcast', 'silence')),
      source_id    uuid NOT NULL,
      step_key     text NOT NULL DEFAULT '',
      generation   integer NOT NULL DEFAULT 1,
      occurrence   text NOT NULL DEFAULT '',  -- the slot as it was planned, on the contact's clock
      class        text NOT NULL CHECK (class IN ('reply', 'check_in', 'nudge', 'broadcast')),
      purpose      text NOT NULL DEFAULT 'coaching',
      planned_at   timestamptz NOT NULL,  -- the slot; due_at moves when it is deferred
      due_at       timestamptz NOT NULL,
      -- Minutes since 1970: lets a scheduler step from creator to creator among what is due.
      due_slot     integer NOT NULL GENERATED ALWAYS AS
        (floor(extract(epoch FROM due_at - timestamptz '1970-01-01 00:00:00+00') / 60)) STORED,
      window_end   timestamptz,  -- not sent after this; null: for ever
      state        text NOT NULL DEFAULT 'waiting'
                   CHECK (state IN ('waiting', 'claimed', 'sent', 'skipped', 'cancelled',
                                    'expired')),
      skip_reason  text,
      defer_reason text,
      deferrals    smallint NOT NULL DEFAULT 0,
      channel_id   uuid,
      message_id   uuid,
      settled_at   timestamptz,  -- when it was sent, skipped, cancelled or expired
      -- a check-in or question: until when an answer counts, and when it came
      answer_until timestamptz,
      answered_at  timestamptz,
      missed_at    timestamptz,  -- nobody answered in time, and the program has heard of it
      created_at   timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, source_kind, source_id, step_key, contact_id, generation, occurrence),
      FOREIGN KEY (creator_id, contact_id)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE
    ) WITH (fillfactor = 85);
    CREATE INDEX scheduled_sends_due ON app.scheduled_sends (due_slot, creator_id, due_at)
      WHERE state = 'waiting';
    -- One creator's next ones: each class for itself, for a reply goes before a broadcast.
    CREATE INDEX scheduled_sends_next ON app.scheduled_sends (creator_id, class, due_at)
      WHERE state = 'waiting';
    CREATE INDEX scheduled_sends_waiting ON app.scheduled_sends (creator_id, contact_id)
      WHERE state IN ('waiting', 'claimed');
    CREATE INDEX scheduled_sends_source
      ON app.scheduled_sends (creator_id, source_kind, source_id, state);
    CREATE INDEX scheduled_sends_recent ON app.scheduled_sends (creator_id, contact_id, settled_at)
      WHERE state = 'sent';
    CREATE INDEX scheduled_sends_open ON app.scheduled_sends (creator_id, contact_id, answer_until)
      WHERE state = 'sent' AND answer_until IS NOT NULL AND answered_at IS NULL;
    CREATE INDEX scheduled_sends_missed ON app.scheduled_sends (answer_until)
      WHERE state = 'sent' AND answered_at IS NULL AND missed_at IS NULL;
    CREATE INDEX scheduled_sends_listed ON app.scheduled_sends (creator_id, due_at, id);
    CREATE INDEX scheduled_sends_stuck ON app.scheduled_sends (settled_at)
      WHERE state = 'claimed';

    -- How far ahead a channel's sends were released: no more than it takes at its own rate.
    CREATE TABLE app.channel_paces (
      creator_id  uuid NOT NULL,
      channel_id  uuid NOT NULL,
      next_at     timestamptz NOT NULL,
      parked_to   timestamptz NOT NULL,  -- up to when others were put off in a row behind them
      PRIMARY KEY (creator_id, channel_id),
      FOREIGN KEY (creator_id, channel_id)
        REFERENCES app.channels (creator_id, id) ON DELETE CASCADE
    );
    """)


def _progress() -> None:
    rls.script("""
    CREATE TABLE app.goals (
      creator_id  uuid NOT NULL,
      id          uuid NOT NULL,
      contact_id  uuid NOT NULL,
      slug        text NOT NULL DEFAULT 'goal',
      title       text NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
      detail      jsonb NOT NULL DEFAULT '{}',
      kind        text NOT NULL DEFAULT 'bool' CHECK (kind IN ('bool', 'number', 'scale', 'text')),
      unit        text NOT NULL DEFAULT '',
      target      double precision,
      days_per_week smallint NOT NULL DEFAULT 7 CHECK (days_per_week BETWEEN 1 AND 7),
      grace_days  smallint NOT NULL DEFAULT 1 CHECK (grace_days BETWEEN 0 AND 6),
      status      text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'done', 'dropped')),
      created_at  timestamptz NOT NULL DEFAULT now(),
      updated_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      FOREIGN KEY (creator_id, contact_id)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX goals_contact ON app.goals (creator_id, contact_id, status);
    CREATE TABLE app.check_ins (
      creator_id   uuid NOT NULL,
      id           uuid NOT NULL,
      contact_id   uuid NOT NULL,
      subject      text NOT NULL,  -- goal:<id>, or step:<program id>/<step key>
      goal_id      uuid,
      send_id      uuid,
      enrolment_id uuid,
      step_key     text NOT NULL DEFAULT '',
      local_day    date NOT NULL,
      kind         text NOT NULL CHECK (kind IN ('bool', 'number', 'scale', 'text')),
      value        jsonb NOT NULL,
      met          boolean NOT NULL DEFAULT true,  -- counts for the streak
      source       text NOT NULL CHECK (source IN ('button', 'number', 'words', 'model', 'api')),
      message_id   uuid,
      at           timestamptz NOT NULL,
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, contact_id, subject, local_day),
      FOREIGN KEY (creator_id, contact_id)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE,
      FOREIGN KEY (creator_id, goal_id)
        REFERENCES app.goals (creator_id, id) ON DELETE SET NULL (goal_id)
    );
    """)


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


def _tickets() -> None:
    rls.script("""
    ALTER TABLE app.ai_conversations DROP CONSTRAINT ai_conversations_status_check;
    UPDATE app.ai_conversations SET status = 'queued' WHERE status = 'needs_human';
    -- Who answers: the bot, the bot until somebody comes, a person alone, the bot again.
    ALTER TABLE app.ai_conversations ADD CONSTRAINT ai_conversations_status_check
      CHECK (status IN ('bot', 'queued', 'human', 'returned'));
    CREATE TABLE app.tickets (
      creator_id      uuid NOT NULL,
      id              uuid NOT NULL,
      conversation_id uuid NOT NULL,
      contact_id      uuid NOT NULL,
      state           text NOT NULL DEFAULT 'queued'
                      CHECK (state IN ('queued', 'human', 'returned', 'closed')),
      reason          text NOT NULL CHECK (reason IN
                        ('asked', 'crisis', 'step', 'reply', 'silence', 'rule', 'coach')),
      detail          text NOT NULL DEFAULT '',
      is_urgent       boolean NOT NULL DEFAULT false,
      message_id      uuid,  -- what was said when it was opened
      taken_by        text,
      opened_at       timestamptz NOT NULL,
      respond_by      timestamptz,
      answered_at     timestamptz,  -- a person's first words
      overdue_at      timestamptz,  -- when the promise was found broken
      closed_at       timestamptz,
      -- where the team was told, so that what is written there goes to the contact
      desk_message_id uuid,
      updated_at      timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      FOREIGN KEY (creator_id, conversation_id)
        REFERENCES app.ai_conversations (creator_id, id) ON DELETE CASCADE,
      FOREIGN KEY (creator_id, contact_id)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE
    );
    CREATE UNIQUE INDEX tickets_one_open ON app.tickets (creator_id, conversation_id)
      WHERE state IN ('queued', 'human');
    CREATE INDEX tickets_listed ON app.tickets (creator_id, state, id);
    CREATE INDEX tickets_contact ON app.tickets (creator_id, contact_id);
    CREATE INDEX tickets_due ON app.tickets (respond_by)
      WHERE state = 'queued' AND overdue_at IS NULL AND respond_by IS NOT NULL;
    CREATE TABLE app.ticket_notes (
      creator_id  uuid NOT NULL,
      id          uuid NOT NULL,
      ticket_id   uuid NOT NULL,
      actor       text NOT NULL,
      text        text NOT NULL CHECK (length(text) BETWEEN 1 AND 5000),
      at          timestamptz NOT NULL,
      PRIMARY KEY (creator_id, id),
      FOREIGN KEY (creator_id, ticket_id)
        REFERENCES app.tickets (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX ticket_notes_ticket ON app.ticket_notes (creator_id, ticket_id, id);
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


def _dispatch() -> None:
    # Which creators have something due; never what, nor to whom.
    rls.script("""
    CREATE POLICY dispatch_sees_waiting ON app.scheduled_sends FOR SELECT TO cairn_dispatch
      USING (state IN ('waiting', 'claimed', 'sent'));
    GRANT SELECT (creator_id, state, due_at, due_slot, settled_at, answer_until, answered_at,
                  missed_at)
      ON app.scheduled_sends TO cairn_dispatch;
    CREATE POLICY dispatch_sees_overdue ON app.tickets FOR SELECT TO cairn_dispatch
      USING (state = 'queued' AND overdue_at IS NULL);
    GRANT SELECT (creator_id, id, state, respond_by, overdue_at) ON app.tickets TO cairn_dispatch;
    CREATE POLICY dispatch_sees_open ON app.contact_imports FOR SELECT TO cairn_dispatch
      USING (state IN ('waiting', 'running'));
    CREATE POLICY dispatch_sees_open ON app.contact_exports FOR SELECT TO cairn_dispatch
      USING (state IN ('waiting', 'running'));
    CREATE POLICY dispatch_sees_open ON app.contact_erasures FOR SELECT TO cairn_dispatch
      USING (state IN ('waiting', 'running'));
    GRANT SELECT (creator_id, id, state, due_at) ON app.contact_imports TO cairn_dispatch;
    GRANT SELECT (creator_id, id, state, due_at) ON app.contact_exports TO cairn_dispatch;
    GRANT SELECT (creator_id, id, state, due_at) ON app.contact_erasures TO cairn_dispatch;
    """)


def downgrade() -> None:
    rls.begin()
    tables = ", ".join(f"app.{table}" for table in reversed((*TABLES, *APPEND_ONLY)))
    rls.script(f"""
    DROP TABLE {tables};
    ALTER TABLE app.ai_conversations DROP CONSTRAINT ai_conversations_status_check;
    UPDATE app.ai_conversations
      SET status = CASE status WHEN 'returned' THEN 'bot' ELSE 'needs_human' END
      WHERE status <> 'bot';
    ALTER TABLE app.ai_conversations ADD CONSTRAINT ai_conversations_status_check
      CHECK (status IN ('bot', 'needs_human'));
    ALTER TABLE app.contact_identities DROP COLUMN last_inbound_at, DROP COLUMN agreed_at;
    ALTER TABLE app.contacts DROP COLUMN quiet_hours, DROP COLUMN preferred_channel_id,
      DROP COLUMN tags, DROP COLUMN attributes;
    """)
