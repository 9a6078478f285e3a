"""Reads what is true of every serving instance and writes it: status, roles, volume use. What it
finds damaged is repaired by a job.

One thread decides when to ask, each instance at its own interval; a small pool asks, so a node that
never answers holds up nobody else. It owns no state that matters: after a restart of the service
everything is read anew.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Thread

import structlog

from shardhouse.domain import policy
from shardhouse.domain.model import Instance, Role
from shardhouse.errors import ShardhouseError
from shardhouse.mongo import replica_set
from shardhouse.mongo.admin import Clients
from shardhouse.store import events as event_store
from shardhouse.store import jobs
from shardhouse.store.neighbours import alarm_histories
from shardhouse.workflows import health, processes
from shardhouse.workflows.connections import Connections
from shardhouse.workflows.context import Context, now, set_plan
from shardhouse.workflows.gateways import Gateways
from shardhouse.workflows.inspector import Inspector
from shardhouse.workflows.volumes import Guard, Volumes

UNHEALTHY_INTERVAL = 1.0
"""Seconds between looks at an instance that is monitored by seconds, or while a node of it is not
well."""
NOTICE_INTERVAL = 5.0
"""Seconds after which new instances and other intervals are noticed."""
RETENTION_INTERVAL = 24 * 3600.0
PATIENCE = 2.0
"""Seconds a node has to answer."""
ASKERS = 8
log = structlog.get_logger()


class Monitor:
    """Keeps the store's word about nodes and instances true. Who else looks at nodes may use its
    `connections`."""

    def __init__(
        self, context: Context, inspector: Inspector, volumes: Volumes, gateways: Gateways
    ) -> None:
        self._context = context
        self._gateways = gateways
        self._inspector = inspector
        self._volumes = volumes
        self._guard = Guard(context)
        self._woken = Event()
        self._changed: SimpleQueue[str] = SimpleQueue()
        self._asked: dict[str, float] = {}
        self._closing = False
        self._pool = ThreadPoolExecutor(ASKERS, thread_name_prefix="monitor")
        self._asking: dict[str, Future[None]] = {}
        self.connections = Connections(context, PATIENCE)
        self._leaderless: set[str] = set()
        self._swept = 0.0
        self._thread = Thread(target=self._run, name="monitor", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self, instance_id: str) -> None:
        """Look at an instance now: something has changed."""
        self._changed.put(instance_id)
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
                pause = UNHEALTHY_INTERVAL

    def _look(self) -> float:
        """Have every instance asked whose time it is; seconds until the next."""
        self._context.reserve.refill()
        while not self._changed.empty():
            self._asked.pop(self._changed.get(), None)
        serving = processes.serving(self._context)
        self._forget({instance.id for instance in serving})
        self._gateways.refresh()
        self._volumes.measure(serving)
        moment = time.monotonic()
        pause = min([NOTICE_INTERVAL, *(self._attend(instance, moment) for instance in serving)])
        if moment - self._swept > RETENTION_INTERVAL:
            self._sweep()
            self._swept = moment
        return pause

    def _attend(self, instance: Instance, moment: float) -> float:
        """Have the instance asked if it is time to and it is not being asked already; seconds until
        it is time."""
        interval = self._interval(instance)
        due = self._asked.get(instance.id, 0.0) + interval
        if instance.id in self._asked and moment < due:
            return due - moment
        asking = self._asking.get(instance.id)
        if asking is None or asking.done():
            self._asking[instance.id] = self._pool.submit(self._judge, instance)
            self._asked[instance.id] = moment
            return interval
        return UNHEALTHY_INTERVAL

    def _interval(self, instance: Instance) -> float:
        usual = self._context.settings.monitor_interval
        calm = health.stored_well(instance) and not policy.monitored_by_seconds(instance)
        return usual if calm else min(usual, UNHEALTHY_INTERVAL)

    def _judge(self, instance: Instance) -> None:
        """Ask the instance's nodes how they are, and write it."""
        try:
            clients = self.connections.of(instance)
            asked = now()
            seen = health.ask(instance, clients, health.dead_nodes(self._context, instance))
            # A job decides itself what is held off, and has its sets led.
            held = not instance.action and self._guard.judge(instance, clients, seen)
            if not health.write_all(self._context, instance, seen, asked, held=held):
                self.wake(instance.id)
                return
            if not instance.action:
                self._lead(instance, clients, seen)
            self._inspector.inspect(instance, clients)
        except ShardhouseError as error:
            log.warning("not judged", instance=instance.id, reason=error.message)
        except Exception:
            log.exception("not judged", instance=instance.id)

    def _lead(self, instance: Instance, clients: Clients, seen: health.Health) -> None:
        """Have a set elect a primary that was seen without one twice in a row: by itself it would
        wait for ten silent seconds."""
        for group in instance.groups:
            members = [seen[node.id] for node in group.members]
            healthy = sum(member.healthy for member in members)
            led = Role.PRIMARY in {member.role for member in members}
            if not group.type.holds_data or led or 2 * healthy <= len(members):
                self._leaderless.discard(group.id)
            elif group.id in self._leaderless:
                replica_set.request_election(set_plan(group), clients)
                self.wake(instance.id)
            else:
                self._leaderless.add(group.id)

    def _sweep(self) -> None:
        """Forget jobs that ended a month ago, and instances whose last job they were; old
        events and records of alarms."""
        with self._context.database.write() as connection:
            forgotten = jobs.forget_old(connection, now())
            event_store.forget_old(connection, now())
            alarm_histories.forget_old(connection, now())
        if forgotten:
            log.info("old jobs forgotten", number=forgotten)

    def _forget(self, living: set[str]) -> None:
        """Drop what is known of instances that are gone."""
        self._volumes.forget(living)
        self._guard.forget(living)
        for instance_id in set(self._asking) - living:
            if self._asking[instance_id].done():
                del self._asking[instance_id]
                self._asked.pop(instance_id, None)
                self._inspector.forget(instance_id)
                self.connections.forget(instance_id)
