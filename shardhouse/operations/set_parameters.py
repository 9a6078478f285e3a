"""Parameters of parts of an instance: set one by one, or by applying a template.

What servers take while they run they are given at once. The rest has effect in processes that are
started later: the answer says that a restart is required, and clients choose when.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pymongo.errors import PyMongoError

from shardhouse.contract.configurations import (
    APPLY_CONFIGURATION,
    UPDATE_ENTITY,
    UpdateEntityBody,
)
from shardhouse.domain import configuration, parameters
from shardhouse.domain.change import Change
from shardhouse.domain.configuration import Assigned, Configuration, Entity
from shardhouse.domain.flavors import all_flavors
from shardhouse.domain.model import Instance, Node
from shardhouse.domain.parameters import Difference
from shardhouse.engines.catalogue import release
from shardhouse.errors import StepError, bad_parameter
from shardhouse.mongo import parameters as servers
from shardhouse.mongo.admin import Clients
from shardhouse.settings import Settings
from shardhouse.workflows import limits, processes
from shardhouse.workflows.context import now, parallel_map
from shardhouse.workflows.launch import node_memory
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step, writes

SET_ACTION = "SET_CONFIGURATION"
APPLY_ACTION = "APPLY_CONFIGURATION"
_SECONDS = 60.0
_PATIENCE = 10.0
"""Seconds a node has to answer when all is put back."""


@dataclass(frozen=True)
class Applied:
    """A template, and the entities of one instance that it is applied to."""

    configuration: Configuration
    entity_ids: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """What an entity is to have: all its values, without defaults, and how they differ from what it
    had."""

    entity_id: str
    configuration_id: str
    values: dict[str, str]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class SetParameters:
    """Arguments. `configuration_id` is the template's that is applied, if one is."""

    entities: tuple[Assignment, ...]
    configuration_id: str = ""

    @property
    def restart_required(self) -> bool:
        """Whether a value has effect only after a restart."""
        differences = [one for entity in self.entities for one in entity.differences]
        return any(one.parameter.restart_required for one in differences)


def plan_set(asked: Asked[UpdateEntityBody]) -> Planned[SetParameters]:
    """The values of one entity. Raises DdsError 400 for an unknown entity, for a parameter that it
    does not have, and for a value that is not allowed."""
    instance = asked.instance
    entity = configuration.entity(instance, asked.body.entity_id)
    given = parameters.checked(
        asked.body.parameter_values, entity.node_type, release(instance.engine_version)
    )
    had = configuration.assigned(instance, entity.id)
    values = parameters.without_defaults({**had.values, **given})
    return Planned(SetParameters((_assignment(instance, entity, had.configuration_id, values),)))


def plan_apply(asked: Asked[Applied]) -> Planned[SetParameters]:
    """The values of a template for some entities. Raises DdsError 400 for an entity that the
    template is not for."""
    instance, template = asked.instance, asked.body.configuration
    found = [
        _assignment(instance, fitting(template, instance, one), template.id, template.values)
        for one in asked.body.entity_ids
    ]
    return Planned(SetParameters(tuple(found), template.id))


def fitting(template: Configuration, instance: Instance, entity_id: str) -> Entity:
    """An entity of an instance that a template is for. Raises DdsError 400 for another one."""
    entity = configuration.entity(instance, entity_id)
    if entity not in configuration.applicable(instance, template):
        raise bad_parameter(
            "entity_ids",
            f"{entity_id} is of type {entity.node_type} and version {instance.version}, and the "
            f"template {template.name} is for {template.node_type} of {template.version}",
        )
    return entity


def change(run: Run[SetParameters]) -> None:
    """Every node has what it takes while it runs."""
    context, instance = run.context, run.instance
    processes.ensure_all(context, instance)
    deadline = processes.deadline(context, instance, seconds=_SECONDS)
    count = 0
    with context.clients(instance) as clients:
        for assignment in run.arguments.entities:
            entity = configuration.entity(instance, assignment.entity_id)
            changes = {one.name: one.new for one in _immediate(assignment)}

            def change_one(
                node: Node, entity: Entity = entity, changes: dict[str, str] = changes
            ) -> None:
                deadline.until(
                    f"{node.name} to take its parameters",
                    lambda: _change(context.settings, clients, entity, node, changes),
                )

            parallel_map(change_one, entity.nodes)
            count += len(entity.nodes)
    later = "; some parameters have effect after a restart"
    run.report(f"nodes: {count}{later if run.arguments.restart_required else ''}")


def roll_back(run: Run[SetParameters]) -> None:
    """Nodes that answer have what they had."""
    with run.context.clients(run.instance, patience=_PATIENCE) as clients:
        for assignment in run.arguments.entities:
            entity = configuration.entity(run.instance, assignment.entity_id)
            changes = {one.name: one.old for one in _immediate(assignment)}
            for node in entity.nodes:
                with suppress(PyMongoError, StepError):
                    _change(run.context.settings, clients, entity, node, changes)


def keep(run: Run[SetParameters]) -> Change:
    """What is true from now on: processes that are started have these values."""
    return configuration.assigning(
        run.instance,
        {
            one.entity_id: Assigned(one.values, one.configuration_id, now())
            for one in run.arguments.entities
        },
    )


def _assignment(
    instance: Instance, entity: Entity, configuration_id: str, values: Mapping[str, str]
) -> Assignment:
    had = configuration.assigned(instance, entity.id)
    known = parameters.of_type(entity.node_type, release(instance.engine_version))
    differences = parameters.differences(had.values, values, known)
    return Assignment(entity.id, configuration_id, dict(values), differences)


def _immediate(assignment: Assignment) -> list[Difference]:
    return [one for one in assignment.differences if not one.parameter.restart_required]


def _change(
    settings: Settings, clients: Clients, entity: Entity, node: Node, changes: Mapping[str, str]
) -> bool:
    """A node has these values, as it reports itself. Raises StepError if it has others."""
    rows = [parameters.BY_NAME[name] for name in changes]
    memory = node_memory(node, settings.memory_scale)
    client = clients[node.host]
    for row in rows:
        servers.change(client, row, changes[row.name], entity.node_type, memory)
    reported = servers.read(client, rows, memory)
    wanted = {row.name: effective(settings, node, row.name, changes[row.name]) for row in rows}
    if reported != wanted:
        raise StepError(f"{node.name} was given {wanted} and has {reported}.")
    return True


def effective(settings: Settings, node: Node, name: str, value: str) -> str:
    """What a node's server reports of a parameter once it has a value."""
    return servers.effective(
        parameters.BY_NAME[name],
        value,
        max_connections=all_flavors()[node.spec_code].max_connections,
        memory=node_memory(node, settings.memory_scale),
    )


def _operation(
    action: str, job: str, call: Any, plan: Callable[[Asked[Any]], Planned[SetParameters]]
) -> Operation[SetParameters]:
    return Operation(
        action,
        job,
        SetParameters,
        (Step("Change parameters of the servers", change),),
        call=call,
        plan=plan,
        limit=limits.brief,
        done=writes(keep),
        roll_back=roll_back,
    )


SET = _operation(SET_ACTION, "SetConfiguration", UPDATE_ENTITY, plan_set)
APPLY = _operation(APPLY_ACTION, "ApplyConfiguration", APPLY_CONFIGURATION, plan_apply)
