"""Where PgQueuer keeps its tables: the schema `queue`, never the environment's PGQUEUER_ names."""

from pgqueuer.domain.settings import DBSettings

QUEUE = DBSettings(db_schema="queue", channel="cairn_queue")
