"""A way to a server on which connections break."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Cuts:
    """Passes connections on to a server. `after` arms it: one connection breaks, the first that has
    carried so many bytes in one direction."""

    def __init__(self, endpoint: str) -> None:
        there = urlsplit(endpoint)
        self._there = (there.hostname, there.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._limit: int | None = None
        self._deciding = threading.Lock()
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.made = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()

    def after(self, size: int) -> None:
        """Break one connection once it has carried `size` bytes."""
        self._limit = size

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._pass, args=(here,), daemon=True).start()

    def _pass(self, here: socket.socket) -> None:
        with here, socket.create_connection(self._there) as there:
            back = threading.Thread(target=self._carry, args=(there, here), daemon=True)
            back.start()
            self._carry(here, there)
            back.join()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        carried = 0
        with suppress(OSError):
            while data := source.recv(65536):
                carried += len(data)
                if self._breaks(carried):
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _breaks(self, carried: int) -> bool:
        with self._deciding:
            if self._limit is None or carried < self._limit:
                return False
            self._limit = None
            self.made += 1
            return True
