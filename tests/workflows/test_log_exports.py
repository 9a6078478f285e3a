"""Files of logs: made once, made anew, removed, and failures told."""

import gzip
import json
import os
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shardhouse.domain import policy
from shardhouse.domain.model import Instance, Status
from shardhouse.logs.lines import Kind
from shardhouse.nodes.runtime import LogFile, NodeRef
from shardhouse.workflows import log_exports
from shardhouse.workflows.log_exports import FRESH, KEPT, Export, ExportStatus, LogExports
from tests import requests
from tests.domain.test_topology import plan
from tests.installation import until
from tests.logs.test_scan import START, line

LINES = [line(START, "W", 1, "one"), line(START, "I", 2, "two"), line(START + 1, "E", 3, "three")]


@dataclass
class Runtime:
    """A node's log, and how much disk there is."""

    files: dict[str, bytes] = field(
        default_factory=lambda: {"mongo.log.1": LINES[0], "mongo.log": b"".join(LINES[1:])}
    )
    disk: int = 1 << 40

    def available_disk(self) -> int:
        return self.disk

    def log_files(self, node: NodeRef) -> list[LogFile]:
        moment = datetime.fromtimestamp(START / 1000, UTC)
        return [LogFile(name, len(text), moment, name) for name, text in self.files.items()]

    def read_log(self, node: NodeRef, name: str, offset: int, size: int) -> bytes:
        return self.files[name][offset : offset + size]


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Instance:
    made = replace(plan(requests.single(), "huawei"), status=Status.NORMAL)
    monkeypatch.setattr(
        log_exports.instances, "load", lambda _, id: made if id == made.id else None
    )
    return made


@pytest.fixture
def runtime() -> Runtime:
    return Runtime()


@pytest.fixture
def exports(tmp_path: Path, runtime: Runtime) -> LogExports:
    settings = SimpleNamespace(data_dir=tmp_path, disk_reserve=1)
    reserve = SimpleNamespace(missing=0)
    database = SimpleNamespace(read=nullcontext)
    context = SimpleNamespace(
        settings=settings, runtime=runtime, database=database, reserve=reserve
    )
    return LogExports(cast(Any, context))


def made(exports: LogExports, instance: Instance) -> Export:
    (node,) = instance.nodes

    def there() -> Export | None:
        export = exports.ask(instance, node, Kind.ERROR)
        return None if export.status is ExportStatus.EXPORTING else export

    return until("the file", there)


def age(exports: LogExports, instance: Instance, export: Export, by: timedelta) -> Path:
    """Have a file been made so much earlier, under another name."""
    path = exports.path(instance, export.name)
    assert path is not None
    older = path.rename(path.with_name(path.name.replace(".gz", "-old.gz")))
    moment = (datetime.now(UTC) - by).timestamp()
    os.utime(older, (moment, moment))
    return older


def test_a_file_has_the_lines_in_their_order(exports: LogExports, instance: Instance) -> None:
    (node,) = instance.nodes
    begun = exports.ask(instance, node, Kind.ERROR)
    assert (begun.status, begun.size) == (ExportStatus.EXPORTING, 0)
    export = made(exports, instance)
    assert export.status is ExportStatus.SUCCESS
    assert export.name == begun.name
    assert f"_{node.id}_errorlog_" in export.name
    path = exports.path(instance, export.name)
    assert path is not None
    found = gzip.decompress(path.read_bytes()).splitlines()
    assert [json.loads(one)["attr"]["more"] for one in found] == ["one", "three"]
    assert exports.named(instance, node, Kind.ERROR, export.name) == export
    assert exports.named(instance, node, Kind.SLOW, export.name) is None


def test_a_file_is_made_anew_when_it_is_old(exports: LogExports, instance: Instance) -> None:
    first = made(exports, instance)
    assert exports.ask(instance, instance.nodes[0], Kind.ERROR) == first
    older = age(exports, instance, first, FRESH)
    assert made(exports, instance).name != older.name
    exports.look()
    assert older.exists()


def test_what_may_go_goes(exports: LogExports, instance: Instance, tmp_path: Path) -> None:
    old = age(exports, instance, made(exports, instance), KEPT)
    fresh = made(exports, instance)
    left = old.with_name("x.part")
    other = tmp_path / "exports" / "gone" / "plain" / "y.gz"
    other.parent.mkdir(parents=True)
    for path in (left, other):
        path.touch()
    exports.look()
    assert not [path for path in (old, left, other) if path.exists()]
    assert exports.path(instance, fresh.name) is not None


def test_a_failure_is_told_once(
    exports: LogExports, instance: Instance, runtime: Runtime, tmp_path: Path
) -> None:
    runtime.disk = 0
    assert made(exports, instance).status is ExportStatus.FAILED
    assert not list(tmp_path.glob("exports/*/*/*"))
    runtime.disk = 1 << 40
    assert made(exports, instance).status is ExportStatus.SUCCESS


def test_masked_and_plain_files_are_different_ones(exports: LogExports, instance: Instance) -> None:
    plain = replace(instance, policies={policy.MASKING: {"enabled": False}})
    export = made(exports, plain)
    assert exports.path(plain, export.name) is not None
    assert exports.path(instance, export.name) is None
