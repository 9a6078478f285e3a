"""Pages about a project as a whole: its events, its recycle bin's policy, what it may have."""

import re
from typing import Any

from tests.console.conftest import Visitor, alerts
from tests.installation import Installation

Made = dict[str, Any]


def test_events_are_listed_and_filtered(visitor: Visitor, shared_replica: Made) -> None:
    own = {"instance_id": shared_replica["id"]}
    page = visitor.get("/events", **own).text
    ended = re.compile(r"<td>CreateMongoDB\w* has ended\.</td>")
    assert ended.search(page)
    assert not ended.search(visitor.get("/events", severity="critical").text)
    assert "There are no events here." in visitor.get("/events", offset="100000", **own).text
    answer = visitor.get("/events", severity="dire")
    assert answer.status_code == 400
    assert "severity" in alerts(answer)[0]


def test_the_recycle_bin_has_a_policy(installation: Installation, visitor: Visitor) -> None:
    answer = visitor.send("/recycle-bin/policy", retention_period_in_days="8")
    assert answer.status_code == 400
    assert "retention_period_in_days" in alerts(answer)[0]
    answer = visitor.send("/recycle-bin/policy", retention_period_in_days="6")
    assert 'value="6"' in answer.text
    assert "so long." in answer.text
    visitor.send("/recycle-bin/policy", retention_period_in_days="7")
    policy = installation.call("GET", "/instances/recycle-policy").json()["recycle_policy"]
    assert policy["retention_period_in_days"] == 7


def test_quotas_and_offers_are_shown(installation: Installation, visitor: Visitor) -> None:
    page = visitor.get("/quotas").text
    for mode in ("Sharding", "ReplicaSet", "Single"):
        assert f"<td>{mode}</td>" in page
    flavors = installation.call("GET", "/flavors").json()["flavors"]
    assert all(one["spec_code"] in page for one in flavors)
