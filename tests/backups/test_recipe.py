"""A backup can be read by the program in docs/backups.md, which knows nothing of this package."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shardhouse.backups import manifest
from shardhouse.backups.archive import open_archive
from shardhouse.backups.storage.local import LocalStorage
from shardhouse.store.vault import Vault
from shardhouse.tar import DataFile, pack
from tests.backups.test_manifest import BACKUP

PAGE = Path(__file__).parents[2] / "docs" / "backups.md"
FILES = {"WiredTiger": b"WiredTiger", "journal/log": os.urandom(3_000_000), "empty": b""}


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """The program of the page with arguments for a backup."""
    vault = Vault.at(tmp_path)
    archive = open_archive(LocalStorage(tmp_path / "backups"), vault, "i1")
    first, second = BACKUP.sets
    data = [DataFile(name, len(content), [content]) for name, content in FILES.items()]
    sets = (
        replace(
            first,
            data=archive.write("backups/b1/g1.tar", pack(data), compressed=True),
            oplog=archive.write("backups/b1/g1.oplog", [b"\5\0\0\0\0"]),
        ),
        replace(second, data=archive.write("backups/b1/g2.tar", pack([]))),
    )
    manifest.write(archive, replace(BACKUP, sets=sets))
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "read_backup.py").write_text(program)
    (tmp_path / "out").mkdir()
    paths = ["read_backup.py", "master.key", "backups/i1"]
    return [sys.executable, "-I", *paths, "b1", "out"]


def test_the_program_reads_a_backup(tmp_path: Path, command: list[str]) -> None:
    subprocess.run(command, cwd=tmp_path, check=True)
    assert sorted(os.listdir(tmp_path / "out")) == ["g1.oplog", "g1.tar", "g2.tar"]
    assert (tmp_path / "out" / "g1.oplog").read_bytes() == b"\5\0\0\0\0"
    subprocess.run(["tar", "-xf", "g1.tar"], cwd=tmp_path / "out", check=True)
    for name, content in FILES.items():
        assert (tmp_path / "out" / name).read_bytes() == content


@pytest.mark.parametrize("name", ["manifest.json", "g1.tar", "g1.oplog"])
def test_the_program_reads_nothing_that_was_changed(
    tmp_path: Path, command: list[str], name: str
) -> None:
    path = tmp_path / "backups" / "i1" / "backups" / "b1" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode
