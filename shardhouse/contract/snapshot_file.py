"""The file of a snapshot, read and summed up: by the service, and by who has it.

`docs/snapshots.md` describes it. Nothing of it is held in memory but its head and the list of one
replica set's files, of which a line is parsed at a time.
"""

import json
from collections.abc import Iterable, Iterator, Sequence

from pydantic import ValidationError

from shardhouse import tar
from shardhouse.contract.snapshots import (
    HEAD,
    MOST_HEAD,
    SUMS,
    DataFileItem,
    Snapshot,
    SnapshotFiles,
    parse,
)
from shardhouse.errors import CorruptBackupError, SnapshotError
from shardhouse.tar import DataFile, PackedFile

_LONGEST_LINE = 8192


def unpack(chunks: Iterable[bytes]) -> tuple[Snapshot, Iterator[DataFile]]:
    """What a snapshot begins with, and its parts, which are to be read in their order; what is
    left of one is passed over. They are those that were written only if that ends without an error.

    Raises SnapshotError for a file that is none; while the parts are read, SnapshotError or
    CorruptBackupError for one that is damaged or cut.
    """
    found: list[PackedFile] = []
    files = tar.listed(tar.unpack(chunks), found)
    try:
        first = next(files, None)
        if first is None or first.name != HEAD or first.size > MOST_HEAD:
            raise SnapshotError(f"it is no snapshot of Shardhouse: {HEAD} is not its first file.")
        content = b"".join(first.chunks)
    except CorruptBackupError as error:
        raise SnapshotError(f"it is no snapshot of Shardhouse. {error.message}") from None
    snapshot = parse(content)
    return snapshot, _checked(snapshot, files, found)


def _checked(
    snapshot: Snapshot, files: Iterator[DataFile], found: Sequence[PackedFile]
) -> Iterator[DataFile]:
    """The parts, and behind them their checksums; `found` are the files that were read."""
    for name, size in snapshot.parts():
        file = next(files, None)
        if file is None or (file.name, file.size) != (name, size):
            raise SnapshotError(f"{name} is not where it should be, or not as long as {HEAD} says.")
        yield file
        for _ in file.chunks:
            pass
    last = next(files, None)
    expected = sums(found)
    if last is None or (last.name, last.size) != (SUMS, len(expected)):
        raise SnapshotError(f"{SUMS}, its last file, is missing.")
    written = b"".join(last.chunks)
    if written != expected:
        there = set(written.splitlines())
        damaged = next(line for line in expected.splitlines() if line not in there)
        name = damaged.partition(b"  ")[2].decode()
        raise SnapshotError(f"it is damaged: the checksum of {name} is wrong.")
    if next(files, None) is not None:
        raise SnapshotError(f"it is damaged: something follows {SUMS}.")


def sums(files: Iterable[PackedFile]) -> bytes:
    """Checksums as `sha256sum` writes them."""
    return "".join(f"{file.sha256}  {file.name}\n" for file in files).encode()


def listing(files: Iterable[PackedFile]) -> Iterator[bytes]:
    """A list of MongoDB's files, in lines."""
    for file in files:
        yield json.dumps(vars(file)).encode() + b"\n"


def read_listing(file: DataFile, told: SnapshotFiles) -> tuple[PackedFile, ...]:
    """What `listing` wrote. Raises SnapshotError where that is not a list, or not as was told."""
    found: list[PackedFile] = []
    total = 0
    for line in _lines(file):
        if len(found) == told.number:
            break
        try:
            item = DataFileItem.model_validate_json(line)
        except ValidationError:
            raise _no_list(file) from None
        found.append(PackedFile(item.name, item.size, item.sha256))
        total += item.size
    else:
        if (len(found), total) == (told.number, told.total):
            return tuple(found)
    raise SnapshotError(f"{file.name} lists other files than {HEAD} says.")


def _lines(file: DataFile) -> Iterator[bytes]:
    rest = b""
    for chunk in file.chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if max(map(len, (*lines, rest))) > _LONGEST_LINE:
            raise _no_list(file)
        yield from lines
    if rest:
        raise _no_list(file)


def _no_list(file: DataFile) -> SnapshotError:
    return SnapshotError(f"{file.name} is no list of files.")
