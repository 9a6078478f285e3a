"""Both vocabularies of dimensions."""

from datetime import UTC, datetime

import pytest

from shardhouse.domain import metric_dimensions
from shardhouse.domain.metric_dimensions import VOCABULARIES
from shardhouse.domain.model import (
    BackupStrategy,
    Group,
    GroupType,
    Instance,
    Mode,
    Node,
    Role,
    Status,
)


def node(id: str, group: str, role: Role) -> Node:
    return Node(id, "in02", group, 1, id, "dds.mongodb.s2.medium.4.shard", "z", role=role)


ROUTER = Group("gm", "in02", GroupType.MONGOS, 1, "mongos", "", 0, (node("r", "gm", Role.MASTER),))
MEMBERS = (node("p", "gs", Role.PRIMARY), node("h", "gs", Role.HIDDEN))
SHARD = Group("gs", "in02", GroupType.SHARD, 1, "shard_1", "", 20, MEMBERS)
MADE = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER = Instance(
    id="in02",
    project_id="p",
    name="c",
    mode=Mode.SHARDING,
    status=Status.NORMAL,
    version="6.0",
    storage_engine="wiredTiger",
    engine_version="6.0.27",
    port=8635,
    ssl=False,
    region="r",
    availability_zone="z",
    backup_strategy=BackupStrategy(),
    created_at=MADE,
    updated_at=MADE,
    request={},
    groups=(ROUTER, SHARD),
)


@pytest.mark.parametrize(
    ("dialect", "place", "expected"),
    [
        ("huawei", None, (("mongodb_instance_id", "in02"),)),
        ("huawei", (SHARD, MEMBERS[0]),
         (("mongodb_instance_id", "in02"), ("mongodb_node_id", "p"))),
        ("otc", None, (("mongodb_cluster_id", "in02"),)),
        ("otc", (ROUTER, ROUTER.nodes[0]),
         (("mongodb_cluster_id", "in02"), ("mongos_instance_id", "r"))),
        ("otc", (SHARD, MEMBERS[0]),
         (("mongodb_cluster_id", "in02"), ("mongod_primary_instance_id", "p"))),
        ("otc", (SHARD, MEMBERS[1]),
         (("mongodb_cluster_id", "in02"), ("mongod_secondary_instance_id", "h"))),
    ],
)  # fmt: skip
def test_names(dialect: str, place: tuple[Group, Node] | None, expected: object) -> None:
    assert VOCABULARIES[dialect].of(CLUSTER, place) == expected


@pytest.mark.parametrize(
    ("dimensions", "expected"),
    [
        ({"mongodb_instance_id": "in02"}, "in02"),
        ({"mongodb_cluster_id": "in02"}, "in02"),
        ({"mongodb_instance_id": "in02", "mongodb_node_id": "p"}, "p"),
        ({"mongodb_cluster_id": "in02", "mongod_secondary_instance_id": "p"}, "p"),
        ({"mongos_instance_id": "r"}, "r"),
        ({"mongodb_instance_id": "other"}, None),
        ({"mongodb_instance_id": "in02", "mongodb_node_id": "other"}, None),
        ({"mongodb_instance_id": "other", "mongodb_node_id": "p"}, None),
        ({"mongodb_instance_id": "in02", "mongodb_cluster_id": "other"}, None),
        ({"instance_id": "in02"}, None),
        ({}, None),
    ],
)
def test_what_is_meant(dimensions: dict[str, str], expected: str | None) -> None:
    assert metric_dimensions.resource_of(dimensions.items(), [CLUSTER]) == expected


def test_the_vocabulary_of_a_query() -> None:
    assert metric_dimensions.spoken(["mongodb_node_id"], "otc") is VOCABULARIES["huawei"]
    assert metric_dimensions.spoken(["mongos_instance_id"], "huawei") is VOCABULARIES["otc"]
    assert metric_dimensions.spoken([], "huawei") is VOCABULARIES["huawei"]
