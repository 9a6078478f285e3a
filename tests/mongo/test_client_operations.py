"""Which operations are clients', and what is told of them: as tables of what `$currentOp` says."""

from typing import Any

import pytest

from shardhouse.mongo.client_operations import _SYSTEM_SESSIONS, read

SYSTEM = {"user": "__system", "db": "local"}
CLERK = {"user": "clerk", "db": "shop"}
FIND: dict[str, Any] = {
    "opid": 7,
    "active": True,
    "op": "query",
    "ns": "shop.orders",
    "client": "127.0.0.1:5000",
    "desc": "conn1",
    "effectiveUsers": [CLERK],
    "planSummary": "COLLSCAN",
    "microsecs_running": 1500,
    "first": {"name": "find", "value": "orders"},
    "command": {"find": "orders", "filter": {"k": 1}, "lsid": {"id": b""}, "$db": "shop"},
}
ROUTED = {"clientMetadata": {"mongos": {"client": "192.0.2.1:6000"}}}
LEADING = FIND | {
    **ROUTED,
    "opid": 8,
    "op": "command",
    "ns": "shop.$cmd",
    "planSummary": "",
    "microsecs_running": 2000,
    "first": {"name": "clusterFind", "value": "orders"},
    "command": {"clusterFind": "orders", "filter": {}, "$audit": {}},
}


@pytest.mark.parametrize(
    ("change", "is_client_s"),
    [
        ({}, True),
        ({"effectiveUsers": []}, False),
        ({"effectiveUsers": None}, False),
        ({"effectiveUsers": [SYSTEM]}, False),
        ({"effectiveUsers": [SYSTEM], "lsid": {"uid": b"clerk"}}, False),
        ({"effectiveUsers": [SYSTEM], "lsid": {"uid": b"clerk"}, **ROUTED}, True),
        ({"effectiveUsers": [SYSTEM], **ROUTED}, False),
        ({"effectiveUsers": [SYSTEM], "lsid": {"uid": _SYSTEM_SESSIONS}, **ROUTED}, False),
        (
            {
                "effectiveUsers": [SYSTEM],
                "lsid": {"uid": b"guest"},
                "appName": "shardhouse",
                **ROUTED,
            },
            False,
        ),
        ({"appName": "shardhouse"}, True),  # what a client calls itself hides nothing
        ({"effectiveUsers": [{"user": "shardhouse-0123456789abcdef", "db": "admin"}]}, False),
        ({"effectiveUsers": [{"user": "shardhouse-0123456789abcdef", "db": "shop"}]}, True),
        ({"first": {"name": "_shardsvrDropCollection", "value": "orders"}}, False),
        ({"first": {}}, True),
    ],
)
def test_whose_an_operation_is(change: Any, is_client_s: bool) -> None:
    assert bool(read([FIND | change], "member")) is is_client_s


def test_an_operation_is_told_as_its_client_wrote_it() -> None:
    (found,) = read([FIND], "member")
    assert (found.id, found.kind, found.namespace, found.database) == (
        7,
        "query",
        "shop.orders",
        "shop",
    )
    assert (found.client, found.user, found.microseconds, found.routed) == (
        "127.0.0.1:5000",
        "clerk",
        1500,
        False,
    )
    assert found.text == '{"find": "orders", "filter": {"k": 1}}'


def test_a_command_too_large_to_fetch_is_told_by_its_name() -> None:
    large = {name: value for name, value in FIND.items() if name != "command"}
    (found,) = read([large], "member")
    assert found.text == '{"find": "orders", "...": "..."}'


def test_an_idle_connection_has_no_number() -> None:
    idle = {"active": False, "client": "127.0.0.1:5000", "desc": "conn9", "effectiveUsers": [CLERK]}
    (found,) = read([idle], "member")
    assert (found.id, found.connection, found.kind, found.namespace, found.microseconds) == (
        None,
        "conn9",
        "none",
        "",
        0,
    )


def test_a_leading_operation_has_the_plan_of_its_part() -> None:
    (found,) = read([LEADING, FIND | ROUTED], "member")
    assert (found.id, found.kind, found.namespace, found.client) == (
        8,
        "query",
        "shop.orders",
        "192.0.2.1:6000",
    )
    assert (found.plan, found.stages, found.microseconds) == ("COLLSCAN", {"COLLSCAN"}, 2000)
    assert found.text == '{"find": "orders", "filter": {}}'


def test_operations_of_other_clients_are_no_parts() -> None:
    other = FIND | {"clientMetadata": {"mongos": {"client": "192.0.2.1:6001"}}}
    assert {one.id for one in read([LEADING, other], "member")} == {7, 8}


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({}, {"COLLSCAN"}),
        ({"planSummary": "IXSCAN { a: 1, B_C: -1 }"}, {"IXSCAN"}),
        ({"planSummary": "IXSCAN { a: 1 }, IXSCAN { b: 1 }"}, {"IXSCAN", "OR"}),
        ({"planSummary": 'GEO_NEAR_2DSPHERE { place: "2dsphere" }'}, {"GEO_NEAR_2DSPHERE"}),
        ({"planSummary": "COUNT_SCAN { a: 1 }"}, {"COUNT_SCAN"}),
        ({"hasSortStage": True}, {"COLLSCAN", "SORT", "SORT_KEY_GENERATOR"}),
        ({"skip": 2, "limit": 3}, {"COLLSCAN", "SKIP", "LIMIT"}),
        ({"skip": 0, "limit": 0}, {"COLLSCAN"}),
        ({"first": {"name": "aggregate", "value": "orders"}}, {"COLLSCAN", "AGGREGATE"}),
        ({"planSummary": ""}, set()),
    ],
)
def test_stages(change: Any, stages: set[str]) -> None:
    (found,) = read([FIND | change], "member")
    assert found.stages == stages
