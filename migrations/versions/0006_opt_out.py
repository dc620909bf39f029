"""When a person asked not to be written to first.

Revision ID: 0006
"""

from migrations import rls

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    rls.begin()
    # `reachable` says what the platform lets through; this is what the person wants.
    rls.script("ALTER TABLE app.contact_identities ADD COLUMN opted_out_at timestamptz;")


def downgrade() -> None:
    rls.begin()
    rls.script("ALTER TABLE app.contact_identities DROP COLUMN opted_out_at;")
