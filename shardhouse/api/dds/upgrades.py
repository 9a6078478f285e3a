"""Upgrades of MongoDB: of several instances in one call, and how long one takes."""

from typing import Any

from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.upgrades import MODES, QUICK, BatchBody, UpgradeBody
from shardhouse.errors import DdsError
from shardhouse.operations import upgrade
from shardhouse.operations.submit import Target


def upgrade_instances(request: Request[Nothing, BatchBody]) -> dict[str, Any]:
    """Start upgrades of up to ten instances; each has its own result."""
    results: list[dict[str, str]] = []
    for instance_id in request.body.instance_ids:
        target = Target(request.project_id, instance_id, request.path)
        try:
            accepted = request.service.submit.start(upgrade.UPGRADE, target, UpgradeBody())
        except DdsError as error:
            result = {"error_code": error.code, "error_message": error.message}
        else:
            result = {"job_id": accepted.job.id}
        results.append({"instance_id": instance_id} | result)
    return {"upgrade_results": results}


def show_duration(request: Request[Nothing, Nothing]) -> dict[str, Any]:
    """Minutes an upgrade of the instance takes in each mode."""
    instance = request.instance()
    strategies = [
        {
            "strategy": mode,
            "estimated_upgrade_duration": upgrade.estimate(instance, together=mode == QUICK),
        }
        for mode in MODES
    ]
    return {"strategies": strategies}
