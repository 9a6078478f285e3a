"""Alarm rules on a store and a ring of their own, with a webhook that hears what is told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

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
from shardhouse.store import instances
from shardhouse.store.database import Database
from shardhouse.store.iam import directory
from shardhouse.store.iam.records import Domain, Project
from shardhouse.store.metric_ring import MINUTE, MetricRing, Row
from shardhouse.store.neighbours import alarm_histories
from shardhouse.store.neighbours.records import Alarm
from shardhouse.store.neighbours.rows import ALARMS, new_row
from shardhouse.workflows.alarms import Alarms
from tests.webhook import Webhook

CPU = "mongo031_cpu_usage"
START = 1_800_000_000
NOTIFY = ({"type": "notification", "notificationList": ["urn:smn:local:p:topic"]},)
MADE = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A project with one node, its ring, and the rules' judge."""

    def __init__(self, folder: Path, webhook: Webhook) -> None:
        self.database = Database(f"sqlite:///{folder / 'store.db'}")
        self.database.migrate()
        self.ring = MetricRing(Database(f"sqlite:///{folder / 'metrics.db'}"))
        self.webhook = webhook
        self.alarms = Alarms(self.database, self.ring, webhook.url)
        node = Node("n", "i", "g", 1, "n", "dds.mongodb.s2.medium.4.single", "z", role=Role.PRIMARY)
        group = Group("g", "i", GroupType.SINGLE, 1, "single", node.spec_code, 20, (node,))
        made = Instance(
            id="i", project_id="p", name="i", mode=Mode.SINGLE, status=Status.NORMAL,
            version="6.0", storage_engine="wiredTiger", engine_version="6.0.27", port=8635,
            ssl=False, region="r", availability_zone="z", backup_strategy=BackupStrategy(),
            created_at=MADE, updated_at=MADE, request={}, groups=(group,),
        )  # fmt: skip
        with self.database.write() as connection:
            directory.add_domain(connection, Domain("d", "home", True, MADE))
            for project in ("p", "q"):
                directory.add_project(
                    connection, Project(project, "d", "d", project, "", True, MADE)
                )
            instances.add(connection, made)

    def rule(self, project_id: str = "p", suppress: int = 0, **changes: Any) -> str:
        condition = {"period": 1, "filter": "average", "comparison_operator": ">", "value": 80.0}
        condition |= {"count": 2, "suppress_duration": suppress}
        row = new_row(project_id=project_id, name="cpu", state_at=MADE) | {
            "namespace": "SYS.DDS",
            "metric_name": CPU,
            "dimensions": ({"name": "mongodb_node_id", "value": "n"},),
            "condition": condition,
            "alarm_actions": NOTIFY,
            "ok_actions": NOTIFY,
        }
        with self.database.write() as connection:
            return ALARMS.add(connection, Alarm(**row | changes)).id

    def measure(self, *values: float) -> int:
        """Values of successive minutes; the moment at which they are all there to be judged."""
        rows = [Row("n", MINUTE, START + n * MINUTE, {CPU: one}) for n, one in enumerate(values)]
        self.ring.write(rows)
        return START + (len(values) + 2) * MINUTE - 1

    def look(self, *values: float) -> list[tuple[str, float]]:
        """States and values that the webhook hears of when these were measured."""
        known = len(self.webhook.heard)
        self.alarms.look(self.measure(*values))
        return [(one["alarm_state"], one["value"]) for one in self.webhook.heard[known:]]

    def history(self) -> list[tuple[str, list[float], bool]]:
        """States that were recorded, the oldest first, by which values, and whether each is
        over."""
        with self.database.read() as connection:
            found, _ = alarm_histories.search(connection, "p", order=alarm_histories.Order.NUMBER)
        return [
            (one.state, [value for _, value in one.points], one.ended_at is not None)
            for one in reversed(found)
        ]

    def state(self, alarm_id: str) -> str:
        with self.database.read() as connection:
            found = ALARMS.first(connection, id=alarm_id)
        assert found is not None
        return found.state


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    webhook = Webhook()
    yield World(tmp_path, webhook)
    webhook.close()


def test_an_alarm_begins_and_ends_and_each_is_told_once(world: World) -> None:
    alarm_id = world.rule()
    assert world.look(10, 10) == []
    assert world.look(10, 10, 90) == []
    assert world.state(alarm_id) == "ok"
    assert world.look(10, 10, 90, 95) == [("alarm", 95)]
    assert world.state(alarm_id) == "alarm"
    assert world.look(10, 10, 90, 95, 99) == []
    assert world.look(10, 10, 90, 95, 99, 20) == [("ok", 20)]
    assert world.look(10, 10, 90, 95, 99, 20, 20) == []
    begun = world.webhook.heard[0]
    assert (begun["alarm_id"], begun["topics"]) == (alarm_id, ["urn:smn:local:p:topic"])
    assert begun["metric"]["metric_name"] == CPU
    assert world.history() == [
        ("ok", [10, 10], True),
        ("alarm", [90, 95], True),
        ("ok", [99, 20], False),
    ]


def test_what_becomes_of_a_deleted_rule_is_not_recorded(world: World) -> None:
    alarm_id = world.rule()
    with world.database.write() as connection:
        (rule,) = ALARMS.find(connection)
        ALARMS.remove(connection, id=alarm_id)
    world.alarms._judge(rule, [(START, 90.0), (START + 60, 90.0)])
    assert world.history() == []


def test_what_was_not_delivered_is_sent_again(world: World) -> None:
    world.rule()
    world.webhook.status = 503
    assert world.look(90, 90) == [("alarm", 90)]
    world.webhook.status = 200
    assert world.look(90, 90) == [("alarm", 90)]
    assert world.look(90, 90) == []


def test_one_failed_delivery_ends_a_look(world: World) -> None:
    ids = [world.rule(), world.rule()]
    world.webhook.status = 503
    assert len(world.look(90, 90)) == 1
    assert [world.state(id) for id in ids] == ["alarm", "alarm"]


def test_a_webhook_that_is_away_stops_no_judging(world: World) -> None:
    alarm_id = world.rule()
    alarms = Alarms(world.database, world.ring, "http://127.0.0.1:1/secret")
    alarms.look(world.measure(90, 90))
    assert world.state(alarm_id) == "alarm"


def test_a_lasting_alarm_is_told_again_only_where_the_rule_says_so(world: World) -> None:
    world.rule(suppress=300)
    assert world.look(90, 90) == [("alarm", 90)]
    assert world.look(90, 90) == []
    with world.database.write() as connection:
        (rule,) = ALARMS.find(connection)
        ALARMS.note(connection, rule.id, {"told_at": MADE})
    assert world.look(90, 90) == [("alarm", 90)]


def test_rules_without_values_and_of_others_have_no_data(world: World) -> None:
    ids = [
        world.rule(project_id="q"),
        world.rule(namespace="SYS.ECS"),
        world.rule(metric_name="unknown"),
    ]
    assert world.look(90, 90) == []
    assert [world.state(id) for id in ids] == ["insufficient_data"] * 3


def test_who_wants_to_hear_nothing(world: World) -> None:
    world.rule(action_enabled=False)
    world.rule(enabled=False)
    silent = world.rule(alarm_actions=())
    assert world.look(90, 90) == []
    assert world.state(silent) == "alarm"
    assert world.look(90, 90, 10) == [("ok", 10)]
