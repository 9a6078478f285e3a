"""Having another member lead a replica set."""

from dataclasses import dataclass, replace

from shardhouse import error_codes as codes
from shardhouse.contract.call import Nothing
from shardhouse.contract.changes import SWITCH_OVER, SWITCH_PRIMARY, SwitchoverBody
from shardhouse.domain import targets
from shardhouse.domain.model import Group, Instance, Node, Role, Status
from shardhouse.errors import DdsError, StepError
from shardhouse.mongo import replica_set
from shardhouse.mongo.wait import Deadline
from shardhouse.operations.tasks import verify
from shardhouse.workflows import limits, processes
from shardhouse.workflows.context import set_plan
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step

MAX_LAG = 300.0
"""Seconds that the member to lead may be behind (console of DDS)."""
_SECONDS = 60.0


@dataclass(frozen=True)
class Switchover:
    """Arguments: id of the node that is to lead."""

    node: str


def plan_any(asked: Asked[SwitchoverBody]) -> Planned[Switchover]:
    """A healthy secondary of the set. Raises DdsError: 404 for an unknown group, 400 for a cluster
    without one, 403 where no secondary can lead."""
    group = targets.replica_group(asked.instance, "group_id", asked.body.group_id)
    candidates = [node for node in group.nodes if _can_lead(node)]
    if not candidates:
        raise DdsError(
            codes.REFUSED_IN_STATE,
            f"The replica set of group {group.id} has no healthy secondary that could lead it.",
        )
    return Planned(Switchover(candidates[0].id))


def plan_named(asked: Asked[Nothing]) -> Planned[Switchover]:
    """The node named. Raises DdsError: 404 for an unknown one, 400 for one that cannot lead or
    leads already, 403 for an abnormal one."""
    found = targets.node(asked.instance, "node_id", asked.path["node_id"])
    node = found.node
    assert node is not None
    if node.status is not Status.NORMAL:
        raise DdsError(
            codes.STATUS_FORBIDS, f"Node {node.name} is {node.status}: only a normal one can lead."
        )
    if not _can_lead(node):
        raise DdsError(
            codes.ROLE_FORBIDS,
            f"Node {node.name} has the role {node.role}: only a Secondary can become primary.",
        )
    return Planned(Switchover(node.id))


def check(run: Run[Switchover]) -> None:
    """The member follows its set closely enough."""
    processes.ensure_all(run.context, run.instance)
    group, node = _candidate(run.instance, run.arguments)
    plan = set_plan(group)
    with run.context.clients(run.instance) as clients:
        deadline = Deadline(_SECONDS)
        replica_set.ensure_primary(plan, clients, deadline)
        behind = replica_set.lag(plan, node.host, clients)
    if behind > MAX_LAG:
        raise StepError(
            f"{node.name} is {behind:.0f} s behind its primary, and at most {MAX_LAG:.0f} s are "
            "allowed. Nothing was changed; try again when it has caught up."
        )
    run.report(f"{node.name} is {behind:.0f} s behind")


def switch(run: Run[Switchover]) -> None:
    """The member leads."""
    group, node = _candidate(run.instance, run.arguments)
    plan = set_plan(group)
    deadline = processes.deadline(run.context, run.instance, seconds=MAX_LAG)
    with run.context.clients(run.instance) as clients:
        # The primary takes no writes while it waits for a successor: there should be none to wait
        # for.
        replica_set.catch_up(plan, node.host, clients, deadline)
        replica_set.promote(plan, node.host, clients, deadline)
    run.report(f"{node.name} leads {group.replica_set}")


def _can_lead(node: Node) -> bool:
    return node.role is Role.SECONDARY and node.status is Status.NORMAL


def _candidate(instance: Instance, arguments: Switchover) -> tuple[Group, Node]:
    found = targets.node(instance, "node_id", arguments.node)
    assert found.node is not None
    return found.groups[0], found.node


SWITCHOVER: Operation[Switchover] = Operation(
    "SWITCH_PRIMARY",
    "SwitchPrimary",
    Switchover,
    (
        Step("Check the replication lag", check),
        Step("Have the member elected", switch),
        Step("Verify a majority write", verify.majority_write),
    ),
    call=SWITCH_OVER,
    plan=plan_any,
    limit=limits.brief,
)
#: The same with the member named; its jobs are of the same action.
NAMED_SWITCHOVER = replace(SWITCHOVER, call=SWITCH_PRIMARY, plan=plan_named)
