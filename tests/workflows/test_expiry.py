"""What nothing needs any more is removed from the storage of backups."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shardhouse.backups import exported
from shardhouse.backups.exported import Export
from shardhouse.backups.storage.local import LocalStorage
from shardhouse.domain import policy
from shardhouse.domain.backup import BackupStatus
from shardhouse.domain.change import Change
from shardhouse.domain.model import JobStatus, Status
from shardhouse.domain.topology import Ids
from shardhouse.errors import BackupError, DdsError
from shardhouse.store import backups, instances, jobs
from shardhouse.store.database import Database
from shardhouse.store.vault import Vault
from shardhouse.workflows import restorable, snapshots
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.expiry import DUMPS_KEPT, Expiry
from shardhouse.workflows.snapshots import KEPT
from tests import requests
from tests.domain.test_topology import plan
from tests.store.test_backups import FIRST
from tests.store.test_instances import job_of

HOUR = timedelta(hours=1)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A store and a storage of backups, both empty."""
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    rest: Any = None
    storage = LocalStorage(tmp_path / "backups")
    yield Context(rest, database, Vault.at(tmp_path), rest, rest, rest, storage)
    database.close()


def test_dumps_of_backups_go_after_a_day(context: Context) -> None:
    database = context.database
    instance = plan(requests.single())
    ended = {1: now() - DUMPS_KEPT + HOUR, 2: now() - DUMPS_KEPT - HOUR, 3: None}
    with database.write() as connection:
        instances.add(connection, instance)
        backups.add(connection, replace(FIRST, instance_id=instance.id))
        for number, moment in ended.items():
            status = JobStatus.COMPLETED if moment else JobStatus.RUNNING
            job = replace(job_of(instance, number), ended_at=moment, status=status)
            jobs.add(connection, job)
    archive = context.archive(instance.id)
    for job_id in ("job-1", "job-2", "job-3", "unknown"):
        Export(FIRST.id, job_id).write(archive, [b"a dump"])
    assert Export(FIRST.id, "job-1").size(archive) == 6

    Expiry(context).look()
    assert sorted(one.job_id for one in exported.listed(archive)) == ["job-1", "job-3"]
    assert [entry.name for entry in archive.list(f"backups/{FIRST.id}/")] == [
        f"backups/{FIRST.id}/{name}"
        for name in ("job-1.dump", "job-1.dump.json", "job-3.dump", "job-3.dump.json")
    ]


def test_snapshots_that_nothing_restores_go_after_a_day(context: Context) -> None:
    """So does what a crash left: objects, and no backup yet."""
    ages = {"fresh": KEPT - HOUR, "old": KEPT + HOUR, "used": KEPT + HOUR, "crashed": KEPT + HOUR}
    ids = {}
    for number, (name, age) in enumerate(ages.items(), start=1):
        at = now() - age
        ids[name] = Ids().instance()
        origin = replace(plan(requests.single()), id=ids[name], groups=())
        gone = {"status": Status.DELETED, "created_at": at, "deleted_at": at}
        with context.database.write() as connection:
            instances.add(connection, replace(origin, **gone))
            mark = Change(policies={policy.IMPORTED: {}})
            instances.apply(connection, origin.id, mark, at)
            backup = replace(FIRST, id=f"b{number}", name=name, instance_id=origin.id)
            if name != "crashed":
                backups.add(connection, backup)
            if name == "used":
                arguments = {"backup_id": backup.id, "origin_id": origin.id}
                jobs.add(connection, replace(job_of(origin, number), arguments=arguments))
        context.archive(origin.id).write(f"backups/b{number}/replica.tar", [b"data"])

    Expiry(context).look()
    kept = [ids["fresh"], ids["used"]]
    with context.database.read() as connection:
        assert sorted(backups.owners(connection)) == sorted(kept)
        known = instances.load_all(connection, list(ids.values()))
        (job,) = jobs.running(connection)
    assert sorted(one.id for one in known) == sorted(kept)
    assert {entry.name.partition("/")[0] for entry in context.storage.list("")} == set(kept)

    for name in ("fresh", "used"):  # by a job that has ended
        snapshots.restored(context, ids[name], job.id)
        snapshots.restored(context, ids[name], job.id)
    assert not list(context.storage.list(""))
    with pytest.raises(BackupError, match="Nothing is stored"):
        context.archive(ids["fresh"])
    assert not list(context.storage.list(""))


def test_what_is_being_deleted_is_not_restored(context: Context) -> None:
    instance = plan(requests.single())
    backup = replace(FIRST, id="b1", instance_id=instance.id, status=BackupStatus.COMPLETED)
    arguments = {"parts": [{"backup_id": backup.id, "origin_id": instance.id}]}
    with context.database.write() as connection:
        instances.add(connection, instance)
        backups.add(connection, backup)
        restorable.check_used(connection, arguments)
        backups.change(connection, backup.id, status=BackupStatus.DISABLED)
        with pytest.raises(DdsError, match="only a COMPLETED one"):
            restorable.check_used(connection, arguments)
        backups.remove(connection, backup.id)
        with pytest.raises(DdsError, match="does not exist"):
            restorable.check_used(connection, arguments)
