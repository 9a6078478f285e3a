"""One connection to a cluster member: connect, join as a member, one request at a time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from shardhouse.router.auth.scram import ClientConversation
from shardhouse.router.errors import NodeUnreachableError, ProtocolError
from shardhouse.router.upstream.encoder import Encoded, encode
from shardhouse.router.wire import messages, raw

_HANDSHAKE_TIMEOUT = 10.0
_INTERNAL = {"internalClient": {"minWireVersion": 17, "maxWireVersion": 17}}


Done = Callable[[bytes | NodeUnreachableError], None]


class Connection(asyncio.Protocol):
    """Sends `Encoded` commands and awaits their replies, one after the other."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.closed: str | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: Done | None = None
        self._request_id = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio calls this once the connection is up."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop has a class of its own

    def data_received(self, data: bytes) -> None:
        """Collect a reply; the node speaks only when asked."""
        buffer = self._buffer
        buffer += data
        try:
            size = messages.frame_size(buffer)
        except ProtocolError as error:
            self.close(str(error))
            return
        if size is None or len(buffer) < size:
            return
        frame = bytes(buffer[:size])
        del buffer[:size]
        done, self._waiting = self._waiting, None
        if done is None:
            self.close("node sent what nobody asked for")
        else:
            done(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio calls this when the connection ends."""
        self.close(str(exc or "connection closed by the node"))

    def close(self, reason: str) -> None:
        """End the connection; who waits for a reply gets NodeUnreachableError."""
        self.closed = self.closed or reason
        if self._transport is not None:
            self._transport.abort()
        done, self._waiting = self._waiting, None
        if done is not None:
            done(NodeUnreachableError(self.address, reason))

    def send(self, command: Encoded, done: Done) -> None:
        """Send one command; `done` gets the frame of the reply, or the reason why there is none."""
        if self.closed is not None or self._transport is None:
            done(NodeUnreachableError(self.address, self.closed))
            return
        self._request_id = (self._request_id + 1) & 0x7FFFFFFF
        self._waiting = done
        self._transport.write(
            messages.op_msg(self._request_id, 0, command.body, sequences=command.sequences)
        )

    async def request(self, command: Encoded) -> raw.Document:
        """The reply, top level decoded. If the caller is cancelled, the connection closes."""
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def done(result: bytes | NodeUnreachableError) -> None:
            if answered.done():
                return
            if isinstance(result, bytes):
                answered.set_result(result)
            else:
                answered.set_exception(result)

        self.send(command, done)
        try:
            frame = await answered
        except asyncio.CancelledError:
            self.close("request abandoned")
            raise
        # A reply to distinct alone has stored values at its top, which must not be changed.
        read = raw.faithful if command.name == "distinct" else raw.shallow
        return read(messages.parse(frame).body)

    async def join(self, key: bytes | None) -> None:
        """Shake hands as a cluster member; log in with the cluster's key, if it has one."""
        await self._must(encode({"hello": 1, **_INTERNAL}, "admin"))
        if key is None:
            return
        conversation = ClientConversation("__system", key)
        started = await self._must(
            encode(
                {
                    "saslStart": 1,
                    "mechanism": "SCRAM-SHA-256",
                    "payload": conversation.first(),
                    "options": {"skipEmptyExchange": True},
                },
                "local",
            )
        )
        finished = await self._must(
            encode(
                {
                    "saslContinue": 1,
                    "conversationId": started["conversationId"],
                    "payload": conversation.final(bytes(started["payload"])),
                },
                "local",
            )
        )
        conversation.verify(bytes(finished["payload"]))

    async def _must(self, command: Encoded) -> Mapping[str, Any]:
        reply = await self.request(command)
        if reply.get("ok") != 1:
            raise NodeUnreachableError(self.address, f"{command.name}: {reply.get('errmsg')}")
        return reply


async def connect(
    address: str,
    tls: ssl.SSLContext | None,
    prepare: Callable[[Connection], Awaitable[None]] | None = None,
) -> Connection:
    """Open a connection and `prepare` it; NodeUnreachableError if that fails."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    connection = Connection(address)
    try:
        async with asyncio.timeout(_HANDSHAKE_TIMEOUT):
            await asyncio.get_running_loop().create_connection(
                lambda: connection, host, int(port), ssl=tls, server_hostname=host if tls else None
            )
            if prepare is not None:
                await prepare(connection)
    except (OSError, ValueError, KeyError, ProtocolError) as error:  # timeouts are OSErrors
        connection.close(str(error))
        raise NodeUnreachableError(address, error or "timed out") from error
    except BaseException:
        connection.close("connecting was given up")
        raise
    return connection
