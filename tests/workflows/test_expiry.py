"""What nothing needs any more is removed from the storage of backups."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from shardhouse.backups import exported
from shardhouse.backups.exported import Export
from shardhouse.backups.storage.local import LocalStorage
from shardhouse.domain.model import JobStatus
from shardhouse.store import backups, instances, jobs
from shardhouse.store.database import Database
from shardhouse.store.vault import Vault
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.expiry import DUMPS_KEPT, Expiry
from tests import requests
from tests.domain.test_topology import plan
from tests.store.test_backups import FIRST
from tests.store.test_instances import job_of

HOUR = timedelta(hours=1)


def test_dumps_of_backups_go_after_a_day(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    rest: Any = None
    storage = LocalStorage(tmp_path / "backups")
    context = Context(rest, database, Vault.at(tmp_path), rest, rest, rest, storage)
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
    database.close()
