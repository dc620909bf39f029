"""What reaches out: programs, enrolments, sends that are due, goals, check-ins, policies.

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
)


def upgrade() -> None:
    rls.begin()
    _people()
    _programs()
    _sends()
    _progress()
    for table in TABLES:
        rls.protect(table)
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
      -- When it looks next who enters and leaves by a segment; set to the past by publications,
      -- and to the future for ever where there is no filter.
      looks_at    timestamptz NOT NULL DEFAULT '-infinity',
      created_at  timestamptz NOT NULL DEFAULT now(),
      updated_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, slug)
    );
    CREATE INDEX coaching_programs_looks ON app.coaching_programs (looks_at)
      WHERE status = 'live' AND looks_at < 'infinity';
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


def _dispatch() -> None:
    # Which creators have something due; never what, nor to whom.
    rls.script("""
    CREATE POLICY dispatch_sees_looks ON app.coaching_programs FOR SELECT TO cairn_dispatch
      USING (status = 'live' AND looks_at < 'infinity');
    GRANT SELECT (creator_id, id, status, looks_at) ON app.coaching_programs TO cairn_dispatch;
    CREATE POLICY dispatch_sees_waiting ON app.scheduled_sends FOR SELECT TO cairn_dispatch
      USING (state IN ('waiting', 'claimed', 'sent'));
    GRANT SELECT (creator_id, state, due_at, due_slot, settled_at, answer_until, answered_at,
                  missed_at)
      ON app.scheduled_sends TO cairn_dispatch;
    """)


def downgrade() -> None:
    rls.begin()
    tables = ", ".join(f"app.{table}" for table in reversed(TABLES))
    rls.script(f"""
    DROP TABLE {tables};
    ALTER TABLE app.contact_identities DROP COLUMN last_inbound_at, DROP COLUMN agreed_at;
    ALTER TABLE app.contacts DROP COLUMN quiet_hours, DROP COLUMN preferred_channel_id,
      DROP COLUMN tags, DROP COLUMN attributes;
    """)
