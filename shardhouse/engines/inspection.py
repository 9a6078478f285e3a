"""What a folder with a mongod is: asks the program itself."""

import json
import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

from shardhouse.engines.catalogue import Engine
from shardhouse.errors import EngineError

LIBRARIES = "libraries"
"""Folder beside `bin` with libraries for the programs there."""
_VERSION = re.compile(r"^db version v(\d+\.\d+\.\d+[-\w.]*)", re.MULTILINE)
_BUILD = re.compile(r"^Build Info: (\{.*\})", re.MULTILINE | re.DOTALL)
_OPENSSL = re.compile(r"OpenSSL (\d+\.\d+\.\d+\w*)")


def inspect(folder: Path) -> Engine:
    """The build in `folder` (it holds `mongod`, or `bin/mongod`). EngineError names a folder
    without mongod and a mongod that does not run."""
    for place in (folder, folder / "bin"):
        mongod = place / "mongod"
        if mongod.is_file():
            mongos = place / "mongos"
            libraries = folder / LIBRARIES
            return _engine(
                mongod,
                mongos if mongos.is_file() else None,
                libraries if libraries.is_dir() else None,
            )
    raise EngineError(f"There is no mongod in {folder} nor in its bin folder.")


def _engine(mongod: Path, mongos: Path | None, libraries: Path | None) -> Engine:
    try:
        status = mongod.stat()
        output = _ask(mongod, libraries, status.st_mtime_ns, status.st_size)
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(
            f"{mongod} does not run here: {error}. It must be an executable for this system; "
            f"try `{mongod} --version`."
        ) from error
    found = _VERSION.search(output)
    assert found is not None
    build = _build(output)
    openssl = _OPENSSL.search(str(build.get("openSSLVersion")))
    return Engine(
        found[1],
        mongod,
        mongos,
        distribution=str(build.get("environment", {}).get("distmod", "")),
        modules=tuple(map(str, build.get("modules", ()))),
        openssl=openssl[1] if openssl else "",
        libraries=libraries,
    )


def _build(output: str) -> dict[str, Any]:
    """The build info that a program prints as JSON after its version; empty if it prints none."""
    found = _BUILD.search(output)
    try:
        build = json.loads(found[1]) if found else {}
    except ValueError:
        return {}
    return build if isinstance(build, dict) else {}


@lru_cache(maxsize=64)
def _ask(mongod: Path, libraries: Path | None, modified: int, size: int) -> str:
    """What a program says of its version; asked once per content, which time and size stand
    for."""
    own = {"LD_LIBRARY_PATH": str(libraries)} if libraries else {}
    done = subprocess.run(
        [mongod, "--version"],
        env=os.environ | own,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode != 0 or _VERSION.search(done.stdout) is None:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise EngineError(
            f"{mongod} --version ended with {done.returncode} and said "
            f"{said[0] if said else 'nothing'!r} instead of a version; a library may be missing."
        )
    return done.stdout
