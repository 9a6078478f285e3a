"""Addresses of real instances, one per mode: public ones, those of shards and config servers, other
private ones."""

import random
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from shardhouse.mongo.admin import accepts
from shardhouse.operations.bind import BIND, UNBIND
from shardhouse.operations.move_node import MOVE
from shardhouse.operations.open_addresses import CLOSE, OPEN_SHARDS
from shardhouse.workflows.operation import Operation
from tests import requests
from tests.installation import Installation, until, uri
from tests.load import load
from tests.workflows.test_changes import ask, changed, current, nodes, refused
from tests.workflows.test_crash import DYING, check_nothing_is_orphaned, die_through


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("network") / "data")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def replica_set(own: Installation) -> dict[str, Any]:
    return own.make(requests.replica_set(name="reached-set", ssl_option="1"))


@pytest.fixture(scope="module")
def cluster(own: Installation) -> dict[str, Any]:
    body = requests.cluster(name="reached-cluster")
    body["flavor"] = [body["flavor"][0] | {"num": 3}, *body["flavor"][1:]]
    return own.make(body)


@pytest.fixture(scope="module")
def single(own: Installation) -> dict[str, Any]:
    return own.make(requests.single(name="reached-single"))


def trusting(own: Installation, instance: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a client that checks certificates."""
    folder = own.data_dir / "instances" / instance["id"] / nodes(instance)[0]["id"]
    return {"tls": True, "tlsCAFile": str(folder / "conf" / "ca.pem")} if instance["ssl"] else {}


def vpc(own: Installation, method: str, path: str = "", **options: Any) -> httpx.Response:
    url = f"{own.iam}/v1/{own.project_id}/publicips{path}"
    return httpx.request(method, url, headers={"X-Auth-Token": own.token()}, **options)


def new_public_ip(own: Installation) -> dict[str, str]:
    """A public IP, as a body of the binding call."""
    size = {"name": "own", "size": 5, "share_type": "PER"}
    body = {"publicip": {"type": "5_bgp"}, "bandwidth": size}
    made = vpc(own, "POST", json=body).json()["publicip"]
    return {"public_ip": made["public_ip_address"], "public_ip_id": made["id"]}


def state(own: Installation, public_ip: Mapping[str, str]) -> str:
    return vpc(own, "GET", f"/{public_ip['public_ip_id']}").json()["publicip"]["status"]


def ask_node(
    own: Installation, node: Mapping[str, Any], call: str, body: Mapping[str, Any] | None = None
) -> httpx.Response:
    return own.call("POST", f"/nodes/{node['id']}/{call}", json=body)


def refused_node(
    own: Installation, node: Mapping[str, Any], call: str, body: Mapping[str, Any] | None = None
) -> tuple[int, str]:
    answer = ask_node(own, node, call, body)
    return answer.status_code, answer.json()["error_code"]


def ended(own: Installation, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    return own.wait_job(answer.json()["job_id"], 300)


def bound(
    own: Installation, instance: Mapping[str, Any], node: Mapping[str, Any]
) -> tuple[dict[str, str], str]:
    """Bind a new public IP to a node; it, and `address:port`."""
    public_ip = new_public_ip(own)
    answer = ask_node(own, node, "bind-eip", public_ip)
    job = ended(own, answer)
    assert (job["status"], job["name"]) == ("Completed", "BindPublicIP"), job
    named = {"job_id": job["id"], "node_id": node["id"], "node_name": node["name"]}
    assert answer.json() == named | public_ip
    shown = shows(own, instance)
    assert shown[node["id"]] == public_ip["public_ip"]
    assert state(own, public_ip) == "ACTIVE"
    port = node["host"].rpartition(":")[2]
    return public_ip, f"{public_ip['public_ip']}:{port}"


def unbound(own: Installation, instance: Mapping[str, Any], node: Mapping[str, Any]) -> None:
    job = ended(own, ask_node(own, node, "unbind-eip"))
    assert (job["status"], job["name"]) == ("Completed", "UnbindPublicIP"), job
    assert not shows(own, instance)[node["id"]]


def shows(own: Installation, instance: Mapping[str, Any]) -> dict[str, str]:
    """Each node's public address, of an instance that is well and idle."""
    listed = current(own, instance)
    assert (listed["actions"], listed["status"]) == ([], "normal")
    assert {node["status"] for node in nodes(listed)} == {"normal"}
    return {node["id"]: node["public_ip"] for node in nodes(listed)}


def works(host: str, **options: Any) -> bool:
    """Whether an administrator can log in there and read and write what is there."""
    with MongoClient(
        host, username="rwuser", password="Test@123", directConnection=True, **options
    ) as client:
        if client.admin.command("hello").get("isWritablePrimary"):
            client["shop"]["seen"].insert_one({})
        return bool(client.admin.command("ping")["ok"])


# Public addresses


@pytest.mark.soak
def test_a_public_address_leads_to_the_primary(
    own: Installation, replica_set: dict[str, Any]
) -> None:
    (primary,) = nodes(replica_set, role="Primary")
    (hidden,) = nodes(replica_set, role="Hidden")
    (secondary,) = nodes(replica_set, role="Secondary")
    options = trusting(own, replica_set)
    with load(replica_set, **options):
        public_ip, host = bound(own, replica_set, primary)
    assert works(host, **options)
    assert refused_node(own, hidden, "bind-eip", public_ip) == (400, "DBS.200075")
    assert refused_node(own, primary, "bind-eip", new_public_ip(own)) == (400, "DBS.200702")
    assert refused_node(own, secondary, "bind-eip", public_ip) == (400, "DBS.200700")
    assert refused_node(own, secondary, "unbind-eip") == (400, "DBS.200701")
    wrong = new_public_ip(own) | {"public_ip": public_ip["public_ip"]}
    assert refused_node(own, secondary, "bind-eip", wrong) == (400, "DBS.280421")
    unknown = public_ip | {"public_ip_id": "0" * 32}
    assert refused_node(own, secondary, "bind-eip", unknown) == (400, "DBS.280421")
    assert refused_node(own, {"id": "0" * 32 + "no02"}, "unbind-eip") == (404, "DBS.200013")
    assert vpc(own, "DELETE", f"/{public_ip['public_ip_id']}").status_code == 409
    changed(own, replica_set, "restart", target_id=replica_set["id"])
    assert works(host, **options)
    with load(replica_set, **options):
        unbound(own, replica_set, primary)
    assert not accepts(host)
    assert state(own, public_ip) == "DOWN"
    assert vpc(own, "DELETE", f"/{public_ip['public_ip_id']}").status_code == 204


def test_a_public_address_leads_to_a_router_until_it_is_removed(
    own: Installation, cluster: dict[str, Any]
) -> None:
    router = nodes(cluster, "mongos")[-1]
    for kind in ("shard", "config"):
        node = nodes(cluster, kind)[0]
        assert refused_node(own, node, "bind-eip", new_public_ip(own)) == (400, "DBS.200075")
    with load(cluster):
        public_ip, host = bound(own, cluster, router)
    assert works(host)
    changed(own, cluster, "mongos-node", "DELETE", node_list=[router["id"]])
    assert not accepts(host)
    assert state(own, public_ip) == "DOWN"


def test_a_binding_that_fails_leaves_nothing_behind(
    own: Installation, single: dict[str, Any]
) -> None:
    (node,) = nodes(single)
    public_ip = new_public_ip(own)
    port = int(node["host"].rpartition(":")[2])
    with socket.create_server((public_ip["public_ip"], port)):
        job = ended(own, ask_node(own, node, "bind-eip", public_ip))
    assert job["status"] == "Failed"
    assert "is taken" in job["fail_reason"]
    until("the node to be normal", lambda: nodes(current(own, single))[0]["status"] == "normal")
    assert shows(own, single) == {node["id"]: ""}
    assert state(own, public_ip) == "DOWN"
    assert works(node["host"])


def test_a_deleted_instance_leaves_its_public_address(own: Installation) -> None:
    made = own.make(requests.single(name="leaving-single"))
    public_ip, host = bound(own, made, nodes(made)[0])
    assert works(host)
    assert own.delete(made["id"])["status"] == "Completed"
    assert state(own, public_ip) == "DOWN"
    assert not accepts(host)


# Addresses of shards and config servers


def reads(host: str, user: str, password: str) -> set[str]:
    """Names of the databases that a user of a member can read there; the oplog is among them."""
    with MongoClient(host, username=user, password=password, directConnection=True) as client:
        assert client["local"]["oplog.rs"].find_one()
        with pytest.raises(OperationFailure, match="not authorized"):
            client["shop"]["opened"].insert_one({})
        return set(client.list_database_names())


def shown(own: Installation, cluster: Mapping[str, Any], kind: str) -> dict[str, str]:
    """Addresses of the nodes of a type that the list shows, by their role and id."""
    found = nodes(current(own, cluster), kind)
    return {f"{node['role']} {node['id']}": node["host"] for node in found if node["private_ip"]}


def test_addresses_of_shards_and_config_servers_are_shown(
    own: Installation, cluster: dict[str, Any]
) -> None:
    password = "Shard(1)$only"
    with MongoClient(uri(cluster)) as client:
        client["shop"]["opened"].insert_one({})
    assert refused(own, cluster, "ip", "DELETE", type="shard") == (403, "DBS.280042")
    for body, code in (
        ({"type": "mongos", "password": password}, "DBS.280414"),
        ({"type": "shard", "password": "Shardonly1"}, "DBS.200068"),
        ({"type": "shard"}, "DBS.200052"),
    ):
        assert refused(own, cluster, "create-ip", **body) == (400, code)
    read = {}
    for kind, user, port in (("shard", "sharduser", "8637"), ("config", "csuser", "8636")):
        assert not shown(own, cluster, kind)
        changed(own, cluster, "create-ip", type=kind, password=password)
        found = shown(own, cluster, kind)
        assert {role.split()[0] for role in found} == {"Primary", "Secondary"}
        assert len(found) == 2 * len([g for g in cluster["groups"] if g["type"] == kind])
        assert {host.rpartition(":")[2] for host in found.values()} == {port}
        read[kind] = set().union(*(reads(host, user, password) for host in found.values()))
        again = {"type": kind, "password": password}
        assert refused(own, cluster, "create-ip", **again) == (403, "DBS.280042")
    assert "shop" in read["shard"]
    hosts = shown(own, cluster, "shard").values()
    answer = ask(own, cluster, "ip", "DELETE", type="shard")
    assert answer.json()["jobId"] == answer.json()["job_id"]
    assert ended(own, answer)["status"] == "Completed"
    assert not shown(own, cluster, "shard")
    assert shown(own, cluster, "config")
    for host in hosts:
        with pytest.raises(OperationFailure, match="Authentication failed"):
            reads(host, "sharduser", password)


# Other private addresses


def new_address() -> str:
    """One of `node_network` that nothing uses, most probably."""
    return f"127.{random.randint(64, 127)}.{random.randint(0, 255)}.{random.randint(1, 254)}"


def moved(own: Installation, instance: Mapping[str, Any], node_id: str) -> str:
    """Move a node; `address:port` where it is by now."""
    address = new_address()
    answer = ask(own, instance, "modify-internal-ip", node_id=node_id, new_ip=address)
    job = ended(own, answer)
    assert (job["status"], job["name"]) == ("Completed", "ModifyIp"), job
    assert answer.json() == {"job_id": job["id"], "node_id": node_id, "new_ip": address}
    shows(own, instance)
    (host,) = {
        f"{address}:{line[line.index('--port') + 1]}"
        for line in own.commands(node_id)
        if line[line.index("--bind_ip") + 1].split(",")[0] == address
    }
    return host


@pytest.mark.soak
def test_a_member_moves_to_another_address(own: Installation, replica_set: dict[str, Any]) -> None:
    (primary,) = nodes(current(own, replica_set), role="Primary")
    taken = primary["private_ip"]
    for address, code in (("x", "DBS.200091"), ("192.0.2.1", "DBS.200091"), (taken, "DBS.200092")):
        body = {"node_id": primary["id"], "new_ip": address}
        assert refused(own, replica_set, "modify-internal-ip", **body) == (400, code)
    unknown = {"node_id": "0" * 32 + "no02", "new_ip": new_address()}
    assert refused(own, replica_set, "modify-internal-ip", **unknown) == (404, "DBS.200013")
    options = trusting(own, replica_set)
    public_ip, public_host = bound(own, replica_set, primary)
    with load(replica_set, **options):
        host = moved(own, replica_set, primary["id"])
    listed = current(own, replica_set)
    assert {node["id"]: node["host"] for node in nodes(listed)}[primary["id"]] == host
    assert not accepts(primary["host"])
    assert works(host, **options)
    assert works(public_host, **options)
    shown = vpc(own, "GET", f"/{public_ip['public_ip_id']}").json()["publicip"]
    assert shown["private_ip_address"] == host.partition(":")[0]
    with MongoClient(uri(listed), **options) as client:
        client["shop"]["moved"].insert_one({})
        assert host in {f"{address}:{port}" for address, port in client.nodes}
    unbound(own, replica_set, primary)
    replica_set.update(current(own, replica_set))


def test_a_single_moves_to_another_address(own: Installation, single: dict[str, Any]) -> None:
    (node,) = nodes(single)
    host = moved(own, single, node["id"])
    single.update(current(own, single))
    assert nodes(single)[0]["host"] == host
    assert works(host)
    assert not accepts(node["host"])


@pytest.mark.soak
def test_nodes_of_a_cluster_move_to_other_addresses(
    own: Installation, cluster: dict[str, Any]
) -> None:
    cluster.update(current(own, cluster))
    shard, config = (nodes(cluster, kind, role="Primary")[0] for kind in ("shard", "config"))
    with load(cluster):
        places = [moved(own, cluster, node["id"]) for node in (shard, config)]
    for line in own.commands(*(node["id"] for node in nodes(cluster, "mongos"))):
        assert places[1] in line[line.index("--configdb") + 1]
    with own.system(cluster) as clients:
        hello = clients[places[1]].admin.command("hello")
        assert places[1] in hello["hosts"]
        known = clients[hello["primary"]]["config"]["shards"].find()
        assert any(places[0] in shard["host"] for shard in known)
    router = nodes(cluster, "mongos")[0]
    with load(cluster):
        host = moved(own, cluster, router["id"])
    cluster.update(current(own, cluster))
    assert nodes(cluster, "mongos")[0]["host"] == host
    assert works(host)
    assert not accepts(router["host"])
    changed(own, cluster, "restart", target_id=cluster["id"])
    with MongoClient(uri(cluster)) as client:
        client["shop"]["moved"].insert_one({})


# Crashes


def crashed_through(
    own: Installation,
    made: Mapping[str, Any],
    operation: Operation[Any],
    ask_for: Callable[[], Any],
) -> None:
    """Ask for an operation; the service dies at each boundary of its steps, and finishes it."""
    own.kill()
    own.start(DYING, {"DIE_AT": "stored"})
    with pytest.raises(httpx.HTTPError):
        ask_for()
    assert own.wait_end() == -9
    with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
        rows = store.execute(
            "select s.name from job_steps s join jobs j on j.id = s.job_id"
            " where j.status = 'Running' and j.action = ? order by s.position",
            [operation.action],
        )
        names = [*(row[0] for row in rows), "finish", "afterwards"]
    die_through(own, [f"{side}:{name}" for name in names for side in ("before", "after")])
    own.start()
    until("the instance to be idle", lambda: not current(own, made)["actions"], 60)
    listed = current(own, made)
    with MongoClient(uri(listed), **trusting(own, listed)) as client:
        client["shop"]["orders"].insert_one({})
    check_nothing_is_orphaned(own)


@pytest.mark.soak
@pytest.mark.parametrize(
    "body",
    [requests.single(), requests.replica_set(), requests.cluster()],
    ids=lambda body: body["mode"],
)
def test_binding_survives_a_crash_at_every_boundary(tmp_path: Path, body: dict[str, Any]) -> None:
    own = Installation(tmp_path / "data")
    try:
        own.start()
        made = own.make(body)
        public_ip = new_public_ip(own)
        node = nodes(made)[0]
        host = f"{public_ip['public_ip']}:{made['port']}"
        crashed_through(own, made, BIND, lambda: ask_node(own, node, "bind-eip", public_ip))
        assert shows(own, made)[node["id"]] == public_ip["public_ip"]
        assert state(own, public_ip) == "ACTIVE"
        assert accepts(host)
        crashed_through(own, made, UNBIND, lambda: ask_node(own, node, "unbind-eip"))
        assert not shows(own, made)[node["id"]]
        assert state(own, public_ip) == "DOWN"
        assert not accepts(host)
    finally:
        own.destroy()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (requests.single(), "single"),
        (requests.replica_set(ssl_option="1"), "replica"),
        (requests.cluster(), "shard"),
        (requests.cluster(), "config"),
        (requests.cluster(), "mongos"),
    ],
)
def test_moving_survives_a_crash_at_every_boundary(
    tmp_path: Path, body: dict[str, Any], kind: str
) -> None:
    own = Installation(tmp_path / "data")
    try:
        own.start()
        made = own.make(body)
        node_id, address = nodes(made, kind)[0]["id"], new_address()
        place = {"node_id": node_id, "new_ip": address}
        crashed_through(own, made, MOVE, lambda: ask(own, made, "modify-internal-ip", **place))
        shows(own, made)
        (line,) = own.commands(node_id)
        assert line[line.index("--bind_ip") + 1] == address
    finally:
        own.destroy()


@pytest.mark.soak
def test_showing_addresses_survives_a_crash_at_every_boundary(tmp_path: Path) -> None:
    own = Installation(tmp_path / "data")
    try:
        own.start()
        made = own.make(requests.cluster())
        body = {"type": "shard", "password": "Shard(1)$only"}
        crashed_through(own, made, OPEN_SHARDS, lambda: ask(own, made, "create-ip", **body))
        hosts = shown(own, made, "shard").values()
        for host in hosts:
            reads(host, "sharduser", body["password"])
        crashed_through(own, made, CLOSE, lambda: ask(own, made, "ip", "DELETE", type="shard"))
        assert not shown(own, made, "shard")
    finally:
        own.destroy()
