"""What is concluded from what was seen, as tables: an instance's status, and the next start."""

import pytest

from shardhouse.domain.model import GroupType, Instance, Mode, Role
from shardhouse.domain.transitions import Event
from shardhouse.mongo.status import MemberStatus
from shardhouse.workflows import health
from shardhouse.workflows.supervisor import FIRST_DELAY, LONGEST_DELAY, STEADY, Backoff
from tests import requests
from tests.domain.test_topology import plan

BODIES = {
    Mode.SHARDING: requests.cluster,
    Mode.REPLICA_SET: requests.replica_set,
    Mode.SINGLE: requests.single,
}


def seen(instance: Instance, down: set[str], led: bool = True) -> dict[str, MemberStatus]:
    """All nodes healthy but those whose names end so; sets have a primary if they are `led`."""
    found = {}
    for group in instance.groups:
        up = [node for node in group.nodes if not any(node.name.endswith(end) for end in down)]
        for node in group.nodes:
            first = bool(up) and node is up[0]
            role = Role.PRIMARY if led and first else Role.SECONDARY
            if group.type is GroupType.MONGOS:
                role = Role.MASTER
            found[node.id] = MemberStatus(node.host, role, node in up)
    return found


@pytest.mark.parametrize(
    ("mode", "down", "expected"),
    [
        (Mode.SINGLE, set(), Event.WELL),
        (Mode.SINGLE, {"node_1"}, Event.BROKEN),
        (Mode.REPLICA_SET, {"node_1"}, Event.WELL),
        (Mode.REPLICA_SET, {"node_1", "node_3"}, Event.BROKEN),
        (Mode.SHARDING, {"mongos_node_1"}, Event.WELL),
        (Mode.SHARDING, {"mongos_node_1", "mongos_node_2"}, Event.BROKEN),
        (Mode.SHARDING, {"shard_1_node_2", "shard_2_node_1", "config_node_3"}, Event.WELL),
        (Mode.SHARDING, {"shard_2_node_1", "shard_2_node_2"}, Event.BROKEN),
        (Mode.SHARDING, {"config_node_1", "config_node_2"}, Event.BROKEN),
    ],
)
def test_an_instance_is_normal_if_clients_can_read_and_write_everywhere(
    mode: Mode, down: set[str], expected: Event
) -> None:
    instance = plan(BODIES[mode](), "huawei")
    assert health.verdict(instance, seen(instance, down)) is expected


@pytest.mark.parametrize("mode", Mode)
def test_a_set_without_a_primary_is_abnormal(mode: Mode) -> None:
    instance = plan(BODIES[mode](), "huawei")
    assert health.verdict(instance, seen(instance, set(), led=False)) is Event.BROKEN


@pytest.mark.parametrize(
    ("deaths", "delays"),
    [
        ([0.0], [FIRST_DELAY]),
        ([0.0, 1.0, 3.0, 6.0], [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY, 8 * FIRST_DELAY]),
        ([0.0, 1.0, 1.0 + 3 * STEADY], [FIRST_DELAY, 2 * FIRST_DELAY, FIRST_DELAY]),
    ],
)
def test_a_process_that_dies_again_waits_longer(deaths: list[float], delays: list[float]) -> None:
    backoff = Backoff()
    found = []
    for moment in deaths:
        backoff.died(moment)
        found.append(backoff.due - moment)
    assert found == pytest.approx(delays)


def test_no_wait_is_longer_than_the_longest() -> None:
    backoff = Backoff()
    moment = 0.0
    for _ in range(20):
        backoff.died(moment)
        assert backoff.due - moment <= LONGEST_DELAY
        moment = backoff.due
