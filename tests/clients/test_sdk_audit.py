"""Audit logs through the official SDK: of a replica set and of a cluster, while they serve."""

import gzip
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import huaweicloudsdkdds.v3 as sdk
import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from pymongo import MongoClient

from tests.clients.test_huaweicloudsdk import signed
from tests.installation import Installation, until, uri

Made = dict[str, Any]
VERBOSITY = {"getParameter": 1, "logComponentVerbosity": 1}


class Audit:
    """The audit logs of one instance."""

    def __init__(self, installation: Installation, instance: Made) -> None:
        self.installation = installation
        self.instance = instance
        self.id = instance["id"]
        self.client = signed(installation)

    def use(self, **policy: Any) -> None:
        body = sdk.SetAuditlogPolicyRequestBody(**policy)
        answer = self.client.set_auditlog_policy(
            sdk.SetAuditlogPolicyRequest(instance_id=self.id, body=body)
        )
        assert answer.status_code == 200

    def policy(self) -> dict[str, Any]:
        request = sdk.ShowAuditlogPolicyRequest(instance_id=self.id)
        shown = self.client.show_auditlog_policy(request).to_dict()
        return {name: value for name, value in shown.items() if value is not None}

    def files(self, **query: Any) -> Any:
        now = datetime.now(UTC)
        times = {
            "start_time": f"{now - timedelta(days=1):%Y-%m-%dT%H:%M:%S+0000}",
            "end_time": f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S+0000}",
        }
        request = sdk.ListAuditlogsRequest(instance_id=self.id, **(times | query))
        return self.client.list_auditlogs(request)

    def links(self, ids: list[str]) -> list[str]:
        body = sdk.ProduceAuditlogLinksRequestBody(ids=ids)
        request = sdk.ListAuditlogLinksRequest(instance_id=self.id, body=body)
        return list(self.client.list_auditlog_links(request).links)

    def entries(self) -> list[dict[str, Any]]:
        """All entries, downloaded."""
        ids = [file.id for file in self.files().audit_logs]
        texts = [httpx.get(link).content for link in (self.links(ids) if ids else [])]
        return [json.loads(line) for text in texts for line in gzip.decompress(text).splitlines()]

    def with_commands(self, names: set[str]) -> list[dict[str, Any]]:
        """All entries, once these commands are among them: each router's are collected by
        themselves."""

        def enough() -> list[dict[str, Any]] | None:
            found = self.entries()
            return found if names <= {e["param"].get("command") for e in found} else None

        return until(f"entries of {', '.join(sorted(names))}", enough)

    def of(self, namespace: str, number: int) -> list[tuple[str, int]]:
        """Commands on a collection and their results, once there are so many, in the order of time;
        of a cluster sorted: entries of two routers have the same millisecond at times."""

        def enough() -> list[dict[str, Any]] | None:
            found = [e for e in self.entries() if e["param"].get("ns") == namespace]
            return found if len(found) >= number else None

        found = until(f"{number} entries of {namespace}", enough)
        found.sort(key=lambda entry: entry["ts"]["$date"])
        ran = [(entry["param"]["command"], entry["result"]) for entry in found]
        return sorted(ran) if self.instance["mode"] == "Sharding" else ran

    def delete(self, names: list[str]) -> None:
        body = sdk.DeleteAuditLogRequestBody(file_names=names)
        request = sdk.DeleteAuditLogRequest(instance_id=self.id, body=body)
        job = self.installation.wait_job(self.client.delete_audit_log(request).job_id)
        assert job["status"] == "Completed"


@pytest.fixture(params=["shared_replica", "shared_cluster"])
def audit(request: pytest.FixtureRequest, installation: Installation) -> Iterator[Audit]:
    made = Audit(installation, request.getfixturevalue(request.param))
    yield made
    made.use(keep_days=0, reserve_auditlogs="false")
    until("no file to be left", lambda: made.files().total_record == 0)


def work(instance: Mapping[str, Any], database: str) -> None:
    """One command of each type, as the administrator."""
    with MongoClient(uri(instance)) as client:
        collection = client[database].orders
        collection.insert_one({"_id": 1, "card": "4111-1111"})
        collection.update_one({"_id": 1}, {"$set": {"a": 2}})
        assert collection.find_one({"_id": 1, "a": 2})
        collection.delete_one({"_id": 1})
        client[database].command("createUser", "clerk", pwd="Clerk@1234", roles=[])
        client[database].command("dropUser", "clerk")
        client.drop_database(database)


def test_what_users_do_is_audited(audit: Audit) -> None:
    assert audit.policy() == {"keep_days": 0}
    audit.use(keep_days=7)
    assert audit.policy() == {
        "keep_days": 7,
        "audit_scope": "all",
        "audit_types": ["auth", "insert", "delete", "update", "query", "command"],
    }
    database = f"audit_{uuid.uuid4().hex[:8]}"
    work(audit.instance, database)
    wanted = [("insert", 0), ("update", 0), ("find", 0), ("delete", 0)]
    in_order = audit.instance["mode"] != "Sharding"
    assert audit.of(f"{database}.orders", 4) == (wanted if in_order else sorted(wanted))
    entries = audit.with_commands({"createUser", "dropUser", "dropDatabase"})
    names = {entry["param"].get("command") for entry in entries}
    assert names.isdisjoint({"hello", "replSetHeartbeat", "saslStart", "_isSelf"})
    logins = [entry for entry in entries if entry["atype"] == "authenticate"]
    assert {"rwuser"} == {entry["param"]["user"] for entry in logins}
    assert all(entry["users"] for entry in entries if entry["result"] == 0)
    text = json.dumps(entries)
    assert "Clerk@" not in text
    assert "4111" not in text
    assert "__system" not in text


def test_only_what_the_policy_names_is_audited(audit: Audit) -> None:
    database = f"audit_{uuid.uuid4().hex[:8]}"
    with MongoClient(uri(audit.instance)) as before:
        before[database].loud.find_one()  # logged in before anything was audited
        audit.use(
            keep_days=30, audit_scope=f"{database}.loud,other", audit_types=["query", "insert"]
        )

        def heard() -> bool:
            before[database].quiet.find_one()
            before[database].loud.delete_one({})
            before[database].loud.find_one()
            return bool(audit.entries())

        until("an entry", heard)
    entries = audit.entries()
    assert {(e["param"]["command"], e["param"]["ns"]) for e in entries} == {
        ("find", f"{database}.loud")
    }
    assert {user["user"] for e in entries for user in e["users"]} == {"rwuser"}


def test_files_are_listed_linked_and_deleted(audit: Audit) -> None:
    audit.use(keep_days=7)
    work(audit.instance, f"audit_{uuid.uuid4().hex[:8]}")
    listed = until("a file", lambda: found if (found := audit.files()).total_record else None)
    file = listed.audit_logs[0]
    assert file.id.startswith(file.node_id)
    assert file.name == f"{file.id}.json.gz"
    assert file.start_time <= file.end_time
    assert listed.total_size >= file.size > 0
    assert audit.files(node_id=file.node_id).total_record >= 1
    assert audit.files(node_id="0" * 32 + "no02").total_record == 0
    assert len(audit.files(offset=listed.total_record).audit_logs) == 0
    long_ago = {"start_time": "2020-01-01T00:00:00+0000", "end_time": "2020-01-02T00:00:00+0000"}
    assert audit.files(**long_ago).total_record == 0
    with pytest.raises(ClientRequestException, match="30 days"):
        audit.files(start_time="2020-01-01T00:00:00+0000")
    for call in (audit.links, audit.delete):
        with pytest.raises(ClientRequestException, match=r"DBS\.280016"):
            call([f"{file.node_id}_1"])
    (link,) = audit.links([file.id])
    assert httpx.get(link).headers["Content-Type"] == "application/gzip"
    assert httpx.get(link.replace(file.id, f"{file.node_id}_1")).status_code == 401
    audit.delete([file.name])
    assert file.id not in {other.id for other in audit.files().audit_logs}
    assert httpx.get(link).status_code == 400


def test_nothing_is_logged_any_more_when_it_is_off(audit: Audit) -> None:
    database = f"audit_{uuid.uuid4().hex[:8]}"
    audit.use(keep_days=7)
    work(audit.instance, database)
    audit.of(f"{database}.orders", 4)
    audit.use(keep_days=0)
    before = len(audit.entries())
    work(audit.instance, f"{database}_off")
    assert audit.files().total_record >= 1
    assert not [e for e in audit.entries() if e["param"].get("ns") == f"{database}_off.orders"]
    assert len(audit.entries()) == before
    if audit.instance["mode"] == "ReplicaSet":
        hosts = [node["host"] for group in audit.instance["groups"] for node in group["nodes"]]
        with audit.installation.system(audit.instance) as clients:
            levels = [clients[h].admin.command(VERBOSITY) for h in hosts if h]
        shown = {one["logComponentVerbosity"]["command"]["verbosity"] for one in levels}
        assert shown == {-1}


def test_entries_go_to_a_stream_as_well(installation: Installation, shared_cluster: Made) -> None:
    audit = Audit(installation, shared_cluster)
    group, stream = new_stream(installation)
    audit.use(keep_days=7, audit_types=["insert"])
    database = f"audit_{uuid.uuid4().hex[:8]}"
    folder = installation.data_dir / "lts" / group / stream
    try:
        with MongoClient(uri(shared_cluster)) as client:
            client[database].early.insert_one({})
            audit.of(f"{database}.early", 1)
            associate(audit, group, stream)
            client[database].late.insert_one({})
            client.drop_database(database)
        (line,) = until("an entry", lambda: sent(folder) or None)
        assert line["param"]["ns"] == f"{database}.late"
        assert line["instance_id"] == audit.id
        assert line["node_id"] in {
            node["id"] for group in shared_cluster["groups"] for node in group["nodes"]
        }
        assert config(audit) == {
            "log_type": "audit_log",
            "lts_group_id": group,
            "lts_stream_id": stream,
            "enabled": True,
        }
        with pytest.raises(ClientRequestException, match=r"DBS\.280016"):
            associate(audit, group, group)
    finally:
        one = sdk.DeleteLtsConfigRequestBodyLtsConfigs(instance_id=audit.id, log_type="audit_log")
        ending = sdk.DeleteLtsConfigRequestBody(lts_configs=[one])
        answer = audit.client.delete_lts_config(sdk.DeleteLtsConfigRequest(body=ending))
        audit.use(keep_days=0, reserve_auditlogs="false")
    assert answer.status_code == 202
    assert config(audit)["enabled"] is False


def new_stream(installation: Installation) -> tuple[str, str]:
    """A log group and a stream of it."""
    headers = {"X-Auth-Token": installation.token()}
    path = f"{installation.iam}/v2/{installation.project_id}/groups"
    name = f"audit-{uuid.uuid4().hex[:8]}"
    made = httpx.post(path, headers=headers, json={"log_group_name": name, "ttl_in_days": 7})
    group = made.json()["log_group_id"]
    made = httpx.post(f"{path}/{group}/streams", headers=headers, json={"log_stream_name": name})
    return group, made.json()["log_stream_id"]


def associate(audit: Audit, group: str, stream: str) -> None:
    one = sdk.UpdateLtsConfigRequestBodyLtsConfigs(
        instance_id=audit.id, log_type="audit_log", lts_group_id=group, lts_stream_id=stream
    )
    body = sdk.UpdateLtsConfigRequestBody(lts_configs=[one])
    answer = audit.client.update_lts_config(sdk.UpdateLtsConfigRequest(body=body))
    assert answer.status_code == 202


def config(audit: Audit) -> dict[str, Any]:
    """How the instance's log goes to a stream, as listed."""
    listed = audit.client.list_lts_configs(sdk.ListLtsConfigsRequest(limit=50))
    assert listed.total_count >= len(listed.instance_lts_configs) >= 1
    (own,) = [one for one in listed.instance_lts_configs if one.instance.id == audit.id]
    assert (own.instance.mode, own.instance.datastore.type) == ("Sharding", "mongodb")
    (found,) = own.lts_configs
    return dict(found.to_dict())


def sent(folder: Any) -> list[dict[str, Any]]:
    """What a stream in a folder got."""
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]
