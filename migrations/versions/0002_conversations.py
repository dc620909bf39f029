"""Conversations with their leases, sessions, messages by month, send attempts, early receipts.

Revision ID: 0002
"""

from datetime import UTC, datetime

from migrations import rls
from migrations.partitions import create_month, months_from

revision = "0002"
down_revision = "0001"

MONTHS_AHEAD = 3


def upgrade() -> None:
    rls.begin()
    rls.script("""
    CREATE TABLE app.ai_conversations (
      creator_id          uuid NOT NULL,
      id                  uuid NOT NULL,
      channel_id          uuid NOT NULL,
      contact_id          uuid NOT NULL,
      key                 text NOT NULL,
      address             jsonb NOT NULL,
      status              text NOT NULL DEFAULT 'bot' CHECK (status IN ('bot', 'needs_human')),
      last_seq            bigint NOT NULL DEFAULT 0,
      -- inbound: when the next turn is due, and who holds the conversation while thinking
      inbound_due_at      timestamptz,
      inbound_hinted_at   timestamptz,
      lease_owner         uuid,
      lease_until         timestamptz,
      epoch               bigint NOT NULL DEFAULT 0,
      -- outbound: when the next send is due, and who is sending
      outbound_due_at     timestamptz,
      outbound_hinted_at  timestamptz,
      delivery_owner      uuid,
      delivery_until      timestamptz,
      delivery_epoch      bigint NOT NULL DEFAULT 0,
      created_at          timestamptz NOT NULL DEFAULT now(),
      last_message_at     timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, channel_id, key),
      FOREIGN KEY (creator_id, channel_id)
        REFERENCES app.channels (creator_id, id) ON DELETE CASCADE,
      FOREIGN KEY (creator_id, contact_id)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE
    ) WITH (fillfactor = 80);
    CREATE INDEX ai_conversations_contact ON app.ai_conversations (creator_id, contact_id);
    CREATE INDEX ai_conversations_recent
      ON app.ai_conversations (creator_id, last_message_at DESC, id);
    CREATE INDEX ai_conversations_inbound_due ON app.ai_conversations (inbound_due_at)
      WHERE inbound_due_at IS NOT NULL;
    CREATE INDEX ai_conversations_outbound_due ON app.ai_conversations (outbound_due_at)
      WHERE outbound_due_at IS NOT NULL;

    CREATE TABLE app.user_sessions (
      creator_id       uuid NOT NULL,
      conversation_id  uuid NOT NULL,
      state            jsonb NOT NULL DEFAULT '{}',
      version          bigint NOT NULL DEFAULT 0,
      updated_at       timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, conversation_id),
      FOREIGN KEY (creator_id, conversation_id)
        REFERENCES app.ai_conversations (creator_id, id) ON DELETE CASCADE
    );

    CREATE TABLE app.messages (
      creator_id       uuid NOT NULL,
      id               uuid NOT NULL,
      conversation_id  uuid NOT NULL,
      channel_id       uuid NOT NULL,
      contact_id       uuid NOT NULL,
      seq              bigint NOT NULL,
      direction        text NOT NULL CHECK (direction IN ('in', 'out')),
      kind             text NOT NULL,
      author           text NOT NULL CHECK (author IN ('contact', 'bot', 'coach')),
      external_id      text,
      text             text NOT NULL,
      payload          jsonb NOT NULL DEFAULT '{}',
      status           text NOT NULL,
      error_code       text,
      created_at       timestamptz NOT NULL DEFAULT now(),
      occurred_at      timestamptz NOT NULL DEFAULT now(),
      -- inbound
      starts           smallint NOT NULL DEFAULT 0,
      failures         smallint NOT NULL DEFAULT 0,
      answered_at      timestamptz,
      -- outbound
      in_reply_to      uuid,
      idempotency_key  text,
      parts_sent       smallint NOT NULL DEFAULT 0,
      attempts         smallint NOT NULL DEFAULT 0,
      provider_ids     text[] NOT NULL DEFAULT '{}',
      sent_at          timestamptz,
      rung             text,
      model            text,
      prompt           text,
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, idempotency_key, id),
      CHECK (CASE direction
        WHEN 'in' THEN status IN ('pending', 'answered', 'ignored', 'dead')
        ELSE status IN ('queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'undelivered',
                        'canceled', 'uncertain') END),
      FOREIGN KEY (creator_id, conversation_id)
        REFERENCES app.ai_conversations (creator_id, id) ON DELETE CASCADE
    ) PARTITION BY RANGE (id);
    CREATE INDEX messages_by_conversation ON app.messages (creator_id, conversation_id, seq);
    CREATE INDEX messages_pending ON app.messages (creator_id, conversation_id, seq)
      WHERE direction = 'in' AND status = 'pending';
    CREATE INDEX messages_unsent ON app.messages (creator_id, conversation_id, seq)
      WHERE direction = 'out' AND status IN ('queued', 'sending');
    CREATE INDEX messages_attention ON app.messages (creator_id, status, id)
      WHERE status IN ('dead', 'uncertain', 'failed', 'undelivered');
    CREATE TABLE app.messages_default PARTITION OF app.messages DEFAULT;

    -- De-duplication outlives no partition boundary, so it has a table of its own.
    CREATE TABLE app.accepted_events (
      creator_id   uuid NOT NULL,
      channel_id   uuid NOT NULL,
      external_id  text NOT NULL,
      message_id   uuid,
      digest       bytea,
      accepted_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, channel_id, external_id),
      FOREIGN KEY (creator_id, channel_id)
        REFERENCES app.channels (creator_id, id) ON DELETE CASCADE
    );

    CREATE TABLE app.send_attempts (
      creator_id   uuid NOT NULL,
      id           uuid NOT NULL,
      channel_id   uuid NOT NULL,
      message_id   uuid NOT NULL,
      part         smallint NOT NULL,
      started_at   timestamptz NOT NULL DEFAULT now(),
      finished_at  timestamptz,
      outcome      text CHECK (outcome IN ('sent', 'retry', 'refused', 'unknown')),
      error_code   text,
      provider_id  text,
      PRIMARY KEY (creator_id, id),
      FOREIGN KEY (creator_id, message_id)
        REFERENCES app.messages (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX send_attempts_message ON app.send_attempts (creator_id, message_id, part);
    CREATE INDEX send_attempts_provider ON app.send_attempts (creator_id, channel_id, provider_id)
      WHERE provider_id IS NOT NULL;

    CREATE TABLE app.early_receipts (
      creator_id   uuid NOT NULL,
      channel_id   uuid NOT NULL,
      provider_id  text NOT NULL,
      state        text NOT NULL,
      error_code   text,
      received_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, channel_id, provider_id, state),
      FOREIGN KEY (creator_id, channel_id)
        REFERENCES app.channels (creator_id, id) ON DELETE CASCADE
    );
    """)
    for table in (
        "ai_conversations",
        "user_sessions",
        "messages",
        "accepted_events",
        "send_attempts",
        "early_receipts",
    ):
        rls.protect(table)
    rls.protect_partition("messages_default")
    for month in months_from(datetime.now(UTC).date(), MONTHS_AHEAD + 1):
        create_month(month)
    _dispatch()


def _dispatch() -> None:
    # The sweeper sees when something is due and who holds it, for all creators; never content.
    rls.script("""
    CREATE POLICY dispatch_sees_due ON app.ai_conversations FOR SELECT TO cairn_dispatch
      USING (inbound_due_at IS NOT NULL OR outbound_due_at IS NOT NULL);
    CREATE POLICY dispatch_hints ON app.ai_conversations FOR UPDATE TO cairn_dispatch
      USING (inbound_due_at IS NOT NULL OR outbound_due_at IS NOT NULL);
    GRANT SELECT (creator_id, id, inbound_due_at, inbound_hinted_at, lease_until,
                  outbound_due_at, outbound_hinted_at, delivery_until)
      ON app.ai_conversations TO cairn_dispatch;
    GRANT UPDATE (inbound_hinted_at, outbound_hinted_at) ON app.ai_conversations TO cairn_dispatch;
    """)


def downgrade() -> None:
    rls.begin()
    rls.script("""
    DROP TABLE app.early_receipts, app.send_attempts, app.accepted_events, app.messages,
               app.user_sessions, app.ai_conversations;
    """)
