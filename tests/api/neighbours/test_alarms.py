"""Alarm rules of Cloud Eye, through the official SDK and plain calls. Of otcextensions only the
list works with the openstacksdk that it is installed with: other calls look for an attribute that
has gone."""

from pathlib import Path
from typing import Any

import httpx
import openstack
import pytest
from huaweicloudsdkces import v1 as ces
from huaweicloudsdkcore.auth.credentials import BasicCredentials

from tests import requests
from tests.api.neighbours.projects import Project
from tests.installation import Installation, until
from tests.webhook import Webhook

TOPIC = "urn:smn:local:0:topic"
NODE = "0123456789abcdef0123456789abcdefno02"


@pytest.fixture(scope="module")
def sdk(installation: Installation) -> ces.CesClient:
    key = (installation.admin["access_key"], installation.admin["secret_key"])
    credentials = BasicCredentials(*key, installation.project_id)
    builder = ces.CesClient.new_builder().with_credentials(credentials)
    return builder.with_endpoint(installation.iam).build()


def body(name: str = "cpu", **changes: Any) -> dict[str, Any]:
    condition = {"period": 300, "filter": "average", "comparison_operator": ">=", "value": 80}
    return {
        "alarm_name": name,
        "metric": {
            "namespace": "SYS.DDS",
            "metric_name": "mongo031_cpu_usage",
            "dimensions": [{"name": "mongodb_node_id", "value": NODE}],
        },
        "condition": condition | {"count": 3, "unit": "%"},
        "alarm_enabled": True,
        "alarm_actions": [{"type": "notification", "notificationList": [TOPIC]}],
    } | changes


def test_the_sdk_keeps_a_rule(sdk: ces.CesClient) -> None:
    wanted = ces.CreateAlarmRequestBody(
        alarm_name="cpu",
        alarm_description="of a node",
        metric=ces.CreateAlarmMetric(
            "SYS.DDS", "mongo031_cpu_usage", [ces.CreateMetricDimension("mongodb_node_id", NODE)]
        ),
        condition=ces.Condition(">=", 3, "average", 300, "%", 80.5, 900),
        alarm_enabled=True,
        alarm_action_enabled=True,
        alarm_level=1,
        alarm_actions=[ces.Notification("notification", [TOPIC])],
    )
    alarm_id = sdk.create_alarm(ces.CreateAlarmRequest(body=wanted)).alarm_id
    assert alarm_id.startswith("al")

    def shown() -> Any:
        (found,) = sdk.show_alarm(ces.ShowAlarmRequest(alarm_id)).metric_alarms
        return found

    made = shown()
    assert (made.alarm_name, made.alarm_level, made.alarm_enabled) == ("cpu", 1, True)
    assert made.condition.to_dict().items() >= wanted.condition.to_dict().items()
    assert made.metric.dimensions[0].value == NODE
    assert made.alarm_actions[0].notification_list == [TOPIC]
    assert made.alarm_state == "insufficient_data"
    listed = sdk.list_alarms(ces.ListAlarmsRequest(limit=100))
    assert [one.alarm_id for one in listed.metric_alarms] == [alarm_id]
    assert listed.meta_data.total == 1
    action = ces.UpdateAlarmActionRequestBody(alarm_enabled=False)
    sdk.update_alarm_action(ces.UpdateAlarmActionRequest(alarm_id, action))
    change = ces.UpdateAlarmRequestBody(alarm_level=2, condition=ces.Condition(value=90))
    sdk.update_alarm(ces.UpdateAlarmRequest(alarm_id, change))
    changed = shown()
    assert (changed.alarm_enabled, changed.alarm_level, changed.alarm_name) == (False, 2, "cpu")
    assert (changed.condition.value, changed.condition.period) == (90, 300)
    sdk.delete_alarm(ces.DeleteAlarmRequest(alarm_id))
    assert sdk.list_alarms(ces.ListAlarmsRequest()).meta_data.total == 0


def test_otcextensions_lists_rules(project: Project) -> None:
    admin = project.installation.admin
    cloud = openstack.connect(
        auth_type="password",
        auth={
            "auth_url": f"{project.iam}/v3",
            "username": admin["user_name"],
            "password": admin["password"],
            "project_id": project.id,
            "user_domain_name": admin["domain_name"],
        },
        region_name=admin["region"],
        vendor_hook="otcextensions.sdk:load",
        load_yaml_config=False,
        load_envvars=False,
    )
    made = project.call("POST", "/V1.0/{p}/alarms", body(alarm_level=3), status=201)
    (found,) = cloud.ces.alarms()
    assert (found.id, found.name, found.alarm_level) == (made["alarm_id"], "cpu", 3)
    project.call("DELETE", f"/V1.0/{{p}}/alarms/{found.id}", status=204)


def test_pages(project: Project) -> None:
    path = "/V1.0/{p}/alarms"
    ids = [project.call("POST", path, body(f"rule {n}"), status=201)["alarm_id"] for n in range(5)]
    found: list[str] = []
    while page := project.call("GET", path, limit=2, start=found[-1] if found else ""):
        if not page["metric_alarms"]:
            break
        assert page["meta_data"]["marker"] == page["metric_alarms"][-1]["alarm_id"]
        found += [one["alarm_id"] for one in page["metric_alarms"]]
    assert found == ids[::-1]
    first = project.call("GET", path, order="asc", limit=1)["metric_alarms"]
    assert first[0]["alarm_id"] == ids[0]
    for alarm_id in ids:
        project.call("DELETE", f"{path}/{alarm_id}", status=204)


@pytest.mark.parametrize(
    "changes",
    [
        {"alarm_name": ""},
        {"alarm_name": "n" * 129},
        {"metric": {"namespace": "SYS.DDS", "metric_name": "m", "dimensions": []}},
        {"condition": None},
        *(
            {"condition": body()["condition"] | change}
            for change in (
                {"period": 2},
                {"filter": "median"},
                {"comparison_operator": "<>"},
                {"value": "80"},
                {"value": None},
                {"count": 6},
                {"suppress_duration": 1},
                {"period": 14400, "count": 5},
                {"period": 86400, "count": 1},
            )
        ),
        {"alarm_level": 5},
        {"alarm_type": "EVENT.SYS"},
        {"alarm_actions": [{"type": "autoscaling", "notificationList": []}]},
    ],
    ids=str,
)
def test_what_is_refused(project: Project, changes: dict[str, Any]) -> None:
    answer = project.refuse(400, "POST", "/V1.0/{p}/alarms", body(**changes))
    assert answer["message"]["code"] == "ces.0014"


def test_rules_of_another_project_are_unknown(installation: Installation, project: Project) -> None:
    other = Project(installation)
    alarm_id = other.call("POST", "/V1.0/{p}/alarms", body(), status=201)["alarm_id"]
    path = f"/V1.0/{{p}}/alarms/{alarm_id}"
    other.call("GET", path)
    for method, suffix, sent in (
        ("GET", "", None),
        ("PUT", "", {"alarm_level": 1}),
        ("PUT", "/action", {"alarm_enabled": False}),
        ("DELETE", "", None),
    ):
        answer = project.refuse(404, method, path + suffix, sent)
        assert answer["message"]["code"] == "ces.0016"
    listed = project.call("GET", "/V1.0/{p}/alarms")["metric_alarms"]
    assert alarm_id not in [one["alarm_id"] for one in listed]
    other.call("DELETE", path, status=204)


@pytest.mark.soak
def test_serve_judges_rules_and_tells(tmp_path: Path) -> None:
    """Minutes long: a minute of values must be over."""
    webhook = Webhook()
    own = Installation(tmp_path / "data", alarm_webhook=webhook.url)
    try:
        own.start()
        made = own.make(requests.single())
        (node,) = made["groups"][0]["nodes"]
        condition = {"period": 1, "filter": "max", "comparison_operator": ">=", "value": 1}
        metric = {"namespace": "SYS.DDS", "metric_name": "mongo007_connections"}
        of = [{"name": "mongodb_cluster_id", "value": made["id"]}]
        of.append({"name": "mongod_primary_instance_id", "value": node["id"]})
        rule = body(metric=metric | {"dimensions": of}, condition=condition | {"count": 1})
        answer = httpx.post(
            f"{own.iam}/V1.0/{own.project_id}/alarms",
            json=rule,
            headers={"X-Auth-Token": own.token()},
        )
        until("the alarm", lambda: webhook.heard or None, 300)
        assert webhook.heard[0]["alarm_id"] == answer.json()["alarm_id"]
        assert webhook.heard[0]["value"] >= 1
        assert webhook.url not in own.log.read_text()
    finally:
        own.destroy()
        webhook.close()
