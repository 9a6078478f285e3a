"""What is noted about an instance. Only the security group takes a job, because clients wait for
one; there is nothing behind it but the record."""

from dataclasses import dataclass

from shardhouse.contract.notes import (
    CHANGE_OPS_WINDOW,
    UPDATE_INSTANCE_NAME,
    UPDATE_INSTANCE_REMARK,
    UPDATE_SECURITY_GROUP,
    MaintenanceWindowBody,
    NameBody,
    RemarkBody,
    SecurityGroupBody,
)
from shardhouse.domain import rules
from shardhouse.domain.change import Change
from shardhouse.domain.dialect import DIALECTS
from shardhouse.store import instances
from shardhouse.workflows import limits
from shardhouse.workflows.context import now
from shardhouse.workflows.operation import Asked, Edit, Operation, Planned, Run, Step


def _name(asked: Asked[NameBody]) -> Change:
    return Change.of_instance(name=asked.body.new_instance_name)


def _remark(asked: Asked[RemarkBody]) -> Change:
    return Change.of_instance(remark=asked.body.remark)


def _window(asked: Asked[MaintenanceWindowBody]) -> Change:
    """Raises DdsError 400 for a window that is too short, or of no full hours where the dialect
    wants them."""
    window = rules.maintenance_window(
        asked.body.start_time,
        asked.body.end_time,
        full_hours=DIALECTS[asked.settings.dialect].full_hours,
    )
    return Change.of_instance(maintenance_window=window)


NAME = Edit(UPDATE_INSTANCE_NAME, _name)
REMARK = Edit(UPDATE_INSTANCE_REMARK, _remark)
WINDOW = Edit(CHANGE_OPS_WINDOW, _window)


@dataclass(frozen=True)
class SecurityGroup:
    """Arguments: the group's id."""

    security_group_id: str


def _plan(asked: Asked[SecurityGroupBody]) -> Planned[SecurityGroup]:
    return Planned(SecurityGroup(asked.body.security_group_id))


def record(run: Run[SecurityGroup]) -> None:
    """The instance has the security group."""
    group = run.arguments.security_group_id
    change = Change.of_instance(request=run.instance.request | {"security_group_id": group})
    with run.context.database.write() as connection:
        instances.apply(connection, run.instance.id, change, now())
    run.report(group)


SECURITY_GROUP = Operation(
    "MODIFY_SECURITYGROUP",
    "ModifySecurityGroup",
    SecurityGroup,
    (Step("Record the security group", record),),
    call=UPDATE_SECURITY_GROUP,
    plan=_plan,
    limit=limits.brief,
)
