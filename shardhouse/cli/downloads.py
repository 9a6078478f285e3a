"""Downloading a backup's files. A file has its name only when it is whole."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from shardhouse.cli.output import CliError

if TYPE_CHECKING:
    from shardhouse.client.api import Client

Backup = dict[str, Any]
PART = ".part"


def to_folder(client: "Client", backup: Backup, folder: Path, *, quiet: bool) -> list[Path]:
    """Download a backup's files, one of each replica set, into a folder; where they are. Raises
    CliError, before anything is downloaded, where one of them is there already."""
    paths = [folder / file["name"] for file in _links(client, backup)]
    for path in paths:
        if path.exists():
            raise CliError(f"{path} exists. Remove it, or choose another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(paths):
            _to_file(client, backup, number, path, quiet=quiet)
    except OSError as error:
        raise CliError(f"Cannot write into {folder}: {error}") from None
    return paths


def to_stdout(client: "Client", backup: Backup, *, quiet: bool) -> None:
    """Write the one file of a backup to standard output. Raises CliError for several files, or on a
    terminal."""
    files = _links(client, backup)
    if len(files) > 1:
        raise CliError(
            f"The backup has {len(files)} files, one of each replica set: name a folder."
        )
    if sys.stdout.isatty():
        raise CliError("A tar archive cannot be shown on a terminal: pipe it, or name a folder.")
    try:
        _download(client, files[0], sys.stdout.buffer, quiet=quiet)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is flushed later
        raise CliError("What reads the archive ended before the archive did.") from None


def _to_file(client: "Client", backup: Backup, number: int, path: Path, *, quiet: bool) -> None:
    # Links expire: each file gets a new one when its turn comes.
    link = _links(client, backup)[number]
    part = path.with_name(path.name + PART)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            _download(client, link, file, quiet=quiet)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)


def _links(client: "Client", backup: Backup) -> list[dict[str, Any]]:
    params = {"instance_id": backup["instance_id"], "backup_id": backup["id"]}
    files: list[dict[str, Any]] = client.dds("GET", "backups/download-file", params=params)["files"]
    return files


def _download(client: "Client", link: dict[str, Any], file: IO[bytes], *, quiet: bool) -> None:
    """Raises CliError unless as many bytes came as were announced."""
    with client.download(link["download_link"]) as (size, chunks), progress_bar(quiet=quiet) as bar:
        task = None if bar is None else bar.add_task(link["name"], total=size)
        received = 0
        for chunk in chunks:
            file.write(chunk)
            received += len(chunk)
            if bar is not None and task is not None:
                bar.update(task, completed=received)
    if received != size:
        raise CliError(
            f"{link['name']} should have {size} bytes, and {received} came. The log of `shardhouse "
            "serve` may say why; `shardhouse backup verify` says whether the backup is sound."
        )


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Progress | None]:
    """A bar on a terminal."""
    console = Console(stderr=True, highlight=False)
    shown = not quiet and console.is_terminal
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=False),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) if shown else nullcontext() as bar:
        yield bar
