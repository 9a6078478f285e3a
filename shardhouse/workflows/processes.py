"""The processes of an instance: all started at once, and watched while a step waits for them."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import structlog

from shardhouse.domain.model import Group, Instance, Node, Status
from shardhouse.domain.transitions import SERVING
from shardhouse.engines import Engine
from shardhouse.errors import StepError
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import Command, NodeRef
from shardhouse.store import instances
from shardhouse.workflows.context import Context, parallel_map, refs
from shardhouse.workflows.launch import Launch

STOP_GRACE = 30.0
"""Seconds a node has to end cleanly before it is killed."""
RESTARTS = 2
"""How often a step starts a process again that dies while it waits."""
_LOOK = 0.25
log = structlog.get_logger()


def serving(context: Context) -> list[Instance]:
    """The instances whose processes should run, of all projects, without the nodes that a job is
    still adding to them."""
    with context.database.read() as connection:
        return [_without_new(instance) for instance in instances.live(connection, SERVING)]


def _without_new(instance: Instance) -> Instance:
    if all(node.status is not Status.CREATING for node in instance.nodes):
        return instance
    groups = [
        replace(group, nodes=tuple(n for n in group.nodes if n.status is not Status.CREATING))
        for group in instance.groups
    ]
    return replace(instance, groups=tuple(group for group in groups if group.nodes))


def launcher(context: Context, instance: Instance, engine: Engine | None = None) -> Launch:
    """How the instance's nodes are started: with the build it runs on, whatever others have come
    since, or with another `engine`. Raises EngineError if the build is not here."""
    if engine is None:
        engine = context.engines.build(instance.engine_build, instance.engine_version)
    settings = context.settings
    return Launch(engine, settings.memory_scale, settings.router_metrics_port)


def ensure_all(context: Context, instance: Instance, launch: Launch | None = None) -> None:
    """Every process of the instance runs: adopted as it is, or started, with its own build where
    no `launch` is given. Returns before they answer."""
    starter = launch or launcher(context, instance)

    def ensure(pair: tuple[Group, Node]) -> None:
        ensure_one(context, instance, *pair, starter)

    parallel_map(ensure, [(group, node) for group in instance.groups for node in group.nodes])


def ensure_one(
    context: Context, instance: Instance, group: Group, node: Node, launch: Launch
) -> None:
    """One node's process runs."""
    context.runtime.ensure_process(*_wanted(context, instance, group, node, launch))


def is_current(
    context: Context, instance: Instance, group: Group, node: Node, launch: Launch
) -> bool:
    """Whether one node's process runs, with the command that it should run."""
    return context.runtime.runs(*_wanted(context, instance, group, node, launch))


def revive(context: Context, instance: Instance, group: Group, node: Node, launch: Launch) -> None:
    """One node's process runs, unless a job has taken the instance since it was read: the job
    decides what its nodes run. The store is asked at the last moment, so that a job which comes
    later finds the process there."""
    ref, command = _wanted(context, instance, group, node, launch)
    context.runtime.ensure_process(ref, command, allowed=lambda: is_idle(context, instance))


def _wanted(
    context: Context, instance: Instance, group: Group, node: Node, launch: Launch
) -> tuple[NodeRef, Command]:
    """A node as the runtime names it, and what it should run."""
    ref = NodeRef(instance.id, node.id)
    return ref, launch.command(instance, group, node, context.runtime.volume(ref))


def is_idle(context: Context, instance: Instance) -> bool:
    """Whether the instance still should serve, on the same build, and no job works on it."""
    with context.database.read() as connection:
        current = instances.load(connection, instance.id)
    return (
        current is not None
        and current.status in SERVING
        and not current.action
        and current.engine_build == instance.engine_build
    )


def stop_all(context: Context, instance: Instance, grace: float = STOP_GRACE) -> None:
    """No process of the instance runs."""
    parallel_map(lambda ref: context.runtime.stop(ref, grace), refs(instance))


def deadline(
    context: Context,
    instance: Instance,
    launch: Launch | None = None,
    seconds: float | None = None,
    also: Callable[[], None] = lambda: None,
) -> Deadline:
    """A deadline that looks after the processes meanwhile: one that died is started again, with its
    own build where no `launch` is given, and one that does not stay up ends the wait. So does what
    `also` raises, which is called as often."""
    starter = launch or launcher(context, instance)
    starts = Counter[str]()
    last_look = time.monotonic()

    def check() -> None:
        nonlocal last_look
        if time.monotonic() - last_look < _LOOK:
            return
        last_look = time.monotonic()
        also()
        for group in instance.groups:
            for node in group.nodes:
                state = context.runtime.state(NodeRef(instance.id, node.id))
                if state.running:
                    continue
                reason = state.exit_reason or "no reason found"
                if starts[node.id] == RESTARTS:
                    raise StepError(f"Node {node.name} does not stay up: {reason}")
                starts[node.id] += 1
                log.warning("node died", instance=instance.id, node=node.id, reason=reason)
                ensure_one(context, instance, group, node, starter)

    return Deadline(context.settings.create_timeout if seconds is None else seconds, check)
