"""The bodies of `instance create` are what the service accepts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shardhouse.cli import credentials
from shardhouse.cli.output import CliError
from shardhouse.client import orders
from shardhouse.client.errors import ClientError
from shardhouse.client.orders import Order
from shardhouse.domain.creation import Limits, parse_create
from shardhouse.domain.dialect import DIALECTS

ORDER = Order(
    name="test-order",
    mode="single",
    version="4.4",
    spec="s2.medium.4",
    size=20,
    shards=2,
    mongos=2,
    members=3,
    region="local",
)
LIMITS = Limits(dialect=DIALECTS["otc"], versions=["4.4"], regions=[], zones=[], tls_default=False)


@pytest.mark.parametrize(
    ("changes", "nodes"),
    [
        ({}, {"single": 1}),
        ({"spec": "xlarge.arm2", "ssl": True, "port": 8700}, {"single": 1}),
        ({"mode": "replicaset"}, {"replica": 3}),
        ({"mode": "sharding", "shards": 3}, {"mongos": 2, "shard": 3, "config": 1}),
        ({"mode": "sharding", "spec": "c6.large.4"}, {"mongos": 2, "shard": 2, "config": 1}),
        ({"mode": "sharding", "spec": "large.arm2"}, {"mongos": 2, "shard": 2, "config": 1}),
    ],
)
def test_every_order_is_a_valid_request(changes: dict[str, Any], nodes: dict[str, int]) -> None:
    order = replace(ORDER, **changes)
    request = parse_create(order.body("Secret#2026"), LIMITS)
    assert {str(group.type): group.number for group in request.groups} == nodes
    assert request.ssl is bool(order.ssl)
    assert request.zones == ("local-01",)
    assert request.port == (order.port or 8635)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_file_that_holds_no_request(tmp_path: Path, content: str) -> None:
    path = tmp_path / "request.json"
    path.write_text(content)
    with pytest.raises(ClientError, match="JSON"):
        orders.from_file(path)


def test_credentials_of_variables_name_what_is_missing() -> None:
    with pytest.raises(CliError, match="OS_PASSWORD, OS_USER_DOMAIN_NAME or OS_DOMAIN_NAME, OS_PR"):
        credentials.from_environment({"OS_AUTH_URL": "http://x/v3", "OS_USERNAME": "u"})


def test_a_given_folder_goes_before_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_AUTH_URL", "http://elsewhere/v3")
    with pytest.raises(CliError, match=r"admin\.json does not exist"):
        credentials.find(tmp_path)
    monkeypatch.setenv("SHARDHOUSE_DATA_DIR", str(tmp_path))
    with pytest.raises(CliError, match=r"admin\.json does not exist"):
        credentials.find(None)


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        ("Sharding", ["mongos", "shard", "config"]),
        ("ReplicaSet", ["replica"]),
        ("Single", ["single"]),
    ],
)
def test_an_order_like_another_leaves_numbers_and_sizes_to_the_backup(
    mode: str, kinds: list[str]
) -> None:
    usual = orders.flavor_like(None, mode, "")
    assert [entry["type"] for entry in usual] == kinds
    assert not [entry for entry in usual if {"num", "size"} & entry.keys()]
    groups = [
        {"type": kind, "nodes": [{"spec_code": f"dds.mongodb.c3.large.2.{kind}"}]} for kind in kinds
    ]
    alike = orders.flavor_like({"groups": groups}, mode, "")
    assert {entry["spec_code"].split(".")[2] for entry in alike} == {"c3"}
    chosen = orders.flavor_like({"groups": groups}, mode, "c6.large.4")
    assert {entry["spec_code"].split(".")[2] for entry in chosen} == {"c6"}
