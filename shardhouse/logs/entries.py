"""What a line says, with or without the values of clients."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shardhouse.logs import masking
from shardhouse.logs.lines import Kind, Line
from shardhouse.logs.operations import SlowOperation, slow_operation


@dataclass(frozen=True)
class Entry:
    """A line. Where it is `masked`, what it shows has no values of clients; that is worked out when
    it is asked for, as most lines are only looked at. Slow lines have an `operation`."""

    line: Line
    masked: bool
    operation: SlowOperation | None
    _written: dict[str, Any]

    @cached_property
    def shown(self) -> dict[str, Any]:
        """The line's JSON."""
        return masking.masked(self._written) if self.masked else self._written

    @cached_property
    def message(self) -> str:
        """The line as text: as it was written, where nothing is masked."""
        if not self.masked:
            return self.line.content.decode(errors="replace")
        return json.dumps(self.shown, ensure_ascii=False, separators=(",", ":"))


def entry(line: Line, kind: Kind, *, masked: bool, least: int = 0) -> Entry | None:
    """What the line says; None of an operation of no client or of less than `least` milliseconds,
    and where it is no JSON, as what a full disk has cut off."""
    try:
        written = json.loads(line.content)
    except ValueError:
        return None
    if not isinstance(written, dict):
        return None
    operation = slow_operation(written) if kind is Kind.SLOW else None
    if kind is Kind.SLOW and (operation is None or operation.took < least):
        return None
    return Entry(line, masked, operation, written)
