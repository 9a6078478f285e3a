"""Nodes that move to other addresses or ports, while their instance goes on serving.

A replica set is moved member by member, the primary last. Each member is started at its new place,
where it is no member of its set yet, then the configuration names it by that. Drivers learn the new
places from the members they know, and lose nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from shardhouse.domain.model import Group, Instance, MemberRole, Node
from shardhouse.mongo import replica_set, status
from shardhouse.mongo.admin import Clients, end_at_once
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import Endpoint, NodeRef
from shardhouse.operations.tasks import provision
from shardhouse.operations.tasks.roll import NODE_SECONDS
from shardhouse.store import instances
from shardhouse.workflows import health, processes
from shardhouse.workflows.context import set_plan
from shardhouse.workflows.operation import Run

_HEARTBEAT_SECONDS = 30.0
log = structlog.get_logger()


@dataclass(frozen=True)
class Move:
    """Where a node comes from, and where it goes."""

    origin: Endpoint
    to: Endpoint


def move_nodes(run: Run[Any], moves: Mapping[str, Move], *, port: int) -> None:
    """Every node of `moves`, by its id, is where it goes. `port` is the instance's then. Repeating
    it goes on where it was."""
    with run.context.clients(run.instance) as clients:
        mover = _Mover(run, clients, port, moves)
        for group in run.instance.groups:
            if any(node.id in moves for node in group.nodes):
                mover.group(group)


def restore_heartbeat_interval(run: Run[Any]) -> None:
    """Heartbeats back to their pace. Does nothing where no set moved."""
    with run.context.clients(run.instance) as clients:
        for group in run.instance.data_groups:
            deadline = Deadline(_HEARTBEAT_SECONDS)
            replica_set.restore_heartbeat_interval(set_plan(group), clients, deadline)


@dataclass
class _Mover:
    """Moves nodes one by one. The store has a node's new place before its process does, so a node
    is there, or is started there when this is repeated."""

    run: Run[Any]
    clients: Clients
    port: int
    moves: Mapping[str, Move]
    done: set[str] = field(default_factory=set)

    def group(self, group: Group) -> None:
        """Those first that do not run, perhaps because they cannot where they are: the others would
        wait for them in vain. Then routers one after another; of a set those that were moved before
        a crash, and the primary last."""
        dead = health.dead_nodes(self.run.context, self._instance())
        ours = [node for node in group.nodes if node.id in self.moves]
        down = [node for node in ours if node.id in dead]
        for node in ours:
            if self._moved(node):
                self._certify(node)  # it may not have been, and may have to be started
        if not group.type.holds_data:
            processes.ensure_all(self.run.context, self._instance())
            for node in sorted(ours, key=lambda node: node not in down):
                self._router(node.id)
            return
        if len(group.nodes) == 1 or 2 * len(down) < len(group.nodes):
            for node in down:
                self._member(node.id)
        processes.ensure_all(self.run.context, self._instance())
        for node in ours:
            if self._moved(node):
                self._member(node.id)
        while waiting := self._waiting(group):
            self._member(waiting[0].id)

    def _moved(self, node: Node) -> bool:
        """Whether there is nothing to move, or the store has it at its new place."""
        move = self.moves.get(node.id)
        return move is None or (node.address, node.port) == move.to

    def _waiting(self, group: Group) -> list[Node]:
        """The members that have not moved, the next one first and the primary last."""
        fresh, _ = self._of(group.nodes[0].id)
        plan = set_plan(fresh)
        replica_set.ensure_primary(plan, self.clients, self._deadline())
        primary = replica_set.find_primary(plan.visible, self.clients)
        waiting = [node for node in reversed(fresh.nodes) if not self._moved(node)]
        return sorted(waiting, key=lambda node: node.host == primary)

    def _router(self, node_id: str) -> None:
        self._place(node_id)
        _, node = self._of(node_id)
        self._deadline().until(
            f"{node.name} to answer",
            lambda: status.router(node.host, self.clients).healthy or None,
        )
        self._count(node_id)

    def _member(self, node_id: str) -> None:
        group, node = self._of(node_id)
        address, port = self.moves[node_id].origin
        old = f"{address}:{port}"
        if len(group.nodes) > 1:
            replica_set.hand_over(set_plan(group), old, self.clients, Deadline(NODE_SECONDS))
        if node.member is MemberRole.HIDDEN and not self._moved(node):
            end_at_once(old, self.clients)
        self._place(node_id)
        group, node = self._of(node_id)
        plan = set_plan(group)
        replica_set.readdress(plan, old, node.host, self.clients, self._deadline())
        replica_set.catch_up(plan, node.host, self.clients, self._deadline())
        self._count(node_id)

    def _place(self, node_id: str) -> None:
        """The node's process is at its new place, with a certificate for it."""
        context, instance_id = self.run.context, self.run.instance.id
        place = self.moves[node_id].to._asdict()
        with context.database.write() as connection:
            instances.set_node(connection, instance_id, node_id, **place)
        instance = self._instance()
        group, node = self._of(node_id)
        launch = processes.launcher(context, instance)
        if not processes.is_current(context, instance, group, node, launch):
            log.info("node moves", instance=instance_id, node=node_id, host=node.host)
            self._certify(node)
            context.runtime.stop(NodeRef(instance_id, node_id), processes.STOP_GRACE)
            processes.ensure_one(context, instance, group, node, launch)

    def _certify(self, node: Node) -> None:
        """A node has a certificate for the address it has by now."""
        move, context, instance = self.moves[node.id], self.run.context, self._instance()
        if move.origin.address != move.to.address:
            provision.write_files(context, instance, [node], context.secrets(instance.id))

    def _count(self, node_id: str) -> None:
        self.done.add(node_id)
        self.run.report(f"{len(self.done)} of {len(self.moves)} nodes")

    def _instance(self) -> Instance:
        """The instance as it is now; ports of metrics are counted from its new port."""
        return replace(self.run.context.instance(self.run.instance.id), port=self.port)

    def _of(self, node_id: str) -> tuple[Group, Node]:
        return self._instance().place_of(node_id)

    def _deadline(self) -> Deadline:
        return processes.deadline(self.run.context, self._instance(), seconds=NODE_SECONDS)
