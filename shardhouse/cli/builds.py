"""Checks of the MongoDB builds and of what routes for them."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from shardhouse.cli.check import Check
from shardhouse.engines import Engine, discover
from shardhouse.errors import EngineError
from shardhouse.settings import Settings

#: Debian's packages of the libraries that MongoDB's builds need.
PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
    "libresolv.so.2": "libc6",
}


def engines(settings: Settings) -> Iterator[Check]:
    """There is a MongoDB build, it runs, and something can route for it."""
    try:
        found = discover(settings.engines).engines
    except EngineError as error:
        yield Check("MongoDB", "fail", error.message, missing_libraries(settings.engines))
        return
    if not found:
        yield Check(
            "MongoDB",
            "fail",
            "no build is installed",
            "pip install 'shardhouse[mongodb]', or name a folder with a mongod in the setting "
            "`engines`.",
        )
    for engine in found:
        yield Check("MongoDB", "ok", f"{engine.version} at {engine.mongod}")
        yield router(engine)


def router(engine: Engine) -> Check:
    """Clusters of this build have a router: its own mongos, or ours."""
    name = f"Router for {engine.version}"
    if engine.mongos is not None:
        return Check(name, "ok", f"its own, {engine.mongos}")
    if not engine.routable:
        return Check(
            name,
            "warn",
            "none; our own serves MongoDB 6.0 only",
            f"Put a mongos beside {engine.mongod} if you want clusters of this version.",
        )
    done = subprocess.run(
        [sys.executable, "-m", "shardhouse.router", "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode == 0:
        return Check(name, "ok", f"our own, {done.stdout.splitlines()[0]}")
    told = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
    return Check(name, "fail", f"our own does not start: {told}", "Install the package again.")


def missing_libraries(folders: list[Path]) -> str:
    """How to mend a build that is not there or does not start."""
    if folders and not _mongods(folders):
        return "Correct the setting `engines`: it names folders that hold mongod, or bin/mongod."
    lacking = sorted({name for mongod in _mongods(folders) for name in _unresolved(mongod)})
    if not lacking:
        return "Try it by hand with --version; name another build in the setting `engines`."
    known = sorted({PACKAGES[name] for name in lacking if name in PACKAGES})
    command = f"apt-get install {' '.join(known)}" if known else "install what provides them"
    return f"Missing libraries: {', '.join(lacking)}. On Debian: {command}"


def _mongods(folders: list[Path]) -> list[Path]:
    """Where mongod is looked for, as `engines.discovery` does."""
    if not folders:
        spec = importlib.util.find_spec("fiftyone")
        places = (spec.submodule_search_locations or []) if spec else []
        folders = [Path(place) / "db" for place in places]
    places_of_each = [folder / part for folder in folders for part in ("mongod", "bin/mongod")]
    return [path for path in places_of_each if path.is_file()]


def _unresolved(program: Path) -> list[str]:
    try:
        done = subprocess.run(
            ["ldd", program], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return []
    lines = [line for line in done.stdout.splitlines() if "not found" in line]
    return [line.split()[0] for line in lines]
