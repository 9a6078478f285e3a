"""Keeps the processes of serving instances alive: the end of one is recorded at once, and it is
started again. On a full disk nothing is started; that waits until there is room.

One thread. It sleeps until the runtime reports the end of a process or a restart is due. It never
asks a database anything, so no frozen node can hold it up.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

import structlog

from shardhouse.domain.model import Group, Instance, Node
from shardhouse.errors import ShardhouseError
from shardhouse.nodes.runtime import NodeRef
from shardhouse.workflows import disk, health, processes
from shardhouse.workflows.context import Context, refs

FIRST_DELAY = 0.5
"""Seconds before a died process is started again; doubled at each further death."""
LONGEST_DELAY = 60.0
STEADY = 60.0
"""Seconds a process must have run for its next death to count as its first."""
INTERVAL = 5.0
"""Seconds after which new instances are noticed."""
log = structlog.get_logger()


@dataclass
class Backoff:
    """Back-off of one node: when it may be started again, and how long to wait next time."""

    due: float = 0.0
    delay: float = FIRST_DELAY

    def died(self, moment: float) -> None:
        """Count a death; `due` is when the next start is allowed."""
        if moment - self.due > self.delay + STEADY:
            self.delay = FIRST_DELAY
        self.due = moment + self.delay
        self.delay = min(LONGEST_DELAY, self.delay * 2)


class Supervisor:
    """Starts again what died. `on_change` is called with the id of an instance after a death in it
    was written, and after a start."""

    def __init__(self, context: Context, on_change: Callable[[str], None]) -> None:
        self._context = context
        self._on_change = on_change
        self._deaths: SimpleQueue[NodeRef | None] = SimpleQueue()
        self._watched: set[NodeRef] = set()
        self._waiting: dict[NodeRef, Backoff] = {}
        self._down: set[NodeRef] = set()
        self._thread = Thread(target=self._run, name="supervisor", daemon=True)

    def note_stopped_nodes(self) -> None:
        """Note what is down, before anything is started and before a client is answered."""
        for instance in processes.serving(self._context):
            health.note_dead(self._context, instance)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; returns when it has ended."""
        self._deaths.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._look()
            except Exception:
                log.exception("supervisor failed; it goes on")
            try:
                died = self._deaths.get(timeout=self._pause())
            except Empty:
                continue
            if died is None:
                return
            self._watched.discard(died)

    def _pause(self) -> float:
        """Seconds until the next look: the interval, or sooner when a restart is due."""
        moment = time.monotonic()
        dues = [self._waiting[ref].due - moment for ref in self._down]
        return max(0.05, min([INTERVAL, *dues]))

    def _look(self) -> None:
        serving = processes.serving(self._context)
        self._forget({instance.id for instance in serving})
        for instance in serving:
            # A job on the instance looks after its processes itself.
            if instance.action:
                self._down.difference_update(refs(instance))
            else:
                self._attend_all(instance)

    def _attend_all(self, instance: Instance) -> None:
        for group in instance.groups:
            for node in group.nodes:
                ref = NodeRef(instance.id, node.id)
                if ref not in self._watched:
                    self._attend(instance, group, node, ref)

    def _attend(self, instance: Instance, group: Group, node: Node, ref: NodeRef) -> None:
        """Watch a process that runs; start one that does not, when its back-off is over."""
        state = self._context.runtime.state(ref)
        if state.running:
            self._watch(ref)
            return
        patience = self._waiting.setdefault(ref, Backoff())
        moment = time.monotonic()
        if ref not in self._down:
            patience.died(moment)
            self._down.add(ref)
            log.warning("node died", instance=instance.id, node=node.id, reason=state.exit_reason)
            health.note_dead(self._context, instance)
            self._on_change(instance.id)
        if moment < patience.due:
            return
        if disk.is_full(self._context, instance):
            patience.due = moment + INTERVAL
            return
        try:
            launch = processes.launcher(self._context, instance)
            processes.revive(self._context, instance, group, node, launch)
        except ShardhouseError as error:
            patience.died(moment)
            log.warning("not started", instance=instance.id, node=node.id, reason=error.message)
        else:
            self._watch(ref)
            self._on_change(instance.id)

    def _watch(self, ref: NodeRef) -> None:
        self._down.discard(ref)
        self._watched.add(ref)
        self._context.runtime.on_exit(ref, self._deaths.put)

    def _forget(self, living: set[str]) -> None:
        """Drop what is known of instances that are gone."""
        self._watched = {ref for ref in self._watched if ref.instance_id in living}
        self._down = {ref for ref in self._down if ref.instance_id in living}
        for ref in [ref for ref in self._waiting if ref.instance_id not in living]:
            del self._waiting[ref]
