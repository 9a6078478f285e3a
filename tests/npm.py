"""Programs from npm: installed once into the user's cache directory; offline machines keep what
they have."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MONGOSH = "2.5.8"


def installed(name: str, version: str) -> Path:
    """`node_modules` with this version of a package. Without npm the test is skipped."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"npm is not installed, hence no {name}")
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    prefix = home / "shardhouse" / f"{name}-{version}"
    modules = prefix / "node_modules"
    if not (modules / name).exists():
        prefix.mkdir(parents=True, exist_ok=True)
        options = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
        subprocess.run(
            [npm, "install", *options, "--prefix", str(prefix), f"{name}@{version}"],
            check=True,
            capture_output=True,
            timeout=300,
        )
    return modules
