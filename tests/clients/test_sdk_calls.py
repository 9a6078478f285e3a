"""Rows of the contract through the official SDK: each with its own example, and what comes back as
the SDK's own types."""

import re
from typing import Any

import huaweicloudsdkdds.v3 as sdk
import pytest

from shardhouse.contract import (
    accounts,
    balancer,
    jobs,
    measurements,
    notes,
    passwords,
    places,
    policies,
    tags,
)
from shardhouse.contract.call import Call, Nothing
from shardhouse.domain.model import Mode
from tests.clients.test_huaweicloudsdk import signed
from tests.installation import Installation

Made = dict[str, Any]
CALLS = (
    *accounts.CALLS,
    *balancer.CALLS,
    jobs.LIST_JOBS,
    *measurements.CALLS,
    *notes.CALLS,
    *passwords.CALLS,
    *places.CALLS,
    *policies.CALLS,
    *tags.CALLS,
)
#: What stands in paths and queries, and bodies that must not be the example's.
GIVEN = {
    "action": "start",
    "status": "on",
    "start_time": "2026-01-01T00:00:00+0000",
    "end_time": "2026-01-31T00:00:00+0000",
}
BODIES = {
    "UpdateInstanceName": {"new_instance_name": "<name>"},
    "ResetPassword": {"user_pwd": "Test@123"},
    "CheckPassword": {"user_pwd": "Test@123"},
}


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize("call", [pytest.param(call, id=call.operation) for call in CALLS])
def test_the_sdk_calls_it(
    installation: Installation, shared_replica: Made, shared_cluster: Made, call: Call
) -> None:
    made = shared_replica if Mode.REPLICA_SET in call.rules.modes else shared_cluster
    request = getattr(sdk, f"{call.operation}Request")()
    values = GIVEN | {"instance_id": made["id"]}
    for name in {*call.path_parameters, "start_time", "end_time"} & {*request.attribute_map}:
        setattr(request, name, values[name])
    if call.body is not Nothing:
        body = BODIES.get(call.operation, dict(call.example))
        body = {name: made["name"] if value == "<name>" else value for name, value in body.items()}
        request.body = {call.wrapper: body} if call.wrapper else body
    answer = getattr(signed(installation), snake(call.operation))(request)
    assert answer.status_code == call.success
    for name, field in call.answer.model_fields.items():
        if field.is_required():
            assert getattr(answer, name) is not None, name
    if "job_id" in call.answer.model_fields:
        assert installation.wait_job(answer.job_id)["status"] == "Completed"
