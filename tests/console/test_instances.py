"""Pages of instances and jobs, as a browser without JavaScript sees them."""

import csv
import io
import re
import uuid
from typing import Any

import pytest

from tests import requests
from tests.console.conftest import Visitor, alerts
from tests.installation import Installation, until

Made = dict[str, Any]


def test_instances_are_listed_filtered_and_exported(
    visitor: Visitor, shared_replica: Made, shared_cluster: Made
) -> None:
    for made in (shared_replica, shared_cluster):
        assert made["id"] in visitor.get("/instances").text
        page = visitor.get("/instances", name=made["name"][1:], mode=made["mode"]).text
        assert made["id"] in page
    only = visitor.get("/instances", mode="Sharding").text
    assert shared_cluster["id"] in only
    assert shared_replica["id"] not in only
    exported = visitor.get("/instances.csv", mode="ReplicaSet")
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert shared_replica["id"] in {row["id"] for row in rows}
    assert {row["mode"] for row in rows} == {"ReplicaSet"}


@pytest.mark.parametrize("name", ["shared_replica", "shared_cluster"])
def test_an_instance_shows_its_nodes_and_how_to_connect(
    request: pytest.FixtureRequest, visitor: Visitor, name: str
) -> None:
    made: Made = request.getfixturevalue(name)
    page = visitor.get(f"/instances/{made['id']}").text
    nodes = [node for group in made["groups"] for node in group["nodes"]]
    assert all(node["name"] in page for node in nodes)
    sets = [group for group in made["groups"] if group["type"] != "mongos"]
    assert page.count(">Primary</span>") == len(sets)
    page = visitor.get(f"/instances/{made['id']}/connect").text
    hosts = [node["host"] for node in nodes if node["host"] and node["role"] != "Hidden"]
    assert "mongodb://rwuser:****@" in page
    assert any(host in page for host in hosts)
    assert requests.single()["password"] not in page


def test_a_change_is_made_with_a_form(visitor: Visitor, shared_replica: Made) -> None:
    place = f"/instances/{shared_replica['id']}"
    changes = visitor.get(f"{place}/changes").text
    assert "UpdateInstanceRemark" in changes
    assert "SetBalancerWindow" not in changes  # a replica set has no balancer
    resize = visitor.get(f"{place}/changes/ResizeInstance").text
    assert 'name="target_id"' in resize
    assert 'name="target_ids"' not in resize  # it has no shards
    assert 'name="remark"' in visitor.get(f"{place}/changes/UpdateInstanceRemark").text
    remark = f"<b>{uuid.uuid4().hex}"
    answer = visitor.send(f"{place}/changes/UpdateInstanceRemark", remark="x" * 70)
    assert answer.status_code == 400
    assert "remark" in alerts(answer)[0]
    answer = visitor.send(f"{place}/changes/UpdateInstanceRemark", remark="plain")
    assert "<dd>plain</dd>" in answer.text
    answer = visitor.send(f"{place}/changes/UpdateInstanceRemark", remark=remark)
    assert answer.status_code == 400
    assert remark not in answer.text
    assert remark.replace("<b>", "&lt;b&gt;") in answer.text
    visitor.send(f"{place}/changes/UpdateInstanceRemark", remark="")
    assert visitor.get(f"{place}/changes/Nothing").status_code == 404


def test_an_instance_is_created_and_deleted(installation: Installation, visitor: Visitor) -> None:
    answer = visitor.send("/instances/new", mode="sharding", shards="3", again="1")
    assert "It takes 14 nodes" in answer.text
    answer = visitor.send("/instances/new", name="1", mode="single", password="x")
    assert answer.status_code == 400
    assert "name" in alerts(answer)[0]
    name = f"by-console-{uuid.uuid4().hex[:6]}"
    answer = visitor.send(
        "/instances/new", name=name, mode="single", password="Secret#2026", keep_days="0"
    )
    assert re.search(f"<h1>{name} ", answer.text), alerts(answer)
    place = answer.url.path.removeprefix("/console")
    until("it to be normal", lambda: 'good">normal' in visitor.get(place).text, 60)
    assert name in visitor.get("/jobs").text
    chosen: dict[str, Any] = {"action": "delete", "instance": [place.rsplit("/", 1)[1], "0" * 32]}
    assert f"<li>{name}<" in visitor.send("/instances/together", **chosen).text
    assert visitor.get(place).status_code == 200
    answer = visitor.send("/instances/together", sure="1", **chosen)
    assert "Asked for 1 of 2 instances." in answer.text
    assert len(alerts(answer)) == 1
    assert "Asked for" not in visitor.get("/instances").text
    assert visitor.get(place).status_code == 404


def test_a_job_shows_its_steps(
    installation: Installation, visitor: Visitor, shared_replica: Made
) -> None:
    rows = visitor.get("/jobs").text.split("<tr>")
    (row,) = [row for row in rows if shared_replica["id"] in row and ">CreateMongoDB" in row]
    link = re.search(r'href="/console(/jobs/[^"]+)"', row)
    assert link is not None
    job = visitor.get(link.group(1)).text
    assert "Form replica sets" in job or "Start processes" in job
    assert visitor.get(f"/jobs/{uuid.uuid4()}").status_code == 400
