"""Parameters of instances and of parts of them, as their servers have them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from pymongo.errors import PyMongoError

from shardhouse import error_codes as codes
from shardhouse.api.dds import configurations, wire
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.configurations import (
    EntityAnswer,
    EntityChangeItem,
    EntityChangesAnswer,
    EntityParameterItem,
    EntityQuery,
    HistoryQuery,
    UpdateEntityAnswer,
)
from shardhouse.domain import configuration, parameters
from shardhouse.domain.configuration import Entity
from shardhouse.domain.model import Instance, Job, Node
from shardhouse.domain.parameters import Parameter
from shardhouse.engines.catalogue import release
from shardhouse.errors import DdsError
from shardhouse.mongo import parameters as servers
from shardhouse.mongo.admin import accepts
from shardhouse.nodes.runtime import NodeRef
from shardhouse.operations import set_parameters
from shardhouse.operations.set_parameters import SetParameters
from shardhouse.operations.submit import Accepted
from shardhouse.settings import Settings
from shardhouse.workflows.context import Context, parallel_map
from shardhouse.workflows.launch import node_memory

PATIENCE = 10.0
"""Seconds a node has to answer."""
#: A node, and the values that it has by the parameters' names.
Reported = tuple[Node, dict[str, str]]


def show(request: Request[EntityQuery, Nothing]) -> EntityAnswer:
    """What the servers of an entity have. Where they differ, it is what the first that answers has;
    what any of them gets with its next restart is `pending_value`. Raises DdsError: 400 for an
    unknown entity, 403 where no server answers."""
    instance, context = request.instance(), request.service.context
    entity = configuration.entity(instance, request.query.entity_id)
    rows = parameters.of_type(entity.node_type, release(instance.engine_version))
    listening = [node for node in entity.nodes if node.address and accepts(node.host)]
    reported = _reported(context, instance, listening, rows) if listening else []
    if not reported:
        raise DdsError(codes.REFUSED_IN_STATE, f"No node of {entity.name} answers.")
    had = configuration.assigned(instance, entity.id)
    return EntityAnswer(
        **configurations.datastore(instance.version, entity.node_type),
        created=wire.zoned(instance.created_at),
        updated=wire.zoned(had.at or instance.created_at),
        parameters=[_item(context.settings, row, reported, had.values) for row in rows],
    )


def updated(accepted: Accepted) -> UpdateEntityAnswer:
    """The answer of a call that changes parameters."""
    arguments = set_parameters.SET.loaded(accepted.job.arguments)
    return UpdateEntityAnswer(job_id=accepted.job.id, restart_required=arguments.restart_required)


def list_changes(request: Request[HistoryQuery, Nothing]) -> EntityChangesAnswer:
    """What was changed in an entity's parameters. A value that needs a restart is applied when all
    its nodes have been started since."""
    instance = request.instance()
    entity = configuration.entity(instance, request.query.entity_id)
    actions = (set_parameters.SET_ACTION, set_parameters.APPLY_ACTION)
    with request.service.database.read() as connection:
        ended = configurations.recent(connection, request.project_id, actions, instance.id)
    items = [
        one for job in ended for one in _changes(request.service.context, instance, entity, job)
    ]
    return EntityChangesAnswer(
        histories=list(configurations.page(items, request.query)), total_count=len(items)
    )


def _reported(
    context: Context, instance: Instance, nodes: Sequence[Node], rows: Sequence[Parameter]
) -> list[Reported]:
    """What those of the nodes that answer have."""
    with context.clients(instance, timeout=PATIENCE, patience=PATIENCE) as clients:

        def read(node: Node) -> Reported | None:
            memory = node_memory(node, context.settings.memory_scale)
            with suppress(PyMongoError):
                return node, servers.read(clients[node.host], rows, memory)
            return None

        return [one for one in parallel_map(read, nodes) if one is not None]


def _item(
    settings: Settings, row: Parameter, reported: Sequence[Reported], values: Mapping[str, str]
) -> EntityParameterItem:
    wanted = values.get(row.name, row.default)
    late = [
        effective
        for node, answer in reported
        if answer[row.name]
        != (effective := set_parameters.effective(settings, node, row.name, wanted))
    ]
    _, first = reported[0]
    item = configurations.item(row, first[row.name])
    return EntityParameterItem(**item.model_dump(), pending_value=next(iter(late), None))


def _changes(
    context: Context, instance: Instance, entity: Entity, job: Job
) -> list[EntityChangeItem]:
    arguments: SetParameters = set_parameters.SET.loaded(job.arguments)
    differences = [
        one
        for assignment in arguments.entities
        if assignment.entity_id == entity.id
        for one in assignment.differences
    ]
    outcome = configurations.result(job)
    succeeded = outcome == configurations.SUCCESS
    states = [context.runtime.state(NodeRef(instance.id, node.id)) for node in entity.nodes]
    starts = [state.started_at for state in states]
    assert job.ended_at is not None
    later = [one for one in starts if one is not None and one >= job.ended_at]
    restarted = max(later) if len(later) == len(starts) else None
    items = []
    for one in differences:
        at = None
        if succeeded:
            at = restarted if one.parameter.restart_required else job.ended_at
        items.append(
            EntityChangeItem(
                parameter_name=one.name,
                old_value=one.old,
                new_value=one.new,
                update_result=outcome,
                applied=at is not None,
                updated_at=wire.zoned(job.ended_at),
                applied_at=wire.zoned(at),
            )
        )
    return items
