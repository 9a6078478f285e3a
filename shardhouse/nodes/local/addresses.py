"""Which addresses of the node network are free. Part of the local driver."""

import errno
import hashlib
import ipaddress
import itertools
import socket
from collections.abc import Iterator

from shardhouse.errors import NodeError

Network = ipaddress.IPv4Network
_TRIES = 2048
"""How many addresses may be found occupied before we give up."""


def network(text: str) -> Network:
    """Parse the node network; NodeError says what is wrong with it."""
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise NodeError(
            f"node_network must be an IPv4 network such as 127.64.0.0/10: {error}"
        ) from error


def offset(name: str, net: Network) -> int:
    """Where an installation begins in the network, so that two of them rarely meet: the start of
    a block of 256 picked by its data directory's name (of a small network, its start)."""
    blocks = max(1, net.num_addresses // 256)
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % blocks * 256


def candidates(net: Network, start: int) -> Iterator[str]:
    """Every usable address once, from `start` on and around; none ends in .0 or .255."""
    first = int(net.network_address)
    size = net.num_addresses
    for step in range(size):
        number = first + (start + step) % size
        if number & 255 not in (0, 255):
            yield str(ipaddress.IPv4Address(number))


def free(net: Network, start: int, count: int, port: int, taken: frozenset[str]) -> list[str]:
    """`count` addresses on which `port` can be bound now, none in `taken`."""
    untaken = (address for address in candidates(net, start) if address not in taken)
    found: list[str] = []
    for address in itertools.islice(untaken, count + _TRIES):
        if len(found) == count:
            break
        if _can_bind(address, port):
            found.append(address)
    if len(found) < count:
        raise NodeError(
            f"Only {len(found)} of {count} addresses of {net} are free at port {port}. Choose "
            "another port, or a larger node_network; a program that listens on all addresses "
            f"(0.0.0.0:{port}) occupies the port everywhere."
        )
    return found


def _can_bind(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As a server would: connections of an earlier one that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise NodeError(
                f"Cannot use {address}:{port}: {error.strerror}. node_network must be a network "
                "of this machine, such as 127.64.0.0/10, and the port one we may use."
            ) from error
    return True
