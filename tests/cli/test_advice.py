"""`shardhouse instance advise`: what is printed of advice."""

import json
from collections.abc import Callable
from typing import Any

import httpx
from pymongo import MongoClient
from typer.testing import CliRunner

from shardhouse.cli.commands import app
from tests.cli.conftest import NAME, PASSWORD, Answer
from tests.cli.program import Program

COMMAND = 'db.getSiblingDB("shop").getCollection("orders").createIndex({"who": 1})'
QUERY = {"command": "find", "shape": "{who: ###, tag: [x]}", "sort": "{when: -1}"}
FINDING: dict[str, Any] = {
    "kind": "slow_query",
    "severity": "warning",
    "namespace": "shop.orders",
    "message": "3 slow operations of this shape.",
    "command": COMMAND,
    "query": QUERY,
}


def advise(
    fake_apis: Callable[[Answer], None], answer: dict[str, Any], *options: str
) -> tuple[str, dict[str, str]]:
    """What the command prints, and the query that it sent."""
    sent: dict[str, str] = {}

    def answered(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/advice"):
            sent.update(request.url.params)
            return httpx.Response(200, json=answer)
        listed = [{"id": "i1", "name": NAME}]
        return httpx.Response(200, json={"instances": listed, "total_count": 1})

    fake_apis(answered)
    done = CliRunner().invoke(app, ["instance", "advise", NAME, *options])
    assert done.exit_code == 0, done.output
    return done.output, sent


def test_findings_are_printed(fake_apis: Callable[[Answer], None]) -> None:
    answer = {"findings": [FINDING], "slow_operations": 3, "not_judged": ["Shard shard_2."]}
    printed, sent = advise(fake_apis, answer, "--hours", "48", "--limit", "5")
    assert sent == {"hours": "48", "limit": "5"}
    lines = [line.strip() for line in printed.splitlines()]
    assert "slow query  shop.orders" in lines
    assert "find {who: ###, tag: [x]} sort {when: -1}" in lines
    assert COMMAND in lines
    assert "Not judged: Shard shard_2." in lines


def test_nothing_to_advise(fake_apis: Callable[[Answer], None]) -> None:
    answer: dict[str, Any] = {"findings": [], "slow_operations": 0, "not_judged": []}
    printed, _ = advise(fake_apis, answer)
    assert printed.strip() == "Nothing to advise."
    printed, _ = advise(fake_apis, answer, "--json")
    assert json.loads(printed) == answer


def test_a_single_node_is_advised(program: Program, instance: dict[str, Any]) -> None:
    uri = program.ok("instance", "uri", NAME).strip().replace("****", PASSWORD.replace("#", "%23"))
    with MongoClient(uri) as client:
        orders = client["shop"]["orders"]
        try:
            orders.create_index("a")
            orders.create_index([("a", 1), ("b", -1)])
            printed = program.ok("instance", "advise", NAME)
            found = program.json("instance", "advise", instance["id"])
        finally:
            client.drop_database("shop")
    (redundant,) = [one for one in found["findings"] if one["namespace"] == "shop.orders"]
    assert redundant["command"] in printed
    assert redundant["command"].endswith('.dropIndex("a_1")')
