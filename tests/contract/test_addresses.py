"""Plans of calls about addresses, as tables."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shardhouse.contract.addresses import CloseBody, OpenBody
from shardhouse.contract.call import Nothing
from shardhouse.domain import policy
from shardhouse.domain.change import Change
from shardhouse.domain.model import Instance, Node, Role, Status
from shardhouse.engines import Catalogue
from shardhouse.errors import DdsError
from shardhouse.operations import bind, open_addresses
from shardhouse.settings import Settings
from shardhouse.workflows.operation import Asked
from tests import requests
from tests.domain.test_topology import plan


def normal(body: dict[str, Any]) -> Instance:
    made = plan(body)
    change = Change.of_nodes([node.id for node in made.nodes], status=Status.NORMAL)
    return change.applied_to(made)


def asked(instance: Instance, body: Any, **path: str) -> Asked[Any]:
    return Asked(instance, body, path, Settings(), Catalogue(()), datetime.now(UTC))


def refusal(work: Any, *given: Any) -> str:
    with pytest.raises(DdsError) as caught:
        work(*given)
    return str(caught.value.code)


def node_of(instance: Instance, kind: str, number: int = 0) -> Node:
    return next(group for group in instance.groups if group.type == kind).nodes[number]


@pytest.mark.parametrize(
    ("body", "kind", "number", "code"),
    [
        (requests.cluster(), "shard", 0, "DBS.200075"),
        (requests.cluster(), "config", 0, "DBS.200075"),
        (requests.replica_set(), "replica", 2, "DBS.200075"),
        (requests.replica_set(), "replica", 0, "DBS.200701"),
        (requests.cluster(), "mongos", 0, "DBS.200701"),
        (requests.single(), "single", 0, "DBS.200701"),
    ],
)
def test_which_nodes_have_public_addresses(
    body: dict[str, Any], kind: str, number: int, code: str
) -> None:
    instance = normal(body)
    node = node_of(instance, kind, number)
    assert refusal(bind.plan_unbind, asked(instance, Nothing(), node_id=node.id)) == code
    bound = Change.of_nodes([node.id], public_ip="127.200.0.1").applied_to(instance)
    if code == "DBS.200701":
        planned = bind.plan_unbind(asked(bound, Nothing(), node_id=node.id))
        assert planned.arguments == bind.Binding(node.id, "127.200.0.1")
        assert refusal(bind.plan_bind, asked(bound, None, node_id=node.id)) == "DBS.200702"
    away = Change.of_nodes([node.id], status=Status.ABNORMAL, role=Role.UNKNOWN)
    if code == "DBS.200701":
        given = asked(away.applied_to(bound), Nothing(), node_id=node.id)
        assert refusal(bind.plan_unbind, given) == "DBS.200011"


def test_shards_are_opened_together_and_later_ones_alone() -> None:
    instance = normal(requests.cluster())
    first, second = (group.id for group in instance.groups if group.type == "shard")

    def ask(opened: tuple[str, ...], target_id: str = "") -> Asked[Any]:
        body = OpenBody(type="shard", target_id=target_id, password="Shard(1)$only")
        known = {policy.OPENED: {"groups": list(opened)}}
        return asked(replace(instance, policies=known), body)

    assert open_addresses.plan_open(ask(())).arguments.groups == (first, second)
    assert open_addresses.plan_open(ask((first,), second)).arguments.groups == (second,)
    assert refusal(open_addresses.plan_open, ask((first,))) == "DBS.200001"
    assert refusal(open_addresses.plan_open, ask((first,), first)) == "DBS.280042"
    assert refusal(open_addresses.plan_open, ask((first, second))) == "DBS.280042"
    assert refusal(open_addresses.plan_open, ask((first,), "0" * 32)) == "DBS.200013"
    closing = asked(ask((second,)).instance, CloseBody(type="shard"))
    assert open_addresses.plan_close(closing).arguments.groups == (second,)
    closing = asked(ask((second,)).instance, CloseBody(type="config"))
    assert refusal(open_addresses.plan_close, closing) == "DBS.280042"
