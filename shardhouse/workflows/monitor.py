"""Reads what is true of every node and writes it; starts again what died, with back-off.

One thread. It sleeps until a process ends (the runtime tells) or the interval is over, so an idle
installation costs next to nothing. It owns no state that matters: after a restart of the service it
reads everything anew.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

import structlog

from shardhouse.domain.model import Group, Instance, Node, Role, Status
from shardhouse.errors import ShardhouseError
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.status import MemberStatus
from shardhouse.nodes.runtime import NodeRef
from shardhouse.store import instances
from shardhouse.workflows import health, processes
from shardhouse.workflows.context import Context, at_once, now

FIRST_DELAY = 0.5
"""Seconds before a died process is started again; doubled at each further death."""
LONGEST_DELAY = 60.0
STEADY = 60.0
"""Seconds a process must have run for its next death to count as its first."""
ANXIOUS_INTERVAL = 1.0
"""Seconds between looks while a node is not well."""
USAGE_INTERVAL = 30.0
CLIENT_TIMEOUT = 2.0
log = structlog.get_logger()


@dataclass
class Patience:
    """Back-off of one node: when it may be started again, and how long to wait next time."""

    due: float = 0.0
    delay: float = FIRST_DELAY

    def died(self, moment: float) -> None:
        """Count a death; `due` is when the next start is allowed."""
        if moment - self.due > self.delay + STEADY:
            self.delay = FIRST_DELAY
        self.due = moment + self.delay
        self.delay = min(LONGEST_DELAY, self.delay * 2)


class Monitor:
    """Keeps the store's word about nodes and instances true, and their processes alive."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._deaths: SimpleQueue[NodeRef | None] = SimpleQueue()
        self._watched: set[NodeRef] = set()
        self._waiting: dict[NodeRef, Patience] = {}
        self._down: set[NodeRef] = set()
        self._clients: dict[str, Clients] = {}
        self._measured = 0.0
        self._all_well = True
        self._thread = Thread(target=self._run, name="monitor", daemon=True)

    def take_stock(self) -> None:
        """Note what is down, before anything is started and before a client is answered."""
        for instance in self._serving():
            self._note_dead(instance)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; returns when it has ended."""
        self._deaths.put(None)
        self._thread.join()
        for clients in self._clients.values():
            clients.close()

    def _run(self) -> None:
        while True:
            try:
                self._look()
            except Exception:
                log.exception("monitor failed; it goes on")
            try:
                died = self._deaths.get(timeout=self._pause())
            except Empty:
                continue
            if died is None:
                return
            self._watched.discard(died)

    def _pause(self) -> float:
        """Seconds until the next look: the interval, or sooner when something is not well."""
        moment = time.monotonic()
        dues = [self._waiting[ref].due - moment for ref in self._down]
        interval = self._context.settings.monitor_interval
        if not self._all_well:
            interval = min(interval, ANXIOUS_INTERVAL)
        return max(0.05, min([interval, *dues]))

    def _look(self) -> None:
        serving = self._serving()
        self._forget({item.id for item in serving})
        for instance in serving:
            if not instance.action:
                self._revive(instance)
        self._all_well = all(at_once(self._judge, self._serving()))
        if time.monotonic() - self._measured > USAGE_INTERVAL:
            self._measure(serving)
            self._measured = time.monotonic()

    def _serving(self) -> list[Instance]:
        with self._context.database.read() as connection:
            living = instances.live(connection)
        return [instance for instance in living if instance.status in processes.SERVING]

    def _note_dead(self, instance: Instance) -> None:
        """Write nodes whose process is not there, without asking the others how they are."""
        dead = {
            node.id
            for node in instance.nodes
            if not self._context.runtime.state(NodeRef(instance.id, node.id)).running
        }
        if not dead:
            return
        seen = {
            node.id: MemberStatus(
                node.host,
                Role.UNKNOWN if node.id in dead else node.role,
                node.id not in dead and node.status is Status.NORMAL,
            )
            for node in instance.nodes
        }
        self._write(instance, seen)

    def _revive(self, instance: Instance) -> None:
        """Watch what runs; start again what does not, when its back-off is over."""
        for group in instance.groups:
            for node in group.nodes:
                ref = NodeRef(instance.id, node.id)
                if ref not in self._watched:
                    self._attend(instance, group, node, ref)

    def _attend(self, instance: Instance, group: Group, node: Node, ref: NodeRef) -> None:
        runtime = self._context.runtime
        state = runtime.state(ref)
        patience = self._waiting.setdefault(ref, Patience())
        moment = time.monotonic()
        if state.running:
            self._watch(ref)
            return
        if ref not in self._down:
            patience.died(moment)
            self._down.add(ref)
            log.warning("node died", instance=instance.id, node=node.id, reason=state.exit_reason)
            self._note_dead(instance)
        if moment < patience.due:
            return
        try:
            launch = processes.launcher(self._context, instance)
            processes.ensure_one(self._context, instance, group, node, launch)
        except ShardhouseError as error:
            patience.died(moment)
            log.warning("not started", instance=instance.id, node=node.id, reason=error.message)
        else:
            self._watch(ref)

    def _watch(self, ref: NodeRef) -> None:
        self._down.discard(ref)
        self._watched.add(ref)
        self._context.runtime.on_exit(ref, self._deaths.put)

    def _judge(self, instance: Instance) -> bool:
        """Ask the instance's nodes how they are, and write it. Whether all of them are well."""
        if instance.id not in self._clients:
            self._clients[instance.id] = self._context.clients(instance, CLIENT_TIMEOUT)
        clients = self._clients[instance.id]
        down = {ref.node_id for ref in self._down if ref.instance_id == instance.id}
        seen = health.ask(instance, clients, down)
        self._write(instance, seen)
        return all(member.healthy for member in seen.values())

    def _write(self, instance: Instance, seen: health.Health) -> None:
        """Store what differs from `instance`."""
        changed = health.changes(instance, seen)
        verdict = health.verdict(instance, seen)
        if not changed and verdict is instance.status:
            return
        with self._context.database.write() as connection:
            current = instances.load(connection, instance.id)
            if current is None or current.status not in processes.SERVING:
                return
            health.write(connection, instance, seen)
            instances.set_status(connection, instance.id, verdict, now())
        for node_id, member in changed.items():
            log.info(
                "node changed",
                instance=instance.id,
                node=node_id,
                status=health.node_status(member),
                role=member.role,
                detail=member.detail,
            )
        if verdict is not instance.status:
            log.info("instance changed", instance=instance.id, status=verdict)

    def _measure(self, serving: list[Instance]) -> None:
        """Measure what each node's volume holds."""
        for instance in serving:
            used: dict[str, int] = {}
            for node in instance.nodes:
                with suppress(ShardhouseError):
                    measured = self._context.runtime.usage(NodeRef(instance.id, node.id)).data
                    if measured != node.used_bytes:
                        used[node.id] = measured
            if used:
                with self._context.database.write() as connection:
                    for node_id, bytes_ in used.items():
                        instances.set_node(connection, instance.id, node_id, used_bytes=bytes_)

    def _forget(self, living: set[str]) -> None:
        """Drop what is known of instances that are gone."""
        for instance_id in set(self._clients) - living:
            self._clients.pop(instance_id).close()
        self._watched = {ref for ref in self._watched if ref.instance_id in living}
        self._down = {ref for ref in self._down if ref.instance_id in living}
        gone = [ref for ref in self._waiting if ref.instance_id not in living]
        for ref in gone:
            del self._waiting[ref]
