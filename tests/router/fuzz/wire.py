"""A client of bytes: sends any frame at all, logs in by hand, reads replies one by one."""

from __future__ import annotations

import itertools
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

from shardhouse.router.auth.scram import ClientConversation
from shardhouse.router.wire import messages
from tests.router.cluster import ADMIN, PASSWORD

EXACT = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="replace"
)
"""Replies are read as drivers read them: a server's error repeats a field's name as it came, be it
UTF-8 or not."""


class ClosedError(Exception):
    """The other side ended the connection."""


class Wire:
    """One connection. Every wait ends after `timeout` seconds with TimeoutError."""

    def __init__(self, port: int, timeout: float = 10.0) -> None:
        self.timeout = timeout
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.numbers = itertools.count(1)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Bytes as they are; that the other side hung up is seen when a reply is awaited."""
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise ClosedError from error

    def frame(self) -> bytes:
        """The next frame that arrives."""
        deadline = time.monotonic() + self.timeout
        head = self._exactly(4, deadline)
        return head + self._exactly(struct.unpack("<i", head)[0] - 4, deadline)

    def _exactly(self, size: int, deadline: float) -> bytes:
        received = b""
        while len(received) < size:
            if time.monotonic() > deadline:
                raise TimeoutError
            try:
                chunk = self.socket.recv(size - len(received))
            except TimeoutError:
                raise
            except OSError as error:
                raise ClosedError from error
            if not chunk:
                raise ClosedError
            received += chunk
        return received

    def reply(self) -> dict[str, Any]:
        """The next reply's document."""
        frame = self.frame()
        if struct.unpack_from("<i", frame, 12)[0] == 1:  # OP_REPLY
            return bson.decode(frame[36:], EXACT)
        return bson.decode(messages.parse(frame).body, EXACT)

    def ask(self, command: Mapping[str, Any] | bytes, db: str = "admin") -> dict[str, Any]:
        """One command and its reply; bytes are taken for the whole body."""
        body = command if isinstance(command, bytes) else bson.encode({**command, "$db": db})
        self.send(messages.op_msg(next(self.numbers), 0, body))
        return self.reply()

    def log_in(self, user: str = ADMIN, password: str = PASSWORD) -> Wire:
        """SCRAM-SHA-256, as a driver does it."""
        conversation = ClientConversation(user, password.encode())
        first = self.ask(
            {
                "saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": conversation.first(),
                "options": {"skipEmptyExchange": True},
            }
        )  # fmt: skip
        last = self.ask(
            {
                "saslContinue": 1, "conversationId": first["conversationId"],
                "payload": conversation.final(bytes(first["payload"])),
            }
        )  # fmt: skip
        assert last["done"], last
        return self


def logged_in(port: int, timeout: float = 10.0) -> Wire:
    """A connection of the administrator's."""
    return Wire(port, timeout).log_in()
