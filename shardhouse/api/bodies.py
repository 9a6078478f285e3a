"""Bodies of requests, read within limits."""

import asyncio
from collections.abc import Iterator
from typing import cast

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shardhouse.errors import IamError

#: The documented gateway lets 12 MB pass. No call of either API has a use for more than kilobytes,
#: and nothing else is done while JSON is parsed: 12 MB of it can take seconds.
BODY_LIMIT = 1024 * 1024
#: For those who have not shown who they are: a login, or a token in the body.
ANONYMOUS_BODY_LIMIT = 64 * 1024
#: Requests of an application that may hold a larger body than that at the same time. A signature
#: can only be checked with the body at hand, so its sender is unknown while it is read.
LARGE_BODIES = 16


async def read_body(request: Request, limit: int) -> bytes:
    """The raw body, read once and kept in `request.state.body`.

    Raises IamError: 413, without reading what is announced to be larger than `limit` bytes; 429
    when too many large bodies are being read.
    """
    kept = getattr(request.state, "body", None)
    if kept is not None:
        return cast(bytes, kept)
    check_announced(request, limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    request.state.body = bytes(body)
    return bytes(body)


def check_announced(request: Request, limit: int) -> None:
    """Raises IamError 413 when the body is announced to be larger than `limit` bytes."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)


def streamed(request: Request) -> Iterator[bytes]:
    """The body in pieces, for another thread, of any length: none but the present piece is held,
    and no more is taken from the sender. Raises ClientDisconnect where the sender ends early."""
    request.state.streamed = True
    loop, pieces = asyncio.get_running_loop(), request.stream()

    async def following() -> bytes:
        return await anext(pieces, b"")

    def read() -> Iterator[bytes]:
        while piece := asyncio.run_coroutine_threadsafe(following(), loop).result():
            yield piece

    return read()


class LargeBodies:
    """Lets few requests have a large body at a time, until they are answered. One that is streamed
    is not held."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        size = 0
        large = False

        async def counted() -> Message:
            nonlocal size, large
            message = await receive()
            size += len(message.get("body", b""))
            held = not scope.get("state", {}).get("streamed")
            if size > ANONYMOUS_BODY_LIMIT and held and not large:
                if self._held >= LARGE_BODIES:
                    raise IamError("Too many large bodies at a time; try again later.", status=429)
                large = True
                self._held += 1
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= large


def _too_large(limit: int) -> IamError:
    return IamError(f"The body is larger than {limit // 1024} KiB.", status=413)
