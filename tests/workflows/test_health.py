"""What was seen is stored unless a job knows better. The runtime and the disk stand still here: a
real one does not end a job's step between question and answer at will."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shardhouse.domain.model import Instance, JobStatus, Status, StepStatus
from shardhouse.store import instances, jobs
from shardhouse.store.database import Database
from shardhouse.store.vault import Vault
from shardhouse.workflows import disk, health
from shardhouse.workflows.context import Context
from tests import requests
from tests.domain.test_topology import NOW, plan
from tests.store.test_instances import job_of
from tests.workflows.test_verdicts import seen

SECOND = timedelta(seconds=1)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    monkeypatch.setattr(health, "dead_nodes", lambda *_: {})
    monkeypatch.setattr(disk, "is_full", lambda *_: False)
    monkeypatch.setattr(disk, "volumes_full", lambda *_: False)
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    rest: Any = None
    yield Context(rest, database, Vault.at(tmp_path), rest, rest, rest, rest)
    database.close()


@pytest.fixture
def instance(context: Context) -> Instance:
    made = replace(plan(requests.replica_set(), "huawei"), status=Status.NORMAL)
    with context.database.write() as connection:
        instances.add(connection, made)
    return context.instance(made.id)


def test_what_was_seen_before_a_job_ended_a_step_is_not_stored(
    context: Context, instance: Instance
) -> None:
    job = job_of(instance)
    with context.database.write() as connection:
        jobs.add(connection, job)
        jobs.end_step(connection, job.id, 0, StepStatus.COMPLETED, NOW)
        jobs.end(connection, job, NOW)
    away = seen(instance, {"node_1", "node_3"})
    assert not health.write_all(context, instance, away, NOW - SECOND)
    assert context.instance(instance.id).status is Status.NORMAL
    assert health.write_all(context, instance, away, NOW + SECOND)
    assert context.instance(instance.id).status is Status.ABNORMAL


def test_a_job_that_is_at_a_step_keeps_nothing_from_being_stored(
    context: Context, instance: Instance
) -> None:
    job = job_of(instance)
    with context.database.write() as connection:
        jobs.add(connection, job)
        jobs.start_step(connection, job.id, 0, NOW)
    assert job.status is JobStatus.RUNNING
    assert health.write_all(context, instance, seen(instance, {"node_1"}), NOW - SECOND)
    stored = context.instance(instance.id)
    assert Status.ABNORMAL in {node.status for node in stored.nodes}
    assert stored.status is Status.NORMAL
