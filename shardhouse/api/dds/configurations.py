"""Parameter templates, as the DDS API writes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection

from shardhouse import error_codes as codes
from shardhouse.api.dds import wire
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import JobId, Nothing
from shardhouse.contract.configurations import (
    ApplicableAnswer,
    ApplicableItem,
    ApplicationItem,
    ApplicationsAnswer,
    ApplyBody,
    ChangeItem,
    ChangesAnswer,
    CompareBody,
    ConfigurationAnswer,
    ConfigurationsAnswer,
    CopyAnswer,
    CopyBody,
    CreateConfigurationBody,
    DifferenceItem,
    DifferencesAnswer,
    EntityItem,
    ExistsAnswer,
    NameQuery,
    PageQuery,
    ParameterItem,
    ParametersAnswer,
    Template,
    TemplateItem,
    UpdateConfigurationBody,
)
from shardhouse.domain import configuration, parameters, rules
from shardhouse.domain.configuration import Configuration
from shardhouse.domain.dialect import DIALECTS
from shardhouse.domain.model import Instance, Job, JobStatus
from shardhouse.domain.parameters import NodeType, Parameter, Release
from shardhouse.domain.topology import Ids
from shardhouse.engines.catalogue import release
from shardhouse.errors import DdsError, EngineError, bad_parameter
from shardhouse.operations import set_parameters
from shardhouse.operations.set_parameters import Applied
from shardhouse.operations.submit import Target
from shardhouse.store import configurations, instances, jobs
from shardhouse.workflows.context import Context, now

T = TypeVar("T")
SUCCESS, FAILED = "SUCCESS", "FAILED"
_ROUTED = (NodeType.MONGOS, NodeType.SHARD, NodeType.CONFIG, NodeType.SHARD_READONLY)


def list_configurations(request: Request[PageQuery, Nothing]) -> ConfigurationsAnswer:
    """One page: the system's templates, then the project's."""
    with request.service.database.read() as connection:
        own = configurations.listed(connection, request.project_id)
    found = (*_systems(request), *own)
    items = [
        TemplateItem(**_head(one), node_type=one.node_type, user_defined=one.user_defined)
        for one in page(found, request.query)
    ]
    return ConfigurationsAnswer(
        configurations=items, total_count=len(found), quota=configuration.QUOTA
    )


def create(request: Request[Nothing, CreateConfigurationBody]) -> ConfigurationAnswer:
    """A new template. Raises DdsError 400 for a name that is taken, an unknown entity, and values
    that such nodes do not take."""
    body = request.body
    with request.service.database.write() as connection:
        version, node_type, values = _origin(request, connection)
        given = parameters.checked(
            body.parameter_values, node_type, _release(request.service.context, version, node_type)
        )
        made = Configuration(
            id=Ids().configuration(),
            project_id=request.project_id,
            name=_free_name(request, body.name),
            description=body.description,
            version=version,
            node_type=node_type,
            values=parameters.without_defaults({**values, **given}),
            created_at=now(),
            updated_at=now(),
        )
        configurations.add(connection, made)
    return ConfigurationAnswer(configuration=Template(**_head(made)))


def show(request: Request[Any, Nothing]) -> ParametersAnswer:
    """A template with its parameters."""
    with request.service.database.read() as connection:
        found = _found(request, connection)
    rows = _rows(request.service.context, found)
    items = [item(one, found.values.get(one.name, one.default)) for one in rows]
    return ParametersAnswer(**_head(found), parameters=items)


def update(request: Request[Nothing, UpdateConfigurationBody]) -> Nothing:
    """Change a template. Raises DdsError 400 for the system's, a name that is taken, and values
    that its nodes do not take."""
    body = request.body
    with request.service.database.write() as connection:
        old = _own(request, connection)
        given = parameters.checked(
            body.parameter_values,
            old.node_type,
            _release(request.service.context, old.version, old.node_type),
        )
        new = replace(
            old,
            name=old.name if body.name is None else _free_name(request, body.name),
            description=old.description if body.description is None else body.description,
            values=parameters.without_defaults({**old.values, **given}),
            updated_at=now(),
        )
        configurations.change(connection, new, parameters.differences(old.values, new.values))
    return Nothing()


def delete(request: Request[Nothing, Nothing]) -> Nothing:
    """Delete a template. Raises DdsError 400 for the system's, and while it is applied."""
    with request.service.database.write() as connection:
        found = _own(request, connection)
        for instance in instances.of_project(connection, request.project_id):
            if used := configuration.uses(instance, found.id):
                raise DdsError(
                    codes.CONFIGURATION_IN_USE,
                    f"The template {found.name} is applied to {used[0].name} of instance "
                    f"{instance.id}. Apply another one there first.",
                )
        configurations.remove(connection, found.id)
    return Nothing()


def copy(request: Request[Nothing, CopyBody]) -> CopyAnswer:
    """Copy a template. Raises DdsError 400 for the system's, and for a name that is taken."""
    with request.service.database.write() as connection:
        made = replace(
            _own(request, connection),
            id=Ids().configuration(),
            name=_free_name(request, request.body.name),
            description=request.body.description,
            created_at=now(),
            updated_at=now(),
        )
        configurations.add(connection, made)
    return CopyAnswer(configuration_id=made.id)


def reset(request: Request[Nothing, Nothing]) -> Nothing:
    """Give a template the defaults. Raises DdsError 400 for the system's, which has them."""
    with request.service.database.write() as connection:
        old = _own(request, connection)
        new = replace(old, values={}, updated_at=now())
        configurations.change(connection, new, parameters.differences(old.values, {}))
    return Nothing()


def compare(request: Request[Nothing, CompareBody]) -> DifferencesAnswer:
    """Where two templates differ. Raises DdsError 400 for those of different types."""
    body = request.body
    with request.service.database.read() as connection:
        source = configurations.find(connection, request.project_id, body.source_configuration_id)
        target = configurations.find(connection, request.project_id, body.target_configuration_id)
    if source.node_type is not target.node_type:
        raise bad_parameter(
            "target_configuration_id",
            f"a template for {source.node_type} is required, and {target.name} is for "
            f"{target.node_type}",
        )
    context = request.service.context
    rows = [one for one in _rows(context, source) if one in _rows(context, target)]
    return DifferencesAnswer(
        differences=[
            DifferenceItem(parameter_name=one.name, source_value=one.old, target_value=one.new)
            for one in parameters.differences(source.values, target.values, rows)
        ]
    )


def validate_name(request: Request[NameQuery, Nothing]) -> ExistsAnswer:
    """Whether a name is taken."""
    with request.service.database.read() as connection:
        own = configurations.exists(connection, request.project_id, request.query.name)
    return ExistsAnswer(is_existed=own or _is_system(request, request.query.name))


def list_applicable(request: Request[PageQuery, Nothing]) -> ApplicableAnswer:
    """One page of the instances that a template is for."""
    with request.service.database.read() as connection:
        template = _found(request, connection)
        owned = instances.of_project(connection, request.project_id)
    fitting = [(one, configuration.applicable(one, template)) for one in owned]
    items = [
        ApplicableItem(
            instance_id=instance.id,
            instance_name=instance.name,
            entities=[EntityItem(entity_id=one.id, entity_name=one.name) for one in entities],
        )
        for instance, entities in page([pair for pair in fitting if pair[1]], request.query)
    ]
    return ApplicableAnswer(instances=items)


def apply(request: Request[Nothing, ApplyBody]) -> JobId:
    """Apply a template, by a job for each instance, of which the first is answered. Raises DdsError
    400 for entities it is not for, 403 for an instance that is busy; then it is applied nowhere."""
    service, project_id = request.service, request.project_id

    def ready() -> tuple[Configuration, dict[str, tuple[Instance, list[str]]]]:
        with service.database.read() as connection:
            template = _found(request, connection)
            chosen = _owners(connection, project_id, request.body.entity_ids)
        for instance, ids in chosen.values():
            request.call.rules.check(instance, request.call.operation)
            for entity_id in ids:
                set_parameters.fitting(template, instance, entity_id)
        return template, chosen

    first = Target(project_id, request.body.entity_ids[0], request.path)
    template, chosen = service.submit.patiently(first, ready)
    accepted = [
        service.submit.start(
            set_parameters.APPLY,
            Target(project_id, instance_id, request.path),
            Applied(template, tuple(ids)),
        )
        for instance_id, (_, ids) in chosen.items()
    ]
    return JobId(job_id=accepted[0].job.id)


def list_changes(request: Request[PageQuery, Nothing]) -> ChangesAnswer:
    """What was changed in a template."""
    with request.service.database.read() as connection:
        found = _found(request, connection)
        changed = configurations.changes(connection, found.id, now())
    items = [
        ChangeItem(
            parameter_name=one.name,
            old_value=one.old_value,
            new_value=one.new_value,
            updated_at=wire.zoned(one.changed_at),
        )
        for one in page(changed, request.query)
    ]
    return ChangesAnswer(histories=items, total_count=len(changed))


def list_applications(request: Request[PageQuery, Nothing]) -> ApplicationsAnswer:
    """Where a template was applied, or failed to be."""
    with request.service.database.read() as connection:
        found = _found(request, connection)
        ended = recent(connection, request.project_id, [set_parameters.APPLY_ACTION])
    applied = [one for one in ended if one.arguments["configuration_id"] == found.id]
    items = [
        ApplicationItem(
            instance_id=job.instance_id,
            instance_name=job.instance_name,
            applied_at=wire.zoned(job.ended_at),
            apply_result=result(job),
            failure_reason=job.fail_reason or "",
        )
        for job in page(applied, request.query)
    ]
    return ApplicationsAnswer(histories=items, total_count=len(applied))


# What calls on instances share with these


def item(parameter: Parameter, value: str) -> ParameterItem:
    """A parameter with a value."""
    return ParameterItem(
        name=parameter.name,
        value=value,
        value_range=parameter.value_range,
        restart_required=parameter.restart_required,
        readonly=False,
        type=parameter.kind,
        description=parameter.description,
    )


def datastore(version: str, node_type: NodeType) -> dict[str, str]:
    """Version and name of the program that nodes run."""
    name = "mongos" if node_type is NodeType.MONGOS else "mongodb"
    return {"datastore_version": version, "datastore_name": name}


def page(items: Sequence[T], query: PageQuery) -> Sequence[T]:
    """The part of a list that is asked for."""
    return items[query.offset : query.offset + query.limit]


def recent(
    connection: Connection, project_id: str, actions: Iterable[str], instance_id: str | None = None
) -> list[Job]:
    """Jobs that have ended in the days for which changes are known, the last first."""
    since = now() - timedelta(days=configurations.KEEP_DAYS)
    return jobs.ended(connection, project_id, actions, since, instance_id)


def result(job: Job) -> str:
    """How a job has ended, as histories say it."""
    return SUCCESS if job.status is JobStatus.COMPLETED else FAILED


def _head(found: Configuration) -> dict[str, str]:
    """What all answers say of a template."""
    return {
        "id": found.id,
        "name": found.name,
        "description": found.description,
        **datastore(found.version, found.node_type),
        "created": wire.zoned(found.created_at),
        "updated": wire.zoned(found.updated_at),
    }


def _found(request: Request[Any, Any], connection: Connection) -> Configuration:
    return configurations.find(connection, request.project_id, request.path["config_id"])


def _own(request: Request[Any, Any], connection: Connection) -> Configuration:
    """The project's own template that the path names."""
    found = _found(request, connection)
    if not found.user_defined:
        raise DdsError(
            codes.NOT_LEGAL_HERE,
            f"{found.name} is a template of the system: it cannot be changed, copied or deleted.",
        )
    return found


def _systems(request: Request[Any, Any]) -> tuple[Configuration, ...]:
    service = request.service
    versions = service.context.engines.versions()
    return configuration.systems(versions, DIALECTS[service.settings.dialect])


def _is_system(request: Request[Any, Any], name: str) -> bool:
    return any(one.name == name for one in _systems(request))


def _free_name(request: Request[Any, Any], name: str) -> str:
    """A name that no template of the system has."""
    if _is_system(request, name):
        raise DdsError(codes.CONFIGURATION_NAME_TAKEN, f"{name} is a template of the system.")
    return name


def _origin(
    request: Request[Nothing, CreateConfigurationBody], connection: Connection
) -> tuple[str, NodeType, Mapping[str, str]]:
    """Version, type and values that a new template begins with."""
    body = request.body
    if body.entity_id:
        instance = instances.find_by_part(connection, request.project_id, body.entity_id)
        if instance is None:
            raise _no_entity("entity_id", body.entity_id)
        entity = configuration.entity(instance, body.entity_id)
        return (
            instance.version,
            entity.node_type,
            configuration.assigned(instance, entity.id).values,
        )
    if body.datastore is None:
        raise bad_parameter("datastore", "it or entity_id is required", codes.DATASTORE_MISSING)
    versions = request.service.context.engines.versions()
    version = rules.one_of(
        "datastore.version", body.datastore.version, versions, codes.VERSION_INVALID
    )
    return version, NodeType(body.datastore.node_type), {}


def _release(context: Context, version: str, node_type: NodeType) -> Release:
    """The release of the build that serves a version."""
    try:
        return context.engines.for_version(version, sharded=node_type in _ROUTED).release
    except EngineError:
        return release(version)


def _rows(context: Context, found: Configuration) -> tuple[Parameter, ...]:
    return parameters.of_type(found.node_type, _release(context, found.version, found.node_type))


def _owners(
    connection: Connection, project_id: str, entity_ids: Sequence[str]
) -> dict[str, tuple[Instance, list[str]]]:
    """Instances with those of their entities that are named, by their ids."""
    found: dict[str, tuple[Instance, list[str]]] = {}
    for entity_id in dict.fromkeys(entity_ids):
        instance = instances.find_by_part(connection, project_id, entity_id)
        if instance is None:
            raise _no_entity("entity_ids", entity_id)
        found.setdefault(instance.id, (instance, []))[1].append(entity_id)
    return found


def _no_entity(field: str, entity_id: str) -> DdsError:
    return DdsError(codes.ENTITY_NOT_FOUND, f"{field}: {entity_id} does not exist.")
