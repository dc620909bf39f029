"""What the platform reports of each part of a message, and how many parts there are.

Revision ID: 0007
"""

from migrations import rls

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    rls.begin()
    # A message of several parts is delivered when all of them are, and resumes at the one that
    # failed; until now a report about one part was taken for the whole message.
    rls.script("""
    ALTER TABLE app.send_attempts
      ADD COLUMN parts smallint NOT NULL DEFAULT 1,
      ADD COLUMN state text,
      ADD COLUMN state_code text;
    """)


def downgrade() -> None:
    rls.begin()
    rls.script(
        "ALTER TABLE app.send_attempts DROP COLUMN parts, DROP COLUMN state, "
        "DROP COLUMN state_code;"
    )
