"""The client side of the network: connections, frames, one command after the other on each."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import cast

from bson.errors import BSONError

from shardhouse.router.commands import dispatch, express
from shardhouse.router.commands.express import Passage, Rest
from shardhouse.router.commands.table import TABLE
from shardhouse.router.errors import CommandError, MessageError, NodeUnreachableError, ProtocolError
from shardhouse.router.fail_points import ConnectionDroppedError
from shardhouse.router.router import Router
from shardhouse.router.session import ClientSession
from shardhouse.router.tls_listener import TlsListener
from shardhouse.router.wire import compression, messages, raw
from shardhouse.router.wire.messages import Request

_MOST_WAITING = 16
"""Frames read ahead of the command that runs; then the client has to wait."""

_ALL = Rest()
"""What is left of a command that did not go express: all of it."""

_ACCEPTED, _ENDED, _MALFORMED = 22943, 22944, 22988
_LISTENING, _NO_LISTENER = 23015, 22856
"""Numbers of events in MongoDB's own log."""

_NEVER_COMPRESSED = frozenset({"hello", "isMaster", "ismaster", "saslStart", "saslContinue"})


class ClientConnection(asyncio.Protocol):
    """One client."""

    def __init__(self, router: Router, number: int, everyone: set[ClientConnection]) -> None:
        self._router = router
        self._number = number
        self._all = everyone
        self._buffer = bytearray()
        self._frames: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._replies = itertools.count(1)
        self._closed = False
        self._draining = False
        self._interruptible = False
        self._abandoned = False
        self._busy = False
        self._passage: Passage | None = None
        self._rest: tuple[Request, Rest] | None = None
        self._session: ClientSession | None = None
        self._transport: asyncio.Transport | None = None
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: a client connected."""
        counts = self._router.statistics
        self._transport = cast("asyncio.Transport", transport)  # uvloop has a class of its own
        if counts.connections >= self._router.options.max_connections:
            counts.connections_rejected += 1
            self._transport.abort()
            return
        counts.connections += 1
        counts.connections_created += 1
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        session = ClientSession(self._number, _address(peer), _address(local))
        session.tls = transport.get_extra_info("ssl_object")
        if session.tls is not None:
            counts.tls_versions[session.tls.version()] += 1
        self._session = session
        self._all.add(self)
        self._note(_ACCEPTED, "Connection accepted", session, "listener")
        self.task = asyncio.create_task(self._serve(session))

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came; cut them into frames."""
        self._router.statistics.bytes_in += len(data)
        if self._goes_express(data):
            return
        buffer = self._buffer
        buffer += data
        try:
            while (size := messages.frame_size(buffer)) is not None and len(buffer) >= size:
                self._frames.append(bytes(buffer[:size]))
                del buffer[:size]
        except ProtocolError as error:
            self._give_up(error)
            return
        if self._frames:
            self._arrived.set()
        if len(self._frames) >= _MOST_WAITING and self._transport is not None:
            self._transport.pause_reading()

    def _goes_express(self, data: bytes) -> bool:
        """Whether the data is one whole command that is on its way to its shard already."""
        if (
            self._busy
            or self._passage is not None
            or self._buffer
            or self._rest is not None
            or self._frames
            or self._session is None
            or self._closed
            or self._draining
            or not self._writable.is_set()
            or len(data) != int.from_bytes(data[:4], "little")
        ):
            return False
        self._passage = express.start(
            self._router, self._session, data, self._arrive, self._interrupt
        )
        return self._passage is not None

    def _arrive(self, result: bytes | NodeUnreachableError) -> None:
        """What went express has its answer: it is sent on, or handed to the ordinary way."""
        passage, self._passage = self._passage, None
        assert passage is not None
        assert self._session is not None
        try:
            reply = express.finish(self._router, self._session, passage, result)
        except Exception as error:  # this connection ends, not the one to the shard
            self._fail(error)
            return
        if isinstance(reply, bytes):
            self._write(messages.op_msg(next(self._replies), passage.request.request_id, reply))
        else:
            self._rest = (passage.request, reply)
        if self._frames or self._draining or self._closed or self._rest is not None:
            self._arrived.set()

    def _interrupt(self) -> None:
        """What goes express is to end (killOp, or its client is gone)."""
        passage, self._passage = self._passage, None
        if passage is not None:
            self._rest = (passage.request, express.give_up(self._router, passage))
            self._arrived.set()

    def pause_writing(self) -> None:
        """asyncio: the client reads slower than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """asyncio: the client caught up."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the client is gone. Its reads are given up, its writes are done, also those that
        wait for their turn."""
        self._closed = True
        self._writable.set()
        self._arrived.set()
        if self._interruptible and self.task is not None:
            self._abandoned = True
            self.task.cancel()
        if self._passage is not None and self._passage.interruptible:
            self._interrupt()

    def drain(self) -> None:
        """Answer what was asked already, then close."""
        self._draining = True
        self._arrived.set()

    async def _serve(self, session: ClientSession) -> None:
        try:
            while True:
                self._busy = False
                while self._passage is not None or (self._rest is None and not self._frames):
                    if self._passage is None and (self._closed or self._draining):
                        return
                    self._arrived.clear()
                    await self._arrived.wait()
                self._busy = True
                if self._rest is not None:
                    (request, rest), self._rest = self._rest, None
                    await self._one(session, request, rest)
                    continue
                frame = self._frames.popleft()
                if len(self._frames) < _MOST_WAITING and self._transport is not None:
                    self._transport.resume_reading()
                try:
                    request = messages.parse(frame)
                except MessageError as error:
                    refusal = CommandError(error.code, str(error))
                    await self._refuse(messages.unread(frame), refusal)
                    continue
                if request.compressor is not None:
                    self._unpacked(request.compressor, frame)
                await self._one(session, request)
        except ProtocolError as error:
            self._give_up(error)
        except ConnectionDroppedError:
            self._closed = True
        except Exception as error:  # this connection ends, nothing else
            self._fail(error)
        finally:
            self._router.statistics.connections -= 1
            self._all.discard(self)
            if self._transport is not None:
                self._transport.close()
            self._note(_ENDED, "Connection ended", session, session.context)

    def _note(self, number: int, message: str, session: ClientSession, context: str) -> None:
        self._router.log.note(
            "NETWORK", message, context, number=number, remote=session.peer, uuid=session.uuid,
            connectionId=session.id, connectionCount=self._router.statistics.connections,
        )  # fmt: skip

    def _unpacked(self, compressor: int, frame: bytes) -> None:
        """Count a compressed message; ProtocolError if it may not be compressed like that."""
        enabled = self._router.options.compressors
        if compressor and compressor not in (compression.IDS[name] for name in enabled):
            raise ProtocolError(f"compressor {compressor} is not enabled")
        self._router.statistics.unpacked_in += messages.uncompressed_size(frame) - len(frame)

    async def _one(self, session: ClientSession, request: Request, rest: Rest = _ALL) -> None:
        try:
            command = dispatch.read(request)
        except CommandError as error:
            await self._refuse(request, error)
            return
        row = TABLE.get(command.name)
        self._interruptible = row is not None and row.interruptible
        if self._closed and self._interruptible:
            return
        try:
            reply = await dispatch.answer(self._router, session, command, rest.handler, rest.user)
            if request.wants_no_reply:
                return
            exhaust = (
                request.allows_exhaust
                and "topologyVersion" in reply
                and ("maxAwaitTimeMS" in command.body)
            )
            while exhaust and not self._closed:
                answered = await self._send(request, reply, command.name, more=True)
                command.body["topologyVersion"] = raw.shallow(
                    raw.encode({"v": reply["topologyVersion"]})
                )["v"]
                request.request_id = answered
                reply = await dispatch.answer(self._router, session, command)
                exhaust = reply.get("ok") == 1 and not self._router.stopping.is_set()
            await self._send(request, reply, command.name)
        except asyncio.CancelledError:
            assert self.task is not None
            if not self._abandoned or self.task.uncancel():
                raise  # the router ends
        finally:
            self._interruptible = self._abandoned = False

    async def _refuse(self, request: Request, error: CommandError) -> None:
        """Answer what is no command, if an answer is wanted."""
        if not request.wants_no_reply:
            await self._send(request, error.document, "")

    async def _send(
        self, request: Request, reply: raw.Document, name: str, *, more: bool = False
    ) -> int:
        """Write one reply; returns its number."""
        number = next(self._replies)
        try:
            body = raw.encode(reply)
        except BSONError as error:
            body = raw.encode(CommandError(22, f"Invalid BSON in reply: {error}").document)
        if request.opcode == messages.OP_QUERY:
            frame = messages.op_reply(number, request.request_id, body)
        else:
            flags = (request.flags & messages.CHECKSUM) | (messages.MORE_TO_COME if more else 0)
            frame = messages.op_msg(number, request.request_id, body, flags=flags)
        if request.compressor is not None and name not in _NEVER_COMPRESSED:
            plain = len(frame)
            frame = messages.compressed(frame, request.compressor)
            self._router.statistics.packed_out += plain - len(frame)
        self._write(frame)
        if not self._writable.is_set():
            await self._writable.wait()
        return number

    def _write(self, frame: bytes) -> None:
        self._router.statistics.bytes_out += len(frame)
        if self._transport is not None and not self._closed:
            self._transport.write(frame)

    def _fail(self, error: Exception) -> None:
        """Close the connection after a mistake of ours."""
        self._closed = True
        self._arrived.set()
        if self._transport is not None:
            self._transport.abort()
        self._router.log.mistake("NETWORK", error, f"conn{self._number}")

    def _give_up(self, error: ProtocolError) -> None:
        self._router.log.alert(
            "NETWORK", "Error receiving request from client. Ending connection from remote",
            f"conn{self._number}", number=_MALFORMED, error=str(error),
            remote=self._session.peer if self._session else "", connectionId=self._number,
        )  # fmt: skip
        self._closed = True
        self._arrived.set()
        if self._transport is not None:
            self._transport.abort()


class Server:
    """Listens on every address asked for."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._numbers = itertools.count(1)
        self._listening: asyncio.Server | TlsListener | None = None
        self._open: set[ClientConnection] = set()

    async def start(self) -> None:
        """Begin to listen; OSError if the address cannot be had."""
        options = self._router.options
        addresses, port, tls = list(options.bind_ip), options.port, self._router.tls
        log = self._router.log
        try:
            if tls.clients is None:
                self._listening = await asyncio.get_running_loop().create_server(
                    self._connection, addresses, port, backlog=1024
                )
            else:
                self._listening = TlsListener(addresses, port, self._connection, tls, log)
        except OSError as error:
            # The component is a mongos's: mongodb-runner then tries another port.
            log.fail("SHARDING", "Error setting up listener", number=_NO_LISTENER, error=str(error))
            raise
        for address in addresses:
            log.note("NETWORK", "Listening on", number=_LISTENING, address=address)

    def _connection(self) -> ClientConnection:
        return ClientConnection(self._router, next(self._numbers), self._open)

    def refuse(self) -> None:
        """Stop listening. Who is connected stays."""
        assert self._listening is not None
        self._listening.close()

    async def stop(self, grace: float) -> None:
        """Let running commands end within `grace` seconds, then close all connections."""
        tasks = []
        for connection in list(self._open):
            connection.drain()
            if connection.task is not None:
                tasks.append(connection.task)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _address(name: tuple[str, int] | None) -> str:
    return f"{name[0]}:{name[1]}" if name else ""
