"""Templates, and how they write times, sizes and statuses."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from shardhouse.contract.kill_rules import ENABLED
from shardhouse.domain.alarm import AlarmState
from shardhouse.domain.backup import BackupStatus
from shardhouse.domain.events import Severity
from shardhouse.domain.model import JobStatus, Status

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
#: How a status looks: done, under way, wrong; anything else is plain.
_GOOD: frozenset[str] = frozenset(
    {
        *(Status.NORMAL, JobStatus.COMPLETED, BackupStatus.COMPLETED, AlarmState.OK, ENABLED),
        *("active", "SUCCESS", "ok"),  # access keys, templates that were applied, checks
    }
)
_BUSY: frozenset[str] = frozenset(
    {
        *(Status.CREATING, Status.REBOOT, Status.RESIZE_FLAVOR, Status.BIND_EIP),
        *(
            JobStatus.PENDING,
            JobStatus.RUNNING,
            BackupStatus.BUILDING,
            Severity.WARNING,
            "Warning",
            "warn",
        ),
    }
)
_BAD: frozenset[str] = frozenset(
    {
        *(Status.ABNORMAL, Status.CREATE_FAIL, Status.DATA_DISK_FULL, Status.ENLARGE_FAIL),
        *(
            JobStatus.FAILED,
            BackupStatus.FAILED,
            AlarmState.ALARM,
            Severity.CRITICAL,
            "Error",
            "fail",
        ),
    }
)


def environment() -> Environment:
    """All templates. What they show is escaped; a name that is not there is an error."""
    made = Environment(
        loader=PackageLoader("shardhouse.console"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["moment"] = moment
    made.filters["input_time"] = input_time
    made.filters["size"] = size
    made.filters["look"] = look
    made.filters["words"] = words
    made.globals["version"] = version("shardhouse")
    return made


def moment(value: Any) -> str:
    """A time of the API (text, or milliseconds since 1970) for people, to the second
    in UTC; empty for none."""
    if not value:
        return ""
    if isinstance(value, int):
        return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    text = str(value).replace("T", " ").removesuffix("+0000").removesuffix("Z")
    return text.partition(".")[0]


def api_time(when: datetime) -> str:
    """A moment in UTC as calls take it."""
    return f"{when:%Y-%m-%dT%H:%M:%S+0000}"


def input_time(milliseconds: int) -> str:
    """A time of the API as inputs of the type `datetime-local` have it: the second, in UTC."""
    return moment(milliseconds).replace(" ", "T")


def size(value: float) -> str:
    """Bytes in the largest unit that leaves a whole number."""
    unit = 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.1f} {_UNITS[unit]}" if unit and value < 100 else f"{value:.0f} {_UNITS[unit]}"


def words(text: str) -> Markup:
    """Text of the contract, in which what stands between backticks is code."""
    pieces = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if number % 2 else escape(piece)
        for number, piece in enumerate(pieces)
    )


def look(status: str) -> str:
    """The class of a status."""
    for name, words in (("good", _GOOD), ("busy", _BUSY), ("bad", _BAD)):
        if status in words:
            return name
    return "plain"
