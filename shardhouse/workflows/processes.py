"""The processes of an instance: all started at once, and watched while a step waits for them."""

import time
from collections import Counter

import structlog

from shardhouse.domain.model import Group, Instance, Node, Status
from shardhouse.errors import StepError
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import NodeRef
from shardhouse.store import instances
from shardhouse.workflows.context import Context, at_once, refs
from shardhouse.workflows.launch import Launch

STOP_GRACE = 30.0
"""Seconds a node has to end cleanly before it is killed."""
RESTARTS = 2
"""How often a step starts a process again that dies while it waits."""
_LOOK = 0.25
log = structlog.get_logger()

#: Instances in these states have processes that should run.
SERVING = frozenset({Status.NORMAL, Status.ABNORMAL, Status.DATA_DISK_FULL, Status.ENLARGE_FAIL})


def serving(context: Context) -> list[Instance]:
    """The instances whose processes should run, of all projects."""
    with context.database.read() as connection:
        return instances.live(connection, SERVING)


def launcher(context: Context, instance: Instance) -> Launch:
    """How the instance's nodes are started. Raises EngineError if its build is not here."""
    sharded = instance.mode == "Sharding"
    engine = context.engines.for_version(instance.version, sharded=sharded)
    settings = context.settings
    return Launch(engine, settings.memory_scale, settings.router_metrics_port)


def ensure_all(context: Context, instance: Instance) -> None:
    """Every process of the instance runs: adopted, or started. Returns before they answer."""
    launch = launcher(context, instance)

    def ensure(pair: tuple[Group, Node]) -> None:
        ensure_one(context, instance, *pair, launch)

    at_once(ensure, [(group, node) for group in instance.groups for node in group.nodes])


def ensure_one(
    context: Context, instance: Instance, group: Group, node: Node, launch: Launch
) -> None:
    """One node's process runs."""
    ref = NodeRef(instance.id, node.id)
    command = launch.command(instance, group, node, context.runtime.volume(ref))
    context.runtime.ensure_process(ref, command)


def stop_all(context: Context, instance: Instance, grace: float = STOP_GRACE) -> None:
    """No process of the instance runs."""
    at_once(lambda ref: context.runtime.stop(ref, grace), refs(instance))


def deadline(context: Context, instance: Instance) -> Deadline:
    """A deadline that looks after the processes meanwhile: one that died is started again, and one
    that does not stay up ends the wait."""
    launch = launcher(context, instance)
    starts = Counter[str]()
    last_look = time.monotonic()

    def check() -> None:
        nonlocal last_look
        if time.monotonic() - last_look < _LOOK:
            return
        last_look = time.monotonic()
        for group in instance.groups:
            for node in group.nodes:
                state = context.runtime.state(NodeRef(instance.id, node.id))
                if state.running:
                    continue
                reason = state.exit_reason or "no reason found"
                if starts[node.id] == RESTARTS:
                    raise StepError(f"Node {node.name} ended: {reason}")
                starts[node.id] += 1
                log.warning("node died", instance=instance.id, node=node.id, reason=reason)
                ensure_one(context, instance, group, node, launch)

    return Deadline(context.settings.create_timeout, check)
