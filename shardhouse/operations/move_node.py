"""Moving a node to another private address (see `tasks.moves`). Routers are started anew when a
config server has moved, for their command names all of them."""

from dataclasses import dataclass

import structlog

from shardhouse.contract.addresses import MOVE_NODE, MoveBody
from shardhouse.domain import targets
from shardhouse.domain.change import Change
from shardhouse.domain.model import Group, GroupType, Node, Status
from shardhouse.errors import StepError
from shardhouse.mongo import sharding
from shardhouse.nodes.runtime import Endpoint
from shardhouse.operations.tasks import verify
from shardhouse.operations.tasks.moves import Move, move_nodes, restore_heartbeat_interval
from shardhouse.operations.tasks.roll import NODE_SECONDS, Roll
from shardhouse.store import instances
from shardhouse.workflows import processes
from shardhouse.workflows.context import set_plan
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step, writes

CHECK = "Check that the address is free"
GO = "Move the node to the new address"
INFORM = "Have the cluster know the address"
VERIFY = "Verify a majority write"
_INTERNAL = (GroupType.SHARD, GroupType.CONFIG)
log = structlog.get_logger()


@dataclass(frozen=True)
class Moving:
    """Arguments: the node, its address to be, and the one it had."""

    node_id: str
    new_ip: str
    old_ip: str


def plan(asked: Asked[MoveBody]) -> Planned[Moving]:
    """Raises DdsError 404 for an unknown node."""
    found = targets.node(asked.instance, "node_id", asked.body.node_id)
    (group,), node = found.groups, found.node
    assert node is not None
    return Planned(
        Moving(node.id, asked.body.new_ip, node.address),
        now=Change.of_nodes([node.id], status=Status.REBOOT),
        steps=(CHECK, GO, *([INFORM] if group.type in _INTERNAL else []), VERIFY),
    )


def check(run: Run[Moving]) -> None:
    """No other node has the address, and nothing else listens there."""
    _, node = _node(run)
    if node.address == run.arguments.new_ip:
        return
    wanted = Endpoint(run.arguments.new_ip, node.port)
    with run.context.database.read() as connection:
        taken = {address for address, _ in instances.leases(connection)}
    if wanted.address in taken or not run.context.runtime.is_free(wanted):
        raise StepError(
            f"Port {wanted.port} of {wanted.address} is taken, and {node.name} needs it. Choose "
            "another address."
        )


def go(run: Run[Moving]) -> None:
    """The node is at the new address."""
    _move(run, run.arguments.old_ip, run.arguments.new_ip)


def inform_cluster(run: Run[Moving]) -> None:
    """The list of shards has the shards' addresses, and routers are started with those of the
    config servers."""
    _inform_cluster(run, run.arguments.old_ip, run.arguments.new_ip)


def prove(run: Run[Moving]) -> None:
    """All nodes run, and majority writes succeed."""
    processes.ensure_all(run.context, run.instance)
    verify.majority_write(run)


def roll_back(run: Run[Moving]) -> None:
    """The node is where it was."""
    group, node = _node(run)
    if node.address == run.arguments.old_ip:
        return
    _move(run, run.arguments.new_ip, run.arguments.old_ip)
    if group.type in _INTERNAL:
        _inform_cluster(run, run.arguments.new_ip, run.arguments.old_ip)
    log.info("move rolled back", instance=run.instance.id, node=node.id)


def _node(run: Run[Moving]) -> tuple[Group, Node]:
    return run.instance.place_of(run.arguments.node_id)


def _move(run: Run[Moving], origin: str, to: str) -> None:
    _, node = _node(run)
    move = Move(Endpoint(origin, node.port), Endpoint(to, node.port))
    move_nodes(run, {node.id: move}, port=run.instance.port)


def _inform_cluster(run: Run[Moving], origin: str, to: str) -> None:
    context, instance = run.context, run.context.instance(run.instance.id)
    launch = processes.launcher(context, instance)
    (config,) = instance.of_type(GroupType.CONFIG)
    group, node = _node(run)
    with context.clients(instance) as clients:
        if group.type is GroupType.SHARD:
            hosts = set_plan(config).electable
            places = (f"{origin}:{node.port}", f"{to}:{node.port}")
            deadline = processes.deadline(context, instance, launch, NODE_SECONDS)
            sharding.readdress(hosts, group.name, *places, clients, deadline)
        routers = instance.of_type(GroupType.MONGOS)
        Roll(context, instance, launch, clients).groups(routers, run.report)


MOVE = Operation(
    "MODIFY_IP",
    "ModifyIp",
    Moving,
    (Step(CHECK, check), Step(GO, go), Step(INFORM, inform_cluster), Step(VERIFY, prove)),
    call=MOVE_NODE,
    plan=plan,
    done=writes(lambda run: Change.of_nodes([run.arguments.node_id], status=Status.NORMAL)),
    roll_back=roll_back,
    after_commit=restore_heartbeat_interval,
)
