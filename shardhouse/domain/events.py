"""What operators want to hear of: what happened to instances, beside what they asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shardhouse.domain.model import Instance, Job, Node, Role, Status

FILLING = (80, 90)
"""Percentages of a volume at which a warning is due."""


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Kind(StrEnum):
    """What happened. Each has one severity."""

    NODE_ABNORMAL = "NodeAbnormal"
    NODE_NORMAL = "NodeNormal"
    PRIMARY_ELECTED = "PrimaryElected"
    INSTANCE_ABNORMAL = "InstanceAbnormal"
    INSTANCE_NORMAL = "InstanceNormal"
    VOLUME_FILLING = "VolumeFilling"
    VOLUME_FULL = "VolumeFull"
    JOB_COMPLETED = "JobCompleted"
    JOB_FAILED = "JobFailed"


SEVERITIES: Mapping[Kind, Severity] = {
    Kind.NODE_ABNORMAL: Severity.WARNING,
    Kind.NODE_NORMAL: Severity.INFO,
    Kind.PRIMARY_ELECTED: Severity.INFO,
    Kind.INSTANCE_ABNORMAL: Severity.CRITICAL,
    Kind.INSTANCE_NORMAL: Severity.INFO,
    Kind.VOLUME_FILLING: Severity.WARNING,
    Kind.VOLUME_FULL: Severity.CRITICAL,
    Kind.JOB_COMPLETED: Severity.INFO,
    Kind.JOB_FAILED: Severity.WARNING,
}
MEANINGS: Mapping[Kind, str] = {
    Kind.NODE_ABNORMAL: "a node's process ended, or the node does not answer; the message says why",
    Kind.NODE_NORMAL: "the node serves again",
    Kind.PRIMARY_ELECTED: "a member of a replica set became its primary",
    Kind.INSTANCE_ABNORMAL: "a replica set has no primary or no majority, or no mongos answers",
    Kind.INSTANCE_NORMAL: "clients can read and write everywhere again",
    Kind.VOLUME_FILLING: "a volume holds more than 80 or 90 % of what it may",
    Kind.VOLUME_FULL: "a volume or the disk is full: users' writes are refused",
    Kind.JOB_COMPLETED: "an operation has ended, whoever started it",
    Kind.JOB_FAILED: "an operation, such as a backup, has failed; the message says why",
}
_OF_STATUS = {
    Status.ABNORMAL: Kind.INSTANCE_ABNORMAL,
    Status.DATA_DISK_FULL: Kind.VOLUME_FULL,
    Status.NORMAL: Kind.INSTANCE_NORMAL,
}


@dataclass(frozen=True)
class InstanceEvent:
    """One event. `node_id` and `job_id` are empty where it is about none. `number` grows with each
    event of an installation; 0 until it is stored."""

    project_id: str
    instance_id: str
    instance_name: str
    kind: Kind
    message: str
    at: datetime
    node_id: str = ""
    job_id: str = ""
    number: int = 0

    @property
    def severity(self) -> Severity:
        """How soon somebody should look."""
        return SEVERITIES[self.kind]


def about(
    instance: Instance, kind: Kind, message: str, at: datetime, node_id: str = ""
) -> InstanceEvent:
    """An event of an instance, or of one of its nodes."""
    return InstanceEvent(
        instance.project_id, instance.id, instance.name, kind, message, at, node_id
    )


def of_job(job: Job, at: datetime, fail_reason: str | None = None) -> InstanceEvent:
    """The end of a job."""
    kind = Kind.JOB_COMPLETED if fail_reason is None else Kind.JOB_FAILED
    text = f"{job.name} has ended." if fail_reason is None else f"{job.name} failed: {fail_reason}"
    return InstanceEvent(
        job.project_id, job.instance_id, job.instance_name, kind, text, at, job_id=job.id
    )


def of_node(
    instance: Instance, node: Node, status: Status, role: Role, detail: str, at: datetime
) -> Iterator[InstanceEvent]:
    """What it means that a node is found with this status and role, compared with what was stored.
    While a job works on the node, its coming and going is no news."""
    if status is not node.status and not node.status.at_work:
        if status is Status.ABNORMAL:
            text = f"Node {node.name} is abnormal: {detail or 'it does not answer as it should'}."
            yield about(instance, Kind.NODE_ABNORMAL, text, at, node.id)
        elif status is Status.NORMAL:
            text = f"Node {node.name} is normal again."
            yield about(instance, Kind.NODE_NORMAL, text, at, node.id)
    if role is Role.PRIMARY and node.role is not Role.PRIMARY and len(instance.nodes) > 1:
        text = f"Node {node.name} is the primary of its replica set now."
        yield about(instance, Kind.PRIMARY_ELECTED, text, at, node.id)


def of_status(instance: Instance, status: Status, at: datetime) -> Iterator[InstanceEvent]:
    """What a new status of an instance means, compared with the stored one."""
    kind = _OF_STATUS.get(status)
    if kind is not None and status is not instance.status:
        yield about(instance, kind, f"The instance is {status}; it was {instance.status}.", at)


def level(used: int, limit: int) -> int:
    """The highest percentage of `FILLING` that a volume of `limit` bytes exceeds; 0 if none."""
    return max((percent for percent in FILLING if used * 100 > percent * limit), default=0)


def of_volume(
    instance: Instance, node: Node, used: int, limit: int, at: datetime
) -> Iterator[InstanceEvent]:
    """What it means that a node's volume, which may hold `limit` bytes, holds `used` now. The
    instance's status says when it is full."""
    reached = level(used, limit)
    if level(node.used_bytes, limit) < reached and used < limit:
        text = f"The volume of node {node.name} is more than {reached} % full."
        yield about(instance, Kind.VOLUME_FILLING, text, at, node.id)
