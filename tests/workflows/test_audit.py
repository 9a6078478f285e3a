"""Audit logs while the service, a node or a log ends and begins anew: each entry once."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from shardhouse.settings import load
from shardhouse.workflows import audit_files
from tests import requests
from tests.installation import Installation, addresses, until, uri


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("audit") / "data")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def single(own: Installation) -> dict[str, Any]:
    """A node whose inserts and logins are audited."""
    made = own.make(requests.single())
    body = {"keep_days": 7, "audit_types": ["insert", "auth"]}
    answer = own.call("POST", f"/instances/{made['id']}/auditlog-policy", json=body)
    assert answer.status_code == 200, answer.text
    return made


def entries(own: Installation, instance: dict[str, Any]) -> list[dict[str, Any]]:
    """All entries in the files, the oldest first."""
    files = audit_files.of_instance(load(data_dir=own.data_dir), instance["id"])
    texts = [gzip.decompress(b"".join(audit_files.content(file))) for file in reversed(files)]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def inserted(own: Installation, instance: dict[str, Any]) -> list[str]:
    """The collections of the entries of inserts."""
    found = [entry["param"] for entry in entries(own, instance)]
    return [p["ns"].removeprefix("audit.") for p in found if p.get("command") == "insert"]


def insert(client: MongoClient[dict[str, Any]], first: int, last: int) -> list[str]:
    names = [f"c{number}" for number in range(first, last)]
    for name in names:
        client.audit[name].insert_one({})
    return names


def test_each_entry_is_written_once_over_crashes_and_rotations(
    own: Installation, single: dict[str, Any]
) -> None:
    with MongoClient(uri(single)) as client, own.system(single) as clients:
        mongod = clients[addresses(single)[0]]
        names = insert(client, 0, 3)
        own.kill()
        names += insert(client, 3, 6)
        mongod.admin.command({"logRotate": "server"})
        names += insert(client, 6, 9)
        own.start()
        names += insert(client, 9, 12)
        mongod.admin.command({"logRotate": "server"})
        names += insert(client, 12, 15)
        until("all inserts", lambda: len(inserted(own, single)) >= len(names))
    assert inserted(own, single) == names
    users = [entry["users"] for entry in entries(own, single)]
    assert users == [[{"user": "rwuser", "db": "admin"}]] * len(users)


def test_a_node_is_audited_from_its_start_on(own: Installation, single: dict[str, Any]) -> None:
    (node,) = own.nodes(single["id"])
    node.kill()
    before = len(entries(own, single))
    with MongoClient(uri(single)) as client:
        client.audit.again.insert_one({})  # as soon as there is a primary
        until("the insert to be audited", lambda: "again" in inserted(own, single))
    logins = [e for e in entries(own, single)[before:] if e["atype"] == "authenticate"]
    assert {entry["param"]["user"] for entry in logins} == {"rwuser"}


def test_nothing_stays_of_a_deleted_instance(own: Installation, single: dict[str, Any]) -> None:
    folder = own.data_dir / "audit" / single["id"]
    assert folder.exists()
    own.delete(single["id"])
    assert not folder.exists()
