"""What rules for ending operations are about, and which they end: as tables."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shardhouse.api.dds.kill_rules import planned
from shardhouse.contract.kill_rules import RuleBody
from shardhouse.contract.parsing import parse
from shardhouse.domain.kill_rules import KillRule, NodeType, Work, concerns, excess
from shardhouse.domain.model import Mode
from shardhouse.errors import DdsError
from tests.contract.test_rules import instance

RULE = KillRule(
    id="rule",
    instance_id="instance",
    operation_types=("query", "update"),
    namespace="",
    client_ips=(),
    plan_summary="",
    max_concurrency=0,
    secs_running=2,
    node_type=NodeType.REPLICA,
    enabled=True,
    killed=0,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
WORK = Work(
    type="query",
    namespace="shop.orders",
    address="127.0.0.1",
    stages=frozenset({"COLLSCAN"}),
    seconds=3.0,
    parts=(("member", 1),),
)


@pytest.mark.parametrize(
    ("rule", "work", "expected"),
    [
        ({}, {}, True),
        ({}, {"type": "update"}, True),
        ({}, {"type": "insert"}, False),
        ({"namespace": "shop"}, {}, True),
        ({"namespace": "shop.orders"}, {}, True),
        ({"namespace": "shop.order"}, {}, False),
        ({"namespace": "sho"}, {}, False),
        ({"client_ips": ("127.0.0.1", "192.0.2.1")}, {}, True),
        ({"client_ips": ("192.0.2.1",)}, {}, False),
        ({"plan_summary": "COLLSCAN"}, {}, True),
        ({"plan_summary": "OR"}, {}, False),
        ({}, {"namespace": "admin.$cmd"}, False),
        ({}, {"namespace": "config.chunks"}, False),
        ({}, {"namespace": "local.oplog.rs"}, False),
        ({}, {"namespace": "administration.users"}, True),
    ],
)
def test_what_a_rule_is_about(rule: Any, work: Any, expected: bool) -> None:
    assert concerns(replace(RULE, **rule), replace(WORK, **work)) is expected


def running(*seconds: float) -> list[Work]:
    return [replace(WORK, seconds=one) for one in seconds]


@pytest.mark.parametrize(
    ("secs_running", "max_concurrency", "seconds", "ended"),
    [
        (2, 0, (1.0, 2.0, 2.1, 5.0), [5.0, 2.1]),
        (0, 2, (1.0, 3.0), []),
        (0, 2, (1.0, 3.0, 2.0), [1.0]),
        (0, 1, (0.1, 0.3, 0.2), [0.2, 0.1]),
        (2, 1, (1.0, 3.0), [3.0]),
        (2, 1, (1.0, 3.0, 0.5), [3.0, 0.5]),
    ],
)
def test_what_a_rule_ends(
    secs_running: int, max_concurrency: int, seconds: tuple[float, ...], ended: list[float]
) -> None:
    rule = replace(RULE, secs_running=secs_running, max_concurrency=max_concurrency)
    other = replace(WORK, type="command", seconds=100.0)
    assert [one.seconds for one in excess(rule, [*running(*seconds), other])] == ended


BODY = {"operation_types": ["query"], "node_type": "replica", "secs_running": 2}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"secs_running": "86400", "max_concurrency": None},
        {"secs_running": 0, "max_concurrency": 100_000},
        {"namespaces": ["shop"], "client_ips": ["192.0.2.1"] * 5, "plan_summary": "OR"},
        {"namespaces": ["shop.a.b$c"], "client_ips": [], "plan_summary": ""},
        {"operation_types": ["insert", "update", "query", "command", "remove", "getmore"]},
    ],
)
def test_bodies_that_are_accepted(change: Any) -> None:
    body = parse(RuleBody, BODY | change)
    rule = planned(instance(Mode.REPLICA_SET), body)
    assert (rule.enabled, rule.killed) == (False, 0)
    assert rule.operation_types == tuple(body.operation_types)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"operation_types": []}, "DBS.200001"),
        ({"operation_types": None}, "DBS.200001"),
        ({"operation_types": ["select"]}, "DBS.200001"),
        ({"operation_types": ["query", "query"]}, "DBS.200001"),
        ({"namespaces": ["shop", "other"]}, "DBS.200001"),
        ({"namespaces": ["admin.system.users"]}, "DBS.200001"),
        ({"namespaces": ["a b"]}, "DBS.200001"),
        ({"client_ips": ["192.0.2.1"] * 6}, "DBS.200001"),
        ({"client_ips": ["::1"]}, "DBS.200091"),
        ({"plan_summary": "IXSCAN"}, "DBS.200001"),
        ({"secs_running": 1}, "DBS.200001"),
        ({"secs_running": 86_401}, "DBS.200001"),
        ({"secs_running": 0}, "DBS.200001"),
        ({"max_concurrency": -1}, "DBS.200001"),
        ({"max_concurrency": 100_001}, "DBS.200001"),
        ({"node_type": None}, "DBS.200001"),
        ({"node_type": "config"}, "DBS.200001"),
        ({"node_type": "mongos"}, "DBS.280327"),
    ],
)
def test_bodies_that_are_refused(change: Any, code: str) -> None:
    with pytest.raises(DdsError) as refused:
        planned(instance(Mode.REPLICA_SET), parse(RuleBody, BODY | change))
    assert refused.value.code == code


def test_a_cluster_has_no_replica_nodes() -> None:
    with pytest.raises(DdsError) as refused:
        planned(instance(Mode.SHARDING), parse(RuleBody, BODY))
    assert refused.value.code == "DBS.280327"
    for node_type in ("mongos", "shard", "mongos_shard"):
        planned(instance(Mode.SHARDING), parse(RuleBody, BODY | {"node_type": node_type}))
