"""Archives the oplogs of all instances that have incremental backups, so that every moment since
the first full one can be restored: of clusters those of the shards and of the config servers.

One thread decides when; a small pool does it, a few sets of an instance at a time, and leaves those
that fail alone for a while, so a sick instance holds up nobody else. What is archived is in the
archive alone: after a restart of the service, a failover or a restart of nodes it goes on where it
was. Where that is not possible, or a shard has joined, only a new full backup leads on: that is a
gap, which is remembered in the store, and a reason for `backup_schedule` to make one.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from bson.timestamp import Timestamp

from shardhouse.backups import positions
from shardhouse.backups.capture import Capture
from shardhouse.domain import policy
from shardhouse.domain.backup import BackupStatus
from shardhouse.domain.model import Group, Instance, MemberRole, Node, Role, Status
from shardhouse.errors import OplogGapError, ShardhouseError
from shardhouse.store import backups, capture_gaps
from shardhouse.store.capture_gaps import Cause, Gap
from shardhouse.workflows import processes
from shardhouse.workflows.connections import Connections
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.periodic import Periodic

INTERVAL = 1.0
"""Seconds between two looks at a set."""
LONGEST_DELAY = 30.0
"""Seconds until a set is looked at again that has failed several times."""
PATIENCE = 5.0
"""Seconds a node has to answer."""
STANDSTILL = 12.0
"""Seconds without a new entry after which another member is asked: an idle set has one every ten.
While a job works on the instance, which may hold up a member, another one is asked at once."""
WORKERS = 8
WORKERS_PER_INSTANCE = 4
_LEADING = (BackupStatus.BUILDING, BackupStatus.COMPLETED)
log = structlog.get_logger()


@dataclass
class _Set:
    """What is known of a replica set; touched by one thread at a time."""

    instance_id: str
    work: Future[None] | None = None
    begun: float = 0.0
    due: float = 0.0
    failures: int = 0
    reason: str = ""
    capture: Capture | None = None

    @property
    def running(self) -> bool:
        """Whether a thread works on it."""
        return self.work is not None and not self.work.done()


class Archivist(Periodic):
    """Captures oplogs. A set's capture begins where its first full backup ends."""

    def __init__(self, context: Context) -> None:
        super().__init__("archivist", INTERVAL, self._look)
        self._context = context
        self._connections = Connections(context, PATIENCE)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="archivist")
        self._sets: dict[str, _Set] = {}

    def close(self) -> None:
        """End the thread; what is being archived is not waited for: it is whole or not there."""
        super().close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        serving = processes.serving(self._context)
        wanted = [instance for instance in serving if policy.incremental_backups(instance)]
        self._forget({group.id for instance in wanted for group in instance.data_groups})
        moment = time.monotonic()
        for instance in wanted:
            sets = [
                (group, self._sets.setdefault(group.id, _Set(instance.id)))
                for group in instance.data_groups
            ]
            free = WORKERS_PER_INSTANCE - sum(one.running for _, one in sets)
            ready = [pair for pair in sets if not pair[1].running and pair[1].due <= moment]
            # None is left out for longer than the others.
            ready.sort(key=lambda pair: pair[1].begun)
            for group, one in ready[: max(0, free)]:
                one.begun = moment
                one.work = self._pool.submit(self._attend, instance, group, one)

    def _attend(self, instance: Instance, group: Group, one: _Set) -> None:
        try:
            if one.capture is None:
                one.capture = Capture(self._context.archive(instance.id), group.id)
            self._advance(instance, group, one.capture)
        except ShardhouseError as error:
            self._failed(instance, group, one, error.message)
        except Exception as error:
            log.exception("oplog not archived", instance=instance.id, set=group.name)
            self._failed(instance, group, one, str(error))
        else:
            if one.failures:
                log.info("oplog is archived again", instance=instance.id, set=group.name)
            one.failures, one.reason = 0, ""

    def _advance(self, instance: Instance, group: Group, capture: Capture) -> None:
        try:
            capture.advance(
                sources(group),
                self._connections.of(instance),
                start=lambda: self._top(instance, group),
                joined=lambda position: self._note(
                    instance, group, positions.text(position), Cause.JOINED
                ),
                patience=0.0 if instance.action else STANDSTILL,
            )
        except OplogGapError as gap:
            self._note(instance, group, gap.position, Cause.LOST)
            top = self._top(instance, group)
            if top is None or top <= positions.parse(gap.position):
                raise
            capture.resume(top)

    def _top(self, instance: Instance, group: Group) -> Timestamp | None:
        """Top of the newest full backup of a set; that it is not stored yet does not matter."""
        with self._context.database.read() as connection:
            made = backups.of_instance(connection, instance.id)
        tops = [
            positions.parse(backup.tops[group.id])
            for backup in made
            if backup.status in _LEADING and group.id in backup.tops
        ]
        return max(tops, default=None)

    def _note(self, instance: Instance, group: Group, position: str, cause: Cause) -> None:
        """Remember a gap, and log it once."""
        gap = Gap(instance.id, group.id, position, cause, now())
        with self._context.database.write() as connection:
            new = capture_gaps.note(connection, gap)
        if new:
            log.warning(
                "full backup needed: the archived oplog has a gap",
                instance=instance.id,
                set=group.name,
                cause=cause,
                position=position,
            )

    def _failed(self, instance: Instance, group: Group, one: _Set, reason: str) -> None:
        one.failures += 1
        one.due = time.monotonic() + min(LONGEST_DELAY, 2.0 ** min(one.failures, 10) / 2)
        if reason != one.reason:
            log.warning("oplog not archived", instance=instance.id, set=group.name, reason=reason)
        one.reason = reason

    def _forget(self, wanted: set[str]) -> None:
        """Drop what is known of sets that are not captured any more."""
        for group_id in [id for id in self._sets if id not in wanted]:
            if not self._sets[group_id].running:
                gone = self._sets.pop(group_id)
                if all(one.instance_id != gone.instance_id for one in self._sets.values()):
                    self._connections.forget(gone.instance_id)


def sources(group: Group) -> list[str]:
    """The members whose oplog may be read, the best one first: a healthy one, which no client
    reads, and the primary last."""
    return [node.host for node in sorted(group.members, key=_preference)]


def _preference(node: Node) -> tuple[bool, bool, bool]:
    return (
        node.status is not Status.NORMAL,
        node.role is Role.PRIMARY,
        node.member is not MemberRole.HIDDEN,
    )
