"""Rules for ending operations: written through the official SDK, and what they end."""

from collections.abc import Iterator
from typing import Any

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkdds import v3
from huaweicloudsdkdds.v3 import DdsClient
from pymongo import MongoClient, WriteConcern

from tests import slow_operations
from tests.clients.test_huaweicloudsdk import signed
from tests.installation import Installation, until, uri
from tests.slow_operations import MEMBERS, find, update, was_ended

Made = dict[str, Any]


class Rules:
    """The rules of one instance, through the SDK."""

    def __init__(self, client: DdsClient, instance_id: str) -> None:
        self._client = client
        self._id = instance_id

    def create(self, **fields: Any) -> str:
        """Make one; its id."""
        before = {one.id for one in self.list()}
        body = v3.CreateKillOpRuleRequestBody(**fields)
        self._client.create_kill_op_rule(v3.CreateKillOpRuleRequest(self._id, body))
        (made,) = {one.id for one in self.list()} - before
        return made

    def list(self, **filters: Any) -> list[Any]:
        """Those that match."""
        request = v3.ShowKillOpRuleRuleListRequest(self._id, **filters)
        answer = self._client.show_kill_op_rule_rule_list(request)
        assert answer.total_count == len(answer.rules)
        return answer.rules

    def switch(self, action: str, *ids: str) -> None:
        """Enable or disable some."""
        body = v3.UpdateKillOpRuleRequestBody(list(ids), action)
        self._client.update_kill_op_rule(v3.UpdateKillOpRuleRequest(self._id, body))

    def delete(self, *ids: str) -> None:
        """Delete some."""
        body = v3.DeleteKillOpRuleListRequestBody(list(ids))
        request = v3.DeleteKillOpRuleListRequest(self._id, body)
        self._client.delete_kill_op_rule_list(request)

    def clear(self) -> None:
        """Delete all."""
        if ids := [one.id for one in self.list()]:
            self.switch("disable", *ids)
            self.delete(*ids)


@pytest.fixture(scope="module")
def client(installation: Installation) -> DdsClient:
    return signed(installation)


@pytest.fixture
def of_replica(client: DdsClient, shared_replica: Made) -> Iterator[Rules]:
    rules = Rules(client, shared_replica["id"])
    yield rules
    rules.clear()


@pytest.fixture
def of_cluster(client: DdsClient, shared_cluster: Made) -> Iterator[Rules]:
    rules = Rules(client, shared_cluster["id"])
    yield rules
    rules.clear()


def killed(installation: Installation, made: Made) -> list[int]:
    """How many operations each rule has ended, newest first; an addition that the SDK ignores."""
    answer = installation.call("GET", f"/instances/{made['id']}/kill-op-rule")
    return [one["killed"] for one in answer.json()["rules"]]


def refusal(work: Any) -> tuple[int, str]:
    with pytest.raises(ClientRequestException) as caught:
        work()
    return caught.value.status_code, caught.value.error_code


def test_rules_are_written_and_read_back(of_replica: Rules) -> None:
    first = of_replica.create(
        operation_types=["query", "command"],
        namespaces=["shop.orders"],
        client_ips=["192.0.2.1", "192.0.2.2"],
        plan_summary="COLLSCAN",
        max_concurrency=7,
        secs_running=60,
        node_type="replica",
    )
    second = of_replica.create(operation_types=["insert"], node_type="replica", secs_running=9)
    found = {one.id: one for one in of_replica.list()}
    assert found.keys() == {first, second}
    one = found[first]
    assert (one.operation_types, one.namespaces, one.client_ips, one.plan_summary) == (
        "query,command",
        "shop.orders",
        "192.0.2.1,192.0.2.2",
        "COLLSCAN",
    )
    assert (one.status, one.max_concurrency, one.secs_running, one.node_type) == (
        "DISABLED",
        7,
        60,
        "replica",
    )
    of_replica.switch("enable", first)
    for filters in (
        {"operation_types": "command"},
        {"namespaces": "shop.orders"},
        {"status": "ENABLED"},
        {"plan_summary": "COLLSCAN"},
    ):
        assert [one.id for one in of_replica.list(**filters)] == [first]
    assert refusal(lambda: of_replica.delete(first, second)) == (403, "DBS.280042")
    assert len(of_replica.list()) == 2
    of_replica.switch("disable", first)
    of_replica.delete(first)
    assert [one.id for one in of_replica.list()] == [second]
    for work in (
        lambda: of_replica.delete(second, first),
        lambda: of_replica.switch("enable", first),
    ):
        assert refusal(work) == (400, "DBS.280016")
    assert [one.status for one in of_replica.list()] == ["DISABLED"]


def test_an_instance_has_ten_rules_at_most(of_replica: Rules) -> None:
    def create() -> str:
        return of_replica.create(operation_types=["query"], node_type="replica", secs_running=9)

    for _ in range(10):
        create()
    assert refusal(create) == (400, "DBS.200004")


def test_what_a_rule_ends_and_what_it_leaves(
    installation: Installation, shared_replica: Made, of_replica: Rules
) -> None:
    address = uri(shared_replica)
    with slow_operations.collection(address, "orders", sharded=False) as orders:
        other = orders.database["others"]
        other.insert_many(orders.find())
        rule = of_replica.create(
            operation_types=["query"],
            namespaces=["shop.orders"],
            client_ips=["127.0.0.1"],
            plan_summary="COLLSCAN",
            secs_running=2,
            node_type="replica",
        )
        of_replica.switch("enable", rule)
        with slow_operations.running(find(orders), update(orders), find(other)) as (
            reading,
            writing,
            elsewhere,
        ):
            until("the read to be ended", lambda: was_ended(reading))
            until("it to be counted", lambda: killed(installation, shared_replica) == [1])
            assert not writing.done()
            assert not elsewhere.done()
            # What is longer than any of them, and no client's: replication goes on.
            late = of_replica.create(
                operation_types=["query", "update", "getmore"],
                secs_running=2,
                node_type="replica",
            )
            of_replica.switch("enable", late)
            until("the others to be ended", lambda: was_ended(writing) and was_ended(elsewhere))
        orders.with_options(write_concern=WriteConcern(w=MEMBERS)).insert_one({})
        until("all to be counted", lambda: killed(installation, shared_replica) == [2, 1])


def test_the_newest_beyond_the_limit_are_ended(
    installation: Installation, shared_replica: Made, of_replica: Rules
) -> None:
    with (
        slow_operations.collection(uri(shared_replica), "orders", sharded=False) as orders,
        MongoClient(uri(shared_replica)) as observer,
        slow_operations.running(find(orders)) as (first,),
    ):
        until("it to run", lambda: runs(observer, 1))
        rule = of_replica.create(operation_types=["query"], max_concurrency=1, node_type="replica")
        of_replica.switch("enable", rule)
        with slow_operations.running(find(orders), find(orders)) as later:
            until("the later ones to end", lambda: all(map(was_ended, later)))
        assert not first.done()
        until("them to be counted", lambda: killed(installation, shared_replica) == [2])
        of_replica.switch("disable", rule)
        limit = of_replica.create(operation_types=["query"], secs_running=2, node_type="replica")
        of_replica.switch("enable", limit)
        until("the first to end", lambda: was_ended(first))


def runs(observer: MongoClient[Any], number: int) -> bool:
    stages = [{"$currentOp": {"allUsers": True}}, {"$match": {"ns": "shop.orders", "op": "query"}}]
    return len(list(observer.admin.aggregate(stages))) == number


@pytest.mark.parametrize("node_type", ["mongos", "shard", "mongos_shard"])
def test_of_a_cluster(
    installation: Installation, shared_cluster: Made, of_cluster: Rules, node_type: str
) -> None:
    with slow_operations.collection(uri(shared_cluster), "orders", sharded=True) as orders:
        rule = of_cluster.create(
            operation_types=["query", "command"],
            namespaces=["shop"],
            client_ips=["127.0.0.1"],
            plan_summary="COLLSCAN",
            secs_running=2,
            node_type=node_type,
        )
        of_cluster.switch("enable", rule)

        def grouped() -> Any:
            return list(
                orders.aggregate([{"$match": SLEEPS}, {"$group": {"_id": "$k", "n": {"$sum": 1}}}])
            )

        with slow_operations.running(find(orders), grouped, update(orders)) as (
            reading,
            grouping,
            writing,
        ):
            until("the reads to end", lambda: was_ended(reading) and was_ended(grouping))
            assert not writing.done()
            of_cluster.switch("disable", rule)
            late = of_cluster.create(
                operation_types=["update"], max_concurrency=1, secs_running=2, node_type=node_type
            )
            of_cluster.switch("enable", late)
            until("the update to end", lambda: was_ended(writing))
        assert min(killed(installation, shared_cluster)) > 0
        if node_type == "mongos":  # there an operation is one, whatever shards it works on
            assert killed(installation, shared_cluster) == [1, 2]


#: As `$where`, which aggregations do not have.
SLEEPS = {
    "$expr": {
        "$function": {"body": "function() { sleep(500); return true }", "args": [], "lang": "js"}
    }
}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"node_type": "replica"}, "DBS.200001"),
        ({"node_type": "mongos", "secs_running": 2}, "DBS.280327"),
        ({"node_type": "replica", "secs_running": 1}, "DBS.200001"),
    ],
)
def test_rules_that_are_refused(of_replica: Rules, fields: Any, code: str) -> None:
    assert refusal(lambda: of_replica.create(operation_types=["query"], **fields)) == (400, code)
    assert of_replica.list() == []
