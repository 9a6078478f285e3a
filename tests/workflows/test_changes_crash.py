"""`kill -9` of the service while it changes an instance: the change is completed."""

import random
import socket
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
from pymongo import MongoClient

from tests import requests
from tests.installation import Installation, until, uri
from tests.load import load
from tests.workflows.test_changes import ask, current, nodes
from tests.workflows.test_crash import DYING, check_nothing_is_orphaned, die_through


class Change(NamedTuple):
    """A call, on a new instance of `request`, and what the list shows of it afterwards."""

    request: dict[str, Any]
    call: str
    body: dict[str, Any]
    method: str = "POST"
    shows: tuple[str, Any] = ("status", "normal")


SPEC = "dds.mongodb.s2.xlarge.2.single"
CHANGES = {
    "restart": Change(requests.replica_set(), "restart", {"is_serial": True}),
    "forced": Change(requests.single(), "restart", {"is_force": True}),
    "switchover": Change(requests.replica_set(), "switchover", {}),
    "flavor": Change(requests.single(), "resize", {"resize": {"target_spec_code": SPEC}}),
    "port": Change(requests.replica_set(), "modify-port", {"port": 8700}, shows=("port", "8700")),
    "single port": Change(requests.single(), "modify-port", {"port": 8700}, shows=("port", "8700")),
    "tls": Change(requests.replica_set(), "switch-ssl", {"ssl_option": "1"}, shows=("ssl", 1)),
    "no tls": Change(
        requests.replica_set(ssl_option="1"), "switch-ssl", {"ssl_option": "0"}, shows=("ssl", 0)
    ),
    "authority": Change(
        requests.replica_set(ssl_option="1"), "rotate-certificates", {}, shows=("ssl", 1)
    ),
    "name": Change(
        requests.replica_set(),
        "replica-set/name",
        {"name": "orders"},
        "PUT",
        ("replica_set", "orders"),
    ),
}


def quiet_port() -> int:
    """A port that is no client's while `serve` is away for a moment: those come from above."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randint(20000, 30000)))
            return int(probe.getsockname()[1])


def begin(own: Installation, made: Mapping[str, Any], change: Change) -> httpx.Response:
    body = {**change.body}
    if change.call == "restart":
        body["target_id"] = made["id"]
    if "resize" in body:
        body["resize"] = body["resize"] | {"target_id": made["id"]}
    return ask(own, made, change.call, change.method, **body)


def check(own: Installation, made: Mapping[str, Any], change: Change, expected: set[int]) -> None:
    until("the job's end", lambda: not current(own, made)["actions"], 300)
    with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
        for action, status, reason in store.execute("select action, status, fail_reason from jobs"):
            assert status == "Completed", (action, reason)

    def well() -> bool:
        listed = current(own, made)
        return {listed["status"], *(node["status"] for node in nodes(listed))} == {"normal"}

    until("the instance to be normal", well, 60)
    listed = current(own, made)
    assert listed[change.shows[0]] == change.shows[1]
    with MongoClient(uri(listed), **trusting(own, listed)) as client:
        found = {document["_id"] for document in client["shop"]["orders"].find()}
        assert expected <= found
        client["shop"]["orders"].insert_one({"_id": -1})
    check_nothing_is_orphaned(own)


def trusting(own: Installation, listed: Mapping[str, Any]) -> dict[str, Any]:
    folder = own.data_dir / "instances" / listed["id"] / nodes(listed)[0]["id"]
    return {"tls": True, "tlsCAFile": str(folder / "conf" / "ca.pem")} if listed["ssl"] else {}


@pytest.mark.soak
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_survives_a_crash_at_every_boundary(tmp_path: Path, name: str) -> None:
    change = CHANGES[name]
    own = Installation(tmp_path / "data", port=quiet_port(), iam_port=quiet_port())
    try:
        own.start()
        made = own.make(change.request)
        with MongoClient(uri(made), **trusting(own, made)) as client:
            client["shop"]["orders"].insert_one({"_id": 1})
        own.kill()
        own.start(DYING, {"DIE_AT": "stored"})
        with pytest.raises(httpx.HTTPError):
            begin(own, made, change)
        assert own.wait_end() == -9
        with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
            rows = store.execute(
                "select s.name from job_steps s join jobs j on j.id = s.job_id"
                " where j.status = 'Running' order by s.position"
            )
            steps = [*(row[0] for row in rows), "finish"]
        die_through(own, [f"{side}:{step}" for step in steps for side in ("before", "after")])
        own.start()
        check(own, made, change, {1})
    finally:
        own.destroy()


@pytest.mark.soak
@pytest.mark.parametrize("name", ["port", "tls", "name"])
def test_a_change_is_completed_after_a_crash_in_its_middle(tmp_path: Path, name: str) -> None:
    """The service dies when the first member was started anew, and with it that member."""
    change = CHANGES[name]
    own = Installation(tmp_path / "data", port=quiet_port(), iam_port=quiet_port())
    try:
        own.start()
        made = own.make(change.request)
        before = {tuple(line) for line in own.commands(made["id"])}
        with load(made, cut_off=True) as acknowledged:
            assert begin(own, made, change).status_code in (200, 202)

            def first() -> Any:
                for process in own.nodes(made["id"]):
                    with suppress(psutil.Error):
                        if tuple(process.cmdline()) not in before:
                            return process
                return None

            process = until("the first restart", first, 60)
            own.kill()
            process.kill()
            own.start()
            check(own, made, change, set(acknowledged))
    finally:
        own.destroy()
