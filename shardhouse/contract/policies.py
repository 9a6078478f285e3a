"""What an instance does by itself: backups, monitoring by seconds, masking of its slow log."""

from typing import Annotated

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, Method, Wire
from shardhouse.contract.fields import LEFT_OUT, Flag, integer
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules

LIST = "dds:instance:list"
MOST_DAYS = 732


class BackupPolicyBody(Wire):
    """Days to keep automatic backups, and when to make them. `start_time` and `period` are required
    unless `keep_days` is 0: then there are none. Without `keep_days` only
    `enable_incremental_backup` changes."""

    keep_days: Annotated[int | None, integer(0, MOST_DAYS, codes.KEEP_DAYS_INVALID)] = None
    start_time: Annotated[
        str,
        Rule(rules.backup_window),
        Field(description="`hh:mm-HH:MM` UTC, one hour, minutes 00, 15, 30 or 45."),
    ] = ""
    period: Annotated[
        str,
        Field(
            description="Days of the week, `1,2,3,4,5,6,7`; all seven where backups stay for 1 to "
            "6 days."
        ),
    ] = ""
    enable_incremental_backup: Annotated[
        Flag | None,
        Field(
            description="Whether what is written between full backups is captured, so that any "
            "time can be restored. False deletes what was captured, true begins with a full "
            "backup; as it was where absent, at first true."
        ),
    ] = None


class BackupPolicy(Wire):
    """When automatic backups are made; only `keep_days` where it is 0."""

    keep_days: int
    start_time: Annotated[str | None, LEFT_OUT] = None
    period: Annotated[str | None, LEFT_OUT] = None
    enable_incremental_backup: Annotated[bool | None, LEFT_OUT] = None


class BackupPolicyAnswer(Wire):
    """The policy."""

    backup_policy: BackupPolicy


class SwitchBody(Wire):
    """On or off."""

    enabled: Flag


class SwitchAnswer(Wire):
    """Whether it is on."""

    enabled: bool


class MaskingAnswer(Wire):
    """`on` or `off`."""

    status: str


SHOW_BACKUP_POLICY = Call(
    "ShowBackupPolicy",
    Method.GET,
    f"{INSTANCE}/backups/policy",
    summary="When automatic backups are made.",
    permission=LIST,
    answer=BackupPolicyAnswer,
)
SET_BACKUP_POLICY = Call(
    "SetBackupPolicy",
    Method.PUT,
    f"{INSTANCE}/backups/policy",
    summary="Change when automatic backups are made. The first one is made at once.",
    permission="dds:instance:modifyBackupPolicy",
    body=BackupPolicyBody,
    wrapper="backup_policy",
    example={"keep_days": 7, "start_time": "01:00-02:00", "period": "1,3,5"},
)
SHOW_MONITORING = Call(
    "ShowSecondLevelMonitoringStatus",
    Method.GET,
    f"{INSTANCE}/monitoring-by-seconds/switch",
    summary="Whether an instance's nodes are looked at every second.",
    permission=LIST,
    answer=SwitchAnswer,
)
SWITCH_MONITORING = Call(
    "SwitchSecondLevelMonitoring",
    Method.PUT,
    f"{INSTANCE}/monitoring-by-seconds/switch",
    summary="Have an instance's nodes looked at every second, and measured every five, instead of "
    "at the usual intervals.",
    permission="dds:instance:modify",
    body=SwitchBody,
    example={"enabled": True},
    success=204,
)
SHOW_MASKING = Call(
    "ShowSlowlogDesensitizationSwitch",
    Method.GET,
    f"{INSTANCE}/slowlog-desensitization/status",
    summary="Whether values are masked in an instance's logs of slow operations and errors.",
    permission="dds:instance:getSlowLogPlaintextStatus",
    answer=MaskingAnswer,
)
SWITCH_MASKING = Call(
    "SwitchSlowlogDesensitization",
    Method.PUT,
    f"{INSTANCE}/slowlog-desensitization/{{status}}",
    summary="Mask values in an instance's logs of slow operations and errors, or show them (`on`, "
    "`off`).",
    permission="dds:instance:setSlowLogPlaintextStatus",
)
CALLS = (
    SHOW_BACKUP_POLICY,
    SET_BACKUP_POLICY,
    SHOW_MONITORING,
    SWITCH_MONITORING,
    SHOW_MASKING,
    SWITCH_MASKING,
)
