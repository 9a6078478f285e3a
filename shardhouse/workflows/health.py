"""How the nodes of an instance are: asked of MongoDB, and written to the store where it differs."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from shardhouse.domain.model import Group, GroupType, Instance, Role, Status
from shardhouse.mongo import status
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.status import MemberStatus
from shardhouse.store import instances

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


def node_status(member: MemberStatus) -> Status:
    """A node's status in the API's words."""
    return Status.NORMAL if member.healthy else Status.ABNORMAL


def _ask_group(group: Group, clients: Clients, down: Collection[str]) -> tuple[MemberStatus, ...]:
    up = [node.host for node in group.nodes if node.id not in down]
    if group.type is GroupType.MONGOS:
        answers = {host: status.router(host, clients) for host in up}
    else:
        answers = {member.host: member for member in status.members(up, clients)}
    away = "its process is not running"
    return tuple(
        answers.get(node.host, MemberStatus(node.host, Role.UNKNOWN, False, away))
        for node in group.nodes
    )
