"""The store of instances: scoping, revisions, secrets, on a real database."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from shardhouse.domain.change import Change
from shardhouse.domain.model import BackupStrategy, Instance, Job, JobStatus, JobStep, Role, Status
from shardhouse.domain.transitions import Event
from shardhouse.errors import DdsError, ShardhouseError
from shardhouse.store import instances, jobs, schema, sealed
from shardhouse.store.database import Database
from shardhouse.store.instances import Filter
from shardhouse.store.vault import Vault
from tests import requests
from tests.domain.test_topology import NOW, plan

PROJECT = "p" * 32
OTHER = "q" * 32
HOUR = timedelta(hours=1)


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


def test_the_migrations_make_the_tables(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, schema.METADATA) == []


def test_migrating_twice_is_harmless(database: Database) -> None:
    database.migrate()


GONE = Change(instance={"deleted_at": NOW}, event=Event.DELETED)
CHANGES: dict[str, Callable[[Connection, Instance], None]] = {
    "status": lambda c, i: instances.record(c, i.id, Event.CREATED, NOW),
    "deletion": lambda c, i: instances.apply(c, i.id, GONE, NOW),
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


def test_no_two_nodes_lease_one_address_and_port(database: Database, instance: Instance) -> None:
    first, second = instance.nodes[:2]
    with database.write() as connection:
        instances.set_node(connection, instance.id, first.id, address="127.9.9.9", port=8635)
        with pytest.raises(Exception, match="UNIQUE"), connection.begin_nested():
            instances.set_node(connection, instance.id, second.id, address="127.9.9.9", port=8635)
        instances.set_node(connection, instance.id, second.id, address="127.9.9.9", port=8636)
        assert instances.leases(connection) == [("127.9.9.9", 8635), ("127.9.9.9", 8636)]


def test_a_deleted_instance_is_listed_nowhere(database: Database, instance: Instance) -> None:
    with database.write() as connection:
        instances.apply(connection, instance.id, GONE, NOW)
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


def numbered(number: int) -> Instance:
    """A single node like every other, but for its ids."""
    made = plan(requests.single())
    (group,) = made.groups
    instance_id, group_id = f"i{number}", f"g{number}"
    nodes = tuple(
        replace(node, id=f"{number}-{node.id}", instance_id=instance_id, group_id=group_id)
        for node in group.nodes
    )
    group = replace(group, id=group_id, instance_id=instance_id, nodes=nodes)
    return replace(made, id=instance_id, groups=(group,))


def test_pages_by_marker_follow_the_order(database: Database) -> None:
    with database.write() as connection:
        for number in range(5):
            instances.add(connection, numbered(number))
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


def test_another_project_s_instance_is_no_marker(database: Database) -> None:
    older, newer = numbered(1), replace(numbered(2), created_at=NOW + HOUR)
    with database.write() as connection:
        instances.add(connection, older)
        instances.add(connection, replace(newer, project_id=OTHER))
    with database.read() as connection:
        heads, total = instances.search(connection, PROJECT, Filter(after=newer.id), 0, 10)
    assert (heads, total) == ([], 1)


def test_the_days_of_backups_are_read_again(database: Database) -> None:
    made = plan(requests.single(backup_strategy={"start_time": "08:00-09:00", "period": "1,3"}))
    with database.write() as connection:
        instances.add(connection, made)
    with database.read() as connection:
        assert instances.load(connection, made.id) == made
    assert made.backup_strategy.period == "1,3"


def test_tags_are_those_of_a_project_s_live_instances(
    database: Database, instance: Instance
) -> None:
    with database.write() as connection:
        assert instances.tags(connection, PROJECT) == {"a": [""], "b": ["1"]}
        assert instances.tags(connection, OTHER) == {}
        instances.apply(connection, instance.id, GONE, NOW)
        assert instances.tags(connection, PROJECT) == {}


def test_a_backup_strategy_is_changed_as_one_field(database: Database, instance: Instance) -> None:
    strategy = BackupStrategy("02:00-03:00", 9, "1,4")
    with database.write() as connection:
        instances.apply(connection, instance.id, Change.of_instance(backup_strategy=strategy), NOW)
        found = instances.load(connection, instance.id)
    assert found is not None
    assert found.backup_strategy == strategy
