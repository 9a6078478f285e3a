"""Binding public IPs to nodes, and unbinding them.

The node's own process listens at the public address, at the port it has anyway: nothing of ours is
in between, and nothing ends when we do. The public IP's row says which node it is bound to. It is
bound from the answer of the call on, so that nobody else takes it, and unbound when the node has
left the address.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection

from shardhouse import error_codes as codes
from shardhouse.contract.addresses import BIND_PUBLIC_IP, UNBIND_PUBLIC_IP, BindBody
from shardhouse.contract.call import Nothing
from shardhouse.domain import targets
from shardhouse.domain.change import Change
from shardhouse.domain.model import GroupType, Instance, MemberRole, Node, Status
from shardhouse.errors import DdsError, StepError
from shardhouse.mongo.admin import listening
from shardhouse.nodes.runtime import Endpoint
from shardhouse.operations.tasks import provision, verify
from shardhouse.operations.tasks.roll import NODE_SECONDS, Roll
from shardhouse.store import instances
from shardhouse.workflows import processes
from shardhouse.workflows.context import now
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step, writes

CHECK = "Check that the address is free"
LISTEN = "Have the node listen there"
LEAVE = "Have the node leave the address"
VERIFY = "Verify a majority write"
_CLIENT_FACING = (GroupType.MONGOS, GroupType.REPLICA, GroupType.SINGLE)
log = structlog.get_logger()


@dataclass(frozen=True)
class Binding:
    """Arguments: the node, and the address that is bound to it or unbound from it."""

    node_id: str
    public_ip: str


def plan_bind(asked: Asked[BindBody]) -> Planned[Binding]:
    """Raises DdsError: 404 for an unknown node, 400 for one that clients do not connect to or that
    has a public address, 403 for an abnormal one."""
    node = without_address(asked.instance, asked.path)
    address = asked.body.public_ip
    bound = Change(bindings={address: node.id}).with_nodes([node.id], status=Status.BIND_EIP)
    return Planned(Binding(node.id, address), now=bound)


def plan_unbind(asked: Asked[Nothing]) -> Planned[Binding]:
    """Raises DdsError: 404 for an unknown node, 400 for one without a public address, 403 for an
    abnormal one."""
    node = _node(asked.instance, asked.path)
    if not node.public_ip:
        raise DdsError(codes.PUBLIC_ADDRESS_NOT_BOUND, f"Node {node.name} has no public address.")
    restarts = Change.of_nodes([node.id], status=Status.REBOOT)
    return Planned(Binding(node.id, node.public_ip), now=restarts)


def without_address(instance: Instance, path: Mapping[str, str]) -> Node:
    """The node that a path names, to which a public address may lead. Raises DdsError: 404 for an
    unknown node, 400 for one that clients do not connect to or that has a public address, 403 for
    an abnormal one."""
    node = _node(instance, path)
    if node.public_address:
        raise DdsError(
            codes.NODE_HAS_PUBLIC_ADDRESS,
            f"Node {node.name} has the address {node.public_address}.",
        )
    return node


def _node(instance: Instance, path: Mapping[str, str]) -> Node:
    found = targets.node(instance, "node_id", path["node_id"])
    (group,), node = found.groups, found.node
    assert node is not None
    if group.type not in _CLIENT_FACING or node.member is MemberRole.HIDDEN:
        kind = "a hidden one" if node.member is MemberRole.HIDDEN else f"of type {group.type}"
        raise DdsError(
            codes.ROLE_FORBIDS,
            f"Only mongos nodes, single nodes and visible members of replica sets can have public "
            f"addresses; {node.name} is {kind}.",
        )
    if node.status is not Status.NORMAL:
        raise DdsError(codes.STATUS_FORBIDS, f"Node {node.name} is {node.status}.")
    return node


def check(run: Run[Binding]) -> None:
    """Nothing else listens at the public address, and the machine has it."""
    runtime, instance = run.context.runtime, run.instance
    (node,) = (node for node in instance.nodes if node.id == run.arguments.node_id)
    wanted = Endpoint(run.arguments.public_ip, node.port)
    if not runtime.is_free(wanted) and not _listens(run, node):
        raise StepError(
            f"Port {wanted.port} of {wanted.address} is taken, and {node.name} needs it. Bind "
            "another public IP."
        )


def listen(run: Run[Binding]) -> None:
    """The node listens at the public address as well."""
    _use(run, run.arguments.public_ip)


def leave(run: Run[Binding]) -> None:
    """The node listens at its private address alone."""
    _use(run, "")


def prove(run: Run[Binding]) -> None:
    """All nodes run and are well, and majority writes succeed."""
    verify.majority_write(run)


def prove_left(run: Run[Binding]) -> None:
    """The same, while the address is still bound."""
    verify.majority_write(replace(run, instance=_with(run, "")))


def withdraw(run: Run[Binding]) -> None:
    """The node does not listen there; the row says so last."""
    _use(run, "")
    log.info("binding rolled back", instance=run.instance.id, node=run.arguments.node_id)


def _listens(run: Run[Binding], node: Node) -> bool:
    """Whether the node is at the address already: the step is repeated."""
    group, _ = run.instance.place_of(node.id)
    launch = processes.launcher(run.context, run.instance)
    return processes.is_current(run.context, run.instance, group, node, launch)


def _with(run: Run[Binding], public_ip: str) -> Instance:
    """The instance whose node has this public address, or none."""
    change = Change.of_nodes([run.arguments.node_id], public_ip=public_ip)
    return change.applied_to(run.instance)


def _use(run: Run[Binding], public_ip: str) -> None:
    """The node has a certificate for its addresses, and runs with them."""
    context, instance, node_id = run.context, _with(run, public_ip), run.arguments.node_id
    group, node = instance.place_of(node_id)
    launch = processes.launcher(context, instance)
    with context.clients(instance) as clients:
        roll = Roll(context, instance, launch, clients, nodes=[node_id])
        if roll.needed():
            provision.write_files(context, instance, [node], context.secrets(instance.id))
        roll.groups([group], run.report)
    if public_ip:
        deadline = processes.deadline(context, instance, launch, NODE_SECONDS)
        listening(f"{public_ip}:{node.port}", deadline)


def free(run: Run[Binding]) -> Change:
    """The node is well, and nothing is bound to it."""
    change = Change(bindings={run.arguments.public_ip: ""})
    return change.with_nodes([run.arguments.node_id], status=Status.NORMAL)


def give_up(connection: Connection, run: Run[Binding]) -> None:
    """Nothing is bound: a binding that does not work must not stay."""
    change = Change(bindings={run.arguments.public_ip: ""})
    instances.apply(connection, run.instance.id, change, now())


BIND = Operation(
    "BIND_EIP",
    "BindPublicIP",
    Binding,
    (Step(CHECK, check), Step(LISTEN, listen), Step(VERIFY, prove)),
    call=BIND_PUBLIC_IP,
    plan=plan_bind,
    done=writes(lambda run: Change.of_nodes([run.arguments.node_id], status=Status.NORMAL)),
    failed=give_up,
    roll_back=withdraw,
)
UNBIND = Operation(
    "UNBIND_EIP",
    "UnbindPublicIP",
    Binding,
    (Step(LEAVE, leave), Step(VERIFY, prove_left)),
    call=UNBIND_PUBLIC_IP,
    plan=plan_unbind,
    done=writes(free),
    roll_back=listen,
)
