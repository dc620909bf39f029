"""When a live program looks next who enters by its segment and who leaves.

Revision ID: 0011
"""

from migrations import rls

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    rls.begin()
    rls.script("""
    -- Set to the past by each publication; without a filter a program never looks again.
    ALTER TABLE app.coaching_programs
      ADD COLUMN looks_at timestamptz NOT NULL DEFAULT '-infinity';
    CREATE INDEX coaching_programs_looks ON app.coaching_programs (looks_at)
      WHERE status = 'live' AND looks_at < 'infinity';
    CREATE POLICY dispatch_sees_looks ON app.coaching_programs FOR SELECT TO cairn_dispatch
      USING (status = 'live' AND looks_at < 'infinity');
    GRANT SELECT (creator_id, id, status, looks_at) ON app.coaching_programs TO cairn_dispatch;
    """)


def downgrade() -> None:
    rls.begin()
    rls.script("""
    DROP POLICY dispatch_sees_looks ON app.coaching_programs;
    REVOKE SELECT (creator_id, id, status, looks_at) ON app.coaching_programs FROM cairn_dispatch;
    DROP INDEX app.coaching_programs_looks;
    ALTER TABLE app.coaching_programs DROP COLUMN looks_at;
    """)
