"""Ports for what a test starts, and may start again."""

import random
import socket

#: Below those that the system gives to outgoing connections: such a one would take the port while
#: what the test starts is away.
PORTS = range(10_000, 32_000)


def free_port() -> int:
    """A port of loopback that nothing uses."""
    return free_ports(1)


def free_ports(number: int) -> int:
    """The first of as many ports in a row that nothing uses."""
    while True:
        first = random.choice(PORTS)
        if all(map(_is_free, range(first, first + number))):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
