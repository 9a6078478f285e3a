"""Log lines: one JSON object per event, in the layout of MongoDB's own log. Never a secret.

Callers pass names, numbers and addresses; command bodies and documents are not logged anywhere.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO


class Log:
    """Writes events to a file or to standard output, line by line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @classmethod
    def to(cls, path: str | None, append: bool) -> Log:
        """Open `path` (standard output if None); raises OSError if that is not possible."""
        if path is None:
            return cls(sys.stdout)
        return cls(Path(path).open("a" if append else "w", encoding="utf-8"))

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def note(self, component: str, message: str, ctx: str = "main", **attr: Any) -> None:
        """An event worth knowing."""
        self._write("I", component, message, ctx, attr)

    def alert(self, component: str, message: str, ctx: str = "main", **attr: Any) -> None:
        """An event that needs attention if it goes on."""
        self._write("W", component, message, ctx, attr)

    def fail(self, component: str, message: str, ctx: str = "main", **attr: Any) -> None:
        """An event that should not have happened."""
        self._write("E", component, message, ctx, attr)

    def _write(
        self, severity: str, component: str, message: str, ctx: str, attr: dict[str, Any]
    ) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        event: dict[str, Any] = {
            "t": {"$date": now},
            "s": severity,
            "c": component,
            "ctx": ctx,
            "msg": message,
        }
        if attr:
            event["attr"] = attr
        self._stream.write(json.dumps(event, default=str, separators=(",", ":")) + "\n")
        self._stream.flush()
