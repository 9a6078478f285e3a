"""Every row of the contract, called through the official SDK's own operation and models."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkdds import v3
from huaweicloudsdkdds.v3 import DdsClient

from shardhouse.contract.call import Call
from shardhouse.contract.table import CALLS
from shardhouse.error_codes import CATALOGUE
from tests.clients.test_huaweicloudsdk import signed
from tests.installation import Installation

#: Values of paths and queries; the ids are of nothing.
VALUES = {
    "instance_id": "0" * 32 + "in02",
    "node_id": "0" * 32 + "no02",
    "backup_id": "0" * 32 + "br02",
    "job_id": "00000000-0000-4000-8000-000000000000",
    "datastore_name": "DDS-Community",
    "version": "v3",
    "action": "start",
    "status": "on",
    "id": "00000000-0000-4000-8000-000000000000",
    "start_date": "2026-01-01T00:00:00+0000",
    "end_date": "2026-01-02T00:00:00+0000",
    "start_time": "2026-01-01T00:00:00+0000",
    "end_time": "2026-01-02T00:00:00+0000",
    "restore_time": "1769904000000",
    "db_name": "shop",
    "config_id": "0" * 32 + "pr02",
    "entity_id": "0" * 32 + "in02",
    "name": "busy-shop",
}
#: Rows whose effect does not depend on an id that can be unknown.
ELSEWHERE = {"CreateInstance"}
ROWS = [
    pytest.param(call, id=call.operation)
    for call in CALLS
    if not call.addition and call.operation not in ELSEWHERE
]


@pytest.fixture(scope="module")
def client(installation: Installation) -> DdsClient:
    return signed(installation)


def model(kind: str, content: Any) -> Any:
    """JSON as the SDK's model of it; fails for a field that the SDK does not know."""
    listed = re.fullmatch(r"list\[(.+)\]", kind)
    if listed:
        return [model(listed[1], item) for item in content]
    made = getattr(v3, kind, None)
    if made is None or not isinstance(content, dict):  # a value, or one of an enumeration
        return content
    names = {wire: name for name, wire in made.attribute_map.items()}
    fields = {
        names[wire]: model(made.openapi_types[names[wire]], value)
        for wire, value in content.items()
    }
    return made(**fields)


@pytest.mark.parametrize("call", ROWS)
def test_the_official_operation_reaches_its_row(client: DdsClient, call: Call) -> None:
    request = getattr(v3, f"{call.operation}Request")
    fields: dict[str, Any] = {}
    query = call.query.model_fields
    required = {name for name, field in query.items() if field.is_required()}
    for name, wire in request.attribute_map.items():
        if name == "body":
            content = dict(call.example)
            body = {call.wrapper: content} if call.wrapper else content
            fields[name] = model(request.openapi_types[name], body)
        elif wire in call.path_parameters or wire in required:
            fields[name] = VALUES[wire]
    method = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", call.operation).lower()
    answered = code(lambda: getattr(client, method)(request(**fields)))
    if "instance_id" in call.path_parameters:
        assert answered == "DBS.200002"
    else:
        assert answered is None or answered in CATALOGUE


def code(work: Callable[[], object]) -> str | None:
    """The code of the error it ends with; None if it ends with an answer."""
    try:
        work()
    except ClientRequestException as error:
        return str(error.error_code)
    return None
