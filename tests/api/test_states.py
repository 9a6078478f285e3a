"""In which states of an instance small changes are refused, and how."""

from dataclasses import replace
from typing import Any

import pytest

from shardhouse.contract import notes, passwords, places, policies, tags
from shardhouse.contract.call import Call
from shardhouse.domain.model import Status
from shardhouse.errors import DdsError
from tests import requests
from tests.domain.test_topology import plan
from tests.installation import Installation

N, A, C, F = Status.NORMAL, Status.ABNORMAL, Status.CREATING, Status.CREATE_FAIL
#: Of these four statuses, those in which a call is lawful; and whether it is while another
#: operation runs.
LAWFUL = (
    (notes.UPDATE_INSTANCE_NAME, {N, A}, False),
    (notes.UPDATE_INSTANCE_REMARK, {N, A, F}, True),
    (notes.CHANGE_OPS_WINDOW, {N}, False),
    (notes.UPDATE_SECURITY_GROUP, {N}, False),
    (passwords.RESET_PASSWORD, {N}, False),
    (passwords.CHECK_PASSWORD, {N, A}, True),
    (places.MIGRATE, {N}, False),
    (policies.SET_BACKUP_POLICY, {N}, False),
    (policies.SWITCH_MONITORING, {N}, False),
    (policies.SWITCH_MASKING, {N}, False),
    (tags.BATCH_TAG_ACTION, {N, A, F}, True),
)
ROWS = [pytest.param(*row, id=row[0].operation) for row in LAWFUL]


@pytest.mark.parametrize(("call", "statuses", "beside"), ROWS)
def test_states(call: Call, statuses: set[Status], beside: bool) -> None:
    instance = plan(requests.single())
    for status in (N, A, C, F):
        code = None if status in statuses else "403 DBS.200011"
        assert refusal(call, replace(instance, status=status)) == code
    busy = replace(instance, status=N, action="RESTARTING")
    assert refusal(call, busy) == (None if beside else "403 DBS.200019")


def refusal(call: Call, instance: Any) -> str | None:
    try:
        call.rules.check(instance, call.operation)
    except DdsError as error:
        return f"{error.status} {error.code}"
    return None


def test_an_instance_that_is_being_created_refuses_them(installation: Installation) -> None:
    created = installation.create(requests.single(name="busy-single"))
    answers = {
        call.operation: installation.call(
            call.method,
            call.path.format(
                project_id=installation.project_id, instance_id=created["id"], status="on"
            ),
            json={call.wrapper: dict(call.example)} if call.wrapper else dict(call.example),
        )
        for call, _, _ in LAWFUL
    }
    installation.wait_job(created["job_id"])
    installation.delete(created["id"])
    for operation, answer in answers.items():
        assert answer.status_code == 403, (operation, answer.text)
        assert answer.json()["error_code"] in ("DBS.200019", "DBS.200011")
