"""How many connections a port holds, in all and for each peer."""

import ipaddress
from collections import Counter
from typing import Literal

Refusal = Literal["total", "peer"]


class Admission:
    """The connections of one port, counted from accept to close."""

    def __init__(self, total: int, per_peer: int) -> None:
        self._total = total
        self._per_peer = per_peer
        self._peers: Counter[str] = Counter()

    def enter(self, peer: str) -> Refusal | None:
        """Count a connection of `peer` (see `peer_of`), or say which limit it is over."""
        if self._peers[peer] >= self._per_peer:
            return "peer"
        if self._peers.total() >= self._total:
            return "total"
        self._peers[peer] += 1
        return None

    def leave(self, peer: str) -> None:
        """A counted connection is closed."""
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]


def peer_of(address: str) -> str:
    """Whom a connection from this address counts for: the IPv4 address, or the IPv6 network of 64
    bits, because a host has all addresses of that.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)
