"""`make demo`, `down` and `clean` are about one folder; `clean` removes only what it is sure of."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = ("MAKE", "MFLAGS", "DATA_DIR", "SHARDHOUSE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "folder"),
    [
        ((), {}, ".shardhouse"),
        ((), {"SHARDHOUSE_DATA_DIR": "/some/where"}, "/some/where"),
        (("DATA_DIR=/else where",), {"SHARDHOUSE_DATA_DIR": "/some/where"}, "/else where"),
    ],
)
def test_demo_and_down_use_the_folder_that_is_named(
    arguments: tuple[str, ...], variables: dict[str, str], folder: str
) -> None:
    for target in ("demo", "down"):
        planned = make("-n", target, *arguments, **variables).stdout
        assert f'shardhouse {target} --data-dir "{folder}"' in planned


def test_clean_does_not_remove_an_installation_that_is_only_exported(tmp_path: Path) -> None:
    (tmp_path / "serve.lock").touch()
    done = make("clean", SHARDHOUSE_DATA_DIR=str(tmp_path))
    assert done.returncode != 0
    assert f"make clean DATA_DIR={tmp_path}" in done.stdout
    assert (tmp_path / "serve.lock").exists()

    assert make("clean", f"DATA_DIR={tmp_path}", SHARDHOUSE_DATA_DIR=str(tmp_path)).returncode == 0
    assert not tmp_path.exists()


def test_clean_knows_the_demo_s_own_folder_when_it_is_exported() -> None:
    planned = make("-n", "clean", SHARDHOUSE_DATA_DIR=str(ROOT / ".shardhouse")).stdout
    assert f'rm -rf "{ROOT}/.shardhouse"' in planned
    assert "is exported" not in planned


def test_clean_leaves_folders_that_are_no_installation(tmp_path: Path) -> None:
    (tmp_path / "letter").touch()
    done = make("clean", f"DATA_DIR={tmp_path}")
    assert done.returncode != 0
    assert "no data directory of Shardhouse" in done.stdout
    assert (tmp_path / "letter").exists()
