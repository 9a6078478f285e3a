"""Plans of changes: which nodes a target means, and what is refused. Pure."""

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from shardhouse.contract import changes
from shardhouse.contract.parsing import parse
from shardhouse.domain.change import Change
from shardhouse.domain.creation import Limits, parse_create
from shardhouse.domain.dialect import DIALECTS
from shardhouse.domain.model import GroupType, Instance, Mode, Role, Status
from shardhouse.domain.topology import Ids, plan_instance
from shardhouse.domain.transitions import Event
from shardhouse.engines import Catalogue
from shardhouse.errors import DdsError
from shardhouse.operations import modify_port, rename_set, resize, restart, switchover
from shardhouse.settings import Settings
from shardhouse.workflows.operation import Asked
from tests import requests

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def instance(body: dict[str, Any]) -> Instance:
    """A healthy instance, its ids counted: `001in02`, `002gr02`, `003no02` ..."""
    numbers = iter(range(1, 100))
    limits = Limits(DIALECTS["otc"], ("3.4",), (), (), tls_default=False)
    planned = plan_instance(
        parse_create(body, limits),
        project_id="p",
        engine_version="6.0.27",
        ids=Ids(lambda: f"{next(numbers):03}"),
        now=NOW,
    )
    change = Change(event=Event.CREATED)
    for group in planned.groups:
        roles = [Role.PRIMARY, Role.SECONDARY, Role.HIDDEN]
        if not group.type.holds_data:
            roles = [Role.MASTER] * len(group.nodes)
        for node, role in zip(group.nodes, roles, strict=False):
            change = change.with_nodes([node.id], status=Status.NORMAL, role=role)
    return change.applied_to(planned)


CLUSTER = instance(requests.cluster())
SET = instance(requests.replica_set())
SINGLE = instance(requests.single())
ROUTER = CLUSTER.of_type(GroupType.MONGOS)[0].nodes[0]
SHARDS = CLUSTER.of_type(GroupType.SHARD)
CONFIG = CLUSTER.of_type(GroupType.CONFIG)[0]
PRIMARY, SECONDARY, HIDDEN = SET.nodes


def asked(of: Instance, model: Any, body: dict[str, Any], **path: str) -> Asked[Any]:
    settings = Settings.model_construct()
    found = parse(model, body)
    return Asked(of, found, MappingProxyType(path), settings, Catalogue(()), NOW)


def code(plan: Any, *given: Any, **path: str) -> str:
    with pytest.raises(DdsError) as caught:
        plan(asked(*given, **path))
    return caught.value.code


@pytest.mark.parametrize(
    ("of", "body", "nodes", "job"),
    [
        (SET, {"target_id": SET.id}, SET.nodes, "RestartReplicaSetInstance"),
        (SINGLE, {"target_id": SINGLE.id}, SINGLE.nodes, "RestartReplicaSingleInstance"),
        (SET, {"target_id": SECONDARY.id}, [SECONDARY], "RestartNode"),
        (CLUSTER, {"target_id": CLUSTER.id}, CLUSTER.nodes, "RestartInstance"),
        (CLUSTER, {"target_type": "mongos", "target_id": ROUTER.id}, [ROUTER], "RestartNode"),
        (
            CLUSTER,
            {"target_type": "shard", "target_id": SHARDS[1].id},
            SHARDS[1].nodes,
            "RestartGroup",
        ),
        (
            CLUSTER,
            {"target_type": "config", "target_id": CONFIG.nodes[0].id},
            CONFIG.nodes,
            "RestartGroup",
        ),
    ],
)
def test_what_a_restart_restarts(of: Instance, body: dict[str, Any], nodes: Any, job: str) -> None:
    planned = restart.plan(asked(of, changes.RestartBody, body))
    assert planned.arguments.nodes == tuple(node.id for node in nodes)
    assert planned.job == job
    assert set(planned.now.nodes) == {node.id for node in nodes}
    assert planned.arguments.together == (of.mode is Mode.REPLICA_SET)


@pytest.mark.parametrize(
    ("of", "body", "expected"),
    [
        (SET, {"target_id": PRIMARY.id}, "DBS.200075"),
        (SINGLE, {"target_id": SINGLE.nodes[0].id}, "DBS.200075"),
        (SET, {"target_id": ROUTER.id + "0"}, "DBS.200013"),
        (SET, {"target_id": SET.id, "target_type": "mongos"}, "DBS.280327"),
        (CLUSTER, {"target_id": CONFIG.id, "target_type": "mongos"}, "DBS.200013"),
        (CLUSTER, {"target_id": CONFIG.id}, "DBS.200013"),
        (replace(SET, status=Status.ABNORMAL), {"target_id": SET.id}, "DBS.200011"),
        (
            Change.of_nodes([SECONDARY.id], status=Status.ABNORMAL).applied_to(SET),
            {"target_id": SECONDARY.id},
            "DBS.200011",
        ),
    ],
)
def test_what_is_not_restarted(of: Instance, body: dict[str, Any], expected: str) -> None:
    assert code(restart.plan, of, changes.RestartBody, body) == expected


def test_what_is_abnormal_is_restarted_by_force() -> None:
    broken = Change.of_nodes([PRIMARY.id], status=Status.ABNORMAL).applied_to(SET)
    body = {"target_id": PRIMARY.id, "is_force": True}
    planned = restart.plan(asked(broken, changes.RestartBody, body))
    assert planned.steps[0] == restart.REVIVE


@pytest.mark.parametrize("body", [{}, {"target_id": ""}, {"target_id": "a", "target_type": "x"}])
def test_wrong_restarts(body: dict[str, Any]) -> None:
    with pytest.raises(DdsError) as caught:
        parse(changes.RestartBody, body)
    assert caught.value.status == 400


def test_who_leads_next() -> None:
    planned = switchover.plan_any(asked(SET, changes.SwitchoverBody, {}))
    assert planned.arguments.node == SECONDARY.id
    body = {"group_id": SHARDS[1].id}
    planned = switchover.plan_any(asked(CLUSTER, changes.SwitchoverBody, body))
    assert planned.arguments.node == SHARDS[1].nodes[1].id
    broken = Change.of_nodes([SECONDARY.id], status=Status.ABNORMAL).applied_to(SET)
    assert code(switchover.plan_any, broken, changes.SwitchoverBody, {}) == "DBS.280042"
    for node in (PRIMARY, HIDDEN):
        assert code(switchover.plan_named, SET, changes.Nothing, {}, node_id=node.id) == (
            "DBS.200075"
        )
    named = switchover.plan_named(asked(SET, changes.Nothing, {}, node_id=SECONDARY.id))
    assert named.arguments.node == SECONDARY.id


def test_several_shards_are_resized_together() -> None:
    spec = "dds.mongodb.s2.xlarge.4.shard"
    ids = [shard.id for shard in SHARDS]
    body = {"target_type": "shard", "target_ids": ids, "target_spec_code": spec}
    arguments = resize.plan(asked(CLUSTER, changes.ResizeBody, body)).arguments
    assert arguments.groups == tuple(ids)
    assert len(arguments.nodes) == 6
    resized = arguments.change.applied_to(CLUSTER)
    assert {group.spec_code for group in resized.of_type(GroupType.SHARD)} == {spec}
    assert resized.of_type(GroupType.CONFIG) == CLUSTER.of_type(GroupType.CONFIG)


@pytest.mark.parametrize(
    ("of", "body", "expected"),
    [
        (CLUSTER, {"target_id": CLUSTER.id}, "DBS.200001"),
        (CLUSTER, {"target_type": "shard"}, "DBS.200001"),
        (CLUSTER, {"target_type": "shard", "target_id": "x"}, "DBS.200013"),
        (SET, {"target_id": PRIMARY.id}, "DBS.200013"),
        (SET, {"target_id": SET.id}, "DBS.280267"),
    ],
)
def test_what_is_not_resized(of: Instance, body: dict[str, Any], expected: str) -> None:
    body = {"target_spec_code": "dds.mongodb.s2.xlarge.4.shard", **body}
    assert code(resize.plan, of, changes.ResizeBody, body) == expected


def test_which_nodes_get_another_port() -> None:
    shared = Change.of_nodes([SECONDARY.id], port=SET.port + 1).applied_to(SET)
    arguments = modify_port.plan(asked(shared, changes.PortBody, {"port": "9000"})).arguments
    assert arguments.ports == {PRIMARY.id: 9000, SECONDARY.id: 9001, HIDDEN.id: 9000}
    arguments = modify_port.plan(asked(CLUSTER, changes.PortBody, {"port": 9000})).arguments
    assert set(arguments.ports) == {node.id for node in CLUSTER.of_type(GroupType.MONGOS)[0].nodes}
    assert code(modify_port.plan, SET, changes.PortBody, {"port": SET.port}) == "DBS.200462"


def test_names_of_replica_sets() -> None:
    change = rename_set.plan(asked(SET, changes.SetNameBody, {"name": "Orders_1"})).arguments.change
    assert change.applied_to(SET).groups[0].replica_set == "Orders_1"
    assert code(rename_set.plan, SET, changes.SetNameBody, {"name": "replica"}) == "DBS.200001"
