"""One port: an application behind our connections, each admitted before anything is read of it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from starlette.types import ASGIApp

from shardhouse.api import errors
from shardhouse.ports import limits
from shardhouse.ports.admission import Admission, Refusal, peer_of
from shardhouse.ports.connection import Connection
from shardhouse.settings import Settings

log = structlog.get_logger()

ACCEPT_PAUSE = 1.0
"""Seconds until the next attempt when the system gives no more connections."""


class Server(uvicorn.Server):
    """Serves `app` on listening sockets. `flavour` is the shape of its errors.

    It accepts by itself: uvicorn's way knows a client of TLS only after the handshake, and waits a
    minute for that.
    """

    def __init__(
        self,
        app: ASGIApp,
        flavour: errors.Flavour,
        settings: Settings,
        certificate: ssl.SSLContext | None,
    ) -> None:
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            lifespan="off",
            http=Connection,
            ws="none",
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._flavour = flavour
        self._certificate = certificate
        self._admission = Admission(settings.max_connections, settings.max_connections_per_peer)
        self._accepting: set[asyncio.Task[None]] = set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `shardhouse.server`, which has several servers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn."""
        await super().startup(sockets=[])
        for listener in sockets or []:
            listener.setblocking(False)
            self._start(self._accept(listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        await super().shutdown(sockets)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, address = await loop.sock_accept(listener)
            except OSError as error:
                log.warning("no more connections", reason=error.strerror)
                await asyncio.sleep(ACCEPT_PAUSE)
                continue
            peer = peer_of(address[0])
            over = self._admission.enter(peer)
            if over is None:
                self._start(self._connect(client, peer))
            else:
                self._refuse(client, peer, over)

    async def _connect(self, client: socket.socket, peer: str) -> None:
        loop = asyncio.get_running_loop()
        connection = Connection(
            self._flavour,
            peer,
            lambda: self._admission.leave(peer),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        timeout = None if self._certificate is None else limits.REQUEST_SECONDS
        try:
            await loop.connect_accepted_socket(
                lambda: connection, client, ssl=self._certificate, ssl_handshake_timeout=timeout
            )
        except BaseException as error:
            connection.leave()
            client.close()
            if not isinstance(error, OSError):  # no handshake, and none in time, are OSErrors
                raise

    def _refuse(self, client: socket.socket, peer: str, over: Refusal) -> None:
        log.debug("connection refused", peer=peer, over=over)
        if self._certificate is None:
            whose = "from your address" if over == "peer" else "in all"
            message = f"There are too many connections {whose}; try again later."
            answer = errors.refusal(self._flavour, 429 if over == "peer" else 503, message)
            with contextlib.suppress(OSError):
                client.send(answer)
        client.close()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)
