"""What is noted about an instance: its name, remark, maintenance window and security group."""

from typing import Annotated

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, JobId, Method, Rules, Wire
from shardhouse.contract.fields import InstanceName
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.model import Status

MODIFY = "dds:instance:modify"


class NameBody(Wire):
    """The new name."""

    new_instance_name: InstanceName


class RemarkBody(Wire):
    """The new remark."""

    remark: Annotated[
        str,
        Rule(rules.remark),
        Field(description="At most 64 characters, none of `>!<\"&'=` and no line break."),
    ]


class MaintenanceWindowBody(Wire):
    """The new window, in UTC; it may reach over midnight."""

    start_time: Annotated[str, Rule(rules.clock), Field(description="`HH:MM`, UTC.")]
    end_time: Annotated[
        str,
        Rule(rules.clock),
        Field(
            description="`HH:MM`, UTC, at least one hour after `start_time`. The dialect `huawei` "
            "takes full hours only."
        ),
    ]


class SecurityGroupBody(Wire):
    """The new security group."""

    security_group_id: Annotated[
        str,
        Rule(lambda field, value: rules.uuid(field, value, codes.SECURITY_GROUP_INVALID)),
        Field(description="An id in UUID form."),
    ]


class SecurityGroupAnswer(JobId):
    """The job, and the id that was sent."""

    security_group_id: str


UPDATE_INSTANCE_NAME = Call(
    "UpdateInstanceName",
    Method.PUT,
    f"{INSTANCE}/modify-name",
    summary="Change an instance's name. Its nodes keep theirs.",
    permission=MODIFY,
    body=NameBody,
    example={"new_instance_name": "renamed"},
    rules=Rules(statuses=frozenset(Status) - {Status.CREATING, Status.CREATE_FAIL}),
)
UPDATE_INSTANCE_REMARK = Call(
    "UpdateInstanceRemark",
    Method.PUT,
    f"{INSTANCE}/remark",
    summary="Change an instance's remark.",
    permission=MODIFY,
    body=RemarkBody,
    example={"remark": "for the shop"},
    rules=Rules(statuses=frozenset(Status) - {Status.CREATING}, idle=False),
)
CHANGE_OPS_WINDOW = Call(
    "ChangeOpsWindow",
    Method.PUT,
    f"{INSTANCE}/maintenance-window",
    summary="Change an instance's maintenance window. Jobs that wait for it wait for the new one.",
    permission=MODIFY,
    body=MaintenanceWindowBody,
    example={"start_time": "22:00", "end_time": "02:00"},
    success=204,
)
UPDATE_SECURITY_GROUP = Call(
    "UpdateSecurityGroup",
    Method.POST,
    f"{INSTANCE}/modify-security-group",
    summary="Change an instance's security group. It is a record: nothing here filters packets.",
    permission=MODIFY,
    body=SecurityGroupBody,
    example={"security_group_id": "fd8c2f0e-3a0f-4b8e-9d0c-0c1e2f3a4b5c"},
    answer=SecurityGroupAnswer,
    success=202,
)
CALLS = (UPDATE_INSTANCE_NAME, UPDATE_INSTANCE_REMARK, CHANGE_OPS_WINDOW, UPDATE_SECURITY_GROUP)
