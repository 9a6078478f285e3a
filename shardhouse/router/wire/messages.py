"""Frames of the MongoDB wire protocol: a frame's bytes to a `Request`, a reply's body to bytes.

Source: the public wire protocol specification (OP_MSG, OP_QUERY, OP_REPLY, OP_COMPRESSED).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from shardhouse.router.errors import MessageError, ProtocolError
from shardhouse.router.wire import compression

OP_REPLY, OP_QUERY, OP_COMPRESSED, OP_MSG = 1, 2004, 2012, 2013
CHECKSUM, MORE_TO_COME, EXHAUST_ALLOWED = 1, 2, 1 << 16
PLAIN = OP_MSG.to_bytes(4, "little") + b"\0" * 5
"""Of a frame: its opcode, no flags, and a first section that is the body."""

MAX_MESSAGE = 48_000_000
HEADER_SIZE = 16

_HEADER = struct.Struct("<iiii")
_INT32 = struct.Struct("<i")
_UINT32 = struct.Struct("<I")
_COMPRESSED = struct.Struct("<iiB")
_QUERY_TAIL = struct.Struct("<ii")
_REPLY = struct.Struct("<iqii")


@dataclass(slots=True)
class Request:
    """One message from a client. `sequences` holds the bytes of each document sequence by name."""

    request_id: int
    opcode: int
    flags: int
    body: bytes
    sequences: dict[str, bytes] = field(default_factory=dict)
    query_namespace: str = ""
    compressor: int | None = None

    @property
    def wants_no_reply(self) -> bool:
        """The client will not read an answer (unacknowledged write)."""
        return self.opcode == OP_MSG and bool(self.flags & MORE_TO_COME)

    @property
    def allows_exhaust(self) -> bool:
        """The client accepts a stream of answers to this one request."""
        return self.opcode == OP_MSG and bool(self.flags & EXHAUST_ALLOWED)


def frame_size(buffer: bytes | bytearray) -> int | None:
    """Bytes of the frame that starts the buffer, None if its header is not there yet."""
    if len(buffer) < 4:
        return None
    size: int = _INT32.unpack_from(buffer)[0]
    if size < HEADER_SIZE or size > MAX_MESSAGE:
        raise ProtocolError(f"message of {size} bytes, allowed are 16 to {MAX_MESSAGE}")
    return size


def parse(frame: bytes) -> Request:
    """Read one complete frame; ProtocolError if it is none."""
    try:
        _, request_id, _, opcode = _HEADER.unpack_from(frame)
        if frame[12:21] == PLAIN and _INT32.unpack_from(frame, 21)[0] == len(frame) - 21 > 4:
            return Request(request_id, OP_MSG, 0, frame[21:])  # what most messages are
        if opcode == OP_COMPRESSED:
            return _parse_compressed(request_id, frame)
        return _parse_plain(request_id, opcode, frame)
    except struct.error as error:
        raise ProtocolError(f"message is cut off: {error}") from error


def unread(frame: bytes) -> Request:
    """What a reply has to know of a frame that holds no message: its number, and whether one is
    wanted."""
    _, request_id, _, opcode = _HEADER.unpack_from(frame)
    flags: int = _UINT32.unpack_from(frame, HEADER_SIZE)[0] if opcode == OP_MSG else 0
    return Request(request_id, OP_MSG, flags & MORE_TO_COME, b"")


def _parse_compressed(request_id: int, frame: bytes) -> Request:
    opcode, size, compressor = _COMPRESSED.unpack_from(frame, HEADER_SIZE)
    if opcode == OP_COMPRESSED or not 0 <= size <= MAX_MESSAGE - HEADER_SIZE:
        raise ProtocolError(f"compressed message claims opcode {opcode}, {size} bytes")
    content = compression.decompress(compressor, frame[HEADER_SIZE + 9 :], size)
    header = _HEADER.pack(HEADER_SIZE + size, request_id, 0, opcode)
    request = _parse_plain(request_id, opcode, header + content)
    request.compressor = compressor
    return request


def _parse_plain(request_id: int, opcode: int, frame: bytes) -> Request:
    if opcode == OP_MSG:
        return _parse_msg(request_id, frame)
    if opcode == OP_QUERY:
        return _parse_query(request_id, frame)
    raise ProtocolError(f"opcode {opcode} is not supported")


def _parse_msg(request_id: int, frame: bytes) -> Request:
    flags: int = _UINT32.unpack_from(frame, HEADER_SIZE)[0]
    if flags & 0xFFFF & ~(CHECKSUM | MORE_TO_COME):
        raise ProtocolError(f"message has unknown required flags {flags:#x}")
    end = len(frame) - (4 if flags & CHECKSUM else 0)
    body: bytes | None = None
    sequences: dict[str, bytes] = {}
    position = HEADER_SIZE + 4
    while position < end:
        kind = frame[position]
        if kind == 0 and body is not None:
            raise MessageError(40430, "Multiple body sections in message")
        if kind > 1:
            raise ProtocolError(f"message has a section of kind {kind}")
        size: int = _INT32.unpack_from(frame, position + 1)[0]
        start, stop = position + 1, position + 1 + size
        if size < 5 or stop > end:
            raise MessageError(15 if kind else 22, "message section does not fit its message")
        if kind == 0:
            body = frame[start:stop]
        else:
            name_end = frame.find(b"\0", start + 4, stop)
            name = frame[start + 4 : name_end].decode("utf-8", "replace")
            if name_end < 0:
                raise ProtocolError("document sequence without a name")
            if name in sequences:
                raise MessageError(40431, f"Duplicate document sequence: {name}")
            sequences[name] = frame[name_end + 1 : stop]
        position = stop
    if body is None:
        raise MessageError(40587, "OP_MSG messages must have a body")
    if flags & CHECKSUM and _UINT32.unpack_from(frame, end)[0] != _crc32c(frame[:end]):
        raise ProtocolError("message checksum does not match")
    return Request(request_id, OP_MSG, flags, body, sequences)


def _parse_query(request_id: int, frame: bytes) -> Request:
    name_end = frame.find(b"\0", HEADER_SIZE + 4)
    if name_end < 0:
        raise ProtocolError("query without namespace")
    namespace = frame[HEADER_SIZE + 4 : name_end].decode("utf-8", "replace")
    _QUERY_TAIL.unpack_from(frame, name_end + 1)
    start = name_end + 1 + _QUERY_TAIL.size
    size: int = _INT32.unpack_from(frame, start)[0]
    if size < 5 or start + size > len(frame):
        raise ProtocolError("query document does not fit its message")
    return Request(request_id, OP_QUERY, 0, frame[start : start + size], query_namespace=namespace)


def uncompressed_size(frame: bytes) -> int:
    """The size a compressed message has once it is unpacked."""
    size: int = _COMPRESSED.unpack_from(frame, HEADER_SIZE)[1]
    return HEADER_SIZE + size


def op_msg(
    request_id: int,
    response_to: int,
    body: bytes,
    *,
    flags: int = 0,
    sequences: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """A complete OP_MSG frame; with flag CHECKSUM its checksum is computed and appended."""
    parts = [body]
    for name, payload in sequences:
        encoded = name.encode() + b"\0"
        parts += [b"\x01", _INT32.pack(4 + len(encoded) + len(payload)), encoded, payload]
    content = b"".join(parts)
    size = HEADER_SIZE + 5 + len(content) + (4 if flags & CHECKSUM else 0)
    frame = b"".join(
        (_HEADER.pack(size, request_id, response_to, OP_MSG), _UINT32.pack(flags), b"\0", content)
    )
    return frame + _UINT32.pack(_crc32c(frame)) if flags & CHECKSUM else frame


def op_reply(request_id: int, response_to: int, body: bytes) -> bytes:
    """A complete OP_REPLY frame with one document, the answer to an OP_QUERY."""
    size = HEADER_SIZE + _REPLY.size + len(body)
    return _HEADER.pack(size, request_id, response_to, OP_REPLY) + _REPLY.pack(8, 0, 0, 1) + body


def compressed(frame: bytes, compressor: int) -> bytes:
    """The same message inside OP_COMPRESSED."""
    _, request_id, response_to, opcode = _HEADER.unpack_from(frame)
    content = frame[HEADER_SIZE:]
    packed = _COMPRESSED.pack(opcode, len(content), compressor)
    packed += compression.compress(compressor, content)
    size = HEADER_SIZE + len(packed)
    return _HEADER.pack(size, request_id, response_to, OP_COMPRESSED) + packed


def _crc32c(data: bytes) -> int:
    import crc32c  # only clients that ask for checksums pay for the import

    return crc32c.crc32c(data)
