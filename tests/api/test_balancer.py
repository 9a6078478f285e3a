"""The balancer of a cluster, as the API and the cluster itself have it."""

from typing import Any

import pytest
from pymongo import MongoClient

from tests.installation import Installation, uri

Made = dict[str, Any]


def show(installation: Installation, made: Made) -> Any:
    answer = installation.call("GET", f"/instances/{made['id']}/balancer")
    assert answer.status_code == 200, answer.text
    return answer.json()


def put(installation: Installation, made: Made, call: str, body: Any = None) -> Any:
    return installation.call("PUT", f"/instances/{made['id']}/balancer/{call}", json=body)


def done(installation: Installation, answer: Any) -> None:
    assert answer.status_code == 202, answer.text
    job = installation.wait_job(answer.json()["job_id"])
    assert job["status"] == "Completed", job


def test_it_is_stopped_and_started(installation: Installation, shared_cluster: Made) -> None:
    with MongoClient(uri(shared_cluster)) as client:
        for action, is_open, mode in (("stop", False, "off"), ("start", True, "full")):
            done(installation, put(installation, shared_cluster, action))
            assert show(installation, shared_cluster)["is_open"] is is_open
            assert client.admin.command("balancerStatus")["mode"] == mode
        client.admin.command("balancerStop")
        assert show(installation, shared_cluster)["is_open"] is False
        client.admin.command("balancerStart")
    assert show(installation, shared_cluster)["is_open"] is True
    listed = installation.instance(shared_cluster["id"])
    assert listed is not None
    assert listed["actions"] == []


def test_it_gets_a_window(installation: Installation, shared_cluster: Made) -> None:
    body = {"start_time": "23:00", "stop_time": "06:30"}
    done(installation, put(installation, shared_cluster, "active-window", body))
    assert show(installation, shared_cluster) == {"is_open": True, "active_window": body}
    with MongoClient(uri(shared_cluster)) as client:
        settings = client["config"]["settings"].find_one({"_id": "balancer"})
    assert settings is not None
    assert settings["activeWindow"] == {"start": "23:00", "stop": "06:30"}


@pytest.mark.parametrize(
    ("call", "body", "code"),
    [
        ("pause", None, "DBS.239031"),
        ("active-window", {}, "DBS.239032"),
        ("active-window", {"start_time": "23:00"}, "DBS.239032"),
        ("active-window", {"start_time": "24:00", "stop_time": "06:00"}, "DBS.239032"),
        ("active-window", {"start_time": "06:00", "stop_time": "06:00"}, "DBS.239032"),
    ],
)
def test_what_is_refused(
    installation: Installation, shared_cluster: Made, call: str, body: Any, code: str
) -> None:
    answer = put(installation, shared_cluster, call, body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)


def test_only_clusters_have_one(installation: Installation, shared_replica: Made) -> None:
    shown = installation.call("GET", f"/instances/{shared_replica['id']}/balancer")
    for answer in (shown, put(installation, shared_replica, "stop")):
        assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.280343")
