"""Rows of the contract, and how far they cover the API."""

import inspect
import re
from typing import get_type_hints

import pytest
from huaweicloudsdkdds.v3 import DdsClient
from starlette.responses import Response

from shardhouse.api.dds.table import ENDPOINTS
from shardhouse.api.endpoint import Endpoint
from shardhouse.contract.call import Call, Nothing, Wire
from shardhouse.contract.parsing import parse
from shardhouse.contract.table import CALLS

ROWS = [pytest.param(call, id=call.operation) for call in CALLS]


def official() -> dict[str, tuple[str, str]]:
    """Method and path of every operation of the official SDK, by its name in lower case."""
    found = {}
    for name, member in inspect.getmembers(DdsClient, callable):
        if name.startswith("_") and name.endswith("_http_info"):
            source = inspect.getsource(member)
            method = re.search(r'"method": "(\w+)"', source)
            path = re.search(r'"resource_path": "([^"]+)"', source)
            assert method
            assert path
            operation = name.removesuffix("_http_info").replace("_", "")
            found[operation] = (method[1], re.sub(r"{\w+}", "{}", path[1]))
    return found


def test_rows_are_unique() -> None:
    assert len({call.operation for call in CALLS}) == len(CALLS)
    assert len({(call.method, call.path) for call in CALLS}) == len(CALLS)


def test_each_row_is_served_once() -> None:
    served = [endpoint.call for endpoint in ENDPOINTS]
    assert sorted(call.operation for call in served) == sorted(call.operation for call in CALLS)


@pytest.mark.parametrize(
    "endpoint", [pytest.param(one, id=one.call.operation) for one in ENDPOINTS]
)
def test_a_row_is_answered_with_its_model(endpoint: Endpoint) -> None:
    """Operations' own answers are any model; some calls make their whole response."""
    returned = get_type_hints(endpoint.handler)["return"]
    assert returned in (endpoint.call.answer, Wire) or issubclass(returned, Response)


@pytest.mark.parametrize("call", ROWS)
def test_a_row_says_what_it_does(call: Call) -> None:
    assert call.summary.endswith(".")
    assert call.permission.startswith("dds:") or "{project_id}" not in call.path


@pytest.mark.parametrize("call", ROWS)
def test_examples_are_accepted(call: Call) -> None:
    if call.body is Nothing:
        assert not call.example
    elif call.operation != "CreateInstance":
        assert call.example
        parse(call.body, call.example)


@pytest.mark.parametrize("call", [row for row in ROWS if not row.values[0].addition])
def test_a_row_is_the_official_operation(call: Call) -> None:
    assert official()[call.operation.lower()] == place(call)


def test_how_much_of_the_api_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    there = {place(call) for call in CALLS}
    missing = sorted(name for name, where in official().items() if where not in there)
    with capsys.disabled():
        print(f"\nNot built: {len(missing)} of {len(official())} operations:", *missing)
    assert len(official()) == OFFICIAL
    assert len(missing) == MISSING


def place(call: Call) -> tuple[str, str]:
    """Method and path, whatever the path's variable parts are called."""
    return (str(call.method), re.sub(r"{\w+}", "{}", call.path))


OFFICIAL = 130
#: Operations that are not built yet.
MISSING = 0
