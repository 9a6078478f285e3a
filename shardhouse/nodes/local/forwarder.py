"""Listens at addresses of this machine, and passes what comes on to nodes. Part of the local
driver."""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread

import structlog

from shardhouse.nodes.runtime import Endpoint

CONNECT_SECONDS = 10.0
"""How long a node may take to accept a connection."""
ACCEPT_PAUSE = 0.2
"""Seconds before the next attempt after a connection could not be accepted."""
_BACKLOG = 512
_CHUNK = 256 * 1024
_log = structlog.get_logger()


@dataclass
class _Place:
    """Where we listen, and the tasks of the connections that were accepted there."""

    listener: socket.socket
    connections: set[asyncio.Task[None]] = field(default_factory=set)


class Forwarder:
    """One thread with an event loop, started with the first rule. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rules: dict[Endpoint, Endpoint] = {}
        self._failed: dict[Endpoint, str] = {}
        self._places: dict[Endpoint, _Place] = {}

    def apply(self, rules: Mapping[Endpoint, Endpoint]) -> dict[Endpoint, str]:
        """Listen at the keys of `rules` and nowhere else, and pass new connections on to their
        values. Connections to what is not listened at any more end. Returns why it is impossible to
        listen, where it is."""
        with self._lock:
            if self._loop is None:
                if not rules:
                    return {}
                self._loop = asyncio.new_event_loop()
                Thread(target=_run, args=[self._loop], name="forwarder", daemon=True).start()
            asyncio.run_coroutine_threadsafe(self._apply(dict(rules)), self._loop).result()
            return dict(self._failed)

    def close(self) -> None:
        """Listen nowhere; all connections end."""
        self.apply({})
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None

    async def _apply(self, rules: dict[Endpoint, Endpoint]) -> None:
        self._rules = rules
        for endpoint in self._places.keys() - rules.keys():
            place = self._places.pop(endpoint)
            asyncio.get_running_loop().remove_reader(place.listener)
            place.listener.close()
            for task in place.connections:
                task.cancel()
            await asyncio.gather(*place.connections, return_exceptions=True)
            _log.info("forwarding ended", address=endpoint.address, port=endpoint.port)
        failed = {}
        for endpoint in rules.keys() - self._places.keys():
            try:
                listener = socket.create_server(endpoint, backlog=_BACKLOG)
            except OSError as error:
                failed[endpoint] = reason = error.strerror or str(error)
                if self._failed.get(endpoint) != reason:
                    where = {"address": endpoint.address, "port": endpoint.port}
                    _log.warning("not forwarding", reason=reason, **where)
                continue
            listener.setblocking(False)
            self._places[endpoint] = _Place(listener)
            self._watch(endpoint)
            _log.info("forwarding", address=endpoint.address, port=endpoint.port)
        self._failed = failed

    def _watch(self, endpoint: Endpoint) -> None:
        """Accept what comes. Not `asyncio.start_server`: a connection that is accepted while such a
        server closes is neither served nor closed."""
        if place := self._places.get(endpoint):
            loop = asyncio.get_running_loop()
            loop.add_reader(place.listener, self._accept, endpoint, place)

    def _accept(self, endpoint: Endpoint, place: _Place) -> None:
        loop = asyncio.get_running_loop()
        try:
            accepted, _ = place.listener.accept()
        except BlockingIOError:  # it was reset already
            return
        except OSError as error:  # too many open files
            _log.warning("not accepted", port=endpoint.port, reason=error.strerror)
            loop.remove_reader(place.listener)
            loop.call_later(ACCEPT_PAUSE, self._watch, endpoint)
            return
        task = loop.create_task(_forward(accepted, self._rules[endpoint]))
        place.connections.add(task)

        def ended(_task: asyncio.Task[None]) -> None:
            place.connections.discard(task)
            accepted.close()

        task.add_done_callback(ended)


async def _forward(accepted: socket.socket, target: Endpoint) -> None:
    """Pass one connection on until either side ends it."""
    ends: list[asyncio.StreamWriter] = []
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            source, onward = await asyncio.open_connection(*target, limit=_CHUNK)
            ends.append(onward)
            reader, writer = await asyncio.open_connection(sock=accepted, limit=_CHUNK)
            ends.append(writer)
        for end in ends:  # the kernel notices peers that vanish
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, onward))
            both.create_task(_copy(source, writer))
    except* OSError:  # either end is gone, or the node does not answer: so is the connection
        pass
    finally:
        for end in ends:
            end.close()
            with suppress(OSError):
                await end.wait_closed()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass bytes on until the source ends, then say so to the sink."""
    while chunk := await source.read(_CHUNK):
        sink.write(chunk)
        await sink.drain()
    with suppress(OSError):
        sink.write_eof()
