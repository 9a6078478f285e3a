"""The limit of open files: raised, or told before anything starts."""

import json
import resource
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.cli.program import PROGRAM
from tests.installation import Installation


def limited(number: int, *words: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    """The program, under a hard limit."""
    command = f'ulimit -n {number}; exec "$@"'
    return subprocess.run(
        ["sh", "-c", command, "sh", *PROGRAM, *words, "--data-dir", str(data_dir)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_too_few_are_refused_with_the_number_and_the_way_out(tmp_path: Path) -> None:
    done = limited(256, "serve", "--port=0", "--iam-port=0", data_dir=tmp_path / "data")
    assert done.returncode == 1
    for words in ("may open 256", "2512 are needed", "LimitNOFILE", "max_connections"):
        assert words in " ".join(done.stderr.split())
    assert not (tmp_path / "data").exists()


def test_doctor_tells_it_too(tmp_path: Path) -> None:
    done = limited(256, "doctor", "--json", data_dir=tmp_path / "data")
    (check,) = [check for check in json.loads(done.stdout) if check["name"] == "Open files"]
    assert check["verdict"] == "fail"
    assert "2512" in check["found"]
    assert "LimitNOFILE" in check["mend"]


def test_the_soft_limit_is_raised(installation: Installation) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 4096:
        pytest.skip(f"the hard limit of this machine is {hard}")
    soft, _ = psutil.Process(installation.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft >= min(hard, 64_000)
