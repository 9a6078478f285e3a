"""Tutorials, as written: all their shell blocks, one after another in one shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.free_ports import free_port

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
SECONDS = 300


@pytest.mark.soak
def test_on_a_laptop(tmp_path: Path) -> None:
    told = _run("laptop", tmp_path)
    assert sorted(re.findall(r"^(shard_\d) \d+$", told, re.MULTILINE)) == ["shard_1", "shard_2"]
    assert "killed" in told
    assert "1001 orders" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.soak
def test_a_backup_drill(tmp_path: Path) -> None:
    told = _run("backup-drill", tmp_path, "shardhouse up\n")
    assert "428 entries are gone" in told
    assert "500 entries there were" in told
    assert "500 entries are back" in told
    assert "entries.bson" in told


def _run(name: str, folder: Path, before: str = "") -> str:
    """What a tutorial prints, without colours. What it started ends with it."""
    text = (TUTORIALS / f"{name}.md").read_text()
    script = before + "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SHARDHOUSE_DATA_DIR": str(folder / "data"),
        "SHARDHOUSE_PORT": str(free_port()),
        "SHARDHOUSE_IAM_PORT": str(free_port()),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'shardhouse down' EXIT\n{script}"],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("OS_")} | own,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
