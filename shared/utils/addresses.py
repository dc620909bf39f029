"""Which network addresses are on the open internet, in whatever way they are written."""

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291 §2.4, as assigned by IANA


def is_public(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        # Only what is given out: that leaves no room for an IPv4 address inside, but for 6to4.
        return address in _GLOBAL_UNICAST and address.is_global and address.sixtofour is None
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_private_host(host: str) -> bool:
    """Whether a host says by itself, before any look-up, that it isn't on the open internet."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(_LOCAL_NAMES):
        return True
    try:
        return not is_public(ipaddress.ip_address(name))
    except ValueError:
        # 127.1, 0x7f.1 and 2130706433 are addresses too, as system resolvers read them: whatever
        # ends in a number. https://url.spec.whatwg.org/#ends-in-a-number-checker
        last = name.rsplit(".", 1)[-1]
        # A name without a dot is one of our own network's.
        return last.isdecimal() or last.startswith("0x") or "." not in name
