"""What is audited, deleting files of audit logs, and where entries go as well."""

from dataclasses import dataclass

from shardhouse import error_codes as codes
from shardhouse.contract.audit import (
    DELETE_AUDIT_LOGS,
    DELETE_LTS_CONFIG,
    SET_AUDIT_POLICY,
    UPDATE_LTS_CONFIG,
    AuditLogNamesBody,
    AuditPolicyBody,
    LogOfInstance,
    LogToStream,
)
from shardhouse.domain import audit
from shardhouse.domain.audit import AuditPolicy, LtsStream
from shardhouse.domain.change import Change
from shardhouse.domain.model import Mode
from shardhouse.errors import DdsError
from shardhouse.workflows import audit_files, limits
from shardhouse.workflows.operation import Asked, Edit, Operation, Planned, Run, Step


def policy(asked: Asked[AuditPolicyBody]) -> Change:
    """What is audited from now on. Raises DdsError 400 for a cluster whose routers are not ours."""
    body, instance = asked.body, asked.instance
    engine = asked.engines.build(instance.engine_build, instance.engine_version)
    if body.keep_days and instance.mode is Mode.SHARDING and engine.mongos is not None:
        raise DdsError(
            codes.NOT_SUPPORTED,
            f"The routers of instance {instance.id} are the mongos of its MongoDB build, which "
            "writes no audit log.",
        )
    wanted = AuditPolicy(
        body.keep_days,
        body.reserve_auditlogs == "true",
        body.audit_scope,
        tuple(body.audit_types),
    )
    return Change(policies={audit.KIND: wanted.document()})


def to_stream(asked: Asked[LogToStream]) -> Change:
    """Entries go to a stream from now on."""
    stream = LtsStream(asked.body.lts_group_id, asked.body.lts_stream_id)
    return Change(policies={audit.LTS_KIND: stream.document()})


def to_no_stream(asked: Asked[LogOfInstance]) -> Change:
    """Entries go nowhere else; which stream it was stays known, as clients expect."""
    stream = audit.stream(asked.instance)
    if stream is None:
        return Change()
    ended = LtsStream(stream.group_id, stream.stream_id, enabled=False)
    return Change(policies={audit.LTS_KIND: ended.document()})


POLICY = Edit(SET_AUDIT_POLICY, policy)
TO_STREAM = Edit(UPDATE_LTS_CONFIG, to_stream)
TO_NO_STREAM = Edit(DELETE_LTS_CONFIG, to_no_stream)


@dataclass(frozen=True)
class Arguments:
    """Which files go, by their names."""

    names: tuple[str, ...]


def _plan(asked: Asked[AuditLogNamesBody]) -> Planned[Arguments]:
    return Planned(Arguments(tuple(asked.body.file_names)))


def remove(run: Run[Arguments]) -> None:
    """The files are gone."""
    names = frozenset(run.arguments.names)
    for file in audit_files.of_instance(run.context.settings, run.instance.id):
        if file.name in names:
            file.path.unlink(missing_ok=True)
    run.report(f"files deleted: {len(names)}")


DELETE = Operation(
    "DELETE_AUDIT_LOG",
    "DeleteAuditLog",
    Arguments,
    (Step("Delete the files", remove),),
    call=DELETE_AUDIT_LOGS,
    plan=_plan,
    limit=limits.brief,
    locks=False,
)
