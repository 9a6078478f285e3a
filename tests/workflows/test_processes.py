"""Processes that are started for no job leave an instance alone once a job works on it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shardhouse.domain.change import Change
from shardhouse.domain.model import Instance, Status
from shardhouse.domain.transitions import Event
from shardhouse.engines import Engine
from shardhouse.errors import StepError
from shardhouse.nodes.runtime import Command, NodeRef, ProcessState, Volume
from shardhouse.settings import Settings
from shardhouse.store import instances, jobs
from shardhouse.store.database import Database
from shardhouse.workflows import naming, processes
from shardhouse.workflows.launch import Launch
from tests import requests
from tests.domain.test_topology import NOW, plan
from tests.store.test_instances import job_of

ENGINE = Engine("6.0.27", Path("/bin/mongod"))


class Runtime:
    """Starts nothing; `late` happens when the node's turn has come, before the start."""

    def __init__(self) -> None:
        self.late: Callable[[], None] = lambda: None
        self.started: list[NodeRef] = []

    def volume(self, _node: NodeRef) -> Volume:
        return Volume(Path("/data"), Path("/log"), Path("/conf"))

    def ensure_process(
        self, node: NodeRef, _command: Command, allowed: Callable[[], bool]
    ) -> ProcessState:
        self.late()
        if allowed():
            self.started.append(node)
        return ProcessState(bool(self.started))


class Scene:
    """A stored instance, and what may happen to it after it was read."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.runtime = Runtime()
        self.instance = replace(plan(requests.single(ssl_option="1")), status=Status.NORMAL)
        with database.write() as connection:
            instances.add(connection, self.instance)
        self.context: Any = SimpleNamespace(database=database, runtime=self.runtime)

    def job_starts(self) -> None:
        with self.database.write() as connection:
            jobs.add(connection, job_of(self.instance))

    def job_ends(self) -> None:
        with self.database.write() as connection:
            jobs.end(connection, job_of(self.instance), NOW)

    def revive(self) -> bool:
        """Whether the first node was started."""
        group = self.instance.groups[0]
        launch = Launch(ENGINE, 1.0)
        processes.revive(self.context, self.instance, group, group.nodes[0], launch)
        return bool(self.runtime.started)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    yield Scene(database)
    database.close()


def test_a_node_of_an_idle_instance_is_started(scene: Scene) -> None:
    assert scene.revive()


def test_a_job_that_takes_the_instance_at_the_last_moment_decides(scene: Scene) -> None:
    scene.runtime.late = scene.job_starts
    assert not scene.revive()
    scene.runtime.late = scene.job_ends
    assert scene.revive()


def test_no_node_is_started_with_a_build_the_instance_has_left(scene: Scene) -> None:
    with scene.database.write() as connection:
        instances.set_engine(
            connection, scene.instance.id, build="another", engine_version="6.0.27", version="6.0"
        )
    assert not scene.revive()


def test_no_node_of_a_deleted_instance_is_started(scene: Scene) -> None:
    with scene.database.write() as connection:
        gone = Change(instance={"deleted_at": NOW}, event=Event.DELETED)
        instances.apply(connection, scene.instance.id, gone, NOW)
    assert not scene.revive()


def test_a_renaming_ends_where_a_job_works_on_the_instance(scene: Scene) -> None:
    class Clients:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    def clients(_instance: Instance) -> Clients:
        return Clients()

    scene.context.settings = Settings(node_domain="db.example.org")
    scene.context.clients, scene.context.secrets = clients, lambda _id: {}
    scene.job_starts()
    with pytest.raises(StepError, match="job"):
        naming.rename(scene.context, scene.instance)
