"""Brings the setting `node_domain` to instances that exist already, without a pause for clients.

Each node gets a certificate of the same authority with its new names. Data nodes load it as they
run, routers are started anew one after the other. The store has the names when they are in use.
"""

from dataclasses import replace

from shardhouse.domain.model import Group, GroupType, Instance, Node
from shardhouse.domain.names import dns_names
from shardhouse.errors import StepError
from shardhouse.mongo import replica_set
from shardhouse.mongo.admin import Clients, listening, reload_certificates
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import NodeRef
from shardhouse.store import instances
from shardhouse.workflows import launch, processes
from shardhouse.workflows.context import Context, set_plan

SECONDS = 60.0


def rename(context: Context, instance: Instance) -> bool:
    """Give the nodes the names that the setting says, or take them; whether there was anything to
    do. Repeating it does no harm. Raises MongoError or NodeError where a node does not answer, and
    StepError once a job works on the instance."""
    named = dns_names(instance, context.settings.node_domain)
    if all(node.dns_name == named[node.id] for node in instance.nodes):
        return False
    deadline = Deadline(SECONDS, lambda: _require_idle(context, instance))
    groups = tuple(_renamed(group, named) for group in instance.groups)
    with context.clients(instance) as clients:
        for old, new in zip(instance.groups, groups, strict=True):
            if old != new:
                _apply(context, replace(instance, groups=groups), new, clients, deadline)
    with context.database.write() as connection:
        for node_id, name in named.items():
            instances.set_node(connection, instance.id, node_id, dns_name=name)
    return True


def _renamed(group: Group, named: dict[str, str]) -> Group:
    nodes = tuple(replace(node, dns_name=named[node.id]) for node in group.nodes)
    return replace(group, nodes=nodes)


def _apply(
    context: Context, instance: Instance, group: Group, clients: Clients, deadline: Deadline
) -> None:
    secrets = context.secrets(instance.id)
    for node in group.nodes:
        _require_idle(context, instance)
        ref = NodeRef(instance.id, node.id)
        context.runtime.ensure_volume(ref, launch.files(instance, node, secrets))
        if group.type is GroupType.MONGOS:
            _restart(context, instance, group, node, deadline)
        else:
            reload_certificates(node.host, clients, deadline)
    if group.type is not GroupType.MONGOS:
        replica_set.rename(set_plan(group), clients, deadline)


def _restart(
    context: Context, instance: Instance, group: Group, node: Node, deadline: Deadline
) -> None:
    context.runtime.stop(NodeRef(instance.id, node.id), processes.STOP_GRACE)
    starter = processes.launcher(context, instance)
    processes.revive(context, instance, group, node, starter)
    listening(node.host, deadline)


def _require_idle(context: Context, instance: Instance) -> None:
    if not processes.is_idle(context, instance):
        raise StepError("A job works on the instance. The next start of the service continues.")
