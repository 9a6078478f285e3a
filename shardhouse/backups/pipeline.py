"""Stages of a stream that work at the same time, in threads.

What takes their time (compression, ciphers, hashes, files) releases the interpreter's lock, so they
use several processors.
"""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

_AHEAD = 4
"""Pieces that are made at most before they are asked for."""


def ahead(chunks: Iterable[bytes]) -> Generator[bytes]:
    """The same bytes in pieces, none of them empty, made in a thread that is a few pieces ahead.
    What `chunks` raises comes where that piece would. When this has ended, whichever way, no more
    of them is read."""
    source = filter(None, chunks)
    context = copy_context()

    def make() -> bytes:
        return context.run(next, source, b"")

    thread = ThreadPoolExecutor(1)
    try:
        made = deque(thread.submit(make) for _ in range(_AHEAD))
        while chunk := made.popleft().result():
            made.append(thread.submit(make))
            yield chunk
    finally:
        thread.shutdown(cancel_futures=True)
