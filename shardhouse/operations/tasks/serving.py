"""Serving recovered data to us alone, so that parts of it can be read.

A replica set's is read from a process of its own. A cluster is made of single members and a router
of its own, which the service stops at the end: so transactions that had not ended on all shards do,
and of each document its owner's copy is read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from shardhouse.domain import restoring
from shardhouse.domain.model import GroupType, Mode
from shardhouse.mongo import guest, keyfile, replica_set
from shardhouse.mongo.admin import Access, Client, Clients
from shardhouse.mongo.transfer import ShardKey
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import NodeRef
from shardhouse.operations.tasks import recovering
from shardhouse.operations.tasks.recovering import Recovery
from shardhouse.workflows import launch, processes
from shardhouse.workflows.context import parallel_map, set_plan, user_group
from shardhouse.workflows.operation import Run

_SECONDS = 300.0


@dataclass(frozen=True)
class Served:
    """Recovered data: where to read it, and of a cluster its config server."""

    client: Client
    config: Client | None = None

    def shard_key(self, namespace: str) -> ShardKey | None:
        """How a collection is sharded; None for one that is not."""
        if self.config is None:
            return None
        found = self.config.config["collections"].find_one({"_id": namespace})
        if found is None or "key" not in found or found.get("dropped") or found.get("unsplittable"):
            return None
        return ShardKey(found["key"], bool(found.get("unique")))


@contextmanager
def recovered(run: Run[Recovery]) -> Iterator[Served]:
    """The data that `recovering.replay` left aside, of an instance with one node for each replica
    set and, if it is a cluster, a router. None of them is the instance's own."""
    if run.instance.mode is not Mode.SHARDING:
        with recovering.private(run, run.instance.groups[0]) as client:
            yield Served(client)
        return
    with recovering.endpoints(run.context, len(run.instance.nodes)) as places:
        yield from _as_cluster(replace(run, instance=restoring.placed(run.instance, places)))


def _as_cluster(run: Run[Recovery]) -> Iterator[Served]:
    """The data of a cluster, served by one, whose nodes have their places."""
    recovering.found(run, administrator=None)
    context, instance = run.context, run.instance
    key = keyfile.generate()
    for node in instance.nodes:
        ref = NodeRef(instance.id, node.id)
        context.runtime.ensure_volume(ref, {launch.KEY_FILE: key.encode()})
    recovering.put_in_place(run)
    launcher = replace(processes.launcher(context, instance), router_metrics_port=None)
    try:
        processes.ensure_all(context, instance, launcher)
        deadline = processes.deadline(context, instance, launcher, seconds=_SECONDS)
        with Clients(Access(key)) as clients:
            yield from _joined(run, clients, deadline)
    finally:
        processes.stop_all(context, instance)


def _joined(run: Run[Recovery], clients: Clients, deadline: Deadline) -> Iterator[Served]:
    """The cluster, when nothing in it waits for its end any more, and while it stands still."""
    instance = run.instance
    plans = [set_plan(group) for group in instance.data_groups]
    parallel_map(lambda plan: replica_set.form(plan, clients, deadline), plans)
    user_store = set_plan(user_group(instance)).hosts
    config = clients[user_store[0]]
    config.config["settings"].update_one(
        {"_id": "balancer"}, {"$set": {"stopped": True, "mode": "off"}}, upsert=True
    )
    for shard in instance.of_type(GroupType.SHARD):
        client = clients[shard.nodes[0].host]
        client.admin.command("setParameter", 1, ttlMonitorEnabled=False)

        def settled(client: Client = client) -> bool | None:
            own = client.config
            waiting = own["transaction_coordinators"].find_one() or own["transactions"].find_one(
                {"state": "prepared"}
            )
            return None if waiting else True

        deadline.until(f"transactions of {shard.name} to end", settled)
    (routers,) = instance.of_type(GroupType.MONGOS)
    hosts = [node.host for node in routers.nodes]
    with guest.logged_in(user_store, hosts, clients, deadline) as client:
        yield Served(client, config)
