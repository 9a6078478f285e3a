"""Changing the flavor of nodes, member by member while they serve."""

from dataclasses import dataclass

import structlog

from shardhouse import error_codes as codes
from shardhouse.contract.changes import RESIZE as CALL
from shardhouse.contract.changes import ResizeBody
from shardhouse.domain import targets
from shardhouse.domain.change import Change
from shardhouse.domain.flavors import Flavor, all_flavors
from shardhouse.domain.model import Instance, Mode, Status
from shardhouse.domain.targets import Targets
from shardhouse.errors import bad_parameter
from shardhouse.operations.tasks import provision, verify
from shardhouse.operations.tasks.roll import Roll
from shardhouse.workflows import processes
from shardhouse.workflows.launch import node_memory
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step, writes

log = structlog.get_logger()


@dataclass(frozen=True)
class Resize:
    """Arguments: ids of the nodes, and of the groups all of whose nodes they are."""

    nodes: tuple[str, ...]
    groups: tuple[str, ...]
    spec_code: str

    @property
    def change(self) -> Change:
        """What is true when it is done."""
        specs = {group: {"spec_code": self.spec_code} for group in self.groups}
        return Change(groups=specs).with_nodes(self.nodes, spec_code=self.spec_code)


def plan(asked: Asked[ResizeBody]) -> Planned[Resize]:
    """Which nodes get which flavor. Raises DdsError: 404 for an unknown target, 400 for a flavor
    that does not exist, does not fit or is the present one."""
    found = _targets(asked.instance, asked.body)
    flavor = _flavor(found, asked.body.target_spec_code)
    whole = () if found.node else tuple(group.id for group in found.groups)
    arguments = Resize(found.node_ids, whole, flavor.spec_code)
    return Planned(arguments, now=Change.of_nodes(found.node_ids, status=Status.RESIZE_FLAVOR))


def check(run: Run[Resize]) -> None:
    """There is memory for what the nodes need more than now; those resized before a crash have
    theirs."""
    context, scale = run.context, run.context.settings.memory_scale
    wanted = 0
    resized = _resized(run)
    launch = processes.launcher(context, resized)
    for old, group in zip(run.instance.groups, resized.groups, strict=True):
        for before, node in zip(old.nodes, group.nodes, strict=True):
            if not processes.is_current(context, resized, group, node, launch):
                wanted += node_memory(node, scale) - node_memory(before, scale)
    provision.check_memory(context, wanted)


def roll(run: Run[Resize]) -> None:
    """Every node runs with its new flavor."""
    _roll(run, _resized(run))


def prove(run: Run[Resize]) -> None:
    """All nodes run, and majority writes succeed."""
    processes.ensure_all(run.context, _resized(run))
    verify.majority_write(run)


def roll_back(run: Run[Resize]) -> None:
    """Nodes have their old flavor again."""
    _roll(run, run.instance)
    log.info("resize rolled back", instance=run.instance.id)


def _resized(run: Run[Resize]) -> Instance:
    return run.arguments.change.applied_to(run.instance)


def _roll(run: Run[Resize], instance: Instance) -> None:
    launch = processes.launcher(run.context, instance)
    chosen = set(run.arguments.nodes)
    groups = [one for one in instance.groups if chosen & {node.id for node in one.nodes}]
    with run.context.clients(instance) as clients:
        rolling = Roll(run.context, instance, launch, clients, nodes=chosen)
        if rolling.needed():
            rolling.groups(groups, run.report)


def _targets(instance: Instance, body: ResizeBody) -> Targets:
    if instance.mode is Mode.SHARDING:
        if not body.target_type:
            raise bad_parameter("target_type", "mongos, shard or config is required for a cluster")
        parts = [targets.part(instance, body.target_type, one) for one in _ids(body)]
        if len(parts) == 1:
            return parts[0]
        if any(part.node for part in parts):
            raise bad_parameter("target_ids", "only shards can be resized together")
        return Targets(tuple(dict.fromkeys(part.groups[0] for part in parts)))
    (target_id, *more) = _ids(body)
    if body.target_type or more or target_id != instance.id:
        raise targets.unknown("target_id", f"{instance.mode} instance that has no parts", target_id)
    return targets.whole(instance)


def _ids(body: ResizeBody) -> list[str]:
    ids = body.target_ids or [body.target_id]
    if not all(ids):
        raise bad_parameter("target_id", "it is required")
    return ids


def _flavor(found: Targets, spec_code: str) -> Flavor:
    flavor = all_flavors().get(spec_code)
    if flavor is None:
        raise bad_parameter(
            "target_spec_code", f"{spec_code} is not a spec code", codes.FLAVOR_INVALID
        )
    present = {node.spec_code for node in found.nodes}
    old = all_flavors()[min(present)]
    if (flavor.type, flavor.series) != (old.type, old.series):
        raise bad_parameter(
            "target_spec_code",
            f"a flavor for {old.type} of the series {old.series} is required, got {spec_code}",
            codes.FLAVOR_MISMATCH,
        )
    if present == {spec_code}:
        raise bad_parameter(
            "target_spec_code",
            f"another flavor than the present one is required, got {spec_code}",
            codes.FLAVOR_MISMATCH,
        )
    return flavor


RESIZE = Operation(
    "RESIZE_FLAVOR",
    "ResizeMongoDBInstance",
    Resize,
    (
        Step("Check the memory", check),
        Step("Restart nodes with the new flavor", roll),
        Step("Verify a majority write", prove),
    ),
    call=CALL,
    plan=plan,
    done=writes(
        lambda run: run.arguments.change.with_nodes(run.arguments.nodes, status=Status.NORMAL)
    ),
    roll_back=roll_back,
)
