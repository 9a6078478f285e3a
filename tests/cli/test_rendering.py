"""What is printed and how it ends, with fake APIs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from shardhouse.cli import jobs, uris
from shardhouse.cli.commands import app
from shardhouse.client import jobs as followed
from shardhouse.client.api import Client
from shardhouse.client.errors import UnreachableError
from tests.cli.conftest import KNOWN, Answer

Use = Callable[[Answer], None]
runner = CliRunner()


def _instance(**changes: Any) -> dict[str, Any]:
    node = {"id": "n1", "name": "a_node_1", "status": "normal", "role": "Primary"}
    node |= {"host": "127.64.0.1:8635", "spec_code": "dds.mongodb.s2.medium.4.single"}
    return {
        "id": "i1",
        "name": "a[b]",
        "mode": "Single",
        "status": "normal",
        "port": "8635",
        "ssl": 0,
        "db_user_name": "rwuser",
        "engine_version": "6.0.5",
        "engine_build": "",  # as of an instance of 0.1
        "memory_scale": 0.0625,
        "datastore": {"version": "4.4"},
        "created": "2026-01-01T00:00:00",
        "region": "local",
        "availability_zone": "local-01",
        "actions": [],
        "replica_set": "replica",
        "groups": [
            {"type": "single", "nodes": [node], "volume": {"size": "10", "used": "0.10"}},
        ],
    } | changes


def _job(status: str, **changes: Any) -> dict[str, Any]:
    step = {"name": "Start processes", "status": status, "detail": "because"}
    return {
        "id": "j1",
        "name": "CreateMongoDB",
        "status": status,
        "created": "2026-01-01T00:00:00+0000",
        "ended": "" if status == "Running" else "2026-01-01T00:00:07+0000",
        "fail_reason": None,
        "instance": {"id": "i1", "name": "a"},
        "steps": [step],
    } | changes


def _listing(*found: dict[str, Any]) -> Answer:
    """A list that knows the filters `id` and `name`, in pages."""

    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        if request.url.path.endswith("/versions"):
            return httpx.Response(200, json={"builds": ["6.0.5-ubuntu2204"]})
        matching = [
            one
            for one in found
            if query.get("id", one["id"]) == one["id"]
            and query.get("name", one["name"]) == one["name"]
        ]
        start, size = int(query["offset"]), int(query["limit"])
        page = matching[start : start + size]
        return httpx.Response(200, json={"instances": page, "total_count": len(matching)})

    return answer


def test_names_are_not_taken_for_markup(fake_apis: Use) -> None:
    fake_apis(_listing(_instance()))
    assert "a[b]" in runner.invoke(app, ["instance", "list"]).stdout
    shown = runner.invoke(app, ["instance", "show", "a[b]"])
    assert "a[b]" in shown.stdout
    assert "0.10 of 10 GB" in shown.stdout


def test_a_name_of_several_instances_is_answered_with_their_ids(fake_apis: Use) -> None:
    fake_apis(_listing(_instance(), _instance(id="i2")))
    done = runner.invoke(app, ["instance", "show", "a[b]"])
    assert done.exit_code == 1
    assert "use an id: i1, i2" in done.stderr


def test_all_pages_are_listed(fake_apis: Use) -> None:
    fake_apis(_listing(*(_instance(id=f"i{number}") for number in range(250))))
    found = json.loads(runner.invoke(app, ["instance", "list", "--json"]).stdout)
    assert [one["id"] for one in found] == [f"i{number}" for number in range(250)]


def test_an_instance_without_addresses_can_be_shown_but_has_no_uri(fake_apis: Use) -> None:
    fake_apis(_listing(_instance(groups=[], status="createfail")))
    assert "none yet" in runner.invoke(app, ["instance", "show", "i1"]).stdout
    done = runner.invoke(app, ["instance", "uri", "i1"])
    assert done.exit_code == 1
    assert "createfail" in done.stderr


@pytest.mark.parametrize(
    ("build", "version", "lost"),
    [
        ("6.0.5-ubuntu2204", "6.0.5", ""),
        ("6.0.27-ubuntu2004", "6.0.27", "6.0.27-ubuntu2004 is not here"),
        ("", "6.0.5", ""),
        ("", "6.0.4", "6.0.4 is not here"),
    ],
)
def test_a_build_that_is_gone_is_told(fake_apis: Use, build: str, version: str, lost: str) -> None:
    made = _instance(status="abnormal", engine_build=build, engine_version=version)
    fake_apis(_listing(made))
    shown = runner.invoke(app, ["instance", "show", "i1"]).stdout
    assert lost in shown
    assert ("is not here" in shown) == bool(lost)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            httpx.Response(403, json={"error_code": "DBS.200019", "error_msg": "busy"}),
            "busy (DBS.200019, HTTP 403)",
        ),
        (
            httpx.Response(
                403, json={"error": {"code": 403, "title": "Forbidden", "message": "no"}}
            ),
            "no (Forbidden, HTTP 403)",
        ),
        (httpx.Response(502, text="<html>"), "Bad Gateway (HTTP 502)"),
        (httpx.Response(200, text="<html>"), "not a JSON object"),
        (httpx.Response(200, json=[]), "not a JSON object"),
    ],
)
def test_refusals_are_one_line(fake_apis: Use, answer: httpx.Response, told: str) -> None:
    fake_apis(lambda _request: answer)
    done = runner.invoke(app, ["iam", "user", "list"])
    assert done.exit_code == 1
    assert told in done.stderr.replace("\n", " ")


def test_a_failed_job_ends_with_its_reason(fake_apis: Use) -> None:
    failed = _job("Failed", fail_reason="no memory")
    fake_apis(lambda _request: httpx.Response(200, json={"job": failed}))
    done = runner.invoke(app, ["job", "show", "j1", "--watch"])
    assert done.exit_code == 1
    assert "✗ Start processes (because)" in done.stderr
    assert "no memory" in done.stderr
    assert "7 s" in done.stderr


def test_a_job_is_followed_over_a_restart_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [_job("Running"), UnreachableError("away"), _job("Completed")]

    def fetch(_client: Client, _job_id: str) -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found: dict[str, Any] = answer
        return found

    monkeypatch.setattr(followed, "fetch", fetch)
    monkeypatch.setattr(followed, "INTERVAL", 0)
    assert jobs.follow(Client(KNOWN), "j1", quiet=True)["status"] == "Completed"
    assert answers == []


@pytest.mark.parametrize(
    "words",
    [
        ["instance", "create"],
        ["instance", "create", "x", "--mode", "huge"],
        ["instance", "uri", "x", "--password-stdin"],
        ["nonsense"],
    ],
)
def test_wrong_usage_ends_with_2(fake_apis: Use, words: list[str]) -> None:
    fake_apis(_listing())
    assert runner.invoke(app, words).exit_code == 2


def test_hidden_members_are_no_doors() -> None:
    nodes = [
        {"id": f"n{number}", "host": f"127.64.0.{number}:8635", "role": role}
        for number, role in ((1, "Primary"), (2, "Secondary"), (3, "Hidden"))
    ]
    groups = [{"type": "replica", "nodes": nodes}]
    instance = _instance(mode="ReplicaSet", groups=groups, ssl=1)
    address = uris.address(instance, Path("/data"), "p@ss")
    assert address == (
        "mongodb://rwuser:p%40ss@127.64.0.1:8635,127.64.0.2:8635/?authSource=admin"
        "&replicaSet=replica&tls=true&tlsCAFile=/data/instances/i1/n1/conf/ca.pem"
    )


def test_nobody_answers() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with (
        Client(KNOWN, httpx.MockTransport(refuse)) as client,
        pytest.raises(UnreachableError, match=r"shardhouse serve.* running"),
    ):
        client.dds("GET", "instances")
