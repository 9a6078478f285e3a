"""Restarting an instance, a part of a cluster or a node, member by member while it serves."""

from dataclasses import dataclass

import structlog

from shardhouse import error_codes as codes
from shardhouse.contract.changes import RESTART as CALL
from shardhouse.contract.changes import RestartBody
from shardhouse.domain import targets
from shardhouse.domain.change import Change
from shardhouse.domain.model import Instance, Mode, Role, Status
from shardhouse.domain.targets import Targets
from shardhouse.errors import DdsError
from shardhouse.mongo.status import MemberStatus
from shardhouse.nodes.runtime import NodeRef
from shardhouse.operations.tasks import verify
from shardhouse.operations.tasks.roll import Roll
from shardhouse.workflows import health, processes
from shardhouse.workflows.context import parallel_map
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step, writes

REVIVE = "Restart nodes that do not answer"
RESTART_NODES = "Restart the nodes"
VERIFY = "Verify that the nodes are well"
_WHOLE = {
    Mode.SHARDING: "RestartInstance",
    Mode.REPLICA_SET: "RestartReplicaSetInstance",
    Mode.SINGLE: "RestartReplicaSingleInstance",
}
_PATIENCE = 2.0
"""Seconds a node has to answer before it is taken for abnormal."""
_GRACE = 5.0
"""Seconds that such a node has to end before it is killed."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Restart:
    """Arguments: ids of the nodes. `together`: see `Roll`; `force` restarts nodes that do not
    answer first, and waits for no others."""

    nodes: tuple[str, ...]
    together: bool = False
    force: bool = False


def plan(asked: Asked[RestartBody]) -> Planned[Restart]:
    """Which nodes. Raises DdsError: 404 for an unknown target, 400 for a primary alone, 403 for
    what is abnormal unless it is forced."""
    instance, body = asked.instance, asked.body
    found = _targets(instance, body)
    abnormal = found.node is not None and found.node.status is Status.ABNORMAL
    if (abnormal or instance.status is Status.ABNORMAL) and not body.is_force:
        raise DdsError(
            codes.STATUS_FORBIDS,
            f"{found.node.name if found.node else instance.id} is abnormal: only a restart with "
            "is_force is possible.",
        )
    if found.node and found.node.role is Role.PRIMARY and found.node.status is Status.NORMAL:
        raise DdsError(
            codes.ROLE_FORBIDS,
            f"Node {found.node.name} is the primary of its replica set and cannot be restarted "
            "alone. Switch over first, or restart the whole set.",
        )
    arguments = Restart(
        found.node_ids,
        together=instance.mode is Mode.REPLICA_SET and not body.is_serial,
        force=body.is_force,
    )
    names = [RESTART_NODES, VERIFY]
    return Planned(
        arguments,
        now=Change.of_nodes(found.node_ids, status=Status.REBOOT),
        steps=(REVIVE, *names) if body.is_force else tuple(names),
        job=_job_name(instance, found),
    )


def revive(run: Run[Restart]) -> None:
    """Nodes that do not answer are started anew, all of them together."""
    context, instance = run.context, run.instance
    launch = processes.launcher(context, instance)
    dead = health.dead_nodes(context, instance)
    with context.clients(instance, timeout=_PATIENCE, patience=_PATIENCE) as clients:
        seen = health.ask(instance, clients, dead)
    abnormal = [
        (group, node)
        for group in instance.groups
        for node in group.nodes
        if node.id in run.arguments.nodes and not seen[node.id].healthy
    ]
    refs = [NodeRef(instance.id, node.id) for _, node in abnormal]
    parallel_map(lambda ref: context.runtime.stop(ref, _GRACE), refs)
    for group, node in abnormal:
        processes.ensure_one(context, instance, group, node, launch)
    run.report(f"nodes that did not answer: {len(abnormal)}")


def restart(run: Run[Restart]) -> None:
    """Every node has been started since the job began."""
    launch = processes.launcher(run.context, run.instance)
    arguments = run.arguments
    with run.context.clients(run.instance) as clients:
        roll = Roll(
            run.context,
            run.instance,
            launch,
            clients,
            together=arguments.together,
            abreast=True,
            nodes=arguments.nodes,
            since=run.job.created_at,
        )
        if roll.needed():
            chosen = set(arguments.nodes)
            groups = run.instance.groups
            roll.groups([g for g in groups if chosen & {n.id for n in g.nodes}], run.report)


def prove(run: Run[Restart]) -> None:
    """All nodes are well and majority writes succeed; those restarted by force answer."""
    processes.ensure_all(run.context, run.instance)
    if not run.arguments.force:
        verify.majority_write(run)
        return
    deadline = processes.deadline(run.context, run.instance, seconds=verify.SECONDS)
    with run.context.clients(run.instance, patience=_PATIENCE) as clients:

        def well() -> dict[str, MemberStatus] | None:
            seen = health.ask(run.instance, clients)
            return seen if all(seen[one].healthy for one in run.arguments.nodes) else None

        deadline.until("the restarted nodes to be healthy", well)
    run.report(f"nodes that are well: {len(run.arguments.nodes)}")


def _targets(instance: Instance, body: RestartBody) -> Targets:
    if body.target_type:
        return targets.part(instance, body.target_type, body.target_id)
    if body.target_id == instance.id:
        return targets.whole(instance)
    return targets.node(instance, "target_id", body.target_id)


def _job_name(instance: Instance, found: Targets) -> str:
    if found.node is not None:
        return "RestartNode"
    return _WHOLE[instance.mode] if found.groups == instance.groups else "RestartGroup"


RESTART = Operation(
    "RESTARTING",
    "RestartInstance",
    Restart,
    (Step(REVIVE, revive), Step(RESTART_NODES, restart), Step(VERIFY, prove)),
    call=CALL,
    plan=plan,
    done=writes(lambda run: Change.of_nodes(run.arguments.nodes, status=Status.NORMAL)),
)
