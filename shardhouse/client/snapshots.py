"""Snapshots: an instance with its data as one file, saved and loaded. `docs/snapshots.md`."""

import hashlib
import tarfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

from shardhouse.client import files, jobs, orders
from shardhouse.client.api import Client
from shardhouse.client.errors import ClientError
from shardhouse.contract.snapshots import HEAD, MOST_HEAD, SUMS, Snapshot, parse
from shardhouse.errors import SnapshotError

SUFFIX = ".snapshot"
Progress = Callable[[int, int], None]
"""Told how many bytes are done, of how many."""
_CHUNK = 1024**2


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
    if path.exists() and not force:
        raise ClientError(f"{path} exists. Choose another file, or replace it (--force).")
    if not path.parent.is_dir():
        raise ClientError(f"There is no folder {path.parent}.")
    name = f"snapshot-{uuid.uuid4().hex[:12]}"
    wanted = {"instance_id": instance_id, "name": name, "description": "Goes when it is saved."}
    answer = client.dds("POST", "backups", {"backup": wanted})
    backup = f"backups/{answer['backup_id']}"
    try:
        finish(client, answer["job_id"])
        _fetch(client, client.dds("GET", f"{backup}/snapshot"), path, progress)
    except BaseException:
        with suppress(ClientError):
            client.dds("DELETE", backup)
        raise
    client.dds("DELETE", backup)


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
    size = path.stat().st_size
    received = client.upload(link["upload_link"], size, _counted(path, size, progress))
    instance = snapshot.instance
    body = orders.restoring(
        name or instance.name,
        {"type": "backup", "backup_id": received["backup_id"]},
        orders.flavor_like(_like(snapshot), instance.mode, spec),
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
    with _opened(Path(path)) as archive:
        return parse(_following(archive, HEAD).read(MOST_HEAD))


def check(path: Path | str) -> Snapshot:
    """The same of a file that is as it was written, all of it. Raises as `read`, and SnapshotError
    where it is damaged or cut short."""
    with _opened(Path(path)) as archive:
        head = _following(archive, HEAD).read(MOST_HEAD)
        snapshot = parse(head)
        sums = f"{hashlib.sha256(head).hexdigest()}  {HEAD}\n"
        for name, _ in snapshot.parts():
            digest = hashlib.file_digest(_following(archive, name), "sha256")
            sums += f"{digest.hexdigest()}  {name}\n"
        if _following(archive, SUMS).read() != sums.encode():
            raise SnapshotError("it is damaged: its checksums are wrong.")
    return snapshot


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    """A snapshot, open. Errors name it."""
    try:
        with tarfile.open(path, "r:") as archive:
            yield archive
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error.message}") from None
    except tarfile.TarError as error:
        raise SnapshotError(f"{path}: it is no snapshot, or cut short: {error}.") from None
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}.") from None


def _following(archive: tarfile.TarFile, name: str) -> BufferedReader:
    """The next file, which should have this name."""
    member = archive.next()
    file = archive.extractfile(member) if member and member.name == name else None
    if file is None:
        raise SnapshotError(f"it is no snapshot, or cut short: {name} is missing.")
    return cast(BufferedReader, file)


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
    """A file in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
            progress(file.tell(), size)


def _strategy(snapshot: Snapshot) -> dict[str, str]:
    """Automatic backups as the instance had them."""
    strategy = snapshot.instance.backup_strategy
    if not strategy.keep_days:
        return {"keep_days": "0"}
    return {name: str(value) for name, value in strategy if value != ""}


def _like(snapshot: Snapshot) -> dict[str, Any]:
    """The instance that was saved, as far as the API would show how large its nodes are."""
    return {
        "groups": [
            {"type": group.type, "nodes": [{"spec_code": group.spec_code}]}
            for group in snapshot.instance.groups
        ]
    }
