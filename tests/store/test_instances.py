"""The store of instances: scoping, revisions, secrets, on a real database."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from shardhouse.domain.model import Instance, Job, JobStatus, JobStep, Role, Status
from shardhouse.errors import DdsError, ShardhouseError
from shardhouse.store import instances, jobs, sealed
from shardhouse.store.database import Database
from shardhouse.store.instances import Filter
from shardhouse.store.vault import Vault
from tests import requests
from tests.domain.test_topology import NOW, plan

PROJECT = "p" * 32
OTHER = "q" * 32


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def instance(database: Database) -> Instance:
    made = plan(requests.cluster(tags=[{"key": "b", "value": "1"}, {"key": "a", "value": ""}]))
    with database.write() as connection:
        instances.add(connection, made)
    return made


def job_of(instance: Instance, number: int = 1) -> Job:
    return Job(
        id=f"job-{number}",
        project_id=instance.project_id,
        instance_id=instance.id,
        instance_name=instance.name,
        name="CreateMongoDB",
        action="CREATE",
        status=JobStatus.RUNNING,
        created_at=NOW,
        steps=(JobStep("one"), JobStep("two")),
    )


def test_what_is_stored_is_read_again(database: Database, instance: Instance) -> None:
    with database.read() as connection:
        assert instances.load(connection, instance.id) == instance
        assert instances.find(connection, PROJECT, instance.id) == instance


def test_another_project_finds_nothing(database: Database, instance: Instance) -> None:
    with database.read() as connection:
        assert instances.find(connection, OTHER, instance.id) is None
        assert instances.search(connection, OTHER, Filter(), 0, 10) == ([], 0)
        assert instances.count_by_mode(connection, OTHER) == {}


def test_migrating_twice_is_harmless(database: Database) -> None:
    database.migrate()


CHANGES: dict[str, Callable[[Connection, Instance], None]] = {
    "status": lambda c, i: instances.set_status(c, i.id, Status.NORMAL, NOW),
    "deletion": lambda c, i: instances.mark_deleted(c, i.id, NOW),
    "parts": lambda c, i: instances.remove_parts(c, i.id),
    "address": lambda c, i: instances.set_node(c, i.id, i.nodes[0].id, address="127.9.9.9"),
    "role": lambda c, i: instances.set_node(c, i.id, i.nodes[0].id, role=Role.PRIMARY),
    "job": lambda c, i: jobs.add(c, job_of(i)),
    "end of a job": lambda c, i: jobs.end(c, job_of(i), NOW),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_raises_the_revision(
    database: Database, instance: Instance, change: str
) -> None:
    with database.write() as connection:
        CHANGES[change](connection, instance)
    with database.read() as connection:
        changed = instances.load(connection, instance.id)
    assert changed is not None
    assert changed.revision > instance.revision


def test_one_running_job_per_instance(database: Database, instance: Instance) -> None:
    with database.write() as connection:
        jobs.add(connection, job_of(instance))
    with database.write() as connection, pytest.raises(DdsError) as caught:
        jobs.add(connection, job_of(instance, 2))
    assert (caught.value.code, caught.value.status) == ("DBS.200019", 403)
    with database.write() as connection:
        jobs.end(connection, job_of(instance), NOW)
        jobs.add(connection, job_of(instance, 2))
    with database.read() as connection:
        assert [job.id for job in jobs.running(connection)] == ["job-2"]
        read = instances.load(connection, instance.id)
        assert read is not None
        assert read.action == "CREATE"


def test_no_two_nodes_lease_one_address(database: Database, instance: Instance) -> None:
    first, second = instance.nodes[:2]
    with database.write() as connection:
        instances.set_node(connection, instance.id, first.id, address="127.9.9.9")
        with pytest.raises(Exception, match="UNIQUE"), connection.begin_nested():
            instances.set_node(connection, instance.id, second.id, address="127.9.9.9")
        assert instances.leased_addresses(connection) == ["127.9.9.9"]


def test_a_deleted_instance_is_listed_nowhere(database: Database, instance: Instance) -> None:
    with database.write() as connection:
        instances.mark_deleted(connection, instance.id, NOW)
    with database.read() as connection:
        assert instances.find(connection, PROJECT, instance.id) is None
        assert instances.live(connection, list(Status)) == []
        assert instances.count_by_mode(connection, PROJECT) == {}
        kept = instances.load(connection, instance.id)
    assert kept is not None
    assert kept.status is Status.DELETED


def test_secrets_open_only_in_their_own_row(database: Database, instance: Instance) -> None:
    vault = Vault(b"k" * 32)
    other = replace(plan(requests.single()), id="other-in02", groups=())
    with database.write() as connection:
        sealed.keep(connection, vault, instance.id, {"keyfile": "first"})
        sealed.keep(connection, vault, instance.id, {"keyfile": "second"})
        assert sealed.load(connection, vault, instance.id) == {"keyfile": "first"}
        with pytest.raises(ShardhouseError, match="does not open"):
            sealed.load(connection, Vault(b"x" * 32), instance.id)
        text = vault.seal("first", f"instance:{instance.id}:keyfile")
        with pytest.raises(ShardhouseError, match="does not open"):
            vault.open(text, f"instance:{other.id}:keyfile")


def test_pages_by_marker_follow_the_order(database: Database) -> None:
    with database.write() as connection:
        for number in range(5):
            made = plan(requests.single())
            named = {node.id: f"{number}-{node.id}" for node in made.nodes}
            group = made.groups[0]
            nodes = tuple(
                replace(node, id=named[node.id], instance_id=f"i{number}", group_id=f"g{number}")
                for node in group.nodes
            )
            group = replace(group, id=f"g{number}", instance_id=f"i{number}", nodes=nodes)
            instances.add(connection, replace(made, id=f"i{number}", groups=(group,)))
    seen: list[str] = []
    with database.read() as connection:
        while True:
            marker = Filter(after=seen[-1] if seen else "")
            heads, total = instances.search(connection, PROJECT, marker, 0, 2)
            if not heads:
                break
            seen += [head.id for head in heads]
            assert total == 5
    assert sorted(seen) == seen == [f"i{number}" for number in range(5)]
