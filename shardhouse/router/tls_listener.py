"""Takes connections where TLS is on: each is greeted with the newest certificate, and where plain
ones are welcome too (`allowTLS`, `preferTLS`), a connection's first byte tells which it is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from shardhouse.router.logs import Log
from shardhouse.router.tls import Contexts

_HANDSHAKE = 0x16
"""First byte of a TLS handshake; as first byte of a message it would mean a size nobody sends."""

_PATIENCE = 60.0
_RETRY = 0.1


class TlsListener:
    """Listens on sockets until closed."""

    def __init__(
        self,
        addresses: Sequence[str],
        port: int,
        make: Callable[[], asyncio.Protocol],
        tls: Contexts,
        log: Log,
    ) -> None:
        self._make = make
        self._tls = tls
        self._log = log
        self._greeting: set[asyncio.Task[None]] = set()
        self._sockets = [_listen(address, port) for address in addresses]
        self._tasks = [asyncio.create_task(self._accept(one)) for one in self._sockets]

    def close(self) -> None:
        """Take no more connections; what is not greeted yet is dropped."""
        for task in (*self._tasks, *self._greeting):
            task.cancel()
        for listening in self._sockets:
            listening.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:  # such as too many open files: better times will come
                self._log.alert("NETWORK", "Cannot accept a connection", error=str(error))
                await asyncio.sleep(_RETRY)
                continue
            task = asyncio.create_task(self._greet(accepted))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _greet(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            encrypted = True
            if self._tls.plain_allowed:
                async with asyncio.timeout(_PATIENCE):
                    encrypted = await _first_byte(accepted) == _HANDSHAKE
            context = self._tls.clients if encrypted else None
            await loop.connect_accepted_socket(self._make, accepted, ssl=context)
        except OSError as error:  # timeouts and TLS errors are of this kind
            self._log.note("NETWORK", "Connection was not established", error=str(error))
            accepted.close()
        except asyncio.CancelledError:
            accepted.close()
            raise


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.create_server((address, port), family=family, backlog=1024)
    listening.setblocking(False)
    return listening


async def _first_byte(accepted: socket.socket) -> int | None:
    """The byte a connection begins with, left in place; None if it ended instead."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(accepted.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(accepted.fileno())
    first = accepted.recv(1, socket.MSG_PEEK)
    return first[0] if first else None
