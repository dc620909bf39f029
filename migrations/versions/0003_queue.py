"""PgQueuer's own tables in their own schema: ids only, never content, outside row level security.

Revision ID: 0003
"""

from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment

from migrations import rls
from shared.queue_settings import QUEUE

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    rls.begin()
    rls.script(QueryBuilderEnvironment(QUEUE).build_install_query(create_schema=False))
    rls.script("""
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA queue TO cairn_dispatch;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA queue TO cairn_dispatch, authenticated_user;
    GRANT INSERT ON queue.pgqueuer, queue.pgqueuer_log TO authenticated_user;
    GRANT SELECT (id, entrypoint, priority, dedupe_key) ON queue.pgqueuer TO authenticated_user;
    GRANT SELECT ON ALL TABLES IN SCHEMA queue TO cairn_backup;
    GRANT SELECT ON ALL SEQUENCES IN SCHEMA queue TO cairn_backup;
    """)


def downgrade() -> None:
    rls.begin()
    rls.script(QueryBuilderEnvironment(QUEUE).build_uninstall_query())
