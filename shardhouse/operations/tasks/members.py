"""Nodes of an instance that grows or shrinks: started, members of their sets, gone without a trace.

A set changes by one voter at a time, and only by one that has caught up: see
`mongo.reconfiguration`.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from shardhouse.domain.change import Change
from shardhouse.domain.model import Group, Instance, Node
from shardhouse.mongo import reconfiguration, replica_set, status
from shardhouse.mongo.admin import Clients, listening
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.nodes.runtime import NodeRef
from shardhouse.store import instances
from shardhouse.workflows import processes
from shardhouse.workflows.context import Context, now, parallel_map, set_plan

COPYING = 6 * 3600.0
"""Seconds a new member may take to copy the data of its set."""
LEAVING = 300.0
"""Seconds members may take to leave: nothing is copied."""


def without(instance: Instance, nodes: Collection[str]) -> Instance:
    """The instance as it is without these nodes, and without groups that have no others."""
    groups = [
        replace(group, nodes=tuple(node for node in group.nodes if node.id not in nodes))
        for group in instance.groups
    ]
    return replace(instance, groups=tuple(group for group in groups if group.nodes))


def start(context: Context, instance: Instance, nodes: Collection[str]) -> None:
    """Every process of the instance runs, and these nodes accept connections."""
    processes.ensure_all(context, instance)
    deadline = processes.deadline(context, instance)
    for node in _of(instance, nodes):
        listening(node.host, deadline)


def answer(context: Context, instance: Instance, nodes: Collection[str], clients: Clients) -> None:
    """These routers serve the cluster."""
    deadline = processes.deadline(context, instance)

    def answers(host: str) -> bool | None:
        return status.router(host, clients).healthy or None

    for node in _of(instance, nodes):
        deadline.until(f"{node.name} to answer", partial(answers, node.host))


def reach(
    context: Context,
    instance: Instance,
    plan: SetPlan,
    clients: Clients,
    *,
    joining: Collection[str] = (),
    leaving: Collection[str] = (),
    report: Callable[[str], None],
) -> None:
    """A replica set has the members of its plan: `joining` hosts have caught up, `leaving` ones are
    members no more. Raises MongoError when that takes too long."""
    processes.ensure_all(context, instance)
    seconds = COPYING if joining else LEAVING
    deadline = processes.deadline(context, instance, seconds=seconds)
    reconfiguration.approach(plan, clients, deadline, leaving, report)
    for host in joining:
        replica_set.catch_up(plan, host, clients, deadline)


def hosts(group: Group, nodes: Collection[str]) -> list[str]:
    """Where those of these nodes listen that are the group's and have an address."""
    return [node.host for node in group.nodes if node.id in nodes and node.address]


def plan_without(group: Group, nodes: Collection[str], hidden: str = "") -> SetPlan:
    """The set of a group without these nodes, and with another hidden member if one is named."""
    left = replace(group, nodes=tuple(node for node in group.nodes if node.id not in nodes))
    plan = set_plan(left)
    host = next((node.host for node in left.nodes if node.id == hidden), plan.hidden)
    return replace(plan, hidden=host)


def discard(context: Context, instance: Instance, nodes: Collection[str]) -> None:
    """These nodes have no process and no folder."""

    def remove(node: Node) -> None:
        ref = NodeRef(instance.id, node.id)
        context.runtime.stop(ref, processes.STOP_GRACE)
        context.runtime.remove(ref)

    parallel_map(remove, _of(instance, nodes))


def forget(
    context: Context, instance: Instance, nodes: Collection[str], groups: Collection[str] = ()
) -> None:
    """These nodes and groups have no row, and so no address."""
    change = Change(remove_nodes=frozenset(nodes), remove_groups=frozenset(groups))
    with context.database.write() as connection:
        instances.apply(connection, instance.id, change, now())


def _of(instance: Instance, nodes: Collection[str]) -> list[Node]:
    return [node for node in instance.nodes if node.id in nodes]
