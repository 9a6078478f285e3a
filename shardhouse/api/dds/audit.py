"""Audit logs: the policy, the files, and where entries go as well."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from shardhouse import error_codes as codes
from shardhouse.api.dds import links
from shardhouse.api.endpoint import Request
from shardhouse.contract.audit import (
    AUDIT_LOG,
    DOWNLOAD_AUDIT_LOG,
    LINK_SECONDS,
    MOST_DAYS,
    AuditLinks,
    AuditLogIdsBody,
    AuditLogItem,
    AuditLogNamesBody,
    AuditLogsAnswer,
    AuditLogsQuery,
    AuditPolicyAnswer,
    AuditPolicyBody,
    InstanceLtsConfigs,
    LogOfInstance,
    LogToStream,
    LtsConfig,
    LtsConfigsAnswer,
    LtsConfigsBody,
    LtsInstance,
    LtsLogsBody,
    LtsQuery,
)
from shardhouse.contract.call import JobId, Nothing
from shardhouse.contract.instances import Datastore
from shardhouse.contract.links import LinkQuery
from shardhouse.domain import audit
from shardhouse.domain.model import Instance, Mode
from shardhouse.errors import DdsError, bad_parameter, instance_not_found
from shardhouse.operations import audit as operations
from shardhouse.operations.submit import Target
from shardhouse.store import instances
from shardhouse.store.neighbours.rows import LOG_GROUPS, LOG_STREAMS
from shardhouse.workflows import audit_files
from shardhouse.workflows.audit_files import AuditFile
from shardhouse.workflows.operation import Edit

_MODES = {Mode.SHARDING: "Sharding", Mode.REPLICA_SET: "ReplicaSet", Mode.SINGLE: "ReplicaSingle"}
"""Words of the calls about LTS."""
_DATASTORE = "mongodb"


def set_policy(request: Request[Nothing, AuditPolicyBody]) -> Nothing:
    """Change what is audited; nodes that answer have it when the answer leaves."""
    service, target = request.service, request.target
    service.submit.edit(operations.POLICY, target, request.body)
    service.auditor.refresh(target.instance_id)
    return Nothing()


def show_policy(request: Request[Nothing, Nothing]) -> AuditPolicyAnswer:
    """What is audited."""
    policy = audit.policy(request.instance())
    if not policy.keep_days:
        return AuditPolicyAnswer(keep_days=policy.keep_days)
    return AuditPolicyAnswer(
        keep_days=policy.keep_days, audit_scope=policy.scope, audit_types=list(policy.types)
    )


def list_files(request: Request[AuditLogsQuery, Nothing]) -> AuditLogsAnswer:
    """One page of files. Raises DdsError 400 for times that are too far apart, or the wrong way
    round."""
    instance, query = request.instance(), request.query
    if not timedelta(0) < query.end_time - query.start_time <= timedelta(days=MOST_DAYS):
        raise bad_parameter(
            "end_time", f"a time after start_time, at most {MOST_DAYS} days, is required"
        )
    found = [
        file
        for file in audit_files.of_instance(request.service.settings, instance.id)
        if query.node_id in ("", file.node_id)
        and file.start <= query.end_time
        and file.end >= query.start_time
    ]
    return AuditLogsAnswer(
        audit_logs=[_item(file) for file in found[query.offset :][: query.limit]],
        total_record=len(found),
        total_size=sum(file.size for file in found),
    )


def list_links(request: Request[Nothing, AuditLogIdsBody]) -> AuditLinks:
    """Links to files. Raises DdsError 400 where one does not exist."""
    instance = request.instance()
    known = {file.id for file in audit_files.of_instance(request.service.settings, instance.id)}
    _check_known(request.body.ids, known)
    made = [
        links.link(
            request.service,
            DOWNLOAD_AUDIT_LOG,
            LINK_SECONDS,
            instance_id=instance.id,
            file_id=file_id,
        )
        for file_id in request.body.ids
    ]
    return AuditLinks(links=[url for url, _ in made])


def download(request: Request[LinkQuery, Nothing]) -> StreamingResponse:
    """What a link names. Raises GatewayError 401 for one that is not ours or has expired, DdsError
    400 where there is no such file any more."""
    links.check(request.service, DOWNLOAD_AUDIT_LOG, request.path, request.query)
    files = audit_files.of_instance(request.service.settings, request.path["instance_id"])
    file = next((file for file in files if file.id == request.path["file_id"]), None)
    if file is None:
        raise _unknown(request.path["file_id"])
    headers = {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Content-Length": str(file.size),
    }
    return StreamingResponse(audit_files.content(file), 200, headers, "application/gzip")


def delete_files(request: Request[Nothing, AuditLogNamesBody]) -> JobId:
    """Start deleting files. Raises DdsError 400 where one does not exist."""
    instance = request.instance()
    known = {file.name for file in audit_files.of_instance(request.service.settings, instance.id)}
    _check_known(request.body.file_names, known)
    accepted = request.service.submit.start(operations.DELETE, request.target, request.body)
    return JobId(job_id=accepted.job.id)


def list_streams(request: Request[LtsQuery, Nothing]) -> LtsConfigsAnswer:
    """One page of the project's instances, and where their logs go as well."""
    query = request.query
    with request.service.database.read() as connection:
        heads, total = instances.search(
            connection, request.project_id, instances.Filter(), query.offset, query.limit
        )
        loaded = instances.load_all(connection, [head.id for head in heads])
    by_id = {instance.id: instance for instance in loaded}
    return LtsConfigsAnswer(
        instance_lts_configs=[_streams(by_id[head.id]) for head in heads], total_count=total
    )


def to_streams(request: Request[Nothing, LtsConfigsBody]) -> Nothing:
    """Have logs go to streams. Raises DdsError: 404 for an instance, 400 for a group or a stream
    that the project does not have; then nothing changes."""
    logs = request.body.lts_configs
    with request.service.database.read() as connection:
        for log in logs:
            _check_stream(connection, request.project_id, log)
    return _edit_all(request, logs, operations.TO_STREAM)


def to_no_streams(request: Request[Nothing, LtsLogsBody]) -> Nothing:
    """Have logs go to no stream any more. Raises DdsError 404 for an instance that the project does
    not have; then nothing changes."""
    return _edit_all(request, request.body.lts_configs, operations.TO_NO_STREAM)


def _check_stream(connection: Connection, project_id: str, log: LogToStream) -> None:
    group, stream = log.lts_group_id, log.lts_stream_id
    if LOG_GROUPS.first(connection, project_id=project_id, id=group) is None:
        raise DdsError(codes.RESOURCE_NOT_FOUND, f"The log group {group} does not exist.")
    if LOG_STREAMS.first(connection, log_group_id=group, id=stream) is None:
        raise DdsError(codes.RESOURCE_NOT_FOUND, f"The log stream {stream} does not exist.")


def _edit_all(
    request: Request[Any, Any], logs: Sequence[LogOfInstance], edit: Edit[Any]
) -> Nothing:
    service = request.service
    with service.database.read() as connection:
        for log in logs:
            if instances.find(connection, request.project_id, log.instance_id) is None:
                raise instance_not_found(log.instance_id)
    for log in logs:
        service.submit.edit(edit, Target(request.project_id, log.instance_id, request.path), log)
        service.forwarder.refresh(log.instance_id)
    return Nothing()


def _streams(instance: Instance) -> InstanceLtsConfigs:
    shown = LtsInstance(
        id=instance.id,
        name=instance.name,
        mode=_MODES[instance.mode],
        datastore=Datastore(type=_DATASTORE, version=instance.version),
        status=instance.status,
        enterprise_project_id=instance.request.get("enterprise_project_id", "0"),
        actions=[instance.action] if instance.action else [],
    )
    stream = audit.stream(instance)
    if stream is None:
        return InstanceLtsConfigs(instance=shown)
    config = LtsConfig(
        log_type=AUDIT_LOG,
        lts_group_id=stream.group_id,
        lts_stream_id=stream.stream_id,
        enabled=stream.enabled,
    )
    return InstanceLtsConfigs(instance=shown, lts_configs=[config])


def _item(file: AuditFile) -> AuditLogItem:
    return AuditLogItem(
        id=file.id,
        name=file.name,
        size=file.size,
        node_id=file.node_id,
        start_time=_time(file.start),
        end_time=_time(file.end),
    )


def _check_known(asked: list[str], known: set[str]) -> None:
    for one in asked:
        if one not in known:
            raise _unknown(one)


def _unknown(file: str) -> DdsError:
    return DdsError(codes.RESOURCE_NOT_FOUND, f"The audit log {file} does not exist.")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000")
