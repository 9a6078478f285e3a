"""Instances that grow: routers, members of a replica set, shards, read replicas.

New nodes are rows with the status `creating` from the answer of the call on; they count for nothing
before the job has made them members. If it fails, they leave again without a trace.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from shardhouse import error_codes as codes
from shardhouse.contract.scaling import (
    ADD_READONLY_NODE,
    ADD_SHARDING_NODE,
    EXPAND_REPLICA_SET,
    MAX_READ_REPLICAS,
    EnlargeBody,
    ExpandBody,
    ReadonlyBody,
)
from shardhouse.domain import configuration, growth
from shardhouse.domain.change import Change
from shardhouse.domain.creation import volume_size
from shardhouse.domain.dialect import DIALECTS
from shardhouse.domain.flavors import all_flavors
from shardhouse.domain.model import Group, GroupType, Instance, MemberRole, Mode, Node, Status
from shardhouse.domain.transitions import Event
from shardhouse.errors import DdsError, bad_parameter
from shardhouse.operations import create
from shardhouse.operations.tasks import members, provision, shards, verify
from shardhouse.store import instances
from shardhouse.workflows import limits
from shardhouse.workflows.context import now, set_plan
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step

PREPARE = "Prepare volumes and addresses"
START = "Start the new processes"
JOIN = "Let the new members join"
FORM = "Form the new shards"
CONNECT = "Add the shards to the cluster"
ANSWER = "Wait until the new routers answer"
VERIFY = "Verify a majority write"
MAX_MEMBERS = 7
"""Members of a replica set that vote."""


@dataclass(frozen=True)
class Growth:
    """Arguments: the ids of all new nodes, and of the groups that are new with them."""

    nodes: tuple[str, ...]
    groups: tuple[str, ...] = ()


def plan_routers(asked: Asked[EnlargeBody]) -> Planned[Growth]:
    """New mongos nodes. Raises DdsError 400 for what differs from the present ones."""
    (group,) = asked.instance.of_type(GroupType.MONGOS)
    _check_enlarge(asked, len(group.nodes), {node.spec_code for node in group.nodes})
    nodes = growth.new_nodes(
        asked.instance,
        group,
        asked.body.num,
        asked.ids,
        spec_code=asked.body.spec_code,
        member=MemberRole.NONE,
    )
    return _planned(
        asked.instance,
        group,
        nodes,
        steps=(PREPARE, START, ANSWER, VERIFY),
        job="EnlargeMongoDBGroup",
    )


def plan_shards(asked: Asked[EnlargeBody]) -> Planned[Growth]:
    """New shards. Raises DdsError 400 for what differs from the present ones, and for a size that
    is out of range."""
    present = asked.instance.of_type(GroupType.SHARD)
    _check_enlarge(asked, len(present), {group.spec_code for group in present})
    given = asked.body.volume.size if asked.body.volume else None
    size = volume_size("volume.size", given, GroupType.SHARD)
    made = growth.new_shards(
        asked.instance, asked.body.num, asked.ids, spec_code=asked.body.spec_code, size=size
    )
    arguments = Growth(
        tuple(node.id for group in made for node in group.nodes), tuple(group.id for group in made)
    )
    policies = configuration.inherited(asked.instance, made).policies
    change = Change(event=Event.RESIZING, add_groups=made, policies=policies)
    return Planned(arguments, now=change)


def plan_members(asked: Asked[ExpandBody]) -> Planned[Growth]:
    """New voters of a replica set. Raises DdsError 400 where they would be too many."""
    (group,) = asked.instance.of_type(GroupType.REPLICA)
    present, added = len(group.members), asked.body.num
    if added % 2 or present + added > MAX_MEMBERS:
        allowed = " or ".join(str(n) for n in (2, 4) if present + n <= MAX_MEMBERS) or "none"
        raise bad_parameter(
            "num",
            f"{allowed} can be added to {present} nodes, got {added}",
            codes.NODE_NUMBER_INVALID,
        )
    nodes = growth.new_nodes(
        asked.instance,
        group,
        added,
        asked.ids,
        spec_code=group.spec_code,
        member=MemberRole.VOTER,
    )
    return _planned(
        asked.instance,
        group,
        nodes,
        steps=(PREPARE, START, JOIN, VERIFY),
        job="ReplicaSetEnlargeNode",
    )


def plan_read_replicas(asked: Asked[ReadonlyBody]) -> Planned[Growth]:
    """New read replicas. Raises DdsError 400 for a wrong flavor, group, zone or number, 404 for an
    unknown group."""
    instance, body = asked.instance, asked.body
    flavor = all_flavors().get(body.spec_code)
    if flavor is None or flavor.type is not GroupType.READONLY:
        raise bad_parameter(
            "spec_code",
            "a spec code for read replicas such as dds.mongodb.s2.medium.4.rr is required",
            codes.FLAVOR_INVALID,
        )
    group = _replicated(instance, body)
    if len(group.read_replicas) + body.num > MAX_READ_REPLICAS:
        raise bad_parameter(
            "num",
            f"at most {MAX_READ_REPLICAS} read replicas are allowed, there are "
            f"{len(group.read_replicas)}, got {body.num}",
            codes.NODE_NUMBER_INVALID,
        )
    zones = instance.availability_zone.split(",")
    if body.availability_zone and body.availability_zone not in zones:
        raise bad_parameter(
            "availability_zone", f"one of {', '.join(zones)} is required", codes.ZONE_INVALID
        )
    nodes = growth.new_nodes(
        instance,
        group,
        body.num,
        asked.ids,
        spec_code=body.spec_code,
        member=MemberRole.READ_REPLICA,
        zones=[body.availability_zone] if body.availability_zone else (),
        delay=body.delay,
    )
    return _planned(instance, group, nodes)


def _check_enlarge(asked: Asked[EnlargeBody], present: int, spec_codes: set[str]) -> None:
    body, most = asked.body, DIALECTS[asked.settings.dialect].max_nodes
    if body.spec_code not in spec_codes:
        raise bad_parameter(
            "spec_code",
            f"that of the present {body.type} nodes, {', '.join(sorted(spec_codes))}, is required",
            codes.FLAVOR_MISMATCH,
        )
    if present + body.num > most:
        raise bad_parameter(
            "num",
            f"at most {most} of type {body.type} are allowed, there are {present}, got {body.num}",
            codes.NODE_NUMBER_INVALID,
        )


def _replicated(instance: Instance, body: ReadonlyBody) -> Group:
    """The group that read replicas are asked for."""
    if instance.mode is Mode.REPLICA_SET:
        return instance.of_type(GroupType.REPLICA)[0]
    if body.delay:
        raise bad_parameter("delay", f"it is not possible for clusters, got {body.delay}")
    if not body.group_id:
        raise bad_parameter("group_id", "the id of a shard is required")
    group = instance.group(body.group_id)
    if group is None:
        raise DdsError(codes.NODE_NOT_FOUND, f"The group {body.group_id} does not exist.")
    if group.type is not GroupType.SHARD:
        raise bad_parameter(
            "group_id",
            f"that of a shard is required, got that of {group.type}",
            codes.GROUP_TYPE_INVALID,
        )
    return group


def _planned(
    instance: Instance,
    group: Group,
    nodes: tuple[Node, ...],
    *,
    steps: tuple[str, ...] = (),
    job: str = "",
) -> Planned[Growth]:
    policies = configuration.inherited(instance, [replace(group, nodes=nodes)]).policies
    change = Change(event=Event.RESIZING, add_nodes=nodes, policies=policies)
    return Planned(Growth(tuple(node.id for node in nodes)), now=change, steps=steps, job=job)


def prepare(run: Run[Growth]) -> None:
    """Memory and disk are there; each new node has an address, its volume and its files."""
    provision.nodes(run.context, run.instance, run.arguments.nodes)
    run.report(f"new nodes that have an address and a volume: {len(run.arguments.nodes)}")


def start(run: Run[Growth]) -> None:
    """The new processes accept connections, and all others run."""
    members.start(run.context, run.instance, run.arguments.nodes)
    run.report(f"new processes that run: {len(run.arguments.nodes)}")


def join(run: Run[Growth]) -> None:
    """The new nodes are members of their replica sets and have copied their data."""
    with run.context.clients(run.instance) as clients:
        for group in _grown(run):
            plan, joining = set_plan(group), members.hosts(group, run.arguments.nodes)
            members.reach(
                run.context, run.instance, plan, clients, joining=joining, report=run.report
            )
    run.report(f"new members that have caught up: {len(run.arguments.nodes)}")


def form(run: Run[Growth]) -> None:
    """The new shards are replica sets."""
    members.start(run.context, run.instance, run.arguments.nodes)
    shards.form(run.context, run.instance, _new_groups(run))


def connect(run: Run[Growth]) -> None:
    """The new shards belong to the cluster."""
    members.start(run.context, run.instance, run.arguments.nodes)
    shards.add(run.context, run.instance, _new_groups(run))
    run.report(f"new shards of the cluster: {len(run.arguments.groups)}")


def answer(run: Run[Growth]) -> None:
    """The new routers serve."""
    members.start(run.context, run.instance, run.arguments.nodes)
    with run.context.clients(run.instance) as clients:
        members.answer(run.context, run.instance, run.arguments.nodes, clients)


def prove(run: Run[Growth]) -> None:
    """All nodes are healthy, and majority writes succeed."""
    members.start(run.context, run.instance, run.arguments.nodes)
    verify.majority_write(run)


def roll_back(run: Run[Growth]) -> None:
    """The instance is what it was: data that a new shard has got meanwhile moves back."""
    context, instance, added = run.context, run.instance, run.arguments
    old = members.without(instance, added.nodes)
    addressed = any(node.address for node in instance.nodes if node.id in added.nodes)
    if added.groups and addressed:
        shards.withdraw(context, instance, old, _new_groups(run), run.report)
    elif addressed:
        with context.clients(instance) as clients:
            for group in _grown(run):
                if group.type.holds_data:
                    plan = members.plan_without(group, added.nodes)
                    leaving = members.hosts(group, added.nodes)
                    members.reach(context, old, plan, clients, leaving=leaving, report=run.report)
    members.discard(context, instance, added.nodes)
    members.forget(context, instance, added.nodes, added.groups)


def fail(connection: Connection, run: Run[Growth]) -> None:
    """The status says that enlarging failed."""
    _tend(connection, run, Change(event=Event.ENLARGEMENT_FAILED))


def give_up(connection: Connection, run: Run[Growth]) -> None:
    """The instance is what it was."""
    _tend(connection, run, Change())


def fail_or_give_up(connection: Connection, run: Run[Growth]) -> None:
    """Only clusters have a status for it."""
    (fail if run.instance.mode is Mode.SHARDING else give_up)(connection, run)


def _tend(connection: Connection, run: Run[Growth], change: Change) -> None:
    """New nodes that could not be removed are looked after like others from here on, until their
    removal is asked for."""
    left = {node.id for node in run.context.instance(run.instance.id).nodes}
    stays = left & set(run.arguments.nodes)
    change = change.with_nodes(stays, status=Status.ABNORMAL)
    instances.apply(connection, run.instance.id, change, now())


def _new_groups(run: Run[Growth]) -> list[Group]:
    return [group for group in run.instance.groups if group.id in run.arguments.groups]


def _grown(run: Run[Growth]) -> list[Group]:
    """The groups that were there and get more nodes."""
    return [
        group
        for group in run.instance.groups
        if group.id not in run.arguments.groups
        and any(node.id in run.arguments.nodes for node in group.nodes)
    ]


GROW_ROUTERS = Operation(
    "GROWING",
    "EnlargeMongoDBGroup",
    Growth,
    (
        Step(PREPARE, prepare),
        Step(START, start),
        Step(JOIN, join),
        Step(ANSWER, answer),
        Step(VERIFY, prove),
    ),
    call=ADD_SHARDING_NODE,
    plan=plan_routers,
    limit=limits.copying,
    failed=fail_or_give_up,
    roll_back=roll_back,
)
#: The same action and steps for another call.
GROW_SET = replace(GROW_ROUTERS, call=EXPAND_REPLICA_SET, plan=plan_members)
GROW_SHARDS = Operation(
    "SHARD_GROWING",
    "EnlargeMongoDBGroup",
    Growth,
    (
        Step(PREPARE, prepare),
        Step(START, start),
        Step(FORM, form),
        Step(CONNECT, connect),
        Step(VERIFY, prove),
    ),
    call=ADD_SHARDING_NODE,
    plan=plan_shards,
    limit=limits.copying,
    failed=fail,
    roll_back=roll_back,
    after_commit=create.restore_heartbeat_interval,
)
ADD_READ_REPLICAS = Operation(
    "ADD_READONLY_NODES",
    "AddReadonlyNode",
    Growth,
    (Step(PREPARE, prepare), Step(START, start), Step(JOIN, join), Step(VERIFY, prove)),
    call=ADD_READONLY_NODE,
    plan=plan_read_replicas,
    limit=limits.copying,
    failed=give_up,
    roll_back=roll_back,
)
