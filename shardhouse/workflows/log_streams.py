"""Where entries of audit logs go as well: what a log group and a stream stand for.

`lts.url` says it. Below a folder, a stream is a folder with a file of JSON lines for each day; at
an HTTP server, it is a path that lines are posted to.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx

from shardhouse.domain.audit import LtsStream
from shardhouse.errors import StreamError
from shardhouse.settings import Settings

_TIMEOUT = 10.0
"""Seconds that a server has to take what it was sent."""
_LONGEST = 1024**2
"""Bytes that no line exceeds."""
_LINES = {"Content-Type": "application/x-ndjson"}


class Sink(Protocol):
    """Takes entries."""

    def send(self, stream: LtsStream, lines: bytes, now: datetime) -> None:
        """Have a stream take whole lines. Raises StreamError; then some may have been taken."""
        ...


class FolderSink:
    """`<folder>/<group>/<stream>/<day>.jsonl`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, stream: LtsStream, lines: bytes, now: datetime) -> None:
        """See `Sink.send`. A line that a crash has cut is removed."""
        path = self._folder / stream.group_id / stream.stream_id / f"{now:%Y-%m-%d}.jsonl"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("a+b") as file:
                _cut(file.fileno())
                file.write(lines)
        except OSError as error:
            raise StreamError(f"Cannot write {path}: {error.strerror}.") from error


class HttpSink:
    """`POST <url>/<group>/<stream>` with the lines as its body; any 2xx means they are taken."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(timeout=_TIMEOUT)

    def send(self, stream: LtsStream, lines: bytes, now: datetime) -> None:
        """See `Sink.send`."""
        url = f"{self._url}/{stream.group_id}/{stream.stream_id}"
        try:
            answer = self._client.post(url, content=lines, headers=_LINES)
        except httpx.HTTPError as error:
            raise StreamError(f"{url} does not answer: {error}.") from error
        if not answer.is_success:
            raise StreamError(f"{url} answers {answer.status_code}.")


def open_sink(settings: Settings) -> Sink:
    """What the settings say."""
    url = settings.lts_url
    if url.startswith("file:"):
        return FolderSink(Path(unquote(urlsplit(url).path)))
    return HttpSink(url)


def _cut(descriptor: int) -> None:
    """Remove what lies behind the last whole line of a file."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - _LONGEST)
    os.truncate(descriptor, start + os.pread(descriptor, _LONGEST, start).rfind(b"\n") + 1)
