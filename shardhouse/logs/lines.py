"""Lines of a node's log, as mongod from 4.4 on and the router write them: one JSON object each,
which begins with time, severity, component and number."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SLOW_QUERY = 51803
_HEAD = re.compile(
    rb'\{"t":\{"\$date":"([^"]{19,40})"\},"s":"(\w+)", *"c":"[^"]*", *(?:"id":(\d{1,9}),)?'
)


class Kind(StrEnum):
    """Which lines are asked for. The values stand in the names of exported files."""

    SLOW = "slowlog"
    ERROR = "errorlog"


@dataclass(frozen=True)
class Line:
    """A line that was found: where it begins in its file, when it was written (milliseconds since
    1970), its severity (`W`, `E`, `F`, `I`, `D1`...), its bytes without the line's end."""

    offset: int
    milliseconds: int
    severity: str
    content: bytes


NEEDLES = {
    Kind.SLOW: re.compile(rb'"id":%d,' % SLOW_QUERY),
    Kind.ERROR: re.compile(rb'"s":"[WEF]"'),
}
"""What lines of a kind contain; others may contain it as well, as a client's data."""


def read(content: bytes, offset: int, kind: Kind) -> Line | None:
    """The line, if it is of the kind."""
    head = _HEAD.match(content)
    if head is None:
        return None
    severity = head[2].decode()
    wanted = severity in "WEF" if kind is Kind.ERROR else head[3] == b"%d" % SLOW_QUERY
    milliseconds = _milliseconds(head[1])
    if not wanted or milliseconds is None:
        return None
    return Line(offset, milliseconds, severity, content)


def time_of(content: bytes) -> int | None:
    """When a line was written, in milliseconds since 1970; None of what is no such line."""
    head = _HEAD.match(content)
    return _milliseconds(head[1]) if head else None


def _milliseconds(text: bytes) -> int | None:
    try:
        return round(datetime.fromisoformat(text.decode()).timestamp() * 1000)
    except ValueError:
        return None
