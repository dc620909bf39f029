"""How much of the machine reading one document may take. All of it is enforced by the kernel."""

import os
import resource
import sys

MEGABYTE = 2**20
MAX_UPLOAD_BYTES = 10 * MEGABYTE
MAX_DECODED_BYTES = 50 * MEGABYTE
MAX_TEXT_BYTES = 10 * MEGABYTE
WALL_SECONDS = 30.0

_MEMORY_BYTES = 512 * MEGABYTE
_CPU_SECONDS = 25
_FILES = 32
_NICENESS = 10  # people who wait for a page come before a document

# Nothing that a parser needs; a parser that is taken over finds no way out through Python.
_FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system")
_ALLOWED = frozenset({"socket.gethostname"})


def confine() -> None:
    """Limit this process for good. Before any parser is loaded and any byte is looked at."""
    for kind, amount in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(kind)
        value = amount if most == resource.RLIM_INFINITY else min(amount, most)
        resource.setrlimit(kind, (value, value))
    os.nice(_NICENESS)
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    if event.startswith(_FORBIDDEN) and event not in _ALLOWED:
        raise PermissionError(f"a reader has no use for {event}")
