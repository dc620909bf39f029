"""A channel in Socket Mode is listened to as a polled one is.

Revision ID: 0008
"""

from migrations import rls

revision = "0008"
down_revision = "0007"

_LISTENS = """
    DROP POLICY dispatch_lists ON app.channels;
    ALTER TABLE app.channels DROP COLUMN listens;
    ALTER TABLE app.channels ADD COLUMN listens boolean
      GENERATED ALWAYS AS (coalesce(settings ->> 'mode', '') IN ({modes})) STORED;
    CREATE POLICY dispatch_lists ON app.channels FOR SELECT TO cairn_dispatch USING (listens);
    GRANT SELECT (listens) ON app.channels TO cairn_dispatch;
"""


def upgrade() -> None:
    rls.begin()
    rls.script(_LISTENS.format(modes="'poll', 'socket'"))


def downgrade() -> None:
    rls.begin()
    rls.script(_LISTENS.format(modes="'poll'"))
