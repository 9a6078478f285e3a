"""Networks of the settings: which addresses of this machine nodes (or public IPs) may have, and
which of them are free at a port.

Part of the local driver.
"""

import errno
import hashlib
import ipaddress
import itertools
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psutil

from shardhouse.errors import NodeError
from shardhouse.nodes.runtime import Endpoint

_LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")
Present = Mapping[int, tuple[str, ipaddress.IPv4Network]]
"""Addresses of this machine, as numbers, each with its interface and that one's network."""
_TRIES = 2048
"""How many endpoints may be found occupied before we give up."""
_SHOWN = 4
"""How many missing addresses a message names."""
_RANGE = 1024
"""How many addresses a range may have: each is expected to be there."""


@dataclass(frozen=True)
class Block:
    """One entry of `node_network`, from `first` to `last` (both included). Of a network, those
    addresses count that the machine has; of an entry that is `named` (an address or a range), all
    should be there."""

    first: int
    last: int
    named: bool

    @property
    def loopback(self) -> bool:
        """Whether Linux answers on all of it anyway."""
        return int(_LOOPBACK[0]) <= self.first and self.last <= int(_LOOPBACK[-1])

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last


class Missing(NamedTuple):
    """Addresses that this machine does not have, and how to mend that."""

    found: str
    mend: str


class NodeNetwork:
    """What `setting` (`node_network` or `public_network`) names: IPv4 networks, addresses
    (`192.0.2.10`) and ranges (`192.0.2.10-192.0.2.19`). `installation` picks where nodes begin in a
    large loopback network, so that two installations rarely meet.

    Raises NodeError for an entry that is none of these. Which addresses the machine has is looked
    up anew by each call.
    """

    def __init__(
        self, entries: Sequence[str], installation: str, setting: str = "node_network"
    ) -> None:
        if not entries:
            raise NodeError(f"{setting} is empty; leave it out to have its default.")
        self._blocks = tuple(_parse(entry, setting) for entry in entries)
        self._words = ", ".join(entries)
        self._setting = setting
        self._seed = int.from_bytes(hashlib.sha256(installation.encode()).digest()[:8])

    def __contains__(self, address: str) -> bool:
        """Whether it names an address, and this machine has it."""
        number = int(ipaddress.IPv4Address(address))
        return any(number in block for block in self._blocks) and _answers(address, configured())

    def free(self, count: int, port: int, taken: Collection[Endpoint]) -> list[Endpoint]:
        """`count` endpoints that can be bound now, none in `taken`.

        Each has an address of its own at `port`, while there are such addresses. Where they run
        out, addresses are shared: at `port` and the ports above it. NodeError if that fails too.
        """
        leased = {endpoint.address for endpoint in taken}
        own = (Endpoint(address, port) for address in self.addresses() if address not in leased)
        found = _bindable(own, count)
        if len(found) < count:
            found += self._shared(count - len(found), port, {*taken, *found})
        if len(found) < count:
            if missing := self.missing():
                raise NodeError(f"{missing.found} {missing.mend}")
            raise NodeError(
                f"Only {len(found)} of {count} addresses of {self._words} are free at port {port}. "
                "Choose another port, or a larger node_network; a program that listens on all "
                f"addresses (0.0.0.0:{port}) occupies the port everywhere."
            )
        return found

    def missing(self, leased: Iterable[str] = ()) -> Missing | None:
        """Which addresses the machine should have and does not: those that the setting names,
        those of nodes (`leased`), or any at all."""
        present = configured()
        named = (
            str(ipaddress.IPv4Address(number))
            for block in self._blocks
            if block.named and not block.loopback
            for number in range(block.first, block.last + 1)
        )
        lacking = [one for one in dict.fromkeys((*leased, *named)) if not _answers(one, present)]
        if lacking:
            return _advice(lacking, present)
        if next(self.addresses(), None) is None:
            return Missing(
                f"This machine has no address in {self._setting} ({self._words}). "
                f"It has {_inventory(present)}.",
                f"Set {self._setting} to what it has, or add an address, as root: "
                "ip addr add ADDRESS/32 dev INTERFACE",
            )
        return None

    def _shared(self, count: int, port: int, passed: Collection[Endpoint]) -> list[Endpoint]:
        """Endpoints that can be bound, none in `passed`: at `port` of each address, then above it.
        None of a network so large that its addresses cannot have run out."""
        addresses = list(itertools.islice(self.addresses(), _TRIES + 1))
        if len(addresses) > _TRIES:
            return []
        shared = (
            endpoint
            for number in range(port, 65536)
            for address in addresses
            if (endpoint := Endpoint(address, number)) not in passed
        )
        return _bindable(shared, count)

    def overlaps(self, other: "NodeNetwork") -> bool:
        """Whether an address may belong to both."""
        return any(
            mine.first <= theirs.last and theirs.first <= mine.last
            for mine in self._blocks
            for theirs in other._blocks
        )

    def addresses(self) -> Iterator[str]:
        """Every address of this machine that the network has, once."""
        present = configured()
        for position, block in enumerate(self._blocks):
            if block.loopback:
                numbers: Iterable[int] = _around(block, self._seed)
            else:
                numbers = [n for n in sorted(present) if n in block and not _is_loopback(n)]
            for number in numbers:
                if not any(number in earlier for earlier in self._blocks[:position]):
                    yield str(ipaddress.IPv4Address(number))


def configured() -> Present:
    """The IPv4 addresses of this machine's interfaces."""
    return {
        int(interface.ip): (name, interface.network)
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET
        for interface in [ipaddress.IPv4Interface(f"{address.address}/{address.netmask or 32}")]
    }


def _parse(entry: str, setting: str) -> Block:
    try:
        return _network(entry) if "/" in entry else _range(entry)
    except ValueError as error:
        words = "IPv6 is not possible here" if ":" in entry else str(error)
        raise NodeError(
            f"{setting} must name IPv4 networks (127.64.0.0/10), addresses (192.0.2.10) or "
            f"ranges (192.0.2.10-192.0.2.19), separated by commas: {words}."
        ) from error


def _network(text: str) -> Block:
    network = ipaddress.IPv4Network(text.strip())
    return Block(int(network[0]), int(network[-1]), named=False)


def _range(text: str) -> Block:
    start, _, end = text.partition("-")
    first = ipaddress.IPv4Address(start.strip())
    last = ipaddress.IPv4Address(end.strip()) if end else first
    block = Block(int(first), int(last), named=True)
    if first.is_unspecified or last.is_multicast or last < first:
        raise ValueError(f"{text} names no addresses of a machine")
    if not block.loopback and block.last - block.first >= _RANGE:
        raise ValueError(f"{text} has more than {_RANGE} addresses; write a network")
    return block


def _around(block: Block, seed: int) -> Iterator[int]:
    """Every usable address of a loopback block, around from the start of one of its 256s; none
    ends in .0 or .255."""
    size = block.last - block.first + 1
    start = seed % max(1, size // 256) * 256
    for step in range(size):
        number = block.first + (start + step) % size
        if number & 255 not in (0, 255):
            yield number


def _answers(address: str, present: Present) -> bool:
    """Whether the machine has the address."""
    number = int(ipaddress.IPv4Address(address))
    return _is_loopback(number) or number in present


def _advice(lacking: Sequence[str], present: Present) -> Missing:
    shown = lacking[:_SHOWN]
    more = f" and {len(lacking) - len(shown)} more" if len(lacking) > len(shown) else ""
    commands = "; ".join(f"ip addr add {one}/32 dev {_interface(one, present)}" for one in shown)
    return Missing(
        f"This machine does not have {', '.join(shown)}{more}. It has {_inventory(present)}.",
        f"Add what is missing, as root and at each start of the machine: {commands}",
    )


def _is_loopback(number: int) -> bool:
    return ipaddress.IPv4Address(number) in _LOOPBACK


def _interface(address: str, present: Present) -> str:
    """The interface whose network the address is in, as far as there is one."""
    wanted = ipaddress.IPv4Address(address)
    return next((name for name, network in present.values() if wanted in network), "INTERFACE")


def _inventory(present: Present) -> str:
    words = [
        f"{ipaddress.IPv4Address(number)} ({name})"
        for number, (name, _) in present.items()
        if not _is_loopback(number)
    ]
    return ", ".join(words) or "no address but loopback ones"


def _bindable(endpoints: Iterable[Endpoint], count: int) -> list[Endpoint]:
    """The first `count` that can be bound now."""
    tried = itertools.islice(endpoints, count + _TRIES)
    return list(itertools.islice((one for one in tried if can_bind(one)), count))


def can_bind(endpoint: Endpoint) -> bool:
    """Whether a process could listen there now. NodeError if this machine never lets one."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As a server would: connections of an earlier one that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(endpoint)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise NodeError(
                f"Cannot use {endpoint.address}:{endpoint.port}: {error.strerror}. node_network "
                "must name addresses of this machine, and the port must be one we may use."
            ) from error
    return True
