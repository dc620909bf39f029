"""A guard that ends every attempt of the tests to leave this machine.

An audit hook sees each connect and each name look-up of this process, whatever library makes it.
Names under `.invalid` (RFC 6761) fail as an unknown host does, so tests may use them.
"""

import ipaddress
import socket
import sys
from typing import Any

LOCAL_NAMES = frozenset({"", "localhost", "0.0.0.0", "::", socket.gethostname()})  # noqa: S104

# What was refused since the last test began: an error may be swallowed, this list is not.
refused: list[str] = []
_installed = False


class NetworkUsed(AssertionError):
    """A test tried to reach another machine."""


def install() -> None:
    """Start guarding; an audit hook stays for the life of the process."""
    global _installed
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and not is_local(str(address[0])):
            _refuse(str(address[0]))
    elif event == "socket.getaddrinfo":
        _check_name(arguments[0])


def _check_name(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if _is_address(name) or is_local(name):
        return
    if name.endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    _refuse(name)


def _refuse(host: str) -> None:
    refused.append(host)
    raise NetworkUsed(f"tests must not leave this machine, but one tried to reach {host}")


def is_local(host: str) -> bool:
    if host in LOCAL_NAMES or host.endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host.split("%")[0]).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    return True
