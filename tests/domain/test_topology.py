"""What is planned for a request: groups, names, members, zones."""

from datetime import UTC, datetime
from itertools import count

import pytest

from shardhouse.domain.model import GroupType, Instance, MemberRole, Mode, Status
from shardhouse.domain.topology import Ids, create_job_name, plan_instance
from tests import requests
from tests.domain.test_creation import parse

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def plan(body: dict[str, object], dialect: str = "otc") -> Instance:
    numbers = count()
    return plan_instance(
        parse(body, dialect),
        project_id="p" * 32,
        engine_version="6.0.5",
        ids=Ids(lambda: f"{next(numbers):032x}"),
        now=NOW,
    )


def test_cluster() -> None:
    instance = plan(requests.CLUSTER)
    assert instance.status is Status.CREATING
    assert [(g.type, g.name, g.replica_set, len(g.nodes)) for g in instance.groups] == [
        (GroupType.MONGOS, "mongos", "", 2),
        (GroupType.SHARD, "shard_1", "shard_1", 3),
        (GroupType.SHARD, "shard_2", "shard_2", 3),
        (GroupType.CONFIG, "config", "config", 3),
    ]
    assert [node.name for node in instance.nodes] == [
        "test-cluster_mongos_node_1",
        "test-cluster_mongos_node_2",
        *(f"test-cluster_shard_1_node_{n}" for n in (1, 2, 3)),
        *(f"test-cluster_shard_2_node_{n}" for n in (1, 2, 3)),
        *(f"test-cluster_config_node_{n}" for n in (1, 2, 3)),
    ]


def test_the_port_of_a_cluster_is_that_of_its_routers() -> None:
    for group in plan(requests.cluster(port="2100")).groups:
        expected = {GroupType.SHARD: 8637, GroupType.CONFIG: 8636}.get(group.type, 2100)
        assert {node.port for node in group.nodes} == {expected}


def test_ids_tell_what_they_name_and_differ() -> None:
    instance = plan(requests.CLUSTER)
    ids = [instance.id, *(g.id for g in instance.groups), *(n.id for n in instance.nodes)]
    assert len(set(ids)) == len(ids)
    assert instance.id.endswith("in02")
    assert all(group.id.endswith("gr02") for group in instance.groups)
    assert all(node.id.endswith("no02") and len(node.id) == 36 for node in instance.nodes)


def test_only_the_last_of_three_is_hidden() -> None:
    for group in plan(requests.CLUSTER).groups:
        voter = MemberRole.VOTER
        routers = group.type is GroupType.MONGOS
        expected = [MemberRole.NONE] * 2 if routers else [voter, voter, MemberRole.HIDDEN]
        assert [node.member for node in group.nodes] == expected


@pytest.mark.parametrize(("number", "members"), [(1, 3), (3, 3)])
def test_a_replica_set_has_three_members_however_it_is_asked_for(number: int, members: int) -> None:
    body = requests.replica_set()
    body["flavor"] = [body["flavor"][0] | {"num": number}]
    (group,) = plan(body).groups
    assert (group.replica_set, len(group.nodes)) == ("replica", members)


def test_single_is_a_replica_set_of_one() -> None:
    (group,) = plan(requests.single()).groups
    assert (group.type, group.replica_set, len(group.nodes)) == (GroupType.SINGLE, "replica", 1)
    assert group.nodes[0].member is MemberRole.VOTER


def test_members_are_spread_over_the_zones() -> None:
    instance = plan(requests.cluster(availability_zone="z1, z2,z3"))
    for group in instance.groups:
        zones = [node.availability_zone for node in group.nodes]
        assert zones == ["z1", "z2", "z3"][: len(zones)]


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        (Mode.SHARDING, "CreateMongoDB"),
        (Mode.REPLICA_SET, "CreateMongoDBReplica"),
        (Mode.SINGLE, "CreateMongoDBReplicaSingle"),
    ],
)
def test_job_names(mode: Mode, name: str) -> None:
    assert create_job_name(mode) == name
