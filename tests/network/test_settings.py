"""Instances that exist while `node_network` and `node_domain` change, and one address for many
nodes: everything on loopback."""

import socket
from typing import Any

import pytest
from pymongo import MongoClient

from shardhouse.doctor import checks
from shardhouse.settings import load
from tests import requests
from tests.installation import addresses, until
from tests.network.conftest import DOMAIN, LONE, NOWHERE, House


def names(instance: dict[str, Any]) -> list[str]:
    """Names of its nodes, without ports."""
    nodes = [node for group in instance["groups"] for node in group["nodes"] if node["host"]]
    return [node["host"].rpartition(":")[0] for node in nodes]


def renamed(house: House, name: str) -> dict[str, Any]:
    """The instance, when its nodes have their names."""

    def named() -> dict[str, Any] | None:
        found = house[name]
        return found if all(one.endswith(f".{DOMAIN}") for one in names(found)) else None

    return until(f"the names of {name}", named, 60)


@pytest.fixture(scope="module")
def settled(house: House) -> House:
    """The installation with a domain and two addresses, one of which is not there."""
    house.settle(node_network=[LONE, NOWHERE], node_domain=DOMAIN)
    return house


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch, settled: House) -> None:
    """A DNS that knows the early instance's nodes."""
    ask = socket.getaddrinfo
    nodes = renamed(settled, "early")["groups"][0]["nodes"]
    known = {node["host"].rpartition(":")[0]: node["private_ip"] for node in nodes}

    def answer(host: str, *options: Any, **more: Any) -> Any:
        return ask(known.get(host, host), *options, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.soak
def test_an_existing_instance_keeps_its_addresses_and_gets_names(settled: House) -> None:
    early = renamed(settled, "early")
    assert {node["private_ip"].split(".")[0] for node in early["groups"][0]["nodes"]} == {"127"}
    assert LONE not in {node["private_ip"] for node in early["groups"][0]["nodes"]}
    assert names(early) == [f"replica-{number}.{early['id']}.{DOMAIN}" for number in (1, 2, 3)]
    assert early["port"] == "8635"


def test_who_comes_by_name_is_told_names_and_who_comes_by_address_addresses(
    settled: House, resolver: None
) -> None:
    early = renamed(settled, "early")
    nodes = early["groups"][0]["nodes"]
    with MongoClient(settled.uri("early"), serverSelectionTimeoutMS=15_000) as client:
        hello = client.admin.command("hello")
        assert sorted(hello["hosts"]) == sorted(addresses(early))
        assert client.outside.things.insert_one({"_id": 1}).acknowledged
    ca = settled.uri("early").partition("tlsCAFile=")[2]
    address = nodes[0]["private_ip"]
    with MongoClient(address, 8635, tls=True, tlsCAFile=ca, directConnection=True) as client:
        hosts = client.admin.command("hello")["hosts"]
    assert sorted(hosts) == sorted(
        f"{node['private_ip']}:8635" for node in nodes if node["role"] != "Hidden"
    )


def test_the_nodes_of_an_instance_share_the_only_address(settled: House) -> None:
    settled.make(lone=requests.replica_set(name="lone"), second=requests.single(name="second"))
    lone, second = settled["lone"], settled["second"]
    hosts = [node["host"] for found in (lone, second) for node in found["groups"][0]["nodes"]]
    assert sorted(hosts) == [f"{LONE}:{8635 + more}" for more in range(4)]
    for found in (lone, second):
        first = found["groups"][0]["nodes"][0]
        assert first["host"] == f"{first['private_ip']}:{found['port']}"
    with MongoClient(settled.uri("lone"), serverSelectionTimeoutMS=15_000) as client:
        assert client.outside.things.insert_one({"_id": 1}).acknowledged
        assert {f"{LONE}:{port}" for _, port in client.nodes} == set(addresses(lone))


def test_doctor_tells_of_shared_addresses_and_unknown_names(settled: House) -> None:
    renamed(settled, "early")
    settings = load(**settled.service.settings | {"node_network": LONE})
    found = checks.node_addresses(settings)
    assert found.verdict == "ok"
    assert "share addresses" in found.found
    (named,) = checks.node_names(settings)
    assert named.verdict == "warn"
    assert f"replica-1.{settled.instances['early']}.{DOMAIN} 127." in named.mend


def test_addresses_that_are_not_there_are_told_by_doctor_and_serve(settled: House) -> None:
    missing = checks.node_addresses(load(**settled.service.settings))
    assert missing.verdict == "warn"
    assert NOWHERE in missing.found
    assert f"ip addr add {NOWHERE}/32" in missing.mend
    nothing = checks.node_addresses(load(**settled.service.settings | {"node_network": NOWHERE}))
    assert nothing.verdict == "fail"
    assert NOWHERE in nothing.found
    assert f"does not have {NOWHERE}" in settled.service.log.read_text()
