"""The pool of the ORM's connections: a connection that can't be made passes its turn on."""

from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.pool.base import _ConnectionRecord


class SessionPool(AsyncAdaptedQueuePool):
    """Connects a place after it is taken, never before.

    The parent counts a place as free again when connecting fails or is cancelled, and tells nobody:
    tasks that wait for a connection by then wait out `pool_timeout` beside an empty pool. A place
    that exists before it is connected goes back through the queue instead, to the next in line.
    """

    def _create_connection(self) -> ConnectionPoolEntry:
        return _ConnectionRecord(self, connect=False)
