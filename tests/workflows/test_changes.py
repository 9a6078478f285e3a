"""Rolling changes of real instances, one per mode, under load: restart, switchover, flavor, port,
TLS, name of the replica set."""

import signal
import socket
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from shardhouse.mongo.admin import accepts
from shardhouse.nodes.local import processes
from shardhouse.store.vault import Vault
from tests import requests
from tests.installation import Installation, until, uri
from tests.load import load


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("changes") / "data", memory_scale=0.25)
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def replica_set(own: Installation) -> dict[str, Any]:
    return own.make(requests.replica_set(name="changed-set"))


@pytest.fixture(scope="module")
def cluster(own: Installation) -> dict[str, Any]:
    return own.make(requests.cluster(name="changed-cluster"))


@pytest.fixture(scope="module")
def single(own: Installation) -> dict[str, Any]:
    return own.make(requests.single(name="changed-single"))


def current(own: Installation, instance: Mapping[str, Any]) -> dict[str, Any]:
    listed = own.instance(instance["id"])
    assert listed is not None
    return listed


def ask(
    own: Installation, instance: Mapping[str, Any], call: str, method: str = "POST", **body: Any
) -> httpx.Response:
    return own.call(method, f"/instances/{instance['id']}/{call}", json=body)


def changed(
    own: Installation, instance: Mapping[str, Any], call: str, method: str = "POST", **body: Any
) -> dict[str, Any]:
    """Make a change, wait for its end, and give its job."""
    answer = ask(own, instance, call, method, **body)
    assert answer.status_code == 202, answer.text
    job = own.wait_job(answer.json()["job_id"], 300)
    assert job["status"] == "Completed", job["fail_reason"]
    listed = current(own, instance)
    assert (listed["actions"], listed["status"]) == ([], "normal")
    assert {node["status"] for node in nodes(listed)} == {"normal"}
    return job


def refused(
    own: Installation, instance: Mapping[str, Any], call: str, method: str = "POST", **body: Any
) -> tuple[int, str]:
    answer = ask(own, instance, call, method, **body)
    return answer.status_code, answer.json()["error_code"]


def nodes(instance: Mapping[str, Any], kind: str = "", role: str = "") -> list[dict[str, Any]]:
    return [
        node
        for group in instance["groups"]
        for node in group["nodes"]
        if kind in ("", group["type"]) and role in ("", node["role"])
    ]


def started(own: Installation, instance: Mapping[str, Any]) -> dict[str, datetime]:
    """When each node's process was started."""
    found = {}
    for node in nodes(instance):
        (process,) = own.nodes(node["id"])
        moment = processes.started_at(process)
        assert moment is not None
        found[node["id"]] = moment
    return found


def restarted(own: Installation, instance: Mapping[str, Any], before: dict[str, Any]) -> set[str]:
    after = started(own, instance)
    return {node for node in after if (after[node] - before[node]).total_seconds() > 0.1}


def ids(*chosen: Mapping[str, Any]) -> set[str]:
    return {node["id"] for node in chosen}


def primary_id(own: Installation, instance: Mapping[str, Any]) -> str:
    def one() -> str | None:
        found = nodes(current(own, instance), role="Primary")
        return found[0]["id"] if len(found) == 1 else None

    return until("one primary", one)


# Restart


@pytest.mark.parametrize("serial", [pytest.param(True, marks=pytest.mark.soak), False])
def test_a_replica_set_is_restarted(
    own: Installation, replica_set: dict[str, Any], serial: bool
) -> None:
    before = started(own, replica_set)
    with load(replica_set):
        answer = ask(
            own, replica_set, "restart", target_id=replica_set["id"], is_serial=serial,
            target_type=None,
        )  # fmt: skip
        listed = current(own, replica_set)
        assert (listed["status"], listed["actions"]) == ("normal", ["RESTARTING"])
        assert {node["status"] for node in nodes(listed)} == {"reboot"}
        job = own.wait_job(answer.json()["job_id"])
    assert (job["status"], job["name"]) == ("Completed", "RestartReplicaSetInstance"), job
    listed = current(own, replica_set)
    assert {node["status"] for node in nodes(listed)} == {"normal"}
    assert sorted(node["role"] for node in nodes(listed)) == ["Hidden", "Primary", "Secondary"]
    assert restarted(own, replica_set, before) == ids(*nodes(replica_set))


def test_single_nodes_are_restarted(own: Installation, replica_set: dict[str, Any]) -> None:
    leader = primary_id(own, replica_set)
    assert refused(own, replica_set, "restart", target_id=leader) == (400, "DBS.200075")
    (hidden,) = nodes(current(own, replica_set), role="Hidden")
    before = started(own, replica_set)
    with load(replica_set):
        job = changed(own, replica_set, "restart", target_id=hidden["id"])
    assert job["name"] == "RestartNode"
    assert restarted(own, replica_set, before) == {hidden["id"]}
    unknown = {"target_id": "0" * 32 + "no02"}
    assert refused(own, replica_set, "restart", **unknown) == (404, "DBS.200013")
    kind = {"target_id": hidden["id"], "target_type": "shard"}
    assert refused(own, replica_set, "restart", **kind) == (400, "DBS.280327")


@pytest.mark.soak
def test_a_frozen_node_is_restarted_by_force(
    own: Installation, replica_set: dict[str, Any]
) -> None:
    (secondary,) = nodes(current(own, replica_set), role="Secondary")
    (process,) = own.nodes(secondary["id"])
    process.send_signal(signal.SIGSTOP)

    def abnormal() -> bool:
        return secondary["id"] in {
            node["id"] for node in nodes(current(own, replica_set)) if node["status"] == "abnormal"
        }

    until("the node to be abnormal", abnormal, 60)
    assert refused(own, replica_set, "restart", target_id=secondary["id"]) == (403, "DBS.200011")
    changed(own, replica_set, "restart", target_id=secondary["id"], is_force=True)
    assert process.pid not in {one.pid for one in own.nodes(secondary["id"])}


def test_a_single_is_restarted(own: Installation, single: dict[str, Any]) -> None:
    before = started(own, single)
    job = changed(own, single, "restart", target_id=single["id"])
    assert job["name"] == "RestartReplicaSingleInstance"
    assert restarted(own, single, before) == ids(*nodes(single))
    assert refused(own, single, "switchover") == (400, "DBS.280343")


@pytest.mark.soak
def test_parts_of_a_cluster_are_restarted(own: Installation, cluster: dict[str, Any]) -> None:
    router = nodes(cluster, "mongos")[0]
    shard = next(group for group in cluster["groups"] if group["type"] == "shard")
    before = started(own, cluster)
    with load(cluster):
        job = changed(own, cluster, "restart", target_type="mongos", target_id=router["id"])
        assert job["name"] == "RestartNode"
        assert restarted(own, cluster, before) == {router["id"]}
        before = started(own, cluster)
        # OTC documents a node's id here.
        member = {"target_type": "shard", "target_id": shard["nodes"][1]["id"]}
        job = changed(own, cluster, "restart", **member)
        assert job["name"] == "RestartGroup"
        assert restarted(own, cluster, before) == ids(*shard["nodes"])
        before = started(own, cluster)
        job = changed(own, cluster, "restart", target_id=cluster["id"])
        assert job["name"] == "RestartInstance"
        assert restarted(own, cluster, before) == ids(*nodes(cluster))
    as_config = {"target_type": "config", "target_id": shard["id"]}
    assert refused(own, cluster, "restart", **as_config) == (404, "DBS.200013")


# Switchover


def test_another_member_leads(own: Installation, replica_set: dict[str, Any]) -> None:
    for _ in range(2):  # the second follows at once, while the first primary waits to stand again
        old = primary_id(own, replica_set)
        with load(replica_set):
            job = changed(own, replica_set, "switchover")
        assert job["name"] == "SwitchPrimary"
        assert primary_id(own, replica_set) != old
        (new,) = nodes(current(own, replica_set), role="Primary")
        with MongoClient(new["host"], directConnection=True) as client:
            assert client.admin.command("hello")["isWritablePrimary"]


def test_a_named_member_leads(own: Installation, replica_set: dict[str, Any]) -> None:
    listed = current(own, replica_set)
    (secondary,) = nodes(listed, role="Secondary")
    (hidden,) = nodes(listed, role="Hidden")
    leader = primary_id(own, replica_set)
    for node in (hidden["id"], leader):
        assert refused(own, listed, f"nodes/{node}/primary") == (400, "DBS.200075")
    with load(replica_set):
        changed(own, replica_set, f"nodes/{secondary['id']}/primary")
    assert primary_id(own, replica_set) == secondary["id"]


def test_a_shard_switches_over(own: Installation, cluster: dict[str, Any]) -> None:
    shard = next(group for group in cluster["groups"] if group["type"] == "shard")
    assert refused(own, cluster, "switchover") == (400, "DBS.200001")
    assert refused(own, cluster, "switchover", group_id="0" * 32 + "gr02") == (404, "DBS.200013")
    with load(cluster):
        changed(own, cluster, "switchover", group_id=shard["id"])
    listed = current(own, cluster)
    again = next(group for group in listed["groups"] if group.get("id") == shard["id"])
    roles = {node["id"]: node["role"] for node in again["nodes"]}
    old = next(node["id"] for node in shard["nodes"] if node["role"] == "Primary")
    assert roles[old] == "Secondary"
    assert sorted(roles.values()) == ["Hidden", "Primary", "Secondary"]


# Flavor


def resize(**fields: Any) -> dict[str, Any]:
    return {"resize": fields}


def limits(own: Installation, instance: Mapping[str, Any], host: str) -> tuple[int, int]:
    """Connections and bytes of cache that a data node has by its own word."""
    with own.system(instance) as clients:
        status = clients[host].admin.command("serverStatus")
    connections = status["connections"]
    cache = status["wiredTiger"]["cache"]["maximum bytes configured"]
    return connections["current"] + connections["available"], cache


def test_a_replica_set_is_resized(own: Installation, replica_set: dict[str, Any]) -> None:
    whole = {"target_id": replica_set["id"]}
    for code, spec in (
        ("DBS.280239", "dds.mongodb.s2.huge.4.repset"),
        ("DBS.280267", "dds.mongodb.s2.medium.4.repset"),
        ("DBS.280267", "dds.mongodb.c6.xlarge.4.repset"),
        ("DBS.280267", "dds.mongodb.s2.xlarge.4.single"),
    ):
        body = resize(target_spec_code=spec, **whole)
        assert refused(own, replica_set, "resize", **body) == (400, code)
    spec = "dds.mongodb.s2.xlarge.2.repset"
    host = nodes(replica_set)[0]["host"]
    assert limits(own, replica_set, host) == (400, 1 << 28)
    with load(replica_set):
        job = changed(own, replica_set, "resize", **resize(target_spec_code=spec, **whole))
    assert job["name"] == "ResizeMongoDBInstance"
    assert {node["spec_code"] for node in nodes(current(own, replica_set))} == {spec}
    for node in nodes(replica_set):
        assert limits(own, replica_set, node["host"]) == (1000, 1 << 29)


def test_a_resize_without_memory_changes_nothing(own: Installation, single: dict[str, Any]) -> None:
    before = started(own, single)
    spec = "dds.mongodb.s2.4xlarge.4.single"
    own.stop()
    own.settings["memory_reserve"] = 1 << 20  # MiB
    own.start()
    body = resize(target_id=single["id"], target_spec_code=spec)
    job = own.wait_job(ask(own, single, "resize", **body).json()["job_id"])
    own.stop()
    del own.settings["memory_reserve"]
    own.start()
    assert job["status"] == "Failed"
    assert "memory" in job["fail_reason"]
    until("the node to be normal", lambda: nodes(current(own, single))[0]["status"] == "normal")
    (node,) = nodes(current(own, single))
    assert node["spec_code"] == "dds.mongodb.s2.medium.4.single"
    assert restarted(own, single, before) == set()


@pytest.mark.soak
def test_parts_of_a_cluster_are_resized(own: Installation, cluster: dict[str, Any]) -> None:
    router, other = nodes(cluster, "mongos")
    shards = [group for group in cluster["groups"] if group["type"] == "shard"]
    untyped = resize(target_id=router["id"], target_spec_code=router["spec_code"])
    assert refused(own, cluster, "resize", **untyped) == (400, "DBS.200001")
    spec = "dds.mongodb.s2.xlarge.2.mongos"
    body = resize(target_type="mongos", target_id=router["id"], target_spec_code=spec)
    with load(cluster):
        changed(own, cluster, "resize", **body)
    specs = {node["id"]: node["spec_code"] for node in nodes(current(own, cluster), "mongos")}
    assert specs == {router["id"]: spec, other["id"]: "dds.mongodb.s2.medium.4.mongos"}
    with MongoClient(uri(cluster | {"groups": [{"type": "mongos", "nodes": [router]}]})) as client:
        connections = client.admin.command("serverStatus")["connections"]
        assert connections["current"] + connections["available"] == 1000
    spec = "dds.mongodb.s2.xlarge.2.shard"
    chosen = [shard["id"] for shard in shards]
    changed(
        own,
        cluster,
        "resize",
        **resize(target_type="shard", target_ids=chosen, target_spec_code=spec),
    )
    listed = current(own, cluster)
    assert {node["spec_code"] for node in nodes(listed, "shard")} == {spec}


# Port


@pytest.mark.soak
def test_a_replica_set_gets_another_port(own: Installation, replica_set: dict[str, Any]) -> None:
    for port, code in ((8635, "DBS.200462"), (80, "DBS.200060"), ("x", "DBS.200059")):
        assert refused(own, replica_set, "modify-port", port=port) == (400, code)
    old = [node["host"] for node in nodes(replica_set)]
    with load(replica_set):
        answer = ask(own, replica_set, "modify-port", port="8701")
        assert answer.json()["port"] == 8701
        job = own.wait_job(answer.json()["job_id"])
    assert (job["status"], job["name"]) == ("Completed", "ModifyPort"), job
    listed = current(own, replica_set)
    assert (listed["port"], listed["status"]) == ("8701", "normal")
    assert [node["host"] for node in nodes(listed)] == [
        host.replace(":8635", ":8701") for host in old
    ]
    assert not any(accepts(host) for host in old)
    with MongoClient(uri(listed)) as client:
        client["shop"]["ports"].insert_one({"_id": 1})
        assert {port for _, port in client.nodes} == {8701}

    def settled() -> bool:
        with own.system(listed) as clients:
            config = clients[nodes(listed)[0]["host"]].admin.command("replSetGetConfig")["config"]
        return config["settings"]["heartbeatIntervalMillis"] == 2000

    until("heartbeats at their pace", settled)
    replica_set.update(listed)


@pytest.mark.soak
def test_a_port_that_is_taken_meanwhile_is_given_up(
    own: Installation, replica_set: dict[str, Any]
) -> None:
    """The last member to move does not get its port: all are where they were."""
    (leader,) = nodes(current(own, replica_set), role="Primary")
    before = [node["host"] for node in nodes(current(own, replica_set))]
    address, _, _ = leader["host"].partition(":")
    with load(replica_set):
        job_id = ask(own, replica_set, "modify-port", port=8790).json()["job_id"]
        until("the first check", lambda: own.job(job_id)["steps"][1]["status"] == "Running")
        with socket.create_server((address, 8790)):
            job = own.wait_job(job_id, 300)
    assert job["status"] == "Failed"
    assert "does not stay up" in job["fail_reason"]
    assert "rolled back" not in job["fail_reason"]
    until("the set to be normal", lambda: current(own, replica_set)["status"] == "normal", 60)
    listed = current(own, replica_set)
    assert [node["host"] for node in nodes(listed)] == before
    taken = socket.create_server((address, 8791))
    with taken:
        job_id = ask(own, replica_set, "modify-port", port=8791).json()["job_id"]
        assert "taken" in own.wait_job(job_id)["fail_reason"]
    assert [node["host"] for node in nodes(current(own, replica_set))] == before


def test_a_single_gets_another_port(own: Installation, single: dict[str, Any]) -> None:
    with MongoClient(uri(single)) as client:
        client["shop"]["ports"].insert_one({"_id": 1})
    changed(own, single, "modify-port", port=8702)
    listed = current(own, single)
    assert listed["port"] == "8702"
    with MongoClient(uri(listed)) as client:
        assert client["shop"]["ports"].count_documents({}) == 1
    single.update(listed)


def test_the_routers_of_a_cluster_get_another_port(
    own: Installation, cluster: dict[str, Any]
) -> None:
    before = started(own, cluster)
    changed(own, cluster, "modify-port", port=27018)
    listed = current(own, cluster)
    assert listed["port"] == "27018"
    assert restarted(own, cluster, before) == ids(*nodes(cluster, "mongos"))
    with MongoClient(uri(listed)) as client:
        client["shop"]["ports"].insert_one({"_id": 1})
    assert not any(accepts(node["host"]) for node in nodes(cluster, "mongos"))
    cluster.update(listed)


# TLS


def certificates(own: Installation, instance: Mapping[str, Any]) -> str:
    """What the download link gives, without credentials."""
    answer = own.call("GET", f"/instances/{instance['id']}/ssl-cert/download-link")
    (cert,) = answer.json()["certs"]
    assert cert["category"] == "international"
    link = cert["download_link"]
    tampered = httpx.get(link.replace("expires=1", "expires=2"))
    assert (tampered.status_code, tampered.json()["error_code"]) == (401, "APIGW.0301")
    signature = Vault.at(own.data_dir).digest(f"{instance['id']} 1", "link:DownloadSslCert").hex()
    expired = httpx.get(link.partition("?")[0], params={"expires": 1, "signature": signature})
    assert (expired.status_code, "expired" in expired.json()["error_msg"]) == (401, True)
    given = httpx.get(link)
    assert given.status_code == 200, given.text
    return given.text


def secured(own: Installation, instance: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Options of a client that trusts what the link gives."""
    path = folder / "trusted.pem"
    path.write_text(certificates(own, instance))
    return {"tls": True, "tlsCAFile": str(path)}


def connects(instance: Mapping[str, Any], **options: Any) -> bool:
    with MongoClient(uri(instance), serverSelectionTimeoutMS=3000, **options) as client:
        try:
            client["shop"]["orders"].find_one()
        except PyMongoError:
            return False
    return True


def orders(instance: Mapping[str, Any], **options: Any) -> set[int]:
    with MongoClient(uri(instance), **options) as client:
        return {document["_id"] for document in client["shop"]["orders"].find()}


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["replica_set", pytest.param("cluster", marks=pytest.mark.soak)])
def test_tls_is_switched_on_rotated_and_switched_off(
    own: Installation, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = request.getfixturevalue(kind)
    assert refused(own, made, "switch-ssl", ssl_option="2") == (400, "DBS.239011")
    assert refused(own, made, "rotate-certificates") == (403, "DBS.280042")
    links = own.call("GET", f"/instances/{made['id']}/ssl-cert/download-link").json()
    assert links == {"certs": []}
    with load(made, cut_off=True) as acknowledged:
        answer = ask(own, made, "switch-ssl", ssl_option="1")
        assert answer.json()["ssl_option"] == "1"
        job = own.wait_job(answer.json()["job_id"], 300)
        assert (job["status"], job["name"]) == ("Completed", "SwitchInstanceSSL"), job
    listed = current(own, made)
    assert (listed["ssl"], listed["status"]) == (1, "normal")
    assert all("requireTLS" in line for line in own.commands(made["id"]))
    assert not connects(made)
    options = secured(own, made, tmp_path)
    assert set(acknowledged) <= orders(made, **options)
    old = tmp_path / "old.pem"
    old.write_text(certificates(own, made))
    changed(own, made, "rotate-certificates", prepare=True)
    options = secured(own, made, tmp_path)
    assert Path(options["tlsCAFile"]).read_text().count("BEGIN CERTIFICATE") == 2
    with load(made, **options):
        changed(own, made, "rotate-certificates")
    assert not connects(made, tls=True, tlsCAFile=str(old))
    options = secured(own, made, tmp_path)
    assert Path(options["tlsCAFile"]).read_text().count("BEGIN CERTIFICATE") == 1
    with load(made, cut_off=True, **options) as acknowledged:
        changed(own, made, "switch-ssl", ssl_option="0")
    assert current(own, made)["ssl"] == 0
    assert not any("--tlsMode" in line for line in own.commands(made["id"]))
    assert not connects(made, **options)
    assert set(acknowledged) <= orders(made)


# The name of the replica set


@pytest.mark.soak
def test_a_replica_set_gets_another_name(own: Installation, replica_set: dict[str, Any]) -> None:
    for name in ("ab", "1st_set", "a-set", "replica", "a" * 129):
        body = {"name": name}
        assert refused(own, replica_set, "replica-set/name", "PUT", **body) == (400, "DBS.200001")
    with load(replica_set, cut_off=True) as acknowledged:
        changed(own, replica_set, "replica-set/name", "PUT", name="Orders_2")
    listed = current(own, replica_set)
    assert listed["replica_set"] == "Orders_2"
    assert all("Orders_2" in line for line in own.commands(replica_set["id"]))
    assert set(acknowledged) <= orders(listed)
    with load(listed):
        changed(own, listed, "restart", target_id=listed["id"])
    assert not connects(replica_set)
    replica_set.update(listed)
