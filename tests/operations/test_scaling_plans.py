"""What calls that grow and shrink decide, as tables."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shardhouse.contract import scaling
from shardhouse.contract.parsing import parse
from shardhouse.domain.change import Change
from shardhouse.domain.model import Instance, MemberRole, Node, Role, Status
from shardhouse.domain.transitions import Event
from shardhouse.engines import Catalogue
from shardhouse.errors import DdsError
from shardhouse.operations import enlarge_volume, grow, shrink
from shardhouse.settings import Settings
from shardhouse.workflows.operation import Asked, Planned
from tests import requests
from tests.domain.test_topology import NOW, plan

REPLICA = "dds.mongodb.s2.medium.4.rr"
Plan = Callable[[Asked[Any]], Planned[Any]]


def asked(instance: Instance, model: type[Any], **body: Any) -> Asked[Any]:
    settings = Settings(dialect="huawei")
    return Asked(instance, parse(model, body), {}, settings, Catalogue((), ()), NOW)


def served(body: dict[str, Any], members: int = 3) -> Instance:
    """An instance whose nodes have the roles that they have after creation."""
    flavor = [one | {"num": members} if one["type"] == "replica" else one for one in body["flavor"]]
    instance = plan(body | {"flavor": flavor}, "huawei")
    words = {MemberRole.HIDDEN: Role.HIDDEN, MemberRole.NONE: Role.MASTER}

    def settled(node: Node) -> Node:
        role = words.get(node.member) or (Role.PRIMARY if node.ordinal == 1 else Role.SECONDARY)
        return replace(node, role=role, status=Status.NORMAL)

    groups = [replace(g, nodes=tuple(map(settled, g.nodes))) for g in instance.groups]
    return replace(instance, status=Status.NORMAL, groups=tuple(groups))


def refusal(decide: Plan, given: Asked[Any]) -> str:
    with pytest.raises(DdsError) as caught:
        decide(given)
    return caught.value.code


def numbers(instance: Instance, planned: Planned[Any]) -> list[int]:
    """Ordinals of the nodes that a plan names."""
    return sorted(node.ordinal for node in instance.nodes if node.id in planned.arguments.nodes)


def test_new_members_are_voters_in_the_emptiest_zones() -> None:
    instance = served(requests.replica_set(availability_zone="z1,z2"))
    planned = grow.plan_members(asked(instance, scaling.ExpandBody, num=2))
    added = planned.now.add_nodes
    assert [(n.ordinal, n.member, n.status) for n in added] == [
        (4, MemberRole.VOTER, Status.CREATING),
        (5, MemberRole.VOTER, Status.CREATING),
    ]
    assert [node.availability_zone for node in added] == ["z2", "z1"]
    assert added[0].name == "test-replica_replica_node_4"
    odd = asked(instance, scaling.ExpandBody, num=3)
    assert refusal(grow.plan_members, odd) == "DBS.280123"


def test_read_replicas_have_a_volume_of_their_own() -> None:
    instance = served(requests.replica_set())
    body = {"spec_code": REPLICA, "num": 2, "delay": 30}
    planned = grow.plan_read_replicas(asked(instance, scaling.ReadonlyBody, **body))
    assert [(n.member, n.delay, n.size, n.name) for n in planned.now.add_nodes] == [
        (MemberRole.READ_REPLICA, 30, 20, "test-replica_readonly_node_4"),
        (MemberRole.READ_REPLICA, 30, 20, "test-replica_readonly_node_5"),
    ]
    zone = asked(instance, scaling.ReadonlyBody, **body, availability_zone="elsewhere")
    assert refusal(grow.plan_read_replicas, zone) == "DBS.280244"


@pytest.mark.parametrize(
    ("members", "body", "gone"),
    [
        (5, {"num": 2}, [3, 4]),
        (7, {"num": 2}, [5, 6]),
        (7, {"num": 4}, [3, 4, 5, 6]),
        (7, {"num": 2, "node_list": [2, 3]}, [2, 3]),
    ],
)
def test_the_newest_secondaries_go(members: int, body: dict[str, Any], gone: list[int]) -> None:
    instance = served(requests.replica_set(), members)
    if "node_list" in body:
        body = body | {"node_list": [instance.nodes[n - 1].id for n in body["node_list"]]}
    planned = shrink.plan_members(asked(instance, scaling.ShrinkBody, **body))
    assert numbers(instance, planned) == gone


def test_every_zone_keeps_a_node() -> None:
    instance = served(requests.replica_set(availability_zone="z1,z2,z3"), 5)
    planned = shrink.plan_members(asked(instance, scaling.ShrinkBody, num=2))
    # z1: 1, 4; z2: 2, 5 (hidden); z3: 3, which is alone there.
    assert numbers(instance, planned) == [2, 4]
    alone = [instance.nodes[2].id, instance.nodes[1].id]
    given = asked(instance, scaling.ShrinkBody, node_list=alone)
    assert refusal(shrink.plan_members, given) == "DBS.280244"


def test_another_member_is_hidden_where_the_hidden_one_goes() -> None:
    instance = served(requests.replica_set(), 5)
    listed = [instance.nodes[4].id, instance.nodes[3].id]
    planned = shrink.plan_members(asked(instance, scaling.ShrinkBody, node_list=listed))
    assert planned.arguments.hidden == instance.nodes[2].id


def test_a_volume_grows_eight_times() -> None:
    instance = served(requests.replica_set())
    given = asked(instance, scaling.VolumeBody, size=30)
    assert enlarge_volume.plan(given).arguments.scale_ups == 1
    (group,) = instance.groups
    often = replace(instance, groups=(replace(group, scale_ups=8),))
    assert refusal(enlarge_volume.plan, replace(given, instance=often)) == "DBS.200304"


def test_what_failed_may_be_tried_again() -> None:
    instance = served(requests.cluster())
    body = {
        "type": "shard",
        "spec_code": "dds.mongodb.s2.medium.4.shard",
        "num": 2,
        "volume": {"size": 30},
    }
    planned = grow.plan_shards(asked(instance, scaling.EnlargeBody, **body))
    change: Change = planned.now
    assert change.event is Event.RESIZING
    assert [(g.name, g.size, len(g.nodes)) for g in change.add_groups] == [
        ("shard_3", 30, 3),
        ("shard_4", 30, 3),
    ]
    roles = [node.member for node in change.add_groups[0].nodes]
    assert roles == [MemberRole.VOTER, MemberRole.VOTER, MemberRole.HIDDEN]
