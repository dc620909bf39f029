"""Knowledge: documents, chunks, the lexical index, and the ledger of what Chroma holds.

Revision ID: 0004
"""

from migrations import rls

revision = "0004"
down_revision = "0003"

TABLES = (
    "knowledge_documents",
    "knowledge_chunks",
    "knowledge_postings",
    "knowledge_stats",
    "embedding_spaces",
    "chunk_embeddings",
)


def upgrade() -> None:
    rls.begin()
    rls.script("""
    CREATE TABLE app.knowledge_documents (
      creator_id    uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      id            uuid NOT NULL,
      title         text NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
      source_kind   text NOT NULL CHECK (source_kind IN ('file', 'text', 'url', 'builtin')),
      source_uri    text NOT NULL DEFAULT '',
      media_type    text NOT NULL,
      content_hash  bytea NOT NULL,
      text          text NOT NULL,
      status        text NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'indexing', 'ready', 'failed')),
      error_code    text,
      error         text,
      chunk_count   integer NOT NULL DEFAULT 0,
      progress      real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
      created_at    timestamptz NOT NULL DEFAULT now(),
      updated_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, id),
      UNIQUE (creator_id, content_hash)
    );
    -- A document that has a source is replaced by the source's next version.
    CREATE UNIQUE INDEX knowledge_documents_source
      ON app.knowledge_documents (creator_id, source_kind, source_uri) WHERE source_uri <> '';
    CREATE INDEX knowledge_documents_unfinished ON app.knowledge_documents (creator_id, id)
      WHERE status IN ('pending', 'indexing');

    CREATE TABLE app.knowledge_chunks (
      creator_id    uuid NOT NULL,
      id            uuid NOT NULL,
      document_id   uuid NOT NULL,
      ordinal       integer NOT NULL,
      text          text NOT NULL,
      heading       text NOT NULL DEFAULT '',
      start_char    integer NOT NULL,
      end_char      integer NOT NULL CHECK (end_char > start_char),
      content_hash  bytea NOT NULL,
      length        integer NOT NULL,
      PRIMARY KEY (creator_id, id),
      FOREIGN KEY (creator_id, document_id)
        REFERENCES app.knowledge_documents (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX knowledge_chunks_document
      ON app.knowledge_chunks (creator_id, document_id, ordinal);

    -- `length` repeats the chunk's, so that a query ranks from this index alone.
    CREATE TABLE app.knowledge_postings (
      creator_id    uuid NOT NULL,
      term          text COLLATE "C" NOT NULL,
      chunk_id      uuid NOT NULL,
      tf            real NOT NULL,
      length        integer NOT NULL,
      PRIMARY KEY (creator_id, term, chunk_id) INCLUDE (tf, length),
      FOREIGN KEY (creator_id, chunk_id)
        REFERENCES app.knowledge_chunks (creator_id, id) ON DELETE CASCADE
    );
    CREATE INDEX knowledge_postings_chunk ON app.knowledge_postings (creator_id, chunk_id);

    CREATE TABLE app.knowledge_stats (
      creator_id    uuid PRIMARY KEY REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      chunks        bigint NOT NULL DEFAULT 0 CHECK (chunks >= 0),
      total_length  bigint NOT NULL DEFAULT 0 CHECK (total_length >= 0)
    ) WITH (fillfactor = 50);

    CREATE TABLE app.embedding_spaces (
      creator_id    uuid NOT NULL REFERENCES app.creators (creator_id) ON DELETE CASCADE,
      name          text NOT NULL,
      model         text NOT NULL,
      dimensions    integer NOT NULL CHECK (dimensions > 0),
      state         text NOT NULL CHECK (state IN ('active', 'building', 'retired')),
      created_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (creator_id, name)
    );
    CREATE UNIQUE INDEX embedding_spaces_active ON app.embedding_spaces (creator_id)
      WHERE state = 'active';

    -- No foreign key to the chunk: a row outlives it until its vector has left Chroma.
    CREATE TABLE app.chunk_embeddings (
      creator_id    uuid NOT NULL,
      space         text NOT NULL,
      chunk_id      uuid NOT NULL,
      document_id   uuid NOT NULL,
      state         text NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'stored', 'deleting')),
      PRIMARY KEY (creator_id, space, chunk_id),
      FOREIGN KEY (creator_id, space)
        REFERENCES app.embedding_spaces (creator_id, name) ON DELETE CASCADE
    );
    CREATE INDEX chunk_embeddings_chunk ON app.chunk_embeddings (creator_id, chunk_id);
    CREATE INDEX chunk_embeddings_unfinished
      ON app.chunk_embeddings (creator_id, space, document_id, chunk_id) WHERE state <> 'stored';
    """)
    for table in TABLES:
        rls.protect(table)
    # The sweeper brings documents back whose job was lost; it sees no title and no text.
    rls.script("""
    CREATE POLICY dispatch_sees_unfinished ON app.knowledge_documents FOR SELECT TO cairn_dispatch
      USING (status IN ('pending', 'indexing'));
    GRANT SELECT (creator_id, id, status, updated_at) ON app.knowledge_documents TO cairn_dispatch;
    CREATE INDEX knowledge_documents_sweep ON app.knowledge_documents (updated_at)
      WHERE status IN ('pending', 'indexing');
    """)


def downgrade() -> None:
    rls.begin()
    rls.script("""
    DROP TABLE app.chunk_embeddings, app.embedding_spaces, app.knowledge_stats,
               app.knowledge_postings, app.knowledge_chunks, app.knowledge_documents;
    """)
