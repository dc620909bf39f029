"""When a person asked not to be written to first; what a link set aside; who was introduced.

Revision ID: 0006
"""

from migrations import rls

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    rls.begin()
    rls.script("""
    -- `reachable` says what the platform lets through; this is what the person wants.
    ALTER TABLE app.contact_identities ADD COLUMN opted_out_at timestamptz;
    -- When the platform was asked about a person: once, whatever it said.
    ALTER TABLE app.contacts ADD COLUMN introduced_at timestamptz;
    -- What lost against the older contact's memory when two became one.
    ALTER TABLE app.contact_links ADD COLUMN set_aside jsonb NOT NULL DEFAULT '{}';
    CREATE INDEX contact_links_from ON app.contact_links (creator_id, from_contact);
    """)


def downgrade() -> None:
    rls.begin()
    rls.script("""
    DROP INDEX app.contact_links_from;
    ALTER TABLE app.contact_links DROP COLUMN set_aside;
    ALTER TABLE app.contacts DROP COLUMN introduced_at;
    ALTER TABLE app.contact_identities DROP COLUMN opted_out_at;
    """)
