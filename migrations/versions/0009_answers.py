"""Sources of documents, versioned models and prompts, embedding migrations, evaluations.

Defaults that all creators share are rows of one creator of their own, the house: every table stays
behind the same two policies, and what is shared is read in a transaction bound to the house.

Revision ID: 0009
"""

from migrations import rls

revision = "0009"
down_revision = "0008"

TABLES = (
    "knowledge_sources",
    "models",
    "model_labels",
    "prompt_templates",
    "prompt_labels",
    "space_calibrations",
    "evaluations",
    "embedding_migrations",
)
_UNFINISHED = "status IN ('pending', 'reading', 'indexing')"
_UNFINISHED_BEFORE = "status IN ('pending', 'indexing')"
# Which documents and migrations wait for a worker; it sees no title, no text and no figure.
_DOCUMENTS = """
    DROP INDEX app.knowledge_documents_unfinished, app.knowledge_documents_sweep;
    DROP POLICY dispatch_sees_unfinished ON app.knowledge_documents;
    CREATE INDEX knowledge_documents_unfinished ON app.knowledge_documents (creator_id, id)
      WHERE {unfinished};
    CREATE INDEX knowledge_documents_sweep ON app.knowledge_documents (updated_at)
      WHERE {unfinished};
    CREATE POLICY dispatch_sees_unfinished ON app.knowledge_documents FOR SELECT TO cairn_dispatch
      USING ({unfinished});
"""


# The house holds defaults; nobody may act as it.
_HOUSE = "00000000-0000-0000-0000-000000000000"


def upgrade() -> None:
    rls.begin()
    _house()
    rls.script(f"""
    ALTER TABLE app.knowledge_documents
      DROP CONSTRAINT knowledge_documents_status_check,
      ADD CONSTRAINT knowledge_documents_status_check
        CHECK (status IN ('pending', 'reading', 'indexing', 'ready', 'failed')),
      ADD COLUMN size_bytes bigint NOT NULL DEFAULT 0,
      ADD COLUMN pages integer;
    -- Whoever follows a creator's documents asks what changed since it asked last.
    CREATE INDEX knowledge_documents_changed
      ON app.knowledge_documents (creator_id, updated_at, id);
    ALTER TABLE app.knowledge_chunks ADD COLUMN page integer;
    -- What a contact chose; `locale` may be no more than how their device is set up.
    ALTER TABLE app.contacts ADD COLUMN language text;
    ALTER TABLE app.embedding_spaces
      DROP CONSTRAINT embedding_spaces_state_check,
      ADD CONSTRAINT embedding_spaces_state_check
        CHECK (state IN ('active', 'building', 'standby', 'retired'));
    {_DOCUMENTS.format(unfinished=_UNFINISHED)}

    -- An upload waits here, as it came, until a worker has read its text.
    CREATE TABLE app.knowledge_sources (
      creator_id    uuid NOT NULL,
      document_id   uuid NOT NULL,
      filename      text NOT NULL DEFAULT '',
      data          bytea NOT NULL,
      created_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, document_id),
      FOREIGN KEY (creator_id, document_id)
        REFERENCES app.knowledge_documents (creator_id, id) ON DELETE CASCADE
    );

    -- A version never changes; what is measured of it stands in `evaluations`.
    CREATE TABLE app.models (
      creator_id    uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
      version       integer NOT NULL CHECK (version > 0),
      model_type    text NOT NULL CHECK (model_type IN ('embedding', 'chat', 'classification')),
      model_path    text NOT NULL CHECK (length(model_path) BETWEEN 1 AND 300),
      digest        text,
      num_ctx       integer CHECK (num_ctx > 0),
      dimensions    integer CHECK (dimensions > 0),
      params        jsonb NOT NULL DEFAULT '{{}}',
      performance_metrics jsonb NOT NULL DEFAULT '{{}}',
      training_data_hash  text,
      dependencies  text[] NOT NULL DEFAULT '{{}}',
      created_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, name, version)
    );
    -- `percent` of the contacts meet a candidate; the other labels are for everybody.
    CREATE TABLE app.model_labels (
      creator_id    uuid NOT NULL,
      name          text NOT NULL,
      label         text NOT NULL CHECK (label ~ '^[a-z][a-z0-9_-]{{0,31}}$' AND label <> 'latest'),
      version       integer NOT NULL,
      previous      integer,
      percent       integer NOT NULL DEFAULT 100 CHECK (percent BETWEEN 0 AND 100),
      updated_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, name, label),
      FOREIGN KEY (creator_id, name, version)
        REFERENCES app.models (creator_id, name, version) ON DELETE CASCADE
    );

    CREATE TABLE app.prompt_templates (
      creator_id    uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      template_id   text NOT NULL CHECK (template_id ~ '^[a-z][a-z0-9_]{{0,63}}$'),
      locale        text NOT NULL DEFAULT '' CHECK (length(locale) <= 35),
      version       integer NOT NULL CHECK (version > 0),
      body          text NOT NULL CHECK (length(body) BETWEEN 1 AND 50000),
      variables     text[] NOT NULL DEFAULT '{{}}',
      note          text NOT NULL DEFAULT '',
      actor         text NOT NULL,
      created_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, template_id, locale, version)
    );
    CREATE TABLE app.prompt_labels (
      creator_id    uuid NOT NULL,
      template_id   text NOT NULL,
      locale        text NOT NULL DEFAULT '',
      label         text NOT NULL CHECK (label ~ '^[a-z][a-z0-9_-]{{0,31}}$' AND label <> 'latest'),
      version       integer NOT NULL,
      previous      integer,
      percent       integer NOT NULL DEFAULT 100 CHECK (percent BETWEEN 0 AND 100),
      updated_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, template_id, locale, label),
      FOREIGN KEY (creator_id, template_id, locale, version)
        REFERENCES app.prompt_templates (creator_id, template_id, locale, version)
        ON DELETE CASCADE
    );

    CREATE TABLE app.space_calibrations (
      creator_id    uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      space         text NOT NULL,
      calibration   jsonb NOT NULL,
      figures       jsonb NOT NULL DEFAULT '{{}}',
      updated_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, space)
    );
    -- `subject` is what was measured: `model answers@3`, `prompt answer@2`, `space NAME`.
    CREATE TABLE app.evaluations (
      creator_id    uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id            uuid NOT NULL,
      kind          text NOT NULL CHECK (kind IN ('retrieval', 'answers')),
      subject       text NOT NULL,
      dataset       text NOT NULL,
      dataset_hash  bytea NOT NULL,
      figures       jsonb NOT NULL,
      created_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id)
    );
    CREATE INDEX evaluations_subject
      ON app.evaluations (creator_id, subject, dataset_hash, created_at);

    CREATE TABLE app.embedding_migrations (
      creator_id    uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id            uuid NOT NULL,
      from_space    text NOT NULL,
      to_space      text NOT NULL,
      to_model      text NOT NULL DEFAULT '',
      state         text NOT NULL DEFAULT 'preparing'
                    CHECK (state IN ('preparing', 'backfilling', 'verifying', 'soaking',
                                     'dropping', 'done', 'aborting', 'aborted')),
      is_paused     boolean NOT NULL DEFAULT false,
      batch_size    integer NOT NULL DEFAULT 100 CHECK (batch_size BETWEEN 1 AND 1000),
      soak_seconds  integer NOT NULL DEFAULT 86400 CHECK (soak_seconds >= 0),
      total         bigint NOT NULL DEFAULT 0,
      done          bigint NOT NULL DEFAULT 0,
      per_second    real NOT NULL DEFAULT 0,
      verification  jsonb NOT NULL DEFAULT '{{}}',
      error_code    text,
      error         text,
      switched_at   timestamptz,
      -- Until when its worker is surely alive; from then on somebody else may go on with it.
      due_at        timestamptz NOT NULL DEFAULT now(),
      lease_owner   uuid,
      created_at    timestamptz NOT NULL DEFAULT now(),
      updated_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      CHECK (from_space <> to_space)
    );
    CREATE UNIQUE INDEX embedding_migrations_open ON app.embedding_migrations (creator_id)
      WHERE state NOT IN ('done', 'aborted');
    CREATE INDEX embedding_migrations_sweep ON app.embedding_migrations (due_at)
      WHERE state NOT IN ('done', 'aborted') AND NOT is_paused;
    """)
    for table in TABLES:
        rls.protect(table)
    rls.script("""
    CREATE POLICY dispatch_sees_open ON app.embedding_migrations FOR SELECT TO cairn_dispatch
      USING (state NOT IN ('done', 'aborted') AND NOT is_paused);
    GRANT SELECT (creator_id, id, state, is_paused, due_at)
      ON app.embedding_migrations TO cairn_dispatch;
    """)


def _house() -> None:
    rls.script(f"""
    ALTER TABLE app.creators ADD CONSTRAINT creators_house_is_suspended
      CHECK (creator_id <> '{_HOUSE}' OR status = 'suspended') NOT VALID;
    ALTER TABLE app.api_keys ADD CONSTRAINT api_keys_not_of_the_house
      CHECK (creator_id <> '{_HOUSE}') NOT VALID;
    ALTER TABLE app.channels ADD CONSTRAINT channels_not_of_the_house
      CHECK (creator_id <> '{_HOUSE}') NOT VALID;
    """)


def downgrade() -> None:
    rls.begin()
    rls.script("""
    ALTER TABLE app.channels DROP CONSTRAINT channels_not_of_the_house;
    ALTER TABLE app.api_keys DROP CONSTRAINT api_keys_not_of_the_house;
    ALTER TABLE app.creators DROP CONSTRAINT creators_house_is_suspended;
    """)
    rls.script(f"""
    DROP TABLE app.embedding_migrations, app.evaluations, app.space_calibrations,
               app.prompt_labels, app.prompt_templates, app.model_labels, app.models,
               app.knowledge_sources;
    {_DOCUMENTS.format(unfinished=_UNFINISHED_BEFORE)}
    ALTER TABLE app.embedding_spaces
      DROP CONSTRAINT embedding_spaces_state_check,
      ADD CONSTRAINT embedding_spaces_state_check
        CHECK (state IN ('active', 'building', 'retired')) NOT VALID;
    DROP INDEX app.knowledge_documents_changed;
    ALTER TABLE app.contacts DROP COLUMN language;
    ALTER TABLE app.knowledge_chunks DROP COLUMN page;
    ALTER TABLE app.knowledge_documents
      DROP COLUMN pages, DROP COLUMN size_bytes,
      DROP CONSTRAINT knowledge_documents_status_check,
      ADD CONSTRAINT knowledge_documents_status_check
        CHECK (status IN ('pending', 'indexing', 'ready', 'failed')) NOT VALID;
    """)
