"""Finds MongoDB builds: in the folders of the settings, else in the `mongodb` extra's wheel."""

import importlib.util
import re
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from shardhouse.engines.catalogue import Catalogue, Engine
from shardhouse.errors import EngineError

_VERSION = re.compile(r"^db version v(\d+\.\d+\.\d+[-\w.]*)", re.MULTILINE)


def discover(folders: Sequence[Path]) -> Catalogue:
    """The builds in `folders` (each holds `mongod`, or `bin/mongod`), else the wheel's if it is
    installed. EngineError names a folder without mongod and a mongod that does not run."""
    builds = [_build(folder) for folder in folders] if folders else _from_wheel()
    return Catalogue(tuple(builds))


def _build(folder: Path) -> Engine:
    for place in (folder, folder / "bin"):
        mongod = place / "mongod"
        if mongod.is_file():
            mongos = place / "mongos"
            return Engine(_version(mongod), mongod, mongos if mongos.is_file() else None)
    raise EngineError(
        f"The setting `engines` names {folder}, but there is no mongod in it nor in its bin folder."
    )


def _from_wheel() -> list[Engine]:
    """Found by place alone: importing the package could load a whole other application."""
    spec = importlib.util.find_spec("fiftyone")
    places = (spec.submodule_search_locations or []) if spec else []
    folders = [Path(place) / "db" for place in places]
    return [_build(folder) for folder in folders if (folder / "bin" / "mongod").is_file()]


def _version(mongod: Path) -> str:
    try:
        status = mongod.stat()
        return _ask(mongod, status.st_mtime_ns, status.st_size)
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(
            f"{mongod} does not run here: {error}. It must be an executable for this system; "
            f"try `{mongod} --version`."
        ) from error


@lru_cache(maxsize=64)
def _ask(mongod: Path, modified: int, size: int) -> str:
    """The version a program tells; asked once per content, which time and size stand for."""
    done = subprocess.run(
        [mongod, "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    found = _VERSION.search(done.stdout)
    if done.returncode != 0 or found is None:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise EngineError(
            f"{mongod} --version ended with {done.returncode} and said "
            f"{said[0] if said else 'nothing'!r} instead of a version; a library may be missing."
        )
    return found[1]
