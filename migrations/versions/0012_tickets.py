"""Conversations that a person takes: who answers, tickets, notes.

Revision ID: 0012
"""

from migrations import rls

revision = "0012"
down_revision = "0011"

TABLES = (
    "tickets",
    "ticket_notes",
)

_STATUS = "ai_conversations_status_check"


def upgrade() -> None:
    rls.begin()
    # Who answers: the bot, the bot until somebody comes, a person alone, the bot again.
    _rename_status(
        "CASE status WHEN 'needs_human' THEN 'queued' ELSE status END",
        "'bot', 'queued', 'human', 'returned'",
    )
    _tickets()
    for table in TABLES:
        rls.protect(table)
    rls.script("""
    CREATE POLICY dispatch_sees_overdue ON app.tickets FOR SELECT TO cairn_dispatch
      USING (state = 'queued' AND overdue_at IS NULL);
    GRANT SELECT (creator_id, id, state, respond_by, overdue_at) ON app.tickets TO cairn_dispatch;
    """)


def _rename_status(renamed: str, allowed: str) -> None:
    # The owner sees no creator's rows while row level security is forced.
    rls.script(f"""
    ALTER TABLE app.ai_conversations DROP CONSTRAINT {_STATUS};
    ALTER TABLE app.ai_conversations NO FORCE ROW LEVEL SECURITY;
    UPDATE app.ai_conversations SET status = {renamed} WHERE status <> 'bot';
    ALTER TABLE app.ai_conversations FORCE ROW LEVEL SECURITY;
    ALTER TABLE app.ai_conversations ADD CONSTRAINT {_STATUS} CHECK (status IN ({allowed}));
    """)  # noqa: S608 - constants only


def _tickets() -> None:
    rls.script("""
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


def downgrade() -> None:
    rls.begin()
    rls.script("DROP TABLE app.ticket_notes, app.tickets;")
    _rename_status(
        "CASE status WHEN 'returned' THEN 'bot' ELSE 'needs_human' END", "'bot', 'needs_human'"
    )
