"""HTTP by hand: what no client sends, and what comes back."""

import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Self

SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    """One whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """A connection whose bytes are the test's own."""

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        source: str = "",
    ) -> None:
        self.socket = socket.create_connection((host, port), SECONDS, (source, 0))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=host)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes | str) -> Self:
        """All of it, or as much as the server takes before it closes."""
        try:
            for part in parts:
                self.socket.sendall(part.encode() if isinstance(part, str) else part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def answer(self, *, without_body: bool = False) -> Answer | None:
        """The next answer; None when the connection was closed without one. That to HEAD is
        `without_body`.
        """
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return None
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        length = 0 if without_body else int(headers.get("content-length", 0))
        while len(self._rest) < length:
            if not self._more():
                raise AssertionError("the answer ends before its end")
        body, self._rest = self._rest[:length], self._rest[length:]
        return Answer(int(first.split()[1]), headers, body)

    def closed(self) -> bool:
        """Whether the server closes, without another byte."""
        return not self._more()

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            data = b""
        self._rest += data
        return bool(data)


def request(path: str = "/", method: str = "GET", **headers: str) -> str:
    """A whole request without a body; `Content_Length` is the header Content-Length."""
    given = {"Host": "test"} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n"
