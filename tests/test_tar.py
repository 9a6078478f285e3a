"""Files become a tar archive that others read, and come back from it."""

import io
import random
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from shardhouse.errors import BackupError, CorruptBackupError
from shardhouse.tar import DataFile, pack, unpack

FILES = {
    "WiredTiger": b"WiredTiger 11.0.1",
    "empty": b"",
    "block": b"b" * 512,
    "journal/WiredTigerLog.0000000001": random.Random(1).randbytes(3_000_001),
    f"{'folder/' * 20}{'long' * 40}.wt": b"a long name",
    f"{'x' * 99}": b"99",
    f"{'y' * 100}": b"100",
    "ümlaut/ß.wt": b"utf-8",
}


def packed(files: dict[str, bytes]) -> bytes:
    return b"".join(pack(DataFile(name, len(text), [text]) for name, text in files.items()))


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[place : place + size] for place in range(0, len(content), size))


def unpacked(chunks: Iterable[bytes]) -> dict[str, bytes]:
    return {file.name: b"".join(file.chunks) for file in unpack(chunks)}


@pytest.mark.parametrize("size", [7, 512, 1000, 10**9])
def test_files_come_back_however_the_stream_is_cut_into_pieces(size: int) -> None:
    assert unpacked(pieces(packed(FILES), size)) == FILES
    assert unpacked(pieces(packed({}), size)) == {}


def test_files_that_are_not_read_are_passed_over() -> None:
    assert [(file.name, file.size) for file in unpack([packed(FILES)])] == [
        (name, len(content)) for name, content in FILES.items()
    ]


def test_tar_extracts_it(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(packed(FILES))
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xf", "a.tar", "-C", "out"], cwd=tmp_path, check=True)
    for name, content in FILES.items():
        assert (tmp_path / "out" / name).read_bytes() == content


def test_a_file_of_more_than_8_gib_has_its_size() -> None:
    file = DataFile("large", 9 * 1024**3, [])
    block = next(pack([file]))
    assert tarfile.TarInfo.frombuf(block, "utf-8", "strict").size == file.size


@pytest.mark.parametrize("size", [2, 4])
def test_a_file_that_changed_its_length_is_told(size: int) -> None:
    with pytest.raises(BackupError, match=f"a has 3 bytes, not {size}"):
        list(pack([DataFile("a", size, [b"x", b"yz"])]))


def test_a_cut_is_noticed_wherever_it_is() -> None:
    files = {"a": b"x" * 700, f"{'y' * 120}": b"z", "b": b""}
    whole = packed(files)
    for size in range(len(whole) - 512):
        with pytest.raises(CorruptBackupError):
            unpacked([whole[:size]])


def test_the_stream_is_read_to_its_end() -> None:
    def chunks() -> Iterator[bytes]:
        yield packed(FILES)
        yield bytes(512)
        raise CorruptBackupError("the last frame is missing")

    with pytest.raises(CorruptBackupError, match="last frame"):
        unpacked(chunks())
    with pytest.raises(CorruptBackupError, match="something follows"):
        unpacked([packed(FILES), b"x"])


def test_zeros_without_end_are_not_read() -> None:
    with pytest.raises(CorruptBackupError, match="something follows"):
        unpacked(chain([packed(FILES)], repeat(bytes(512))))


def foreign(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        archive.addfile(info)
    return stream.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        foreign("/etc/passwd"),
        foreign("../a"),
        foreign("a/../../b"),
        foreign(f"{'a/' * 60}../{'b' * 99}/.."),
        foreign("a//b"),
        foreign("a", tarfile.SYMTYPE, "/etc"),
        foreign("a", tarfile.LNKTYPE, "b"),
        foreign("a", tarfile.DIRTYPE),
        foreign("a", tarfile.FIFOTYPE),
        b"x" * 2048,
    ],
)
def test_what_is_no_file_below_the_folder_is_refused(archive: bytes) -> None:
    with pytest.raises(CorruptBackupError):
        unpacked([archive])
