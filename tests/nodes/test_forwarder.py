"""Connections that are passed on to nodes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from shardhouse.nodes.local.forwarder import Forwarder
from shardhouse.nodes.runtime import Endpoint
from tests.free_ports import free_port
from tests.installation import until


@pytest.fixture
def forwarder() -> Iterator[Forwarder]:
    made = Forwarder()
    yield made
    made.close()


def everything(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def echo(name: bytes) -> Endpoint:
    """A server that says its name, and then what it got up to its end."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # it may be reset at any moment
                connection.sendall(name)
                connection.sendall(everything(connection))

    threading.Thread(target=serve, daemon=True).start()
    return Endpoint(*listener.getsockname())


def ask(endpoint: Endpoint, sent: bytes) -> bytes:
    with socket.create_connection(endpoint, 10) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return everything(client)


def test_bytes_pass_in_both_directions(forwarder: Forwarder) -> None:
    first, second = Endpoint("127.0.0.1", free_port()), Endpoint("127.0.0.1", free_port())
    assert forwarder.apply({first: echo(b"a"), second: echo(b"b")}) == {}
    large = bytes(range(256)) * 40_000
    assert ask(first, large) == b"a" + large
    assert ask(second, b"x") == b"bx"


def test_new_connections_go_where_the_rule_leads_now(forwarder: Forwarder) -> None:
    place = Endpoint("127.0.0.1", free_port())
    forwarder.apply({place: echo(b"a")})
    forwarder.apply({place: echo(b"b")})
    assert ask(place, b"x") == b"bx"


def test_a_rule_that_ends_ends_its_connections(forwarder: Forwarder) -> None:
    place = Endpoint("127.0.0.1", free_port())
    forwarder.apply({place: echo(b"a")})
    with socket.create_connection(place, 10) as client:
        assert client.recv(1) == b"a"
        forwarder.apply({})
        assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, 10)


def test_a_connection_that_just_came_ends_with_its_rule(forwarder: Forwarder) -> None:
    place, target = Endpoint("127.0.0.1", free_port()), echo(b"a")
    for _ in range(20):
        forwarder.apply({place: target})
        with socket.create_connection(place, 10) as client:
            forwarder.apply({})
            with suppress(ConnectionResetError):
                everything(client)


def test_a_place_that_is_taken_is_tried_again(forwarder: Forwarder) -> None:
    target = echo(b"a")
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = Endpoint(*other.getsockname())
        assert set(forwarder.apply({place: target})) == {place}
    until("the place to be free", lambda: not forwarder.apply({place: target}))
    assert ask(place, b"x") == b"ax"


def test_a_connection_ends_where_nothing_answers(forwarder: Forwarder) -> None:
    place = Endpoint("127.0.0.1", free_port())
    forwarder.apply({place: Endpoint("127.0.0.1", free_port())})
    with socket.create_connection(place, 10) as client:
        assert client.recv(1) == b""
