"""Snapshots: an instance with its data as one file, saved and loaded. `docs/snapshots.md`."""

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from shardhouse.client import files, jobs, orders
from shardhouse.client.api import Client
from shardhouse.client.errors import ClientError, RefusalError
from shardhouse.contract.snapshot_file import read_listing, unpack
from shardhouse.contract.snapshots import FILES, Snapshot
from shardhouse.errors import CorruptBackupError, ShardhouseError, SnapshotError
from shardhouse.tar import DataFile

SUFFIX = ".snapshot"
Progress = Callable[[int, int], None]
"""Told how many bytes are done, of how many."""
_CHUNK = 1024**2
_STOP_SECONDS = 60.0
"""For a backup that is being made to end."""


def _silent(_done: int, _total: int) -> None:
    """The default: nobody is told."""


def save(
    client: Client,
    instance_id: str,
    path: Path | str,
    *,
    force: bool = False,
    finish: Callable[[Client, str], object] = jobs.finish,
    progress: Progress = _silent,
) -> None:
    """Save an instance, which goes on serving, as a file for our user alone; it is there whole or
    not at all. `force` replaces one that is there; `finish` waits for the job of that id.

    Raises ClientError; what `finish` raises passes through.
    """
    path = Path(path)
    if os.path.lexists(path) and not force:
        raise ClientError(f"{path} exists. Choose another file, or replace it (--force).")
    if not os.path.isdir(path.parent):
        raise ClientError(f"There is no folder {path.parent}.")
    name = f"snapshot-{uuid.uuid4().hex[:12]}"
    wanted = {"instance_id": instance_id, "name": name, "description": "Goes when it is saved."}
    answer = client.dds("POST", "backups", {"backup": wanted})
    backup_id, job_id = answer["backup_id"], answer["job_id"]
    try:
        finish(client, job_id)
        _fetch(client, client.dds("GET", f"backups/{backup_id}/snapshot"), path, progress)
    except BaseException as error:
        _remove(client, backup_id, job_id, error)
        raise
    _remove(client, backup_id, job_id)


def load(
    client: Client,
    path: Path | str,
    *,
    name: str | None = None,
    password: str | None = None,
    spec: str = "",
    port: int | None = None,
    changes: Mapping[str, Any] | None = None,
    progress: Progress = _silent,
) -> dict[str, Any]:
    """Order a new instance with a snapshot's data; the answer has its `id`, and the `job_id` of the
    job that makes it.

    Without a `name` it has that of the instance that was saved, without a `password` its `rwuser`
    has the one that it had there, without a `spec` (`s2.medium.4`) nodes are as large as there.
    `changes` are further fields of the body of `POST /instances`.
    Raises SnapshotError for a file that is no snapshot, ClientError.
    """
    path = Path(path)
    snapshot = read(path)
    link = client.dds("POST", "backups/snapshots")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    received = client.upload(link["upload_link"], size, _counted(path, size, progress))
    instance = snapshot.instance
    body = orders.restoring(
        name or instance.name,
        {"type": "backup", "backup_id": received["backup_id"]},
        orders.flavor_like(_as_shown(snapshot), instance.mode, spec),
        orders.place_like(None, client.region),
        password=password,
        port=port,
    )
    body["backup_strategy"] = _strategy(snapshot)
    try:
        return client.dds("POST", "instances", body | dict(changes or {}))
    except BaseException:
        with suppress(ClientError):
            client.dds("DELETE", f"backups/{received['backup_id']}")
        raise


def read(path: Path | str) -> Snapshot:
    """What a file begins with. Raises SnapshotError where it is no snapshot, or one of a later
    format; ClientError where it cannot be read."""
    with _opened(Path(path)) as (snapshot, _):
        return snapshot


def check(path: Path | str) -> Snapshot:
    """The same of a file that is as it was written, all of it. Raises as `read`, and SnapshotError
    where it is damaged or cut short."""
    with _opened(Path(path)) as (snapshot, parts):
        lists = {one.name + FILES: one.files for one in snapshot.sets}
        for part in parts:
            if part.name in lists:
                read_listing(part, lists[part.name])
    return snapshot


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Snapshot, Iterator[DataFile]]]:
    """A snapshot, as the service reads it. Errors name it."""
    try:
        with path.open("rb") as file:
            yield unpack(_pieces(file))
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error.message}") from None
    except CorruptBackupError as error:
        raise SnapshotError(f"{path}: it is damaged or cut short. {error.message}") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> ClientError:
    return ClientError(f"{path} cannot be read: {error.strerror}.")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_CHUNK):
        yield piece


def _remove(
    client: Client, backup_id: str, job_id: str, failure: BaseException | None = None
) -> None:
    """Nothing is left of a backup, which after a failure may still be made. Raises ClientError,
    which tells the failure, too, where it stays."""
    try:
        if failure is not None:
            _stop(client, backup_id, job_id)
        client.dds("DELETE", f"backups/{backup_id}")
    except ClientError as error:
        before = f"{failure} " if isinstance(failure, ShardhouseError) else ""
        raise ClientError(
            f"{before}The backup {backup_id} stays in the list of backups: delete it. "
            f"{error.message}"
        ) from None


def _stop(client: Client, backup_id: str, job_id: str) -> None:
    """A backup is not made any more, unless that takes too long."""
    with suppress(RefusalError):  # it has ended
        client.dds("PUT", f"backups/{backup_id}", {"action": "stop"})
    deadline = time.monotonic() + _STOP_SECONDS
    for _ in jobs.states(client, job_id):
        if time.monotonic() > deadline:
            return


def _fetch(client: Client, link: dict[str, Any], path: Path, progress: Progress) -> None:
    """Download a snapshot."""
    try:
        with files.whole(path) as file, client.download(link["download_link"]) as (size, chunks):
            for chunk in chunks:
                file.write(chunk)
                progress(file.tell(), size)
    except OSError as error:
        raise ClientError(f"{path} cannot be written: {error.strerror}.") from None


def _counted(path: Path, size: int, progress: Progress) -> Iterator[bytes]:
    """A file in pieces. Raises ClientError where it cannot be read."""
    try:
        with path.open("rb") as file:
            for piece in _pieces(file):
                yield piece
                progress(file.tell(), size)
    except OSError as error:
        raise _unreadable(path, error) from None


def _strategy(snapshot: Snapshot) -> dict[str, str]:
    """Automatic backups as the instance had them."""
    strategy = snapshot.instance.backup_strategy
    if not strategy.keep_days:
        return {"keep_days": "0"}
    return {name: str(value) for name, value in strategy if value != ""}


def _as_shown(snapshot: Snapshot) -> dict[str, Any]:
    """The instance that was saved, as far as the API would show how large its nodes are."""
    return {
        "groups": [
            {"type": group.type, "nodes": [{"spec_code": group.spec_code}]}
            for group in snapshot.instance.groups
        ]
    }
