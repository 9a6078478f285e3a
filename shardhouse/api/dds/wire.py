"""Instances and jobs as the DDS API writes them: names, JSON types and time formats.

Source: OTC DDS API reference, models of the official SDK, and what the two Terraform providers
parse: `flavor[].num`, `size` and `keep_days` are strings in a create answer, `port` a number there
and a string in lists.
"""

from datetime import datetime
from typing import Any

from shardhouse.domain.model import (
    Group,
    GroupType,
    Instance,
    Job,
    JobStatus,
    JobStep,
    Node,
    Role,
    Status,
)

GIB = 1024**3
ADMINISTRATOR = "rwuser"
DATASTORE = "DDS-Community"
PAY_PER_USE = "0"
#: Echoed from the create request for the instance's whole life, under the same names.
_ECHOED = ("disk_encryption_id", "enterprise_project_id", "dss_pool_id")


def create_answer(instance: Instance, job: Job) -> dict[str, Any]:
    """202 of `POST /instances`: the request without its password, and what was made of it."""
    request = instance.request
    answer = {key: value for key, value in request.items() if key not in ("flavor", "tags")}
    answer |= {
        "id": instance.id,
        "created": instance.created_at.strftime("%Y-%m-%d %H:%M:%S"),
        "status": str(Status.CREATING),
        "port": instance.port,
        "job_id": job.id,
        # Answers leave the storage class out.
        "flavor": [
            {key: value for key, value in entry.items() if key != "storage"}
            for entry in request["flavor"]
        ],
        "datastore": request["datastore"] | {"storage_engine": instance.storage_engine},
        "backup_strategy": {
            "start_time": instance.backup_strategy.start_time,
            "keep_days": str(instance.backup_strategy.keep_days),
        },
        "ssl_option": "1" if instance.ssl else "0",
        "enterprise_project_id": request.get("enterprise_project_id", "0"),
    }
    if instance.tags:
        answer["tags"] = _tags(instance)
    return answer


def instance_item(instance: Instance, memory_scale: float) -> dict[str, Any]:
    """One item of `GET /instances`. Our own additions: `engine_version`, the build that runs, and
    `memory_scale`, the share of its flavor's memory that a node has here."""
    request = instance.request
    item: dict[str, Any] = {
        "id": instance.id,
        "name": instance.name,
        "remark": instance.remark,
        "status": str(instance.status),
        "port": str(instance.port),
        "mode": str(instance.mode),
        "region": instance.region,
        "datastore": {
            "type": DATASTORE,
            "version": instance.version,
            "patch_available": False,
            "whole_version": instance.engine_version,
        },
        "engine": instance.storage_engine,
        "engine_version": instance.engine_version,
        "memory_scale": memory_scale,
        "created": _moment(instance.created_at),
        "updated": _moment(instance.updated_at),
        "db_user_name": ADMINISTRATOR,
        "ssl": int(instance.ssl),
        "vpc_id": request.get("vpc_id", ""),
        "subnet_id": request.get("subnet_id", ""),
        "security_group_id": request.get("security_group_id", ""),
        "backup_strategy": {
            "start_time": instance.backup_strategy.start_time,
            "keep_days": instance.backup_strategy.keep_days,
        },
        "pay_mode": PAY_PER_USE,
        "maintenance_window": instance.maintenance_window,
        "groups": [_group(group) for group in instance.groups],
        "time_zone": "",
        "actions": [instance.action] if instance.action else [],
        "tags": _tags(instance),
        "enterprise_project_id": "0",
        "availability_zone": instance.availability_zone,
    }
    return item | {name: request[name] for name in _ECHOED if name in request}


def job_answer(job: Job) -> dict[str, Any]:
    """`GET /jobs`; `steps` is our own addition, for progress displays."""
    return {
        "job": {
            "id": job.id,
            "name": job.name,
            "status": str(job.status),
            "created": _zoned(job.created_at),
            "ended": _zoned(job.ended_at),
            "progress": f"{job.progress}%" if job.status is JobStatus.RUNNING else "",
            "instance": {"id": job.instance_id, "name": job.instance_name},
            "fail_reason": job.fail_reason,
            "steps": [_step(step) for step in job.steps],
        }
    }


def _group(group: Group) -> dict[str, Any]:
    """Only shard and config groups are named on the wire; only data groups have a volume."""
    item: dict[str, Any] = {"type": str(group.type)}
    if group.type in (GroupType.SHARD, GroupType.CONFIG):
        item |= {"id": group.id, "name": group.name, "status": _group_status(group)}
    if group.type.holds_data:
        used = max((node.used_bytes for node in group.nodes), default=0) / GIB
        item["volume"] = {"size": str(group.size), "used": f"{used:.2f}"}
    item["nodes"] = [_node(group, node) for node in group.nodes]
    return item


def _group_status(group: Group) -> str:
    """A replica set is as good as its worst: `normal` when it has a primary and all are well."""
    if any(node.status is Status.CREATING for node in group.nodes):
        return str(Status.CREATING)
    well = all(node.status is Status.NORMAL for node in group.nodes)
    return str(Status.NORMAL if well else Status.ABNORMAL)


def _node(group: Group, node: Node) -> dict[str, Any]:
    # Addresses of shards and config servers are internal until they are opened by create-ip.
    internal = group.type in (GroupType.SHARD, GroupType.CONFIG)
    return {
        "id": node.id,
        "name": node.name,
        "status": str(node.status),
        "role": str(node.role if node.status is not Status.CREATING else Role.UNKNOWN),
        "private_ip": "" if internal else node.address,
        "public_ip": "",
        "spec_code": node.spec_code,
        "availability_zone": node.availability_zone,
    }


def _step(step: JobStep) -> dict[str, Any]:
    return {
        "name": step.name,
        "status": str(step.status),
        "started": _zoned(step.started_at),
        "ended": _zoned(step.ended_at),
        "detail": step.detail,
    }


def _tags(instance: Instance) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in instance.tags]


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _zoned(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000") if moment else ""
