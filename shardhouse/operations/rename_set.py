"""Giving a replica set another name. Its members cannot have different names, so they restart
together: the set is away for some seconds, and clients must use the new name then."""

from dataclasses import dataclass

import structlog

from shardhouse.contract.changes import RENAME_SET as CALL
from shardhouse.contract.changes import SetNameBody
from shardhouse.domain.change import Change
from shardhouse.domain.model import Instance, Node
from shardhouse.errors import bad_parameter
from shardhouse.mongo import replica_set, set_name
from shardhouse.mongo.admin import Clients, listening
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import NodeRef
from shardhouse.operations.tasks import verify
from shardhouse.operations.tasks.roll import NODE_SECONDS
from shardhouse.workflows import processes
from shardhouse.workflows.context import parallel_map, set_plan
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step, writes

log = structlog.get_logger()


@dataclass(frozen=True)
class Rename:
    """Arguments: the group that is the replica set, and its name to be."""

    group: str
    name: str

    @property
    def change(self) -> Change:
        """What is true when it is done."""
        return Change(groups={self.group: {"set_name": self.name}})


def plan(asked: Asked[SetNameBody]) -> Planned[Rename]:
    """The new name. Raises DdsError 400 for the present one."""
    (group,) = asked.instance.data_groups
    if asked.body.name == group.replica_set:
        raise bad_parameter(
            "name", f"another name than the present one, {group.replica_set}, is required"
        )
    return Planned(Rename(group.id, asked.body.name))


def rename(run: Run[Rename]) -> None:
    """Every member works under the new name."""
    _rename(run, run.arguments.change.applied_to(run.instance))


def prove(run: Run[Rename]) -> None:
    """All nodes run, and majority writes succeed."""
    processes.ensure_all(run.context, run.arguments.change.applied_to(run.instance))
    verify.majority_write(run)


def roll_back(run: Run[Rename]) -> None:
    """Every member works under the old name again."""
    (group,) = run.instance.data_groups
    with run.context.clients(run.instance) as clients:
        names = {set_name.current(node.host, clients) for node in group.nodes}
    if names == {group.replica_set}:  # it failed before anything was changed
        return
    _rename(run, run.instance)
    log.info("name rolled back", instance=run.instance.id)


def _rename(run: Run[Rename], target: Instance) -> None:
    """Bring the set to the name that it has in `target`. A process that does not run is started
    under that name: it waits if its configuration has another."""
    context = run.context
    (group,) = target.data_groups
    plan = set_plan(group)
    processes.ensure_all(context, target)
    with context.clients(target) as clients:
        deadline = Deadline(NODE_SECONDS)
        for host in plan.hosts:
            listening(host, deadline)
        others = [node for node in group.nodes if set_name.current(node.host, clients) != plan.name]
        # The primary comes last: nobody can be elected meanwhile, which makes a configuration.
        primary = replica_set.find_primary(plan.visible, clients)
        for chosen in (
            [node for node in others if node.host != primary],
            [node for node in others if node.host == primary],
        ):
            parallel_map(lambda node: _end(run, node, plan.name, clients, deadline), chosen)
        processes.ensure_all(context, target)
        waiting = processes.deadline(context, target, seconds=NODE_SECONDS)
        replica_set.ensure_primary(plan, clients, waiting)
    run.report(f"members that work as {plan.name}: {len(group.nodes)}")


def _end(run: Run[Rename], node: Node, name: str, clients: Clients, deadline: Deadline) -> None:
    set_name.write(node.host, name, clients, deadline)
    log.info("node restarts", instance=run.instance.id, node=node.id)
    run.context.runtime.stop(NodeRef(run.instance.id, node.id), processes.STOP_GRACE)


RENAME_SET = Operation(
    "MODIFY_REPLICA_SET_NAME",
    "ModifyReplicaSetName",
    Rename,
    (
        Step("Restart the members under the new name", rename),
        Step("Verify a majority write", prove),
    ),
    call=CALL,
    plan=plan,
    done=writes(lambda run: run.arguments.change),
    roll_back=roll_back,
)
