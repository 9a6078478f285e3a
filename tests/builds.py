"""The MongoDB builds of the tests, in a folder that all runs share: the default one, or the one
that the variable ENGINE names, and those of the table.

`python -m tests.builds` unpacks all of them beforehand, so that no test waits for a download.
"""

import json
import os
import sys
from pathlib import Path

from shardhouse.engines import Builds, Engine, EngineStore, known
from shardhouse.settings import load

FOLDER = Path("~/.cache/shardhouse/test-engines").expanduser()
VERSIONS = tuple(build.version for build in known.KNOWN)


def choose() -> None:
    """From here on, and in every process started from here, new instances get the build under
    test, though others are unpacked beside it."""
    os.environ.setdefault("SHARDHOUSE_ENGINE_DIR", str(FOLDER))
    if "SHARDHOUSE_ENGINES" not in os.environ:
        named = os.environ.get("ENGINE", "")
        engine = known_build(named) if named else _store().add_default(print)
        os.environ["SHARDHOUSE_ENGINES"] = json.dumps([engine.name])


def under_test() -> Engine:
    """The build that serves new instances."""
    choose()
    return Builds.of(load()).catalogue().engines[0]


def known_build(version: str) -> Engine:
    """A build of the table by version or release."""
    build = known.named(version)
    assert build is not None, f"{version} is not one of {VERSIONS}"
    return _store().add_known(build, print)


def _store() -> EngineStore:
    return EngineStore(Path(os.environ["SHARDHOUSE_ENGINE_DIR"]))


if __name__ == "__main__":
    choose()
    for version in VERSIONS:
        known_build(version)
    sys.stdout.write(f"Tests run on MongoDB {under_test().name}\n")
