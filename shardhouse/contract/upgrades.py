"""Upgrades of an instance's MongoDB (Huawei DDS, "Upgrading the Database Patch")."""

from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Call, JobId, Method, Wire
from shardhouse.contract.fields import LEFT_OUT, Flag, one_of
from shardhouse.contract.instances import INSTANCE, INSTANCES
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules

SAFE = "minimized_interrupt_time"
QUICK = "minimized_upgrade_time"
MODES = (SAFE, QUICK)
MAX_BATCH = 10
PERMISSION = "dds:instance:upgradeDatabaseVersion"


class UpgradeBody(Wire):
    """How to upgrade, and when."""

    upgrade_mode: Annotated[str, one_of(*MODES)] = SAFE
    is_delayed: Annotated[Flag, Field(description="Wait for the maintenance window.")] = False
    version: Annotated[
        str,
        Rule(rules.version),
        Field(
            description="Our own addition: a release or version to upgrade to, where it is not the "
            "newest patch level of the instance's release."
        ),
    ] = ""


class BatchBody(Wire):
    """Which instances."""

    instance_ids: Annotated[
        list[str], Rule(lambda field, value: rules.ids(field, value, MAX_BATCH))
    ]


class UpgradeResult(Wire):
    """An instance's job, or why there is none."""

    instance_id: str
    job_id: Annotated[str | None, LEFT_OUT] = None
    error_code: Annotated[str | None, LEFT_OUT] = None
    error_message: Annotated[str | None, LEFT_OUT] = None


class BatchAnswer(Wire):
    """One result per instance."""

    upgrade_results: list[UpgradeResult]


class DurationItem(Wire):
    """Minutes an upgrade takes in a mode."""

    strategy: str
    estimated_upgrade_duration: int


class DurationAnswer(Wire):
    """How long an upgrade takes in each mode."""

    strategies: list[DurationItem]


UPGRADE_DATABASE = Call(
    "UpgradeDatabaseVersion",
    Method.POST,
    f"{INSTANCE}/db-upgrade",
    summary="Upgrade an instance's MongoDB, now or in its maintenance window.",
    permission=PERMISSION,
    body=UpgradeBody,
    example={"upgrade_mode": SAFE, "is_delayed": False},
    answer=JobId,
    success=202,
)
UPGRADE_DATABASES = Call(
    "BatchUpgradeDatabaseVersion",
    Method.POST,
    f"{INSTANCES}/db-upgrade",
    summary="Upgrade up to ten instances.",
    permission=PERMISSION,
    body=BatchBody,
    example={"instance_ids": ["0" * 32 + "in02"]},
    answer=BatchAnswer,
    success=202,
)
SHOW_UPGRADE_DURATION = Call(
    "ShowUpgradeDuration",
    Method.GET,
    f"{INSTANCE}/db-upgrade-duration",
    summary="How long an upgrade takes.",
    permission="dds:instance:getUpgradeDuration",
    answer=DurationAnswer,
)
CALLS = (UPGRADE_DATABASE, UPGRADE_DATABASES, SHOW_UPGRADE_DURATION)
