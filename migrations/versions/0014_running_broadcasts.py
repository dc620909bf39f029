"""Which creators have a broadcast that runs, for whoever looks whether it is over.

Revision ID: 0014
"""

from migrations import rls

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    rls.begin()
    # Whose broadcasts run; never what they say, nor to whom.
    rls.script("""
    CREATE POLICY dispatch_sees_running ON app.broadcasts FOR SELECT TO cairn_dispatch
      USING (state = 'running');
    GRANT SELECT (creator_id, state) ON app.broadcasts TO cairn_dispatch;
    """)


def downgrade() -> None:
    rls.begin()
    rls.script("""
    REVOKE SELECT (creator_id, state) ON app.broadcasts FROM cairn_dispatch;
    DROP POLICY dispatch_sees_running ON app.broadcasts;
    """)
