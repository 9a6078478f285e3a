"""How the nodes of an instance are: asked of MongoDB, and written to the store where it differs."""

from collections.abc import Collection, Mapping
from datetime import datetime

import structlog
from sqlalchemy import Connection

from shardhouse.domain import events
from shardhouse.domain.events import InstanceEvent
from shardhouse.domain.model import Group, GroupType, Instance, Node, Role, Status
from shardhouse.domain.transitions import SERVING, Event, after
from shardhouse.mongo import status
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.status import MemberStatus
from shardhouse.store import events as event_store
from shardhouse.store import instances, jobs
from shardhouse.workflows import disk
from shardhouse.workflows.context import Context, now, refs

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


def verdict(instance: Instance, seen: Health) -> Event:
    """WELL if clients can read and write everywhere: each set has a primary and a majority of
    healthy members, read replicas not counted, and at least one router answers. Else BROKEN."""
    for group in instance.groups:
        members = [seen[node.id] for node in group.members]
        healthy = sum(member.healthy for member in members)
        if group.type is GroupType.MONGOS:
            if not healthy:
                return Event.BROKEN
        elif 2 * healthy <= len(members) or Role.PRIMARY not in {m.role for m in members}:
            return Event.BROKEN
    return Event.WELL


def changes(instance: Instance, seen: Health) -> dict[str, MemberStatus]:
    """The nodes whose stored status or role is not what was seen."""
    return {
        node.id: seen[node.id]
        for node in instance.nodes
        if (node.status, node.role) != (_status(instance, node, seen), seen[node.id].role)
    }


def write(connection: Connection, instance: Instance, seen: Health) -> None:
    """Store the nodes' status and role where they differ."""
    changed = changes(instance, seen)
    for node in instance.nodes:
        if node.id in changed:
            values = {"status": _status(instance, node, seen), "role": seen[node.id].role}
            instances.set_node(connection, instance.id, node.id, **values)


def dead_nodes(context: Context, instance: Instance) -> dict[str, str]:
    """Ids of the nodes that have no process, and why they have none, as far as it is known."""
    states = {ref.node_id: context.runtime.state(ref) for ref in refs(instance)}
    return {node_id: state.exit_reason for node_id, state in states.items() if not state.running}


def note_dead(context: Context, instance: Instance) -> None:
    """Write which nodes have no process, without asking the others how they are."""
    dead = dead_nodes(context, instance)
    if dead:
        seen = {
            node.id: MemberStatus(node.host, node.role, node.status is Status.NORMAL)
            for node in instance.nodes
        }
        write_all(context, instance, seen | _gone(instance, dead), now())


def write_all(
    context: Context, instance: Instance, seen: Health, asked: datetime, *, held: bool = False
) -> bool:
    """Store nodes and instance as they were seen, unless the instance is gone meanwhile. What died
    since they were `asked` is known better here. `held` says that writes of users are held off.
    While a job works on the instance, its status stays: clients that wait for the job give up when
    they see any but `normal`.

    False, and nothing is stored, where a job has ended a step since: it may have restarted a node
    that was found away, and knows better that all are well."""
    seen = {**seen, **_gone(instance, dead_nodes(context, instance))}
    changed = changes(instance, seen)
    full = held or disk.is_full(context, instance) or disk.volumes_full(context.settings, instance)
    event = Event.FULL if full else verdict(instance, seen)
    judged = after(instance.status, event)
    if not changed and judged is instance.status:
        return True
    with context.database.write() as connection:
        current = instances.load(connection, instance.id)
        if current is None or current.status not in SERVING:
            return True
        if jobs.has_moved(connection, instance.id, asked):
            return False
        write(connection, current, seen)
        moment = now()
        event_store.record(connection, _news(current, seen, moment))
        if current.action:  # the job decides what becomes of the instance
            judged = instance.status
        else:
            news = events.of_status(current, after(current.status, event), moment)
            event_store.record(connection, news)
            instances.record(connection, instance.id, event, moment)
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
    return True


def stored_well(instance: Instance) -> bool:
    """Whether the store has every node as normal."""
    return all(node.status is Status.NORMAL for node in instance.nodes)


def node_status(member: MemberStatus) -> Status:
    """A node's status in the API's words."""
    return Status.NORMAL if member.healthy else Status.ABNORMAL


def _news(instance: Instance, seen: Health, moment: datetime) -> list[InstanceEvent]:
    """What the status and role of nodes mean that differ from what is stored."""
    return [
        event
        for node in instance.nodes
        if node.id in seen
        for event in events.of_node(
            instance,
            node,
            _status(instance, node, seen),
            seen[node.id].role,
            seen[node.id].detail,
            moment,
        )
    ]


def _status(instance: Instance, node: Node, seen: Health) -> Status:
    """What is to be stored: while a job works on a node, the job's word stays."""
    if instance.action and node.status.at_work:
        return node.status
    return node_status(seen[node.id])


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


def _gone(instance: Instance, dead: Mapping[str, str]) -> dict[str, MemberStatus]:
    return {
        node.id: MemberStatus(node.host, Role.UNKNOWN, False, _away(dead[node.id]))
        for node in instance.nodes
        if node.id in dead
    }


def _away(reason: str) -> str:
    return f"{AWAY} ({reason.rstrip('.')})" if reason else AWAY
