"""Downloading a backup's files, or a dump of it. A file has its name only when it is whole."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from gzip import GzipFile
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
from shardhouse.client.files import unfinished, whole

if TYPE_CHECKING:
    from shardhouse.client.api import Client

Backup = dict[str, Any]
Link = dict[str, Any]
_LEVEL = 6


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
    _check_no_terminal()
    with piping(sys.stdout.buffer) as file:
        _download(client, files[0], file, quiet=quiet)


def _check_no_terminal() -> None:
    if sys.stdout.isatty():
        raise CliError("An archive cannot be shown on a terminal: pipe it, or name a place for it.")


@contextmanager
def piping(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Standard output. Raises CliError where what reads it ends too soon."""
    try:
        yield file
        file.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is flushed later
        raise CliError("What reads the archive ended before the archive did.") from None


def _to_file(client: "Client", backup: Backup, number: int, path: Path, *, quiet: bool) -> None:
    # Links expire: each file gets a new one when its turn comes.
    link = _links(client, backup)[number]
    with whole(path) as file:
        _download(client, link, file, quiet=quiet)


@dataclass(frozen=True)
class DumpTarget:
    """Where a dump goes: a `whole` archive to a file or, with `-`, to standard output, or the files
    of it into a folder; `gzip`, compressed."""

    place: str
    whole: bool
    gzip: bool

    def check(self) -> None:
        """Raises CliError where there is something already, or where it is a terminal."""
        if self.place == "-":
            _check_no_terminal()
            return
        path = Path(self.place)
        if path.exists() and (self.whole or not path.is_dir() or any(path.iterdir())):
            raise CliError(f"{path} exists. Remove it, or choose another place.")

    def fetch(self, client: "Client", link: Link, *, quiet: bool) -> list[Path]:
        """Download the dump; the files that were written. Raises CliError; nothing is there then,
        but on standard output."""
        if self.place == "-":
            with piping(sys.stdout.buffer) as file:
                self._write(client, link, file, quiet=False)
            return []
        path = Path(self.place)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.whole:
                with whole(path) as file:
                    self._write(client, link, file, quiet=quiet)
                return [path]
            self._unpack(client, link, path, quiet=quiet)
        except OSError as error:
            raise CliError(f"Cannot write to {path}: {error}") from None
        return sorted(file for file in path.rglob("*") if file.is_file())

    def _write(self, client: "Client", link: Link, file: IO[bytes], *, quiet: bool) -> None:
        if not self.gzip:
            _download(client, link, file, quiet=quiet)
            return
        with GzipFile(fileobj=file, mode="wb", filename="", compresslevel=_LEVEL) as packed:
            _download(client, link, packed, quiet=quiet)

    def _unpack(self, client: "Client", link: Link, folder: Path, *, quiet: bool) -> None:
        """A folder has its name only when all of it is there."""
        from shardhouse.backups import dumps  # only this needs the driver

        part = unfinished(folder)
        part.mkdir(mode=0o700)
        try:
            with _received(client, link, quiet=quiet) as chunks:
                dumps.unpack(link["name"], chunks, part, zipped=self.gzip)
            part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _links(client: "Client", backup: Backup) -> list[dict[str, Any]]:
    params = {"instance_id": backup["instance_id"], "backup_id": backup["id"]}
    files: list[dict[str, Any]] = client.dds("GET", "backups/download-file", params=params)["files"]
    return files


def _download(client: "Client", link: Link, file: IO[bytes] | GzipFile, *, quiet: bool) -> None:
    with _received(client, link, quiet=quiet) as chunks:
        for chunk in chunks:
            file.write(chunk)


@contextmanager
def _received(client: "Client", link: Link, *, quiet: bool) -> Iterator[Iterator[bytes]]:
    """What a link names, in pieces. They end with a CliError unless as many bytes came as were
    announced."""
    with client.download(link["download_link"]) as (size, chunks), progress_bar(quiet=quiet) as bar:
        task = None if bar is None else bar.add_task(link["name"], total=size)

        def counted() -> Iterator[bytes]:
            received = 0
            for chunk in chunks:
                yield chunk
                received += len(chunk)
                if bar is not None and task is not None:
                    bar.update(task, completed=received)
            if received != size:
                raise CliError(
                    f"{link['name']} should have {size} bytes, and {received} came. The log of "
                    "`shardhouse serve` may say why; `shardhouse backup verify` says whether the "
                    "backup is sound."
                )

        yield counted()


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
