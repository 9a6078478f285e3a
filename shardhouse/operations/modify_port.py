"""Changing the port that clients connect to: of a cluster its routers', else its members' (see
`tasks.moves`)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from shardhouse import error_codes as codes
from shardhouse.contract.changes import MODIFY_PORT as CALL
from shardhouse.contract.changes import PortBody
from shardhouse.domain.change import Change
from shardhouse.domain.model import GroupType, Mode
from shardhouse.errors import StepError, bad_parameter
from shardhouse.nodes.runtime import Endpoint
from shardhouse.operations.tasks import verify
from shardhouse.operations.tasks.moves import Move, move_nodes, restore_heartbeat_interval
from shardhouse.store import instances
from shardhouse.workflows import processes
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step, writes

log = structlog.get_logger()


@dataclass(frozen=True)
class Ports:
    """Arguments: the port of the instance to be and the one it had, and those of each node that
    moves, by its id: nodes that share an address keep their distance."""

    port: int
    old_port: int
    ports: dict[str, int]
    old_ports: dict[str, int]


def plan(asked: Asked[PortBody]) -> Planned[Ports]:
    """The nodes' ports. Raises DdsError 400 for the present port, or one that leaves none for nodes
    above it."""
    instance, port = asked.instance, asked.body.port
    if port == instance.port:
        raise bad_parameter(
            "port", f"another port than the present one, {port}, is required", codes.PORT_UNCHANGED
        )
    clustered = instance.mode is Mode.SHARDING
    groups = instance.of_type(GroupType.MONGOS) if clustered else instance.groups
    old = {node.id: node.port for group in groups for node in group.nodes}
    new = {node_id: present - instance.port + port for node_id, present in old.items()}
    return Planned(Ports(port, instance.port, new, old))


def check(run: Run[Ports]) -> None:
    """The new ports are free, as far as nodes have not moved yet."""
    context = run.context
    with context.database.read() as connection:
        taken = set(instances.leases(connection))
    for node in run.instance.nodes:
        wanted = Endpoint(node.address, run.arguments.ports.get(node.id, node.port))
        if wanted.port == node.port:
            continue
        wishes = [wanted, *([Endpoint(node.public_ip, wanted.port)] if node.public_ip else [])]
        for wish in wishes:
            if tuple(wish) in taken or not context.runtime.is_free(wish):
                raise StepError(
                    f"Port {wish.port} of {wish.address} is taken, and {node.name} needs it. "
                    "Choose another port."
                )
    run.report(f"nodes that change their port: {len(run.arguments.ports)}")


def move(run: Run[Ports]) -> None:
    """Every node is where it should be."""
    _move(run, run.arguments.port, run.arguments.ports, run.arguments.old_ports)


def prove(run: Run[Ports]) -> None:
    """All nodes run, and majority writes succeed."""
    processes.ensure_all(run.context, replace(run.instance, port=run.arguments.port))
    verify.majority_write(run)


def roll_back(run: Run[Ports]) -> None:
    """Nodes are where they were."""
    present = {node.id: node.port for node in run.instance.nodes}
    if any(present[node_id] != port for node_id, port in run.arguments.old_ports.items()):
        _move(run, run.arguments.old_port, run.arguments.old_ports, run.arguments.ports)
        log.info("port rolled back", instance=run.instance.id)


def _move(run: Run[Ports], port: int, to: Mapping[str, int], origin: Mapping[str, int]) -> None:
    """Move nodes to their ports in `to`, from those in `origin`."""
    addresses = {node.id: node.address for node in run.instance.nodes}
    moves = {
        node_id: Move(
            Endpoint(addresses[node_id], origin[node_id]), Endpoint(addresses[node_id], wanted)
        )
        for node_id, wanted in to.items()
    }
    move_nodes(run, moves, port=port)


MODIFY_PORT = Operation(
    "MODIFY_PORT",
    "ModifyPort",
    Ports,
    (
        Step("Check that the port is free", check),
        Step("Move the nodes to the new port", move),
        Step("Verify a majority write", prove),
    ),
    call=CALL,
    plan=plan,
    done=writes(lambda run: Change.of_instance(port=run.arguments.port)),
    roll_back=roll_back,
    after_commit=restore_heartbeat_interval,
)
