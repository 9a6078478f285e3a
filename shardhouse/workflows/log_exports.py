"""Files of nodes' logs for clients: made on demand, by one thread, and removed soon afterwards.

They lie in `exports/<instance id>/` of the data directory. What is being made is known to this
process only: after its end the next call begins anew.
"""

import gzip
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import Lock

import structlog

from shardhouse.domain import policy, slow_operations
from shardhouse.domain.model import Instance, Node
from shardhouse.errors import NodeError, ShardhouseError
from shardhouse.logs import files, scan
from shardhouse.logs.entries import entry
from shardhouse.logs.lines import Kind
from shardhouse.nodes.runtime import LogFile, NodeRef
from shardhouse.store import instances
from shardhouse.workflows import disk
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.periodic import Periodic

FRESH = timedelta(minutes=15)
"""So long a file is what a call for it gets; then it is made anew."""
KEPT = timedelta(minutes=35)
"""So long it stays: links of the last moment of `FRESH` are good for another quarter of an hour."""
INTERVAL = 60.0
"""Seconds between two looks for what may go."""
_PART = ".part"
log = structlog.get_logger()


class ExportStatus(StrEnum):
    """Where a file stands."""

    EXPORTING = "EXPORTING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Export:
    """A node's file. `size` is in bytes, 0 until it is there."""

    name: str
    node_id: str
    status: ExportStatus
    size: int
    updated: datetime


@dataclass(frozen=True)
class _Wanted:
    instance_id: str
    project_id: str
    node_id: str
    kind: Kind
    masked: bool
    least: int

    @property
    def prefix(self) -> str:
        return f"{self.project_id}_{self.node_id}_{self.kind}_"


class LogExports(Periodic):
    """Makes files, finds them, removes them."""

    def __init__(self, context: Context) -> None:
        super().__init__("log-exports", INTERVAL, self.look)
        self._context = context
        self._root = context.settings.data_dir / "exports"
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="log-export")
        self._lock = Lock()
        self._making: dict[_Wanted, Export] = {}
        self._failed: dict[_Wanted, Export] = {}

    def ask(self, instance: Instance, node: Node, kind: Kind) -> Export:
        """The node's file: the fresh one, or how far it is. The first call begins. A failure is
        reported once; the call after that tries again."""
        wanted = _wanted(instance, node.id, kind)
        with self._lock:
            if present := self._making.get(wanted) or self._failed.pop(wanted, None):
                return present
            made = [one for one in self._made(wanted) if one.updated > now() - FRESH]
            if made:
                return max(made, key=lambda one: one.updated)
            name = f"{wanted.prefix}{now():%Y%m%d%H%M%S}.gz"
            begun = Export(name, node.id, ExportStatus.EXPORTING, 0, now())
            self._making[wanted] = begun
        self._pool.submit(self._make, wanted, begun)
        return begun

    def named(self, instance: Instance, node: Node, kind: Kind, name: str) -> Export | None:
        """The node's file of this name, made or being made; None where there is none."""
        wanted = _wanted(instance, node.id, kind)
        with self._lock:
            making = self._making.get(wanted)
            known = [*self._made(wanted), *([making] if making else [])]
        return next((one for one in known if one.name == name), None)

    def path(self, instance: Instance, name: str) -> Path | None:
        """Where the file of this name is; None where there is none, or one with values of clients
        that are to be masked by now."""
        folder = self._folder(instance.id, masked=policy.masks_slow_log(instance))
        return next((path for path in _entries(folder) if path.name == name), None)

    def look(self) -> None:
        """Remove what is old, what was given up, and what is of instances that are gone."""
        for folder in _entries(self._root):
            with self._context.database.read() as connection:
                living = instances.load(connection, folder.name)
            if living is None or living.deleted_at is not None:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            with self._lock:
                making = {f"{one.name}{_PART}" for one in self._making.values()}
                for path in (path for part in _entries(folder) for path in _entries(part)):
                    if _is_old(path) if path.suffix != _PART else path.name not in making:
                        path.unlink(missing_ok=True)

    def _make(self, wanted: _Wanted, begun: Export) -> None:
        folder = self._folder(wanted.instance_id, masked=wanted.masked)
        part = folder / f"{begun.name}{_PART}"
        failed: Export | None = replace(begun, status=ExportStatus.FAILED)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            node = NodeRef(wanted.instance_id, wanted.node_id)
            runtime = self._context.runtime
            files.steady(runtime, [node], lambda listed: self._write(part, wanted, listed))
            part.replace(folder / begun.name)
            failed = None
        except (OSError, ShardhouseError) as error:
            log.warning("log not exported", node=wanted.node_id, reason=str(error))
            part.unlink(missing_ok=True)
        finally:
            with self._lock:
                del self._making[wanted]
                if failed:
                    self._failed[wanted] = failed

    def _write(
        self, path: Path, wanted: _Wanted, listed: Sequence[tuple[NodeRef, LogFile]]
    ) -> None:
        with gzip.open(path, "wb", compresslevel=4) as target:
            for node, file in listed:
                self._check_disk()
                for text in self._texts(wanted, node, file):
                    target.write(text.encode() + b"\n")

    def _texts(self, wanted: _Wanted, node: NodeRef, file: LogFile) -> Iterator[str]:
        def read(offset: int, size: int) -> bytes:
            return self._context.runtime.read_log(node, file.name, offset, size)

        for line in scan.oldest_first(read, file.size, wanted.kind):
            said = entry(line, wanted.kind, masked=wanted.masked, least=wanted.least)
            if said is not None:
                yield said.message

    def _check_disk(self) -> None:
        context = self._context
        free = context.runtime.available_disk()
        if disk.spare(context.settings, free, context.reserve) <= 0:
            raise NodeError("There is too little disk space left.")

    def _made(self, wanted: _Wanted) -> list[Export]:
        folder = self._folder(wanted.instance_id, masked=wanted.masked)
        return [
            Export(
                path.name,
                wanted.node_id,
                ExportStatus.SUCCESS,
                path.stat().st_size,
                _written(path),
            )
            for path in _entries(folder)
            if path.name.startswith(wanted.prefix) and path.suffix != _PART
        ]

    def _folder(self, instance_id: str, *, masked: bool) -> Path:
        return self._root / instance_id / ("masked" if masked else "plain")


def _wanted(instance: Instance, node_id: str, kind: Kind) -> _Wanted:
    masked = policy.masks_slow_log(instance)
    least = slow_operations.least(instance)
    return _Wanted(instance.id, instance.project_id, node_id, kind, masked, least)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _is_old(path: Path) -> bool:
    return _written(path) < now() - KEPT
