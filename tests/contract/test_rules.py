"""When calls are lawful: each row that changes an instance, in every mode and state."""

from dataclasses import replace

import pytest

from shardhouse.contract.call import Call
from shardhouse.contract.table import CALLS
from shardhouse.domain.model import Instance, Mode, Status
from shardhouse.errors import DdsError
from tests import requests
from tests.domain.test_topology import plan

CHANGING = [
    pytest.param(call, id=call.operation)
    for call in CALLS
    if "{instance_id}" in call.path and not call.only_reads
]


def instance(mode: Mode) -> Instance:
    body = {
        Mode.SHARDING: requests.cluster,
        Mode.REPLICA_SET: requests.replica_set,
        Mode.SINGLE: requests.single,
    }[mode]()
    return replace(plan(body, "huawei"), status=Status.NORMAL)


def refusal(call: Call, given: Instance) -> str | None:
    """The code of the error; None if the call is lawful."""
    try:
        call.rules.check(given, call.operation)
    except DdsError as error:
        return error.code
    return None


@pytest.mark.parametrize("call", CHANGING)
@pytest.mark.parametrize("mode", Mode)
def test_a_call_is_refused_for_other_modes(call: Call, mode: Mode) -> None:
    expected = None if mode in call.rules.modes else "DBS.280343"
    assert refusal(call, instance(mode)) == expected


@pytest.mark.parametrize("call", CHANGING)
def test_a_call_is_refused_while_another_operation_runs(call: Call) -> None:
    busy = replace(instance(min(call.rules.modes)), action="RESTARTING")
    assert refusal(call, busy) == ("DBS.200019" if call.rules.idle else None)


@pytest.mark.parametrize("call", CHANGING)
@pytest.mark.parametrize("status", Status)
def test_a_call_is_refused_in_other_states(call: Call, status: Status) -> None:
    given = replace(instance(min(call.rules.modes)), status=status)
    assert refusal(call, given) == (None if status in call.rules.statuses else "DBS.200011")
