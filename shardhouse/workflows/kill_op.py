"""Ends operations of clients as rules say: twice a second, at all nodes of instances with rules in
force. Other instances cost nothing but the question which those are.

Each instance is looked at by itself, so that one whose nodes do not answer holds up no other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from pymongo.errors import PyMongoError

from shardhouse.domain.kill_rules import KillRule, Work, excess
from shardhouse.domain.model import GroupType, Instance, Node, Status
from shardhouse.domain.transitions import SERVING
from shardhouse.mongo import client_operations
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.client_operations import ClientOperation
from shardhouse.store import instances, kill_rules
from shardhouse.workflows import client_work
from shardhouse.workflows.connections import Connections
from shardhouse.workflows.context import Context
from shardhouse.workflows.periodic import Periodic

INTERVAL = 0.5
"""Seconds between two looks."""
PATIENCE = 2.0
"""Seconds a node has to answer."""
WORKERS = 4
"""Instances that are looked at at a time."""
log = structlog.get_logger()


class KillOp(Periodic):
    """Looks what clients run, and ends what rules do not allow."""

    def __init__(self, context: Context) -> None:
        super().__init__("kill rules", INTERVAL, self._look)
        self._context = context
        self._connections = Connections(context, PATIENCE)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="kill rules")
        self._looks: dict[str, Future[None]] = {}

    def close(self) -> None:
        """End the thread; nothing is waited for."""
        super().close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        rules: dict[str, list[KillRule]] = {}
        with self._context.database.read() as connection:
            for rule in kill_rules.enabled(connection):
                rules.setdefault(rule.instance_id, []).append(rule)
            found = instances.load_all(connection, list(rules))
        serving = {one.id: one for one in found if one.status in SERVING}
        for instance_id in [one for one in self._looks if one not in serving]:
            if self._looks[instance_id].done():
                del self._looks[instance_id]
                self._connections.forget(instance_id)
        for instance in serving.values():
            before = self._looks.get(instance.id)
            if before is None or before.done():
                work = (instance, rules[instance.id])
                self._looks[instance.id] = self._pool.submit(self._enforce, *work)

    def _enforce(self, instance: Instance, rules: Sequence[KillRule]) -> None:
        try:
            clients = self._connections.of(instance)
            members = client_work.at_members(clients, _members(instance), client_operations.running)
            killed = Counter[str]()
            gone: set[tuple[str, int]] = set()
            for rule, works in self._places(instance, rules, members):
                for work in excess(rule, works):
                    parts = [part for part in work.parts if part not in gone]
                    gone.update(parts)
                    if _kill(clients, parts):
                        killed[rule.id] += 1
                        log.info(
                            "operation killed",
                            instance=instance.id,
                            rule=rule.id,
                            namespace=work.namespace,
                            type=work.type,
                            seconds=round(work.seconds, 3),
                        )
            if killed:
                with self._context.database.write() as connection:
                    kill_rules.count(connection, killed)
        except Exception:
            log.exception("kill rules not enforced", instance=instance.id)

    def _places(
        self, instance: Instance, rules: Iterable[KillRule], found: Sequence[ClientOperation]
    ) -> Iterator[tuple[KillRule, list[Work]]]:
        """Each rule with what runs at one of its nodes."""
        at_members: dict[str, list[Work]] = {}
        for one in found:
            at_members.setdefault(one.host, []).append(as_work([one]))
        at_routers: list[list[Work]] | None = None
        for rule in rules:
            if rule.node_type.at_members:
                for works in at_members.values():
                    yield rule, works
            if rule.node_type.at_routers:
                if at_routers is None:
                    at_routers = [
                        by_client(client_work.through_router(self._context, instance, one, found))
                        for group in instance.of_type(GroupType.MONGOS)
                        for one in group.nodes
                    ]
                for works in at_routers:
                    yield rule, works


def _members(instance: Instance) -> list[Node]:
    """Where clients' work runs, as far as it answers."""
    return [
        node
        for group in instance.data_groups
        if group.type is not GroupType.CONFIG
        for node in group.nodes
        if node.status is Status.NORMAL
    ]


def by_client(found: Iterable[ClientOperation]) -> list[Work]:
    """What runs at a router: the parts that shards work on, each client's as one."""
    clients: dict[str, list[ClientOperation]] = {}
    for one in found:
        clients.setdefault(one.client, []).append(one)
    return [as_work(parts) for parts in clients.values()]


def as_work(parts: Sequence[ClientOperation]) -> Work:
    """Parts of one operation, which is what its oldest part is."""
    oldest = max(parts, key=lambda one: one.microseconds)
    return Work(
        type=oldest.kind,
        namespace=oldest.namespace,
        address=oldest.client.rpartition(":")[0],
        stages=frozenset[str]().union(*(one.stages for one in parts)),
        seconds=oldest.microseconds / 1_000_000,
        parts=tuple((one.host, one.id) for one in parts if one.id is not None),
    )


def _kill(clients: Clients, parts: Iterable[tuple[str, int]]) -> bool:
    """End all parts of an operation; whether any member was asked to."""
    asked = False
    for host, number in parts:
        try:
            client_operations.kill(clients[host], number)
            asked = True
        except PyMongoError as error:
            log.warning("operation not killed", member=host, reason=str(error))
    return asked
