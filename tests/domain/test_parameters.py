"""The table of parameters, templates, and what parts of instances have: pure."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shardhouse.contract import configurations, scaling
from shardhouse.domain import configuration, parameters
from shardhouse.domain.configuration import Assigned, Configuration
from shardhouse.domain.creation import OFFERED
from shardhouse.domain.dialect import DIALECTS
from shardhouse.domain.model import GroupType, Instance, MemberRole
from shardhouse.domain.parameters import BY_NAME, DEFAULT, NodeType, Range
from shardhouse.errors import DdsError
from shardhouse.operations import grow, set_parameters
from tests import requests
from tests.domain.test_topology import plan
from tests.operations.test_scaling_plans import REPLICA, asked

AT = datetime(2026, 1, 31, tzinfo=UTC)
SLOW = "operationProfiling.slowOpThresholdMs"
CONNECTIONS = "net.maxIncomingConnections"
SNAPSHOTS = "minSnapshotHistoryWindowInSeconds"


@pytest.mark.parametrize("row", parameters.PARAMETERS, ids=lambda row: row.name)
def test_rows_are_consistent(row: parameters.Parameter) -> None:
    assert row.description.endswith(".")
    if row.default != DEFAULT:
        assert row.checked(row.default) == row.default
    if isinstance(row.allowed, Range):
        ends = [str(row.allowed.low), str(row.allowed.high)]
        assert [row.checked(end) for end in ends] == ends
        assert row.value_range == "-".join(ends)
    else:
        assert [row.checked(word) for word in row.allowed] == list(row.allowed)


def test_rows_are_in_order_and_unique() -> None:
    names = [row.name for row in parameters.PARAMETERS]
    assert names == sorted(set(names), key=str.lower)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        (SLOW, "0250", "250"),
        (SLOW, 250, "250"),
        (CONNECTIONS, DEFAULT, DEFAULT),
        ("operationProfiling.slowOpSampleRate", "0.50", "0.5"),
        ("operationProfiling.slowOpSampleRate", 1, "1"),
        ("operationProfiling.mode", "SLOWOP", "slowOp"),
        ("ttlMonitorEnabled", False, "false"),
        ("ttlMonitorEnabled", "TRUE", "true"),
    ],
)
def test_equal_values_are_one_text(name: str, given: Any, kept: str) -> None:
    assert BY_NAME[name].checked(given) == kept


@pytest.mark.parametrize(
    ("name", "given"),
    [
        (SLOW, "-1"),
        (SLOW, "1.5"),
        (SLOW, ""),
        (SLOW, DEFAULT),
        (SLOW, True),
        (SLOW, []),
        (CONNECTIONS, "199"),
        ("operationProfiling.slowOpSampleRate", "nan"),
        ("operationProfiling.mode", "some"),
        ("ttlMonitorEnabled", "1"),
    ],
)
def test_other_values_are_refused(name: str, given: Any) -> None:
    with pytest.raises(DdsError, match=name) as refused:
        BY_NAME[name].checked(given)
    assert refused.value.code == "DBS.212017"


def test_templates_of_the_system_are_always_the_same() -> None:
    found = configuration.systems(OFFERED, DIALECTS["huawei"])
    assert len({one.id for one in found}) == len({one.name for one in found}) == len(found)
    assert configuration.system("4.0", NodeType.SHARD).id == SHARD_OF_4_0
    assert configuration.system_by_id(SHARD_OF_4_0) in found
    fewer = configuration.systems(OFFERED, DIALECTS["otc"])
    assert {one.id for one in fewer} < {one.id for one in found}
    assert not {one.node_type for one in fewer} & {NodeType.READONLY, NodeType.SHARD_READONLY}


#: Clients keep it.
SHARD_OF_4_0 = "2b34bc49468a51ec9b04d088702125c1pr02"


def given(instance: Instance, **values: dict[str, str]) -> Instance:
    """An instance whose entities, by the index of their group, have these values."""
    chosen = {
        configuration.entities(instance)[int(place[1:])].id: Assigned(one, "t", AT)
        for place, one in values.items()
    }
    change = configuration.assigning(instance, chosen)
    return replace(instance, policies={k: v for k, v in change.policies.items() if v is not None})


def test_parts_of_a_cluster_have_their_own() -> None:
    cluster = plan(requests.cluster())
    found = configuration.entities(cluster)
    assert [(one.node_type, len(one.nodes)) for one in found] == [
        (NodeType.MONGOS, 1),
        (NodeType.MONGOS, 1),
        (NodeType.SHARD, 3),
        (NodeType.SHARD, 3),
        (NodeType.CONFIG, 3),
    ]
    cluster = given(cluster, _2={SLOW: "200"})
    first, second = cluster.of_type(GroupType.SHARD)
    assert configuration.values(cluster, first, first.nodes[2], (6, 0)) == {SLOW: "200"}
    assert configuration.values(cluster, second, second.nodes[0], (6, 0)) == {}


def test_a_release_gets_what_it_has() -> None:
    instance = given(plan(requests.replica_set()), _0={SLOW: "1", SNAPSHOTS: "5", "gone": "1"})
    (group,) = instance.groups
    for release, names in (((4, 4), {SLOW}), ((5, 0), {SLOW, SNAPSHOTS})):
        assert set(configuration.values(instance, group, group.nodes[0], release)) == names


def test_new_parts_have_what_those_of_their_type_have() -> None:
    cluster = given(plan(requests.cluster()), _1={SLOW: "1"}, _2={SLOW: "2"}, _0={SLOW: "3"})
    shards = grow.plan_shards(
        asked(
            cluster,
            scaling.EnlargeBody,
            type="shard",
            spec_code="dds.mongodb.s2.medium.4.shard",
            num=1,
            volume={"size": 20},
        )
    ).now
    (made,) = shards.add_groups
    assert shards.policies[configuration.KIND][made.id]["values"] == {SLOW: "2"}
    routers = grow.plan_routers(
        asked(
            cluster,
            scaling.EnlargeBody,
            type="mongos",
            spec_code="dds.mongodb.s2.medium.4.mongos",
            num=1,
        )
    ).now
    (node,) = routers.add_nodes
    assert routers.policies[configuration.KIND][node.id]["values"] == {SLOW: "3"}


def test_members_have_what_their_set_has_and_read_replicas_their_own() -> None:
    instance = given(plan(requests.replica_set(), "huawei"), _0={SLOW: "7"})
    body = {"spec_code": REPLICA, "num": 1}
    first = grow.plan_read_replicas(asked(instance, scaling.ReadonlyBody, **body)).now
    assert not first.policies
    (group,) = instance.groups
    (replica,) = first.add_nodes
    grown = replace(instance, groups=(replace(group, nodes=(*group.nodes, replica)),))
    assert replica.member is MemberRole.READ_REPLICA
    assert configuration.values(grown, grown.groups[0], replica, (6, 0)) == {}
    assert configuration.entity(grown, replica.id).node_type is NodeType.READONLY
    change = configuration.assigning(grown, {replica.id: Assigned({SLOW: "8"}, "", AT)})
    grown = replace(grown, policies=dict(change.policies))
    assert configuration.values(grown, grown.groups[0], replica, (6, 0)) == {SLOW: "8"}
    second = grow.plan_read_replicas(asked(grown, scaling.ReadonlyBody, **body)).now
    assert second.policies[configuration.KIND][second.add_nodes[0].id]["values"] == {SLOW: "8"}


def test_what_is_gone_is_forgotten() -> None:
    cluster = given(plan(requests.cluster()), _0={SLOW: "1"}, _1={SLOW: "2"})
    routers, *rest = cluster.groups
    smaller = replace(cluster, groups=(replace(routers, nodes=routers.nodes[1:]), *rest))
    document = configuration.assigning(smaller, {}).policies[configuration.KIND]
    assert list(document or ()) == [routers.nodes[1].id]


def test_values_that_are_set_are_added_and_a_template_replaces_all() -> None:
    instance = given(plan(requests.replica_set()), _0={SLOW: "7", CONNECTIONS: "500"})
    body = {"entity_id": instance.id, "parameter_values": {SLOW: "100", SNAPSHOTS: 5}}
    planned = set_parameters.plan_set(asked(instance, configurations.UpdateEntityBody, **body))
    (one,) = planned.arguments.entities
    assert (one.values, one.configuration_id) == ({CONNECTIONS: "500", SNAPSHOTS: "5"}, "t")
    assert not planned.arguments.restart_required
    template = Configuration(
        "x", "p", "x", "", instance.version, NodeType.REPLICA, {SNAPSHOTS: "9"}, AT, AT
    )
    wanted = replace(
        asked(instance, configurations.CopyBody, name="x"),
        body=set_parameters.Applied(template, (instance.id,)),
    )
    applied = set_parameters.plan_apply(wanted).arguments
    assert (applied.entities[0].values, applied.configuration_id) == ({SNAPSHOTS: "9"}, "x")
    assert {(one.name, one.new) for one in applied.entities[0].differences} == {
        (SLOW, "100"),
        (CONNECTIONS, DEFAULT),
        (SNAPSHOTS, "9"),
    }
    assert applied.restart_required
