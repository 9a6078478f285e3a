"""Log lines: one JSON object per event, in the layout of MongoDB's own log. Never a secret.

Callers pass names, numbers and addresses; commands are logged by `slow_log` alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import traceback
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from shardhouse.router.log_levels import Levels

MAIN = "mongosMain"
"""Context of what the process itself does, under the name that tools wait for."""

Number = int | None

_STARTUP = "startupWarnings"
_REMEMBERED = 1024
"""Lines `getLog` can show, as many as a server keeps."""


class Log:
    """Writes events to a file or to standard output, line by line."""

    def __init__(self, stream: TextIO, path: Path | None = None) -> None:
        self._stream = stream
        self._path = path
        self.written = 0
        self.recent: deque[str] = deque(maxlen=_REMEMBERED)
        self.startup_warnings: list[str] = []
        self.levels = Levels()

    @classmethod
    def to(cls, path: str | None, append: bool) -> Log:
        """Open `path` (standard output if None); raises OSError if that is not possible."""
        if path is None:
            return cls(sys.stdout)
        return cls(Path(path).open("a" if append else "w", encoding="utf-8"), Path(path))

    def rotate(self) -> None:
        """Put the file aside under a name with the time, go on in a new one; OSError if not."""
        if self._path is None:
            return
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
        aside = self._path.with_name(f"{self._path.name}.{stamp}")
        if aside.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(aside))
        self._path.rename(aside)
        self._stream.close()
        self._stream = self._path.open("w", encoding="utf-8")

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # what could not be written is lost
            self._stream.close()

    def note(
        self, component: str, message: str, ctx: str = MAIN, *, number: Number = None, **attr: Any
    ) -> None:
        """An event worth knowing; `number` is the event's in MongoDB's own log, if it has one."""
        self._write("I", component, message, ctx, attr, number)

    def debug(
        self,
        level: int,
        component: str,
        message: str,
        ctx: str = MAIN,
        *,
        number: int | None = None,
        **attr: Any,
    ) -> None:
        """An event that is logged only if the component's level is so high."""
        if self.levels.of(component) >= level:
            self._write(f"D{level}", component, message, ctx, attr, number)

    def alert(
        self, component: str, message: str, ctx: str = MAIN, *, number: Number = None, **attr: Any
    ) -> None:
        """An event that needs attention if it goes on; `number` as in `note`."""
        self._write("W", component, message, ctx, attr, number)

    def warn_at_start(self, component: str, message: str, number: int) -> None:
        """How this process was started needs attention; shells show it to whoever connects."""
        self._write("W", component, message, MAIN, {}, number, tags=[_STARTUP])
        self.startup_warnings.append(self.recent[-1])

    def fail(
        self, component: str, message: str, ctx: str = MAIN, *, number: Number = None, **attr: Any
    ) -> None:
        """An event that should not have happened; `number` as in `note`."""
        self._write("E", component, message, ctx, attr, number)

    def mistake(self, component: str, error: Exception, ctx: str = MAIN, **attr: Any) -> None:
        """An error that is none of those we know: where it arose, not what it says, which may be a
        client's data."""
        where = traceback.extract_tb(error.__traceback__)[-1]
        attr |= {"error": type(error).__name__, "where": f"{where.filename}:{where.lineno}"}
        self._write("E", component, "Failed unexpectedly", ctx, attr)

    def _write(
        self,
        severity: str,
        component: str,
        message: str,
        ctx: str,
        attr: dict[str, Any],
        number: int | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        event: dict[str, Any] = {
            "t": {"$date": now},
            "s": severity,
            "c": component,
            **({"id": number} if number is not None else {}),
            "ctx": ctx,
            "msg": message,
        }
        if attr:
            event["attr"] = attr
        if tags:
            event["tags"] = tags
        line = json.dumps(event, default=str, separators=(",", ":"))
        self.written += 1
        self.recent.append(line)
        with contextlib.suppress(OSError):  # nobody reads it any more, or the disk is full: serve
            self._stream.write(line + "\n")
            self._stream.flush()
