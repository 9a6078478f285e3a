"""Addresses of our two ports as clients write them."""

import functools
import ipaddress
import socket
from urllib.parse import urlsplit

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - told apart here, not listened on
#: Addresses of documentation: a route to them is the default route, and nothing is sent to them.
_FAR = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def url(scheme: str, host: str, port: int) -> str:
    """Where a client on this machine, and others if they can, reaches a port bound to `host`."""
    return f"{scheme}://{authority(reachable(host), port)}"


def authority(host: str, port: int) -> str:
    """`host:port`, with the brackets that IPv6 addresses need."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(address: str) -> str:
    """The host in a URL, without brackets."""
    return urlsplit(address).hostname or ""


def reachable(host: str) -> str:
    """`host`, or an address of this machine where `host` means all of them: that of the default
    route, else loopback.
    """
    if host not in WILDCARDS:
        return host
    return _own(host == "::") or "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a port bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@functools.cache
def _own(both: bool) -> str | None:
    """Without IPv4, `both` takes an address of IPv6."""
    for family, far in _FAR if both else _FAR[:1]:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((far, 9))
            except OSError:
                continue
            return str(probe.getsockname()[0])
    return None
