"""Ports in this process, so that a test can shorten what they wait for."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvloop
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from shardhouse.api import errors
from shardhouse.api.bodies import LargeBodies, read_body
from shardhouse.ports.serving import Server
from shardhouse.settings import Settings
from tests.installation import until

Start = Callable[..., int]
LARGE = 32 * 2**20
"""More than the kernel's buffers take."""


def echo() -> FastAPI:
    """An application that reads bodies, or answers without."""
    app = FastAPI(redirect_slashes=False)

    @app.get("/")
    async def root() -> Any:
        return {}

    @app.get("/large")
    async def large() -> Any:
        return PlainTextResponse("a" * LARGE)

    @app.post("/read")
    async def read(request: Request) -> Any:
        body = await read_body(request, 1 << 30)
        return JSONResponse({"size": len(body), "headers": sorted(request.headers)})

    @app.post("/refuse")
    async def refuse() -> Any:
        return JSONResponse({}, 401)

    app.add_middleware(LargeBodies)
    errors.install(app, "dds")
    return app


@contextmanager
def _serving(tls: ssl.SSLContext | None, **settings: Any) -> Iterator[int]:
    server = Server(echo(), "dds", Settings(**settings), tls)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve(sockets=[listener]))

    thread = threading.Thread(target=run)
    thread.start()
    until("the port to serve", lambda: server.started)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def start() -> Iterator[Start]:
    """`start(tls=None, **settings)` gives the number of a new port."""
    with ExitStack() as stack:
        yield lambda tls=None, **settings: stack.enter_context(_serving(tls, **settings))


@pytest.fixture
def port(start: Start) -> int:
    """A port with the default settings."""
    return start()
