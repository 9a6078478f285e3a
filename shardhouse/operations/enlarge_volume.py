"""Volumes that become larger: a limit is raised, and users may write again where it was reached."""

from dataclasses import dataclass

from sqlalchemy import Connection

from shardhouse import error_codes as codes
from shardhouse.contract.scaling import RESIZE_VOLUME, SET_AUTO_ENLARGE, AutoEnlargeBody, VolumeBody
from shardhouse.domain import auto_enlarge
from shardhouse.domain.change import Change
from shardhouse.domain.creation import volume_size
from shardhouse.domain.model import Group, GroupType, Instance, MemberRole, Mode, Node
from shardhouse.domain.transitions import Event
from shardhouse.errors import DdsError, MongoError, bad_parameter
from shardhouse.mongo import commandline
from shardhouse.mongo.admin import resize_oplog
from shardhouse.mongo.wait import Deadline
from shardhouse.operations.tasks.roll import NODE_SECONDS
from shardhouse.store import instances
from shardhouse.workflows import disk, limits, processes, volumes
from shardhouse.workflows.context import now
from shardhouse.workflows.operation import Asked, Edit, Operation, Planned, Run, Step

ENLARGE_STEP = "Enlarge the volumes"
RELEASE = "Let users write"
OPLOGS = "Enlarge the oplogs"
MAX_SCALE_UPS = 8
"""How often a client may have a group's volumes enlarged."""
_SECONDS = 60.0


@dataclass(frozen=True)
class Enlargement:
    """Arguments: the new size in GB of a group's volumes, or of one read replica's. `scale_ups` is
    how often clients have asked for that, this time included."""

    size: int
    group: str
    scale_ups: int
    node: str = ""


def plan(asked: Asked[VolumeBody]) -> Planned[Enlargement]:
    """Raises DdsError 400 for a size that is not larger, out of range or no multiple of 10, for
    config servers, and where volumes were enlarged too often; 404 for an unknown group."""
    group = _group(asked.instance, asked.body)
    node = _read_replica(asked.instance, asked.body)
    present = node.size if node else group.size
    size = volume_size("size", asked.body.size, group.type)
    if size <= present:
        raise bad_parameter(
            "size",
            f"more than the present {present} GB is required, got {size}",
            codes.SIZE_INVALID,
        )
    if group.scale_ups >= MAX_SCALE_UPS:
        raise DdsError(
            codes.SCALE_UPS_EXCEEDED,
            f"The volumes of {group.name} were enlarged {MAX_SCALE_UPS} times; no more is allowed.",
        )
    scale_ups = group.scale_ups + 1
    return Planned(Enlargement(size, group.id, scale_ups, node.id if node else ""))


def plan_policy(asked: Asked[AutoEnlargeBody]) -> Change:
    """The policy of one instance. Raises DdsError 400 for a size that its flavor does not allow."""
    (policy,) = asked.body.policies
    most = auto_enlarge.limit(asked.instance)
    if policy.size > most:
        raise bad_parameter(
            "policies[].size",
            f"at most {most} GB is allowed for {asked.instance.id}, got {policy.size}",
            codes.SIZE_OUT_OF_RANGE,
        )
    document = {
        "switch_option": asked.body.switch_option,
        "threshold": policy.threshold,
        "step": policy.step,
        "size": policy.size,
    }
    return Change(policies={auto_enlarge.KIND: document})


def due(instance: Instance, share: float, group: Group) -> Enlargement | None:
    """What the instance's policy wants done with a group's volumes. Config servers do not grow."""
    policy = instance.policies.get(auto_enlarge.KIND)
    size = auto_enlarge.enlarged(group.size, share, policy)
    if size is None or group.type is GroupType.CONFIG:
        return None
    return Enlargement(size, group.id, group.scale_ups)


def _group(instance: Instance, body: VolumeBody) -> Group:
    """The group whose volumes grow, or to which the read replica belongs."""
    if body.node_ids:
        found = instance.group_of(body.node_ids[0])
        if found is None:
            raise DdsError(codes.NODE_ID_INVALID, f"The node {body.node_ids[0]} does not exist.")
        return found
    if instance.mode is not Mode.SHARDING:
        return instance.groups[0]
    if not body.group_id:
        raise bad_parameter("group_id", "the id of a shard is required")
    group = instance.group(body.group_id)
    if group is None:
        raise DdsError(codes.NODE_NOT_FOUND, f"The group {body.group_id} does not exist.")
    if group.type is not GroupType.SHARD:
        raise DdsError(
            codes.NOT_SUPPORTED, f"Only volumes of shards can be enlarged, not of {group.type}."
        )
    return group


def _read_replica(instance: Instance, body: VolumeBody) -> Node | None:
    if not body.node_ids:
        return None
    if len(body.node_ids) > 1:
        raise bad_parameter("node_ids", f"one node is allowed, got {len(body.node_ids)}")
    node = next(node for node in instance.nodes if node.id == body.node_ids[0])
    if node.member is not MemberRole.READ_REPLICA:
        raise bad_parameter("node_ids", f"{node.id} is not a read replica", codes.ROLE_FORBIDS)
    return node


def enlarge(run: Run[Enlargement]) -> None:
    """The volumes may hold more. Locally a volume is a folder with a limit."""
    asked = run.arguments
    values = {"scale_ups": asked.scale_ups} | ({} if asked.node else {"size": asked.size})
    change = Change(groups={asked.group: values})
    if asked.node:
        change = change.with_nodes([asked.node], size=asked.size)
    with run.context.database.write() as connection:
        instances.apply(connection, run.instance.id, change, now())
    run.report(f"{asked.size} GB")


def release(run: Run[Enlargement]) -> None:
    """Users' writes go on if no volume is full any more."""
    context, instance = run.context, run.instance
    processes.ensure_all(context, instance)
    if disk.volumes_full(context.settings, instance):
        run.report("a volume is still full: writes of users are refused")
        return

    def let_go() -> str | None:
        try:
            offered = volumes.hold(instance, clients, blocked=False)
        except MongoError:  # no primary now
            return None
        return "users may write" if offered else "this release refuses no writes, nothing to undo"

    with context.clients(instance) as clients:
        run.report(Deadline(_SECONDS).until("users to be allowed to write", let_go))


def enlarge_oplogs(run: Run[Enlargement]) -> None:
    """The oplog of each member may grow with its volume; only larger volumes than the smallest get
    here, so none is too small for the server."""
    context, instance = run.context, run.instance
    group = instance.group(run.arguments.group)
    assert group is not None
    megabytes = commandline.oplog_megabytes(group.size)
    processes.ensure_all(context, instance)
    deadline = processes.deadline(context, instance, seconds=NODE_SECONDS)
    with context.clients(instance) as clients:
        for node in group.nodes:
            resize_oplog(node.host, megabytes, clients, deadline)
    run.report(f"{megabytes} MB for each of {len(group.nodes)}")


def succeed(connection: Connection, run: Run[Enlargement]) -> None:
    """Normal again, if there is space."""
    full = disk.volumes_full(run.context.settings, run.instance)
    if not full and not disk.is_full(run.context, run.instance):
        instances.record(connection, run.instance.id, Event.ENLARGED, now())


ENLARGE = Operation(
    "RESIZE_VOLUME",
    "EnlargeMongoDBVolume",
    Enlargement,
    (Step(ENLARGE_STEP, enlarge), Step(RELEASE, release), Step(OPLOGS, enlarge_oplogs)),
    call=RESIZE_VOLUME,
    plan=plan,
    limit=limits.brief,
    done=succeed,
)
POLICY = Edit(SET_AUTO_ENLARGE, plan_policy)
