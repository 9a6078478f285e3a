"""Small changes survive a crash of the service at every boundary of their steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from shardhouse.api.dds import configurations
from shardhouse.domain import parameters
from shardhouse.operations import balancer, notes, places, set_parameters
from shardhouse.workflows.operation import Operation
from tests import requests
from tests.installation import Installation, until
from tests.workflows.test_crash import DYING, boundaries, check_nothing_is_orphaned, die_through

SLOW = "operationProfiling.slowOpThresholdMs"
GROUP = "3f0f6d9a-55a4-4d15-9a52-7c7d4f1c0a01"
Seen = Callable[[Installation, str], Any]


def listed(field: str) -> Seen:
    return lambda own, instance_id: (own.instance(instance_id) or {})[field]


def of_balancer(own: Installation, instance_id: str) -> Any:
    return own.call("GET", f"/instances/{instance_id}/balancer").json()


def slow_threshold(own: Installation, instance_id: str) -> Any:
    path = f"/instances/{instance_id}/configurations"
    found = own.call("GET", path, params={"entity_id": instance_id}).json()["parameters"]
    return next(one for one in found if one["name"] == SLOW)


#: Operation, instance, call, body, what is seen afterwards, where.
CHANGES = [
    pytest.param(
        places.ZONES,
        requests.single(),
        ("POST", "migrate"),
        {"target_azs": "east"},
        "east",
        listed("availability_zone"),
        id="zones",
    ),
    pytest.param(
        notes.SECURITY_GROUP,
        requests.single(),
        ("POST", "modify-security-group"),
        {"security_group_id": GROUP},
        GROUP,
        listed("security_group_id"),
        id="security-group",
        marks=pytest.mark.soak,
    ),
    pytest.param(
        balancer.SWITCH,
        requests.cluster(),
        ("PUT", "balancer/stop"),
        None,
        {"is_open": False},
        of_balancer,
        id="balancer",
        marks=pytest.mark.soak,
    ),
    pytest.param(
        balancer.WINDOW,
        requests.cluster(),
        ("PUT", "balancer/active-window"),
        {"start_time": "01:00", "stop_time": "02:00"},
        {"is_open": True, "active_window": {"start_time": "01:00", "stop_time": "02:00"}},
        of_balancer,
        id="balancer-window",
        marks=pytest.mark.soak,
    ),
    pytest.param(
        set_parameters.SET,
        requests.single(),
        ("PUT", "configurations"),
        {"entity_id": "<id>", "parameter_values": {SLOW: "321"}},
        configurations.item(parameters.BY_NAME[SLOW], "321").model_dump(),
        slow_threshold,
        id="parameters",
        marks=pytest.mark.soak,
    ),
]


@pytest.mark.soak
@pytest.mark.parametrize(("operation", "request_body", "call", "body", "expected", "seen"), CHANGES)
def test_a_change_survives_a_crash_at_every_boundary(
    tmp_path: Path,
    operation: Operation[Any],
    request_body: dict[str, Any],
    call: tuple[str, str],
    body: Any,
    expected: Any,
    seen: Seen,
) -> None:
    own = Installation(tmp_path / "data")
    try:
        own.start()
        made = own.make(request_body)
        own.kill()
        own.start(DYING, {"DIE_AT": "stored"})
        method, path = call
        if body and "entity_id" in body:
            body = body | {"entity_id": made["id"]}
        with pytest.raises(httpx.HTTPError):
            own.call(method, f"/instances/{made['id']}/{path}", json=body)
        assert own.wait_end() == -9
        die_through(own, boundaries(operation))
        own.start()
        until("the instance to be idle", lambda: not listed("actions")(own, made["id"]), 60)
        assert listed("status")(own, made["id"]) == "normal"
        assert seen(own, made["id"]) == expected
        check_nothing_is_orphaned(own)
    finally:
        own.destroy()
