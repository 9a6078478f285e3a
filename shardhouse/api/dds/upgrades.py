"""Upgrades of MongoDB: of several instances in one call, and how long one takes."""

from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.upgrades import (
    MODES,
    QUICK,
    BatchAnswer,
    BatchBody,
    DurationAnswer,
    DurationItem,
    UpgradeBody,
    UpgradeResult,
)
from shardhouse.errors import DdsError
from shardhouse.operations import upgrade
from shardhouse.operations.submit import Target


def upgrade_instances(request: Request[Nothing, BatchBody]) -> BatchAnswer:
    """Start upgrades of up to ten instances; each has its own result."""
    results = []
    for instance_id in request.body.instance_ids:
        target = Target(request.project_id, instance_id, request.path)
        try:
            accepted = request.service.submit.start(upgrade.UPGRADE, target, UpgradeBody())
        except DdsError as error:
            result = UpgradeResult(
                instance_id=instance_id, error_code=error.code, error_message=error.message
            )
        else:
            result = UpgradeResult(instance_id=instance_id, job_id=accepted.job.id)
        results.append(result)
    return BatchAnswer(upgrade_results=results)


def show_duration(request: Request[Nothing, Nothing]) -> DurationAnswer:
    """Minutes an upgrade of the instance takes in each mode."""
    instance = request.instance()
    strategies = [
        DurationItem(
            strategy=mode,
            estimated_upgrade_duration=upgrade.estimate(instance, together=mode == QUICK),
        )
        for mode in MODES
    ]
    return DurationAnswer(strategies=strategies)
