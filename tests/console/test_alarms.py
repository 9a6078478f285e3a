"""Alarm rules, as a browser without JavaScript sees them."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.console.conftest import Visitor, alerts
from tests.installation import Installation

Made = dict[str, Any]


def rules(installation: Installation, method: str = "GET", path: str = "") -> httpx.Response:
    url = f"{installation.iam}/V1.0/{installation.project_id}/alarms{path}"
    return httpx.request(method, url, headers={"X-Auth-Token": installation.token()}, timeout=30)


@pytest.fixture
def no_rules(installation: Installation) -> Iterator[None]:
    """None before, none afterwards."""

    def clear() -> None:
        for one in rules(installation).json()["metric_alarms"]:
            rules(installation, "DELETE", f"/{one['alarm_id']}")

    clear()
    yield
    clear()


@pytest.mark.usefixtures("no_rules")
def test_a_rule_is_made_switched_off_and_deleted(
    installation: Installation, visitor: Visitor, shared_replica: Made
) -> None:
    own = {"instance_id": shared_replica["id"]}
    node = shared_replica["groups"][0]["nodes"][0]
    page = visitor.send("/alarms/new", again="1", resource=node["id"], **own).text
    assert f'<option value="{node["id"]}" selected>' in page
    assert 'value="mongo026_repl_lag"' in page
    wanted = {"resource": node["id"], "metric_name": "mongo031_cpu_usage", **own}
    for value in ("much", "inf", "nan"):
        answer = visitor.send("/alarms/new", value=value, **wanted)
        assert answer.status_code == 400
        assert "value: a number is expected" in alerts(answer)[0]
    answer = visitor.send("/alarms/new", filter="median", **wanted)
    assert answer.status_code == 400
    assert "ces.0014" in alerts(answer)[0]
    answer = visitor.send("/alarms/new", alarm_name="<hot>", value="87.5", **wanted)
    assert answer.url.path == "/console/alarms", alerts(answer)
    (made,) = rules(installation).json()["metric_alarms"]
    condition = made["condition"]
    assert (condition["value"], condition["period"], condition["count"]) == (87.5, 300, 3)
    assert made["metric"]["dimensions"][-1]["value"] == node["id"]
    page = visitor.get("/alarms", **own).text
    assert "&lt;hot&gt;" in page
    assert "average &gt;= 87.5 %, 3 times 5 minutes" in page
    assert made["alarm_state"] in page
    assert "&lt;hot&gt;" not in visitor.get("/alarms", instance_id="0" * 32 + "in02").text
    visitor.send(f"/alarms/{made['alarm_id']}/switch", enabled="false")
    assert "Switch on" in visitor.get("/alarms").text
    (now,) = rules(installation).json()["metric_alarms"]
    assert now["alarm_enabled"] is False
    visitor.send(f"/alarms/{made['alarm_id']}/delete")
    assert rules(installation).json()["metric_alarms"] == []
    answer = visitor.send(f"/alarms/{made['alarm_id']}/delete")
    assert answer.status_code == 404


@pytest.mark.usefixtures("no_rules")
def test_the_basic_set_is_made_once(
    installation: Installation, visitor: Visitor, shared_replica: Made
) -> None:
    own = {"instance_id": shared_replica["id"]}
    made_for = f"Rules made for {shared_replica['name']}"
    assert f"{made_for}: 15." in visitor.send("/alarms/basic", **own).text
    assert f"{made_for}: 0." in visitor.send("/alarms/basic", **own).text
    made = rules(installation).json()["metric_alarms"]
    about = {(one["metric"]["metric_name"], one["alarm_name"]) for one in made}
    assert len(about) == 15
    assert len(re.findall(r'aria-label="Delete [^"]+"', visitor.get("/alarms", **own).text)) == 15
