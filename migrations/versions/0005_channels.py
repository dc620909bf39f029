"""Installations by space, linked contacts, what bots collect, answers that grow on a channel.

Revision ID: 0005
"""

from migrations import rls

revision = "0005"
down_revision = "0004"

TABLES = (
    "channel_installations",
    "link_codes",
    "contact_links",
    "bot_records",
    "reply_streams",
)


def upgrade() -> None:
    rls.begin()
    rls.script("""
    -- One app installed in several workspaces, each with tokens of its own.
    CREATE TABLE app.channel_installations (
      creator_id   uuid NOT NULL,
      channel_id   uuid NOT NULL,
      space        text NOT NULL CHECK (length(space) BETWEEN 1 AND 200),
      name         text NOT NULL DEFAULT '',
      credentials  text NOT NULL,
      created_at   timestamptz NOT NULL DEFAULT now(),
      updated_at   timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, channel_id, space),
      FOREIGN KEY (creator_id, channel_id)
        REFERENCES app.channels (creator_id, id) ON DELETE CASCADE
    );

    -- A one-time code by which a person shows that two channels' identities are theirs.
    CREATE TABLE app.link_codes (
      creator_id   uuid NOT NULL,
      digest       bytea NOT NULL,
      contact_id   uuid NOT NULL,
      expires_at   timestamptz NOT NULL,
      created_at   timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, digest),
      FOREIGN KEY (creator_id, contact_id)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX link_codes_contact ON app.link_codes (creator_id, contact_id);

    -- Which identity moved to which contact, kept so that it can move back.
    CREATE TABLE app.contact_links (
      creator_id   uuid NOT NULL,
      id           uuid NOT NULL,
      identity_id  uuid NOT NULL,
      from_contact uuid NOT NULL,
      to_contact   uuid NOT NULL,
      linked_at    timestamptz NOT NULL DEFAULT now(),
      undone_at    timestamptz,
      PRIMARY KEY (creator_id, id),
      FOREIGN KEY (creator_id, identity_id)
        REFERENCES app.contact_identities (creator_id, id) ON DELETE CASCADE,
      FOREIGN KEY (creator_id, from_contact)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE,
      FOREIGN KEY (creator_id, to_contact)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE
    );
    CREATE UNIQUE INDEX contact_links_standing ON app.contact_links (creator_id, identity_id)
      WHERE undone_at IS NULL;
    CREATE INDEX contact_links_to ON app.contact_links (creator_id, to_contact);

    -- What a bot collects from several people under one topic, such as a team's stand-up of a day.
    CREATE TABLE app.bot_records (
      creator_id   uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      bot          text NOT NULL,
      topic        text NOT NULL CHECK (length(topic) BETWEEN 1 AND 300),
      key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 300),
      value        jsonb NOT NULL,
      contact_id   uuid,
      updated_at   timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, bot, topic, key),
      FOREIGN KEY (creator_id, contact_id)
        REFERENCES app.contacts (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX bot_records_contact ON app.bot_records (creator_id, contact_id);

    -- Written ahead of the first words of an answer that grows on the channel; external_id names
    -- the growing message once the platform has told it. Gone when the reply is settled.
    CREATE TABLE app.reply_streams (
      creator_id       uuid NOT NULL,
      message_id       uuid NOT NULL,
      conversation_id  uuid NOT NULL,
      external_id      text,
      started_at       timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, message_id),
      FOREIGN KEY (creator_id, conversation_id)
        REFERENCES app.ai_conversations (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX reply_streams_conversation ON app.reply_streams (creator_id, conversation_id);
    """)
    for table in TABLES:
        rls.protect(table)


def downgrade() -> None:
    rls.begin()
    rls.script("""
    DROP TABLE app.reply_streams, app.bot_records, app.contact_links, app.link_codes,
               app.channel_installations;
    """)
