"""The next sends of a creator by an index that no history is in; whose broadcasts run.

Revision ID: 0014
"""

from migrations import rls

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    rls.begin()
    rls.script("""
    -- By slot: no other index has that order, so none with what was sent long ago is ever read.
    DROP INDEX app.scheduled_sends_next;
    CREATE INDEX scheduled_sends_next
      ON app.scheduled_sends (creator_id, class, due_slot, due_at) WHERE state = 'waiting';
    -- Whose broadcasts run; never what they say, nor to whom.
    CREATE POLICY dispatch_sees_running ON app.broadcasts FOR SELECT TO cairn_dispatch
      USING (state = 'running');
    GRANT SELECT (creator_id, state) ON app.broadcasts TO cairn_dispatch;
    """)


def downgrade() -> None:
    rls.begin()
    rls.script("""
    REVOKE SELECT (creator_id, state) ON app.broadcasts FROM cairn_dispatch;
    DROP POLICY dispatch_sees_running ON app.broadcasts;
    DROP INDEX app.scheduled_sends_next;
    CREATE INDEX scheduled_sends_next ON app.scheduled_sends (creator_id, class, due_at)
      WHERE state = 'waiting';
    """)
