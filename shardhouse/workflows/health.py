"""How the nodes of an instance are: asked of MongoDB, and written to the store where it differs."""

from collections.abc import Collection, Mapping

import structlog
from sqlalchemy import Connection

from shardhouse.domain.model import Group, GroupType, Instance, Role, Status
from shardhouse.mongo import status
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.status import MemberStatus
from shardhouse.nodes.runtime import NodeRef
from shardhouse.store import instances
from shardhouse.workflows import processes
from shardhouse.workflows.context import Context, now

AWAY = "its process is not running"
log = structlog.get_logger()

#: Status of each node, by its id.
Health = Mapping[str, MemberStatus]


def ask(
    instance: Instance, clients: Clients, down: Collection[str] = ()
) -> dict[str, MemberStatus]:
    """Status of every node. Those whose ids are in `down` are known to have no process, and are not
    asked."""
    return {
        node.id: member
        for group in instance.groups
        for node, member in zip(group.nodes, _ask_group(group, clients, down), strict=True)
    }


def all_well(instance: Instance, clients: Clients) -> dict[str, MemberStatus] | None:
    """Status of every node if all are healthy, else None."""
    seen = ask(instance, clients)
    return seen if all(member.healthy for member in seen.values()) else None


def verdict(instance: Instance, seen: Health) -> Status:
    """`normal` if clients can read and write everywhere: each set has a primary and a majority of
    healthy members, and at least one router answers."""
    for group in instance.groups:
        members = [seen[node.id] for node in group.nodes]
        healthy = sum(member.healthy for member in members)
        if group.type is GroupType.MONGOS:
            if not healthy:
                return Status.ABNORMAL
        elif 2 * healthy <= len(members) or Role.PRIMARY not in {m.role for m in members}:
            return Status.ABNORMAL
    return Status.NORMAL


def changes(instance: Instance, seen: Health) -> dict[str, MemberStatus]:
    """The nodes whose stored status or role is not what was seen."""
    return {
        node.id: seen[node.id]
        for node in instance.nodes
        if (node.status, node.role) != (node_status(seen[node.id]), seen[node.id].role)
    }


def write(connection: Connection, instance: Instance, seen: Health) -> None:
    """Store the nodes' status and role where they differ."""
    for node_id, member in changes(instance, seen).items():
        instances.set_node(
            connection, instance.id, node_id, status=node_status(member), role=member.role
        )


def dead_nodes(context: Context, instance: Instance) -> set[str]:
    """Ids of the nodes that have no process."""
    return {
        node.id
        for node in instance.nodes
        if not context.runtime.state(NodeRef(instance.id, node.id)).running
    }


def note_dead(context: Context, instance: Instance) -> None:
    """Write which nodes have no process, without asking the others how they are."""
    dead = dead_nodes(context, instance)
    if dead:
        seen = {
            node.id: MemberStatus(node.host, node.role, node.status is Status.NORMAL)
            for node in instance.nodes
        }
        write_all(context, instance, seen | _gone(instance, dead))


def write_all(context: Context, instance: Instance, seen: Health) -> None:
    """Store nodes and instance as they were seen, unless the instance is gone meanwhile. What died
    since it was asked is known better here."""
    seen = {**seen, **_gone(instance, dead_nodes(context, instance))}
    changed = changes(instance, seen)
    judged = verdict(instance, seen)
    if not changed and judged is instance.status:
        return
    with context.database.write() as connection:
        current = instances.load(connection, instance.id)
        if current is None or current.status not in processes.SERVING:
            return
        write(connection, current, seen)
        instances.set_status(connection, instance.id, judged, now())
    for node_id, member in changed.items():
        log.info(
            "node changed",
            instance=instance.id,
            node=node_id,
            status=node_status(member),
            role=member.role,
            detail=member.detail,
        )
    if judged is not instance.status:
        log.info("instance changed", instance=instance.id, status=judged)


def stored_well(instance: Instance) -> bool:
    """Whether the store has every node as normal."""
    return all(node.status is Status.NORMAL for node in instance.nodes)


def node_status(member: MemberStatus) -> Status:
    """A node's status in the API's words."""
    return Status.NORMAL if member.healthy else Status.ABNORMAL


def _ask_group(group: Group, clients: Clients, down: Collection[str]) -> tuple[MemberStatus, ...]:
    up = [node.host for node in group.nodes if node.id not in down]
    if group.type is GroupType.MONGOS:
        answers = {host: status.router(host, clients) for host in up}
    else:
        answers = {member.host: member for member in status.members(up, clients)}
    return tuple(
        answers.get(node.host, MemberStatus(node.host, Role.UNKNOWN, False, AWAY))
        for node in group.nodes
    )


def _gone(instance: Instance, dead: Collection[str]) -> dict[str, MemberStatus]:
    return {
        node.id: MemberStatus(node.host, Role.UNKNOWN, False, AWAY)
        for node in instance.nodes
        if node.id in dead
    }
