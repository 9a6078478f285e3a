"""Shards of a cluster: formed and added, drained and taken out."""

from collections.abc import Callable, Collection, Sequence

from shardhouse.domain.model import Group, GroupType, Instance
from shardhouse.mongo import replica_set, sharding
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.draining import Cluster
from shardhouse.mongo.wait import Deadline
from shardhouse.workflows import processes
from shardhouse.workflows.context import Context, parallel_map, set_plan


def form(context: Context, instance: Instance, groups: Sequence[Group]) -> None:
    """Each group is a replica set whose majority acknowledges writes."""
    deadline = processes.deadline(context, instance)
    with context.clients(instance) as clients:
        parallel_map(lambda group: replica_set.form(set_plan(group), clients, deadline), groups)


def add(context: Context, instance: Instance, groups: Sequence[Group]) -> None:
    """The replica sets of these groups are shards of the cluster."""
    (config,) = instance.of_type(GroupType.CONFIG)
    deadline = processes.deadline(context, instance)
    plans = [set_plan(group) for group in groups]
    with context.clients(instance) as clients:
        sharding.add_shards(set_plan(config).electable, plans, clients, deadline)


def drain(
    context: Context, instance: Instance, names: Collection[str], report: Callable[[str], None]
) -> None:
    """The shards of these names hold nothing and are none of the cluster's any more. Raises
    MongoError for the first that cannot be drained."""
    processes.ensure_all(context, instance)
    with context.clients(instance) as clients:
        cluster = _cluster(context, instance, clients)
        for name in names:
            cluster.drain(name, report)


def withdraw(
    context: Context,
    instance: Instance,
    old: Instance,
    groups: Sequence[Group],
    report: Callable[[str], None],
) -> None:
    """New shards, of which some may belong to the cluster already, do not. `old` is the instance
    without them."""
    (config,) = old.of_type(GroupType.CONFIG)
    processes.ensure_all(context, old)
    with context.clients(old) as clients:
        deadline = processes.deadline(context, old)
        present = sharding.list_shards(set_plan(config).electable, clients, deadline)
    if names := [group.name for group in groups if group.name in present]:
        drain(context, instance, names, report)


def keep(context: Context, instance: Instance, names: Collection[str]) -> None:
    """Those of these shards that still belong to the cluster take data again."""
    processes.ensure_all(context, instance)
    with context.clients(instance) as clients:
        cluster = _cluster(context, instance, clients)
        present = sharding.list_shards(
            cluster.config_hosts, clients, processes.deadline(context, instance)
        )
        for name in names:
            if name in present:
                cluster.keep(name)


def _cluster(context: Context, instance: Instance, clients: Clients) -> Cluster:
    (config,) = instance.of_type(GroupType.CONFIG)

    def deadline(seconds: float) -> Deadline:
        return processes.deadline(context, instance, seconds=seconds)

    shards = {group.name: set_plan(group) for group in instance.of_type(GroupType.SHARD)}
    return Cluster(set_plan(config).electable, shards, clients, deadline)
