"""Reads what is true of every serving instance and writes it: status, roles, volume use.

One thread decides when to ask, a small pool asks, so a node that never answers holds up nobody
else. It owns no state that matters: after a restart of the service everything is read anew.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Thread

import structlog

from shardhouse.domain.model import Instance, Role
from shardhouse.errors import ShardhouseError
from shardhouse.mongo import replica_set
from shardhouse.mongo.admin import Clients
from shardhouse.nodes.runtime import NodeRef
from shardhouse.store import instances, jobs
from shardhouse.workflows import health, processes
from shardhouse.workflows.context import Context, now, set_plan

ANXIOUS_INTERVAL = 1.0
"""Seconds between looks while a node is not well."""
USAGE_INTERVAL = 30.0
RETENTION_INTERVAL = 24 * 3600.0
PATIENCE = 2.0
"""Seconds a node has to answer."""
ASKERS = 8
log = structlog.get_logger()


class Monitor:
    """Keeps the store's word about nodes and instances true."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._woken = Event()
        self._closing = False
        self._pool = ThreadPoolExecutor(ASKERS, thread_name_prefix="monitor")
        self._asking: dict[str, Future[None]] = {}
        self._clients: dict[str, Clients] = {}
        self._leaderless: set[str] = set()
        self._measured = 0.0
        self._swept = 0.0
        self._thread = Thread(target=self._run, name="monitor", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look now: something has changed."""
        self._woken.set()

    def close(self) -> None:
        """End the thread; questions under way are not waited for."""
        self._closing = True
        self._woken.set()
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._woken.wait(pause)
            self._woken.clear()
            if self._closing:
                return
            try:
                pause = self._look()
            except Exception:
                log.exception("monitor failed; it goes on")
                pause = ANXIOUS_INTERVAL

    def _look(self) -> float:
        """Have every instance asked that is not being asked already; seconds until the next."""
        serving = processes.serving(self._context)
        self._forget({instance.id for instance in serving})
        for instance in serving:
            asked = self._asking.get(instance.id)
            if asked is None or asked.done():
                self._asking[instance.id] = self._pool.submit(self._judge, instance)
        moment = time.monotonic()
        if moment - self._measured > USAGE_INTERVAL:
            self._measure(serving)
            self._measured = moment
        if moment - self._swept > RETENTION_INTERVAL:
            self._sweep()
            self._swept = moment
        interval = self._context.settings.monitor_interval
        return interval if all(map(health.stored_well, serving)) else ANXIOUS_INTERVAL

    def _judge(self, instance: Instance) -> None:
        """Ask the instance's nodes how they are, and write it."""
        try:
            clients = self._connections(instance)
            seen = health.ask(instance, clients, health.dead_nodes(self._context, instance))
            health.write_all(self._context, instance, seen)
            self._lead(instance, clients, seen)
        except ShardhouseError as error:
            log.warning("not judged", instance=instance.id, reason=error.message)
        except Exception:
            log.exception("not judged", instance=instance.id)

    def _connections(self, instance: Instance) -> Clients:
        if instance.id not in self._clients:
            self._clients[instance.id] = self._context.clients(
                instance, timeout=PATIENCE, patience=PATIENCE
            )
        return self._clients[instance.id]

    def _lead(self, instance: Instance, clients: Clients, seen: health.Health) -> None:
        """Have a set elect a primary that was seen without one twice in a row: by itself it would
        wait for ten silent seconds."""
        for group in instance.groups:
            members = [seen[node.id] for node in group.nodes]
            healthy = sum(member.healthy for member in members)
            led = Role.PRIMARY in {member.role for member in members}
            if not group.type.holds_data or led or 2 * healthy <= len(members):
                self._leaderless.discard(group.id)
            elif group.id in self._leaderless:
                replica_set.nominate(set_plan(group), clients)
                self.wake()
            else:
                self._leaderless.add(group.id)

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

    def _sweep(self) -> None:
        """Forget jobs that ended a month ago, and instances whose last job they were."""
        with self._context.database.write() as connection:
            forgotten = jobs.forget_old(connection, now())
        if forgotten:
            log.info("old jobs forgotten", number=forgotten)

    def _forget(self, living: set[str]) -> None:
        """Drop what is known of instances that are gone."""
        for instance_id in set(self._asking) - living:
            if self._asking[instance_id].done():
                del self._asking[instance_id]
                if clients := self._clients.pop(instance_id, None):
                    clients.close()
