"""File descriptors of `serve`: how many it needs, and the limit of the system."""

import resource

from shardhouse.errors import SettingsError
from shardhouse.settings import Settings

ENOUGH = 64_000
"""MongoDB's own advice for each mongod, which raises its soft limit up to the hard one."""
_OURS = 512
"""Databases, logs, and what watches the nodes."""
MEND = (
    "ulimit -Hn 64000 as root, LimitNOFILE=64000 in a systemd unit, --ulimit nofile=64000 for a "
    "container"
)


def needed(settings: Settings) -> int:
    """The least number of descriptors that `serve` needs: both ports at their limits, and its
    own.
    """
    return 2 * settings.max_connections + _OURS


def hard_limit() -> int | None:
    """The most that this process may open; None where there is no limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def raise_limit(settings: Settings) -> int | None:
    """Raise the soft limit, which nodes inherit, as far as is of use; gives the hard one.

    Raises SettingsError when the hard limit is lower than what is needed.
    """
    least, hard = needed(settings), hard_limit()
    if hard is not None and hard < least:
        raise SettingsError(
            f"Open files: this process may open {hard}, but {least} are needed (two ports with "
            f"max_connections = {settings.max_connections} each, and {_OURS} more). Raise the "
            f"limit ({MEND}), or lower max_connections."
        )
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    wanted = max(least, ENOUGH)
    if hard is not None:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        given = resource.RLIM_INFINITY if hard is None else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, given))
    return hard
