"""Ports of public IPs that lead to nodes of real instances."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from shardhouse.mongo.admin import accepts
from tests import requests
from tests.installation import Installation, until
from tests.load import load
from tests.workflows.test_changes import current, nodes
from tests.workflows.test_network import (
    ask_node,
    moved,
    new_public_ip,
    shows,
    state,
    trusting,
    vpc,
    works,
)

GATEWAY = "3f0f6d9a-55a4-4d15-9a52-7c7d4f1c0a02"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("gateways") / "data")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def replica_set(own: Installation) -> dict[str, Any]:
    return own.make(requests.replica_set(ssl_option="1"))


def call(
    own: Installation,
    method: str,
    instance: Mapping[str, Any],
    node: Mapping[str, Any],
    body: Mapping[str, Any] | None = None,
) -> httpx.Response:
    path = f"/instances/{instance['id']}/nodes/{node['id']}/public-gateway"
    return own.call(method, path, json=body)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def rule(public_ip: Mapping[str, str], port: int, gateway: str = GATEWAY) -> dict[str, Any]:
    return {
        "nat_gateway_id": gateway,
        "public_ip_id": public_ip["public_ip_id"],
        "external_service_port": port,
    }


def bound(
    own: Installation,
    instance: Mapping[str, Any],
    node: Mapping[str, Any],
    public_ip: Mapping[str, str],
    port: int,
) -> str:
    """Have a port of the public IP lead to a node; where clients connect to."""
    asked = rule(public_ip, port)
    answer = call(own, "POST", instance, node, asked)
    assert answer.status_code == 200, answer.text
    told = {"instance_id": instance["id"], "instance_name": instance["name"]}
    told |= {"node_id": node["id"], "node_name": node["name"]}
    assert answer.json() == told | asked
    (shown,) = (one for one in nodes(current(own, instance)) if one["id"] == node["id"])
    assert shown["nat_gateway_id"] == GATEWAY
    assert shown["external_service_port"] == port
    assert shown["public_ip"] == public_ip["public_ip"]
    assert state(own, public_ip) == "ACTIVE"
    return f"{public_ip['public_ip']}:{port}"


def led_to(host: str, **options: Any) -> str:
    """`address:port` of the member that answers there, as it knows itself."""
    with MongoClient(host, directConnection=True, **options) as client:
        return str(client.admin.command("hello")["me"])


@pytest.mark.soak
def test_ports_of_one_address_lead_to_members(
    own: Installation, replica_set: dict[str, Any]
) -> None:
    options = trusting(own, replica_set)
    (primary,) = nodes(replica_set, role="Primary")
    (secondary,) = nodes(replica_set, role="Secondary")
    (hidden,) = nodes(replica_set, role="Hidden")
    public_ip = new_public_ip(own)
    processes = {process.pid for process in own.nodes()}
    with load(replica_set, **options):
        first = bound(own, replica_set, primary, public_ip, 27017)
        second = bound(own, replica_set, secondary, public_ip, 27018)
    assert works(first, **options)
    assert led_to(first, **options) == primary["host"]
    assert led_to(second, **options) == secondary["host"]
    assert not accepts(f"{public_ip['public_ip']}:{replica_set['port']}")

    other = new_public_ip(own)
    for node, body, code in (
        (primary, rule(other, 27017), "DBS.200702"),
        (hidden, rule(other, 27017), "DBS.200075"),
        (hidden, rule(other, 0), "DBS.200060"),
    ):
        assert refused(call(own, "POST", replica_set, node, body)) == (400, code)
    assert refused(ask_node(own, primary, "bind-eip", other)) == (400, "DBS.200702")
    assert refused(ask_node(own, primary, "unbind-eip")) == (400, "DBS.200701")
    assert vpc(own, "DELETE", f"/{public_ip['public_ip_id']}").status_code == 409
    unbinding = {"publicip": {"port_id": ""}}
    assert vpc(own, "PUT", f"/{public_ip['public_ip_id']}", json=unbinding).status_code == 409

    own.kill()
    own.start()
    assert works(first, **options)
    assert {process.pid for process in own.nodes()} == processes

    place = moved(own, replica_set, secondary["id"])
    until("the gateway to follow", lambda: led_to(second, **options) == place)

    with MongoClient(second, directConnection=True, **options) as client:
        client.admin.command("ping")
        answer = call(own, "DELETE", replica_set, secondary)
        assert answer.status_code == 200
        assert answer.json()["node_id"] == secondary["id"]
    assert not accepts(second)
    assert works(first, **options)
    assert state(own, public_ip) == "ACTIVE"
    assert refused(call(own, "DELETE", replica_set, secondary)) == (400, "DBS.200602")
    assert call(own, "DELETE", replica_set, primary).status_code == 200
    assert state(own, public_ip) == "DOWN"
    assert set(shows(own, replica_set).values()) == {""}
    assert vpc(own, "DELETE", f"/{public_ip['public_ip_id']}").status_code == 204


@pytest.mark.soak
def test_a_gateway_leads_to_a_router_until_its_instance_goes(own: Installation) -> None:
    cluster = own.make(requests.cluster(name="led-to-cluster"))
    first, second = nodes(cluster, "mongos")
    shard = nodes(cluster, "shard")[0]
    public_ip = new_public_ip(own)
    assert refused(call(own, "POST", cluster, shard, rule(public_ip, 27017))) == (400, "DBS.200075")
    with socket.create_server((public_ip["public_ip"], 27017)):
        asked = rule(public_ip, 27017)
        assert refused(call(own, "POST", cluster, first, asked)) == (400, "DBS.200700")
    assert state(own, public_ip) == "DOWN"
    host = bound(own, cluster, first, public_ip, 27017)
    assert works(host)
    for taken in (rule(public_ip, 27017), rule(public_ip, 27018, "4" * 32)):
        assert refused(call(own, "POST", cluster, second, taken)) == (400, "DBS.200700")
    counted = own.call("GET", f"/instances/{cluster['id']}/conn-statistics?node_id={first['id']}")
    outer = counted.json()["total_outer_connections"]
    with MongoClient(host, directConnection=True) as client:
        client.admin.command("ping")
        counted = own.call(
            "GET", f"/instances/{cluster['id']}/conn-statistics?node_id={first['id']}"
        )
        assert counted.json()["total_outer_connections"] > outer
    assert own.delete(cluster["id"])["status"] == "Completed"
    until("the port to be left", lambda: not accepts(host))
    assert state(own, public_ip) == "DOWN"
