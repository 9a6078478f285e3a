"""What becomes of an instance's status: states and events, as one table. Nothing else sets it."""

from collections.abc import Mapping
from enum import StrEnum

from shardhouse.domain.model import Status

#: Statuses of instances whose processes should run.
SERVING = frozenset({Status.NORMAL, Status.ABNORMAL, Status.DATA_DISK_FULL, Status.ENLARGE_FAIL})


class Event(StrEnum):
    """What happens to an instance, in words that documentation repeats."""

    CREATED = "the creation's last step is done"
    CREATION_FAILED = (
        "a step of the creation cannot succeed: the job says why, processes are stopped, volumes "
        "stay for their logs"
    )
    WELL = "each set has a primary and a majority, a router answers, and there is room"
    BROKEN = "a set has no primary or no majority, or no router answers; there is room"
    FULL = (
        "the disk has less free than a quarter of what one of its nodes needs at least, or a "
        "volume holds as much as it may"
    )
    RESIZING = "another change of its size begins"
    ENLARGEMENT_FAILED = "adding routers or shards failed; all is as it was"
    ENLARGED = "a volume is larger, and none is full"
    DELETED = (
        "`DELETE`: gone from every list at once; the job removes processes, volumes, leases, "
        "secrets. A removal that fails is tried again at the next start"
    )


def _of(becomes: Status, *statuses: Status) -> dict[Status, Status]:
    return dict.fromkeys(statuses, becomes)


#: By event, what each status becomes. A status that is not there stays as it is.
TRANSITIONS: Mapping[Event, Mapping[Status, Status]] = {
    Event.CREATED: _of(Status.NORMAL, Status.CREATING),
    Event.CREATION_FAILED: _of(Status.CREATE_FAIL, Status.CREATING),
    # `enlargefail` stays until another change of its size.
    Event.WELL: _of(Status.NORMAL, Status.ABNORMAL, Status.DATA_DISK_FULL),
    Event.BROKEN: _of(Status.ABNORMAL, *SERVING - {Status.ABNORMAL}),
    Event.FULL: _of(Status.DATA_DISK_FULL, *SERVING - {Status.DATA_DISK_FULL}),
    Event.RESIZING: _of(Status.NORMAL, Status.ENLARGE_FAIL),
    Event.ENLARGEMENT_FAILED: _of(Status.ENLARGE_FAIL, Status.NORMAL),
    Event.ENLARGED: _of(Status.NORMAL, Status.DATA_DISK_FULL, Status.ENLARGE_FAIL),
    Event.DELETED: _of(Status.DELETED, *SERVING, Status.CREATING, Status.CREATE_FAIL),
}


def after(status: Status, event: Event) -> Status:
    """An instance's status after an event."""
    return TRANSITIONS[event].get(status, status)


def rows() -> list[tuple[str, str, str]]:
    """The table as documentation shows it: what the status was, what it becomes, and when."""
    found = []
    for event, changes in TRANSITIONS.items():
        before = ", ".join(f"`{status}`" for status in Status if status in changes)
        (becomes,) = set(changes.values())
        found.append((before, f"`{becomes}`", str(event)))
    return found
