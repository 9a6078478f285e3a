"""Instances and jobs as the DDS API writes them: names, JSON types and time formats.

Source: OTC DDS API reference, models of the official SDK, and what the two Terraform providers
parse: `flavor[].num`, `size` and `keep_days` are strings in a create answer, `port` a number there
and a string in lists.
"""

from collections.abc import Sequence
from datetime import datetime

from shardhouse.contract.instances import (
    BackupStrategyItem,
    CreateAnswer,
    CreatedStrategy,
    GroupItem,
    GroupVolume,
    InstanceDatastore,
    InstanceItem,
    NodeItem,
    Tag,
)
from shardhouse.contract.jobs import (
    JobAnswer,
    JobDetail,
    JobInstance,
    JobItem,
    JobStepItem,
    ScheduledItem,
)
from shardhouse.domain import policy
from shardhouse.domain.model import (
    Group,
    GroupType,
    Instance,
    Job,
    JobStatus,
    JobStep,
    MemberRole,
    Mode,
    Node,
    Role,
    Status,
)
from shardhouse.domain.uris import ADMINISTRATOR

GIB = 1024**3
DATASTORE = "DDS-Community"
PAY_PER_USE = "0"
#: Types of the groups of read replicas: of a replica set, of a shard. Their role is `Secondary`:
#: documents have no word of its own for them.
READONLY = "readonly"
SHARD_READONLY = "shard_readonly"
_INTERNAL = (GroupType.SHARD, GroupType.CONFIG)


def create_answer(instance: Instance, job: Job) -> CreateAnswer:
    """202 of `POST /instances`: the request without its password, and what was made of it."""
    request, strategy = instance.request, instance.backup_strategy
    made = {
        "id": instance.id,
        "created": instance.created_at.strftime("%Y-%m-%d %H:%M:%S"),
        "status": Status.CREATING,
        "port": instance.port,
        "job_id": job.id,
        "datastore": request["datastore"] | {"storage_engine": instance.storage_engine},
        "backup_strategy": CreatedStrategy(
            start_time=strategy.start_time,
            keep_days=str(strategy.keep_days),
            period=strategy.period or None,
        ),
        "ssl_option": "1" if instance.ssl else "0",
        "tags": tags(instance) or None,
        "enterprise_project_id": request.get("enterprise_project_id", "0"),
    }
    return CreateAnswer.model_validate(request | made)


def instance_item(
    instance: Instance, memory_scale: float, *, patch_available: bool
) -> InstanceItem:
    """One item of `GET /instances`."""
    request, strategy = instance.request, instance.backup_strategy
    return InstanceItem(
        id=instance.id,
        name=instance.name,
        remark=instance.remark,
        status=instance.status,
        port=str(instance.client_port),
        mode=instance.mode,
        region=instance.region,
        datastore=InstanceDatastore(
            type=DATASTORE,
            version=instance.version,
            patch_available=patch_available,
            whole_version=instance.engine_version,
        ),
        engine=instance.storage_engine,
        engine_version=instance.engine_version,
        engine_build=instance.engine_build,
        memory_scale=memory_scale,
        created=_moment(instance.created_at),
        updated=_moment(instance.updated_at),
        db_user_name=ADMINISTRATOR,
        ssl=int(instance.ssl),
        vpc_id=request.get("vpc_id", ""),
        subnet_id=request.get("subnet_id", ""),
        security_group_id=request.get("security_group_id", ""),
        backup_strategy=BackupStrategyItem(
            start_time=strategy.start_time,
            keep_days=strategy.keep_days,
            period=strategy.period or None,
        ),
        pay_mode=PAY_PER_USE,
        maintenance_window=instance.maintenance_window,
        replica_set="" if instance.mode is Mode.SHARDING else instance.groups[0].replica_set,
        groups=[item for group in instance.groups for item in _groups(instance, group)],
        time_zone="",
        actions=[instance.action] if instance.action else [],
        tags=tags(instance),
        enterprise_project_id=request.get("enterprise_project_id", "0"),
        availability_zone=instance.availability_zone,
        disk_encryption_id=request.get("disk_encryption_id"),
        dss_pool_id=request.get("dss_pool_id"),
    )


def job_answer(job: Job) -> JobAnswer:
    """`GET /jobs`."""
    return JobAnswer(
        job=JobDetail(
            id=job.id,
            name=job.name,
            status=job.status,
            created=zoned(job.created_at),
            ended=zoned(job.ended_at),
            progress=_progress(job),
            instance=JobInstance(id=job.instance_id, name=job.instance_name),
            fail_reason=job.fail_reason,
            steps=[_step(step) for step in job.steps],
        )
    )


def job_item(job: Job) -> JobItem:
    """One item of `GET /v3.1/../jobs`."""
    return JobItem(
        id=job.id,
        name=job.name,
        instance_id=job.instance_id,
        instance_name=job.instance_name,
        status=job.status,
        progress=_progress(job),
        fail_reason=job.fail_reason or "",
        created_at=zoned(job.created_at),
        ended_at=zoned(job.ended_at),
    )


def gigabytes(size: int) -> str:
    """Bytes as GB with two decimals."""
    return f"{size / GIB:.2f}"


def _progress(job: Job) -> str:
    return f"{job.progress}%" if job.status is JobStatus.RUNNING else ""


def scheduled_item(job: Job, instance_status: str) -> ScheduledItem:
    """One item of `GET /scheduled-jobs`."""
    return ScheduledItem(
        job_id=job.id,
        job_name=job.name,
        job_status=job.status,
        instance_id=job.instance_id,
        instance_name=job.instance_name,
        instance_status=instance_status,
        create_time=zoned(job.created_at),
        start_time=zoned(job.start_at),
        end_time=zoned(job.ended_at),
    )


def _groups(instance: Instance, group: Group) -> list[GroupItem]:
    """A group, and its read replicas as the group of their own that clients look for. Only groups
    of a cluster are named on the wire; only data groups have a volume."""
    closed = group.type in _INTERNAL and group.id not in policy.opened_groups(instance)
    items = [_group(group, str(group.type), group.members, group.size, closed)]
    if group.read_replicas:
        size = max(node.size for node in group.read_replicas)
        kind = SHARD_READONLY if group.type is GroupType.SHARD else READONLY
        items.append(_group(group, kind, group.read_replicas, size, closed))
    return items


def _group(group: Group, kind: str, nodes: Sequence[Node], size: int, closed: bool) -> GroupItem:
    internal = group.type in _INTERNAL
    volume = None
    if group.type.holds_data:
        used = max((node.used_bytes for node in nodes), default=0)
        volume = GroupVolume(size=str(size), used=gigabytes(used))
    return GroupItem(
        type=kind,
        id=group.id if internal else None,
        name=group.name if internal else None,
        status=_group_status(nodes) if internal else None,
        volume=volume,
        nodes=[_node(group, node, closed) for node in nodes],
    )


def _group_status(nodes: Sequence[Node]) -> str:
    """A replica set is as good as its worst: `normal` when all are well or only worked on."""
    if any(node.status is Status.CREATING for node in nodes):
        return str(Status.CREATING)
    well = all(node.status is Status.NORMAL or node.status.at_work for node in nodes)
    return str(Status.NORMAL if well else Status.ABNORMAL)


def _node(group: Group, node: Node, closed: bool) -> NodeItem:
    """Addresses of shards and config servers are known when they are opened (create-ip), but for
    those of hidden members."""
    internal = closed or (group.type in _INTERNAL and node.member is MemberRole.HIDDEN)
    return NodeItem(
        id=node.id,
        name=node.name,
        status=node.status,
        role=node.role if node.status is not Status.CREATING else Role.UNKNOWN,
        private_ip="" if internal else node.address,
        public_ip=node.public_address,
        host="" if internal or not node.address else node.client_host,
        spec_code=node.spec_code,
        availability_zone=node.availability_zone,
        nat_gateway_id=node.gateway.nat_gateway_id if node.gateway else None,
        external_service_port=node.gateway.port if node.gateway else None,
    )


def _step(step: JobStep) -> JobStepItem:
    return JobStepItem(
        name=step.name,
        status=step.status,
        started=zoned(step.started_at),
        ended=zoned(step.ended_at),
        detail=step.detail,
    )


def tags(instance: Instance) -> list[Tag]:
    """An instance's tags."""
    return [Tag(key=key, value=value) for key, value in instance.tags]


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def zoned(moment: datetime | None) -> str:
    """A moment as most answers write it; empty for none."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000") if moment else ""
