"""The embedded engines: PostgreSQL, Redis and Chroma as child processes, from wheels.

engines = EmbeddedEngines(Path(".cairn"))
async with engines as urls:
    ...
"""

from shared.embedded.engines import EmbeddedEngines, EngineName, discard, running_urls
from shared.embedded.errors import EngineError
from shared.embedded.urls import EngineUrls

__all__ = ["EmbeddedEngines", "EngineError", "EngineName", "EngineUrls", "discard", "running_urls"]
