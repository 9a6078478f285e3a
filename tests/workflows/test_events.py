"""What happens to real nodes is told as events: by the API, and by the command line at once."""

import json
import subprocess
from typing import Any

from tests.cli.program import PROGRAM
from tests.installation import Installation, until
from tests.load import load


def events(installation: Installation, instance: dict[str, Any], **query: str) -> list[Any]:
    answer = installation.call("GET", "/events", params={"instance_id": instance["id"], **query})
    assert answer.status_code == 200, answer.text
    assert answer.json()["total_count"] >= len(answer.json()["events"])
    return list(answer.json()["events"])


def test_a_killed_primary(installation: Installation, shared_replica: dict[str, Any]) -> None:
    name = shared_replica["name"]
    (made,) = [
        event
        for event in events(installation, shared_replica, kind="JobCompleted")
        if "CreateMongoDBReplica" in event["message"]
    ]
    assert installation.job(made["job_id"])["status"] == "Completed"
    place = ["--instance", name, "--data-dir", str(installation.data_dir)]
    listed = installation.instance(shared_replica["id"])
    assert listed
    nodes = listed["groups"][0]["nodes"]
    primary = next(node for node in nodes if node["role"] == "Primary")
    (process,) = installation.nodes(primary["id"])
    command = [*PROGRAM, "event", "list", "--watch", "--json", *place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stdout
            seen = [json.loads(watching.stdout.readline())]  # it is there
            with load(listed):
                process.kill()
                while seen[-1]["kind"] != "NodeNormal" or seen[-1]["node_id"] != primary["id"]:
                    seen.append(json.loads(watching.stdout.readline()))
        finally:
            watching.terminate()
    died = next(event for event in seen if event["kind"] == "NodeAbnormal")
    assert (died["node_id"], died["severity"]) == (primary["id"], "warning")
    assert "its process is not running" in died["message"]
    elected = next(event for event in seen if event["kind"] == "PrimaryElected")
    assert elected["node_id"] not in ("", primary["id"])
    assert elected["number"] > died["number"]
    assert died in events(installation, shared_replica, node_id=primary["id"])
    assert died in events(installation, shared_replica, severity="warning")
    assert died not in events(installation, shared_replica, severity="info")

    def well() -> bool:
        found = installation.instance(shared_replica["id"])
        assert found
        states = {node["status"] for node in found["groups"][0]["nodes"]}
        return found["status"] == "normal" and states == {"normal"}

    until("all to be well", well)
