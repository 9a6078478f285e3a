"""Instances that shrink: routers, members of a replica set, shards, read replicas.

What is to go stops serving first: a shard is empty, a member has left its set. Then its processes
and volumes are removed, and its rows go last, with the job's end.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from shardhouse import error_codes as codes
from shardhouse.contract.scaling import (
    DELETE_MONGOS,
    DELETE_READONLY_NODE,
    DELETE_SHARDS,
    SHRINK_REPLICA_SET,
    NodesBody,
    ShardsBody,
    ShrinkBody,
)
from shardhouse.domain.change import Change
from shardhouse.domain.creation import MIN_NODES
from shardhouse.domain.model import (
    Group,
    GroupType,
    Instance,
    MemberRole,
    Node,
    Role,
    StepStatus,
)
from shardhouse.domain.transitions import Event
from shardhouse.errors import DdsError, bad_parameter
from shardhouse.operations.tasks import members, provision, shards, verify
from shardhouse.store import instances, jobs
from shardhouse.workflows import limits, processes
from shardhouse.workflows.context import now, set_plan
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step

LEAVE = "Take the members out of their replica set"
DRAIN = "Move the data to the other shards"
REMOVE = "Remove processes and volumes"
VERIFY = "Verify a majority write"
_SIZES = (3, 5)
"""What a replica set can shrink to."""


@dataclass(frozen=True)
class Shrinkage:
    """Arguments: the ids of the nodes that go, and of the groups that go with them. `hidden` is the
    node that becomes its set's hidden member where that one goes."""

    nodes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    hidden: str = ""


def plan_routers(asked: Asked[NodesBody]) -> Planned[Shrinkage]:
    """Raises DdsError 400 for nodes of other types, and where two would not stay."""
    (group,) = asked.instance.of_type(GroupType.MONGOS)
    nodes = _listed(asked.instance, asked.body.node_list)
    for node in nodes:
        if node.group_id != group.id:
            raise bad_parameter("node_list", f"{node.id} is not a mongos node", codes.ROLE_FORBIDS)
    _check_left("node_list", len(group.nodes) - len(nodes), "mongos nodes")
    return _planned(nodes, steps=(REMOVE, VERIFY), job="DeleteMongosNode")


def plan_shards(asked: Asked[ShardsBody]) -> Planned[Shrinkage]:
    """Raises DdsError 404 for an unknown group, 400 for one of another type, and where two shards
    would not stay."""
    instance = asked.instance
    groups = []
    for group_id in dict.fromkeys(asked.body.ids):
        group = instance.group(group_id)
        if group is None:
            raise DdsError(codes.NODE_NOT_FOUND, f"The group {group_id} does not exist.")
        if group.type is not GroupType.SHARD:
            raise bad_parameter("ids", f"{group_id} is not a shard", codes.GROUP_TYPE_INVALID)
        groups.append(group)
    _check_left("ids", len(instance.of_type(GroupType.SHARD)) - len(groups), "shards")
    nodes = tuple(node.id for group in groups for node in group.nodes)
    return Planned(Shrinkage(nodes, tuple(group.id for group in groups)), now=_BEGINS)


def plan_members(asked: Asked[ShrinkBody]) -> Planned[Shrinkage]:
    """Raises DdsError 400 for the primary, for nodes of other kinds, where the rest is no replica
    set that is offered, and where a zone would be left without a node."""
    (group,) = asked.instance.of_type(GroupType.REPLICA)
    if asked.body.node_list:
        nodes = _listed(asked.instance, asked.body.node_list)
    elif asked.body.num:
        nodes = _chosen(group, asked.body.num)
    else:
        raise bad_parameter("num", "num or node_list is required", codes.NODE_NUMBER_INVALID)
    for node in nodes:
        if node.member is MemberRole.READ_REPLICA or node.role is Role.PRIMARY:
            kind = "the primary" if node.role is Role.PRIMARY else "a read replica"
            raise bad_parameter("node_list", f"{node.id} is {kind}", codes.ROLE_FORBIDS)
    left = [node for node in group.members if node not in nodes]
    if len(left) not in _SIZES:
        raise bad_parameter(
            "node_list" if asked.body.node_list else "num",
            f"3 or 5 nodes must stay, got {len(nodes)} of {len(group.members)} to remove",
            codes.NODE_NUMBER_INVALID,
        )
    lost = {n.availability_zone for n in nodes} - {n.availability_zone for n in left}
    if lost:
        raise bad_parameter(
            "node_list", f"no node would stay in {', '.join(sorted(lost))}", codes.ZONE_INVALID
        )
    hidden = ""
    if any(node.member is MemberRole.HIDDEN for node in nodes):
        hidden = [node for node in left if node.role is not Role.PRIMARY][-1].id
    return _planned(nodes, steps=(LEAVE, REMOVE, VERIFY), job="ReplicaSetReduceNode", hidden=hidden)


def plan_read_replicas(asked: Asked[NodesBody]) -> Planned[Shrinkage]:
    """Raises DdsError 400 for nodes that are no read replicas."""
    nodes = _listed(asked.instance, asked.body.node_list)
    for node in nodes:
        if node.member is not MemberRole.READ_REPLICA:
            raise bad_parameter("node_list", f"{node.id} is not a read replica", codes.ROLE_FORBIDS)
    return _planned(nodes)


_BEGINS = Change(event=Event.RESIZING)


def _planned(
    nodes: list[Node], *, steps: tuple[str, ...] = (), job: str = "", hidden: str = ""
) -> Planned[Shrinkage]:
    arguments = Shrinkage(tuple(node.id for node in nodes), hidden=hidden)
    return Planned(arguments, now=_BEGINS, steps=steps, job=job)


def _listed(instance: Instance, ids: list[str] | tuple[str, ...]) -> list[Node]:
    """The nodes of these ids. Raises DdsError 400 for one that is not the instance's."""
    known = {node.id: node for node in instance.nodes}
    for node_id in ids:
        if node_id not in known:
            raise DdsError(
                codes.NODE_ID_INVALID, f"The node {node_id} does not exist in {instance.id}."
            )
    return [known[node_id] for node_id in dict.fromkeys(ids)]


def _chosen(group: Group, number: int) -> list[Node]:
    """The newest secondaries whose zones keep others."""
    chosen: list[Node] = []
    for node in reversed(group.members):
        zone = node.availability_zone
        others = [n for n in group.members if n.availability_zone == zone and n not in chosen]
        voter = node.member is MemberRole.VOTER and node.role is not Role.PRIMARY
        if voter and len(others) > 1 and len(chosen) < number:
            chosen.append(node)
    if len(chosen) < number:
        raise bad_parameter(
            "num",
            f"{len(chosen)} secondaries can be removed, got {number}",
            codes.NODE_NUMBER_INVALID,
        )
    return chosen


def _check_left(field: str, number: int, what: str) -> None:
    if number < MIN_NODES:
        raise bad_parameter(
            field, f"{MIN_NODES} {what} must stay, {number} would", codes.NODE_NUMBER_INVALID
        )


def leave(run: Run[Shrinkage]) -> None:
    """The nodes are no members of their sets any more; if one led, another does."""
    context, instance, gone = run.context, run.instance, run.arguments
    with context.clients(instance) as clients:
        for group in _shrunk(run):
            plan = members.plan_without(group, gone.nodes, gone.hidden)
            leaving = members.hosts(group, gone.nodes)
            members.reach(context, instance, plan, clients, leaving=leaving, report=run.report)


def drain(run: Run[Shrinkage]) -> None:
    """The shards hold nothing and have left the cluster."""
    names = [group.name for group in run.instance.groups if group.id in run.arguments.groups]
    shards.drain(run.context, run.instance, names, run.report)
    run.report(f"shards that have left the cluster: {len(names)}")


def remove(run: Run[Shrinkage]) -> None:
    """The nodes have no process and no folder."""
    members.discard(run.context, run.instance, run.arguments.nodes)
    run.report(f"nodes that are gone: {len(run.arguments.nodes)}")


def prove(run: Run[Shrinkage]) -> None:
    """What is left is healthy, and majority writes succeed."""
    left = members.without(run.instance, run.arguments.nodes)
    processes.ensure_all(run.context, left)
    verify.majority_write(replace(run, instance=left))


def roll_back(run: Run[Shrinkage]) -> None:
    """Routers and members come back, if need be with new copies of their data, and shards that have
    not left the cluster take data again; those that have wait for the next attempt."""
    context, instance, gone = run.context, run.instance, run.arguments
    if _all_removed(run):
        return
    if gone.groups:
        names = [group.name for group in instance.groups if group.id in gone.groups]
        shards.keep(context, instance, names)
        return
    provision.nodes(context, instance, gone.nodes)
    members.start(context, instance, gone.nodes)
    with context.clients(instance) as clients:
        for group in _shrunk(run):
            plan, joining = set_plan(group), members.hosts(group, gone.nodes)
            members.reach(context, instance, plan, clients, joining=joining, report=run.report)


def succeed(connection: Connection, run: Run[Shrinkage]) -> None:
    """The rows go, and with them the leases of addresses."""
    gone = run.arguments
    change = Change(remove_nodes=frozenset(gone.nodes), remove_groups=frozenset(gone.groups))
    if gone.hidden:
        change = change.with_nodes([gone.hidden], member=MemberRole.HIDDEN)
    instances.apply(connection, run.instance.id, change, now())


def fail(connection: Connection, run: Run[Shrinkage]) -> None:
    """What has been removed is gone, whatever failed after that."""
    if _all_removed(run):
        succeed(connection, run)


def _all_removed(run: Run[Shrinkage]) -> bool:
    with run.context.database.read() as connection:
        job = jobs.load(connection, run.job.id)
    steps = job.steps if job else ()
    return (REMOVE, StepStatus.COMPLETED) in [(step.name, step.status) for step in steps]


def _shrunk(run: Run[Shrinkage]) -> list[Group]:
    """The replica sets that lose members."""
    return [
        group
        for group in run.instance.data_groups
        if any(node.id in run.arguments.nodes for node in group.nodes)
    ]


SHRINK_ROUTERS = Operation(
    "SHRINKING",
    "DeleteMongosNode",
    Shrinkage,
    (Step(LEAVE, leave), Step(REMOVE, remove), Step(VERIFY, prove)),
    call=DELETE_MONGOS,
    plan=plan_routers,
    limit=limits.copying,
    done=succeed,
    failed=fail,
    roll_back=roll_back,
)
#: The same action and steps for another call.
SHRINK_SET = replace(SHRINK_ROUTERS, call=SHRINK_REPLICA_SET, plan=plan_members)
SHRINK_SHARDS = Operation(
    "SHARD_SHRINKING",
    "DeleteShards",
    Shrinkage,
    (Step(DRAIN, drain), Step(REMOVE, remove), Step(VERIFY, prove)),
    call=DELETE_SHARDS,
    plan=plan_shards,
    limit=limits.copying,
    done=succeed,
    failed=fail,
    roll_back=roll_back,
)
REMOVE_READ_REPLICAS = Operation(
    "DELETE_READONLY_NODES",
    "DeleteReadonlyNode",
    Shrinkage,
    (Step(LEAVE, leave), Step(REMOVE, remove), Step(VERIFY, prove)),
    call=DELETE_READONLY_NODE,
    plan=plan_read_replicas,
    limit=limits.copying,
    done=succeed,
    failed=fail,
    roll_back=roll_back,
)
