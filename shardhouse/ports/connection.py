"""One connection of a port, bounded in bytes and time.

uvicorn's protocol reads a request's head without bounds and waits for a request without end; here
are the bounds. The parser keeps what it cannot complete yet (`_held`), and joins the pieces of one
header anew for each, so it is given no more than may be kept.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Literal

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shardhouse.api import errors
from shardhouse.ports import limits

log = structlog.get_logger()


class _StopParsingError(Exception):
    """Raised in a callback of the parser when the connection has been given up."""


class Connection(HttpToolsProtocol):
    """A client's connection, from accept to close."""

    def __init__(
        self,
        flavour: errors.Flavour,
        peer: str,
        left: Callable[[], None],
        **given: Any,
    ) -> None:
        """`flavour` is the shape of refusals; `left` is called once, when it is closed."""
        super().__init__(**given)
        self._flavour = flavour
        self._peer = peer
        self._left: Callable[[], None] | None = left
        self._reading: Literal["nothing", "head", "body"] = "nothing"
        self._held = 0
        """Bytes given to the parser since something of the request was complete."""
        self._body_bytes = 0
        """Of the body, since the last look at its progress."""
        self._discarded = 0
        self._refused = False
        self._patience: asyncio.TimerHandle | None = None
        """For the client to send."""
        self._unread: asyncio.TimerHandle | None = None
        """For the client to read."""

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called when it is accepted and, with TLS, secured."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when it is closed."""
        self.leave()
        for timer in (self._patience, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def leave(self) -> None:
        """It is no connection any more, or never became one."""
        if self._left is not None:
            self._left()
            self._left = None

    # Reading

    def data_received(self, data: bytes) -> None:
        """Parse what came, a bounded part at a time."""
        self._unset_keepalive_if_required()
        if self._refused:
            self._discard(len(data), limits.LINGER_BYTES)
            return
        rest = memoryview(data)
        while rest and not self._refused and not self.transport.is_closing():
            if self._reading == "nothing":
                self._expect_head()
            part = rest[: limits.HEAD_BYTES - self._held]
            rest = rest[len(part) :]
            self._held += len(part)
            try:
                self.parser.feed_data(part)
            except httptools.HttpParserUpgrade:
                return  # to no other protocol: the request is answered, what follows it is not
            except httptools.HttpParserError as error:
                if not isinstance(error.__context__, _StopParsingError):
                    self._refuse(400, f"This is not valid HTTP: {error}.")
                return
            if self._held >= limits.HEAD_BYTES:
                self._refuse(
                    431,
                    "The request line and headers are larger than "
                    f"{limits.HEAD_BYTES // 1024} KiB in all.",
                )

    def on_message_begin(self) -> None:
        """Called by the parser."""
        super().on_message_begin()
        if self._reading != "head":  # sent ahead, in one piece with the end of another request
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, for what follows a body in chunks too: those are no headers."""
        if self._reading == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if len(self.headers) > limits.HEADERS:
            self._refuse(431, f"There are more than {limits.HEADERS} headers.")
            raise _StopParsingError
        if len(self.pipeline) >= limits.PIPELINED:
            self.transport.abort()
            raise _StopParsingError
        super().on_headers_complete()
        self._held = 0
        self._reading = "body"
        self._body_bytes = self._discarded = 0
        self._wait(self._look_at_progress)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._held = 0
        self._body_bytes += len(body)
        if self.cycle.response_complete:
            self._discard(len(body), limits.DISCARDED_BYTES)
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Called by the parser."""
        self._held = 0

    def on_message_complete(self) -> None:
        """Called by the parser."""
        super().on_message_complete()
        self._held = 0
        self._reading = "nothing"
        self._wait(None)

    def on_response_complete(self) -> None:
        """What the application did not read of the body, nobody will. A client that has the whole
        answer may have sent its next request before this is called: then that is the cycle."""
        if self.cycle.response_complete:
            self.cycle.body = bytearray()
        super().on_response_complete()

    # Time

    def _expect_head(self) -> None:
        self._reading = "head"
        self._held = 0
        self._wait(self._give_up_head)

    def _wait(self, then: Any) -> None:
        """Let `then` follow unless the client gets on; None: nothing is expected of it."""
        if self._patience is not None:
            self._patience.cancel()
        self._patience = then and self.loop.call_later(limits.REQUEST_SECONDS, then)

    def _give_up_head(self) -> None:
        if self._held:
            self._refuse(408, f"No whole request came within {limits.REQUEST_SECONDS:.0f} s.")
        else:
            self.transport.close()

    def _look_at_progress(self) -> None:
        # A pause is not the client's: the application has not taken yet what came.
        if self._body_bytes < limits.BODY_BYTES and not self.flow.read_paused:
            log.info("upload too slow", peer=self._peer)
            self.transport.abort()
            return
        self._body_bytes = 0
        self._wait(self._look_at_progress)

    def pause_writing(self) -> None:
        """Called by the transport when the client does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(limits.UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Called by the transport when it does again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    # Refusing

    def _discard(self, size: int, most: int) -> None:
        self._discarded += size
        if self._discarded > most:
            self.transport.abort()

    def _refuse(self, status: int, message: str) -> None:
        """Answer in the shape of the client's API, and close."""
        self._refused = True
        self._discarded = 0
        self._wait(None)
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # an answer in between would be taken for that to another
            return
        log.debug("request refused", peer=self._peer, status=status)
        self.transport.write(errors.refusal(self._flavour, status, message))
        # A close with bytes unread would make the kernel reset the connection, and the client fail
        # to send before it reads the answer.
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            with contextlib.suppress(OSError):
                self.transport.write_eof()
        self.loop.call_later(limits.LINGER_SECONDS, self.transport.abort)
