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


def test_settings_say_what_the_service_is(installation: Installation, visitor: Visitor) -> None:
    answer = visitor.get("/settings")
    assert alerts(answer) == []
    builds = installation.call("GET", "/datastores/DDS-Community/versions").json()["builds"]
    assert ", ".join(builds) in answer.text
    assert installation.iam in answer.text


def test_the_doctor_checks_the_machine_of_the_service(
    installation: Installation, visitor: Visitor
) -> None:
    checks = installation.call("GET", "/service-checks").json()["checks"]
    found = {one["name"]: one for one in checks}
    port = found[f"Port {installation.settings['port']} (port)"]
    assert (port["verdict"], port["found"]) == ("ok", f"our own serve, pid {installation.pid}")
    page = visitor.get("/settings/doctor").text
    assert all(f'<th scope="row">{name}</th>' in page for name in found)
    assert port["found"] in page


def test_downloads_are_forbidden_and_allowed(installation: Installation, visitor: Visitor) -> None:
    def policy() -> str:
        action: str = installation.call("GET", "/backups/download-policy").json()["action"]
        return action

    assert "may not be downloaded" in visitor.send("/settings/downloads", action="close").text
    assert policy() == "close"
    assert "Forbid downloads" in visitor.send("/settings/downloads", action="open").text
    assert policy() == "open"
    assert visitor.send("/settings/downloads", action="ajar").status_code == 400
