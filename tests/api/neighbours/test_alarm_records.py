"""Histories of alarm rules, rules as version 2 of Cloud Eye has them, and events, through the
official SDK. What `serve` would record is written into its store: judging takes minutes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from huaweicloudsdkces import v1, v2
from huaweicloudsdkcore.auth.credentials import BasicCredentials

from shardhouse.domain.events import InstanceEvent, Kind
from shardhouse.store import events
from shardhouse.store.database import Database
from shardhouse.store.neighbours import alarm_histories
from shardhouse.store.neighbours.rows import ALARMS
from tests.api.neighbours.projects import Project
from tests.api.neighbours.test_alarms import NODE, TOPIC, body
from tests.installation import Installation

BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
ENDED = BEGAN + timedelta(minutes=5)
POINTS = [(1_800_000_000, 90.0), (1_800_000_300, 95.5)]


class Keeper:
    """A project, clients of both versions for it, and a way into its store."""

    def __init__(self, project: Project) -> None:
        self.project = project
        admin = project.installation.admin
        key = BasicCredentials(admin["access_key"], admin["secret_key"], project.id)
        self.v1, self.v2 = (
            client.new_builder().with_credentials(key).with_endpoint(project.iam).build()
            for client in (v1.CesClient, v2.CesClient)
        )
        self.store = Database(f"sqlite:///{project.installation.data_dir / 'shardhouse.db'}")

    def rule(self, name: str, **changes: Any) -> str:
        sent = body(name, **changes)
        return self.project.call("POST", "/V1.0/{p}/alarms", sent, status=201)["alarm_id"]

    def becomes(self, alarm_id: str, state: str, moment: datetime) -> None:
        """What `workflows.alarms` does when values change a rule's state."""
        with self.store.write() as connection:
            ALARMS.note(connection, alarm_id, {"state": state, "state_at": moment})
            (rule,) = ALARMS.find(connection, id=alarm_id)
            alarm_histories.record(connection, rule, POINTS, moment)


@pytest.fixture
def keeper(installation: Installation) -> Iterator[Keeper]:
    made = Keeper(Project(installation))
    yield made
    made.store.close()


def test_version_2_reads_rules(keeper: Keeper) -> None:
    first, second = keeper.rule("cpu"), keeper.rule("memory", alarm_level=1)
    listed = keeper.v2.list_alarm_rules(v2.ListAlarmRulesRequest())
    assert [one.alarm_id for one in listed.alarms] == [second, first]
    assert listed.count == 2
    page = keeper.v2.list_alarm_rules(v2.ListAlarmRulesRequest(offset=1, limit=1))
    assert ([one.name for one in page.alarms], page.count) == (["cpu"], 2)
    for wanted in ({"name": "memory"}, {"alarm_id": second}):
        (rule,) = keeper.v2.list_alarm_rules(v2.ListAlarmRulesRequest(**wanted)).alarms
        assert rule.alarm_id == second
    assert (rule.type, rule.enabled, rule.notification_enabled) == ("MULTI_INSTANCE", True, True)
    assert rule.alarm_notifications[0].notification_list == [TOPIC]
    assert rule.resources[0].dimensions[0].value == NODE
    of_node = keeper.v2.list_alarm_rules(v2.ListAlarmRulesRequest(resource_id=NODE))
    assert of_node.count == 2
    for wanted in ({"resource_id": "other"}, {"namespace": "SYS.ECS"}):
        assert keeper.v2.list_alarm_rules(v2.ListAlarmRulesRequest(**wanted)).count == 0
    policies = keeper.v2.list_alarm_rule_policies(v2.ListAlarmRulePoliciesRequest(second))
    (policy,) = policies.policies
    assert (policy.metric_name, policy.value, policy.level) == ("mongo031_cpu_usage", 80, 1)
    assert (policies.count, policy.comparison_operator, policy.count) == (1, ">=", 3)
    resources = keeper.v2.list_alarm_rule_resources(v2.ListAlarmRuleResourcesRequest(second))
    assert resources.count == 1
    assert resources.resources[0][0].to_dict() == {"name": "mongodb_node_id", "value": NODE}


def test_version_2_refuses_in_its_own_shape(keeper: Keeper) -> None:
    for path in ("/v2/{p}/alarms?limit=101", "/v2/{p}/alarm-histories?status=bad"):
        assert keeper.project.refuse(400, "GET", path)["error_code"] == "ces.0014"
    other = Keeper(Project(keeper.project.installation)).rule("other")
    for part in ("policies", "resources"):
        answer = keeper.project.refuse(404, "GET", f"/v2/{{p}}/alarms/{other}/{part}")
        assert answer["error_code"] == "ces.0016"
    assert keeper.project.refuse(404, "GET", "/v2/{p}/groups/none/streams")["error_code"] != (
        "ces.0016"
    )


def test_histories_in_both_versions(keeper: Keeper) -> None:
    alarm_id = keeper.rule("cpu")
    keeper.becomes(alarm_id, "alarm", BEGAN)
    keeper.becomes(alarm_id, "ok", ENDED)
    listed = keeper.v1.list_alarm_histories(v1.ListAlarmHistoriesRequest(alarm_id=alarm_id))
    assert listed.meta_data.total == 2
    recovered, begun = listed.alarm_histories
    assert (recovered.alarm_status, begun.alarm_status) == ("ok", "alarm")
    assert begun.trigger_time == BEGAN.timestamp() * 1000
    assert [(one.time, one.value) for one in begun.datapoints] == [
        (at * 1000, value) for at, value in reversed(POINTS)
    ]
    assert begun.metric.dimensions[0].value == NODE
    span = {"_from": str(int(BEGAN.timestamp() * 1000)), "to": str(int(ENDED.timestamp() * 1000))}
    page = keeper.v1.list_alarm_histories(
        v1.ListAlarmHistoriesRequest(**span, start="1", limit="1")
    )
    assert [one.alarm_status for one in page.alarm_histories] == ["alarm"]
    wanted = v2.ListAlarmHistoriesRequest(alarm_id=[alarm_id], status=["alarm", "invalid"])
    (record,) = keeper.v2.list_alarm_histories(wanted).alarm_histories
    assert (record.status, record.level, record.type) == ("alarm", 2, "MULTI_INSTANCE")
    times = (record.begin_time.astimezone(UTC), record.end_time.astimezone(UTC))
    assert times == (BEGAN, ENDED)
    assert record.data_points[0].value == POINTS[1][1]
    assert record.alarm_actions[0].notification_list == [TOPIC]
    same = v2.ListAlarmHistoriesRequest(record_id=record.record_id, _from=BEGAN.isoformat())
    assert keeper.v2.list_alarm_histories(same).count == 1
    events_only = v2.ListAlarmHistoriesRequest(alarm_type="event")
    assert keeper.v2.list_alarm_histories(events_only).count == 0


def test_histories_outlive_their_rules_and_end_with_them(keeper: Keeper) -> None:
    alarm_id = keeper.rule("cpu")
    keeper.becomes(alarm_id, "alarm", BEGAN)
    (record,) = keeper.v2.list_alarm_histories(v2.ListAlarmHistoriesRequest()).alarm_histories
    assert record.end_time is None
    keeper.project.call("DELETE", f"/V1.0/{{p}}/alarms/{alarm_id}", status=204)
    (record,) = keeper.v2.list_alarm_histories(v2.ListAlarmHistoriesRequest()).alarm_histories
    assert record.alarm_id == alarm_id
    assert record.end_time is not None


def test_events_of_instances(keeper: Keeper) -> None:
    about = {"project_id": keeper.project.id, "instance_id": "i" * 32 + "in02"}
    made = [
        InstanceEvent(**about, instance_name="orders", kind=kind, message=text, at=moment)
        for kind, text, moment in (
            (Kind.NODE_ABNORMAL, "first", BEGAN),
            (Kind.NODE_ABNORMAL, "second", ENDED),
            (Kind.JOB_COMPLETED, "a job", BEGAN + timedelta(minutes=1)),
        )
    ]
    with keeper.store.write() as connection:
        events.record(connection, made)
    listed = keeper.v1.list_events(v1.ListEventsRequest())
    assert [(one.event_name, one.event_count) for one in listed.events] == [
        ("DDSFaultyDBNode", 2),
        ("JobCompleted", 1),
    ]
    assert listed.meta_data.total == 2
    assert listed.events[0].latest_occur_time == ENDED.timestamp() * 1000
    later = v1.ListEventsRequest(_from=int(ENDED.timestamp() * 1000), event_type="EVENT.SYS")
    assert [one.event_count for one in keeper.v1.list_events(later).events] == [1]
    custom = keeper.v1.list_events(v1.ListEventsRequest(event_type="EVENT.CUSTOM"))
    assert (custom.events, custom.meta_data.total) == ([], 0)

    def shown(**query: Any) -> Any:
        request = v1.ListEventDetailRequest("DDSFaultyDBNode", "EVENT.SYS", **query)
        return keeper.v1.list_event_detail(request)

    details = shown(limit=1)
    assert details.meta_data.total == 2
    (one,) = details.event_info
    assert (one.detail.content, one.detail.event_level) == ("second", "Major")
    assert one.detail.resource_name == "orders"
    assert one.detail.dimensions[0].value == about["instance_id"]
    assert shown(event_state="warning").meta_data.total == 2
    for query in ({"event_level": "Critical"}, {"event_source": "SYS.ECS"}, {"event_user": "a"}):
        assert shown(**query).event_info == []
