"""Memory that new nodes could use. Part of the local driver."""

from collections.abc import Iterator
from pathlib import Path

import psutil

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def available(cgroups: Path = _CGROUPS, own: Path = _OWN) -> int:
    """Bytes: the machine's available memory, or what the tightest of our cgroups leaves of it."""
    return max(0, min([psutil.virtual_memory().available, *_left(cgroups, own)]))


def _left(cgroups: Path, own: Path) -> Iterator[int]:
    """What each limiting cgroup (version 2) from ours up to the root leaves; caches that the
    kernel can drop count as free, as they do in the machine's own number."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    path = next((line[3:] for line in lines if line.startswith("0::")), "/")
    group = cgroups / path.lstrip("/")
    for folder in (group, *group.parents):
        try:
            limit = int((folder / "memory.max").read_text())
            used = int((folder / "memory.current").read_text())
            statistics = (folder / "memory.stat").read_text().split()
        except (OSError, ValueError):  # no such file, or "max": no limit here
            continue
        numbers = dict(zip(statistics[::2], statistics[1::2], strict=False))
        yield limit - used + int(numbers.get("inactive_file", 0))
