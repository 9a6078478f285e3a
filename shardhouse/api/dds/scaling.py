"""Instances that grow, by a call or by themselves."""

from shardhouse.api.endpoint import Request
from shardhouse.contract.call import JobId, Nothing
from shardhouse.contract.scaling import (
    AutoEnlargeAnswer,
    AutoEnlargeBody,
    AutoEnlargePolicy,
    EnlargeBody,
)
from shardhouse.domain import auto_enlarge
from shardhouse.domain.model import GroupType
from shardhouse.errors import instance_not_found
from shardhouse.operations import enlarge_volume, grow
from shardhouse.operations.submit import Target
from shardhouse.store import instances


def enlarge(request: Request[Nothing, EnlargeBody]) -> JobId:
    """Start adding mongos nodes or shards."""
    routers = request.body.type == GroupType.MONGOS
    operation = grow.GROW_ROUTERS if routers else grow.GROW_SHARDS
    accepted = request.service.submit.start(operation, request.target, request.body)
    return JobId(job_id=accepted.job.id)


def set_policies(request: Request[Nothing, AutoEnlargeBody]) -> Nothing:
    """Set the policies of several instances: of all, or of none where one does not exist."""
    policies = request.body.policies
    with request.service.database.read() as connection:
        for policy in policies:
            if instances.find(connection, request.project_id, policy.instance_id) is None:
                raise instance_not_found(policy.instance_id)
    for policy in policies:
        target = Target(request.project_id, policy.instance_id, request.path)
        body = request.body.model_copy(update={"policies": [policy]})
        request.service.submit.edit(enlarge_volume.POLICY, target, body)
    return Nothing()


def show_policy(request: Request[Nothing, Nothing]) -> AutoEnlargeAnswer:
    """The instance's policy."""
    instance = request.instance()
    document = instance.policies.get(auto_enlarge.KIND)
    if document is None:
        return AutoEnlargeAnswer(switch_option=auto_enlarge.OFF)
    policy = {key: document[key] for key in ("threshold", "step", "size")}
    return AutoEnlargeAnswer(
        switch_option=document["switch_option"],
        policy=AutoEnlargePolicy(instance_id=instance.id, **policy),
    )
