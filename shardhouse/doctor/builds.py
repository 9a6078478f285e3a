"""Checks of the MongoDB builds and of what routes for them."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator

from shardhouse.doctor.check import Check
from shardhouse.engines import Builds, Catalogue, Engine, known
from shardhouse.errors import EngineError
from shardhouse.settings import Settings
from shardhouse.store import offline

#: Debian's packages of the libraries that MongoDB's builds need.
PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
    "libresolv.so.2": "libc6",
    "libz.so.1": "zlib1g",
}
_LIBRARY = re.compile(r"lib[\w+-]+\.so[.\d]*")


def engines(settings: Settings, *, unpack: bool) -> Iterator[Check]:
    """There is a MongoDB build, it runs, something can route for it; no instance lost its own.
    `unpack` says whether those that came with this package are unpacked first."""
    builds = Builds.of(settings)
    notes: list[str] = []
    if unpack:
        builds.store.add_installed(notes.append)
    refused = [note for note in notes if "cannot be used" in note]
    try:
        catalogue = builds.catalogue()
    except EngineError as error:
        yield Check("MongoDB", "fail", error.message, missing_library(error.message))
        return
    for note in refused:
        yield Check("MongoDB", "warn", note, missing_library(note))
    for name, reason in catalogue.broken.items():
        yield Check("MongoDB", "warn", f"{name} does not run: {reason}", missing_library(reason))
    if not catalogue.engines:
        yield Check(
            "MongoDB",
            "fail",
            "no build is installed",
            "shardhouse engine add, or name a folder with a mongod in the setting `engines`.",
        )
    for engine in catalogue.engines:
        yield Check("MongoDB", "ok", f"{engine.name} at {engine.mongod}")
        yield router(engine, catalogue.engines)
    if catalogue.engines:
        yield default(settings, catalogue, refused)
    yield from lost(settings, catalogue)


def default(settings: Settings, catalogue: Catalogue, refused: list[str]) -> Check:
    """Which build new clusters get, and why not a newer patch level."""
    name, newest = "Default build", known.DEFAULTS[0]
    try:
        chosen = catalogue.for_version("6.0", sharded=True)
    except EngineError as error:
        return Check(name, "warn", error.message, f"shardhouse engine add {newest.version}")
    if settings.engines:
        why = f"the setting `engines` names {', '.join(settings.engines)}"
        return Check(name, "ok", f"{chosen.name}: {why}")
    if any(engine.name == newest.name for engine in catalogue.engines):
        return Check(name, "ok", f"{chosen.name}: the newest patch level here")
    reason = next((note for note in refused if newest.version in note), None)
    found = f"{chosen.name}: {reason or f'{newest.name} is not here'}"
    mend = missing_library(reason) if reason else f"shardhouse engine add {newest.version}"
    return Check(name, "warn", found, mend)


def lost(settings: Settings, catalogue: Catalogue) -> Iterator[Check]:
    """The build of each instance is there."""
    for instance in offline.instances_of(settings):
        try:
            catalogue.build(instance.engine_build, instance.engine_version)
        except EngineError as error:
            yield Check(f"Build of {instance.name}", "fail", error.message)


def router(engine: Engine, others: Iterable[Engine]) -> Check:
    """Clusters of this build have a router, its own mongos or ours, or those of others have."""
    name = f"Router for {engine.version}"
    if engine.mongos is not None:
        return Check(name, "ok", f"its own, {engine.mongos}")
    if not engine.routable:
        return Check(
            name,
            "ok" if any(other.shardable for other in others) else "warn",
            "none; our own serves MongoDB 6.0 only",
            f"Put a mongos beside {engine.mongod} if you want clusters of this version.",
        )
    done = subprocess.run(
        [sys.executable, "-P", "-m", "shardhouse.router", "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode == 0:
        return Check(name, "ok", f"our own, {done.stdout.splitlines()[0]}")
    reason = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
    return Check(name, "fail", f"our own does not start: {reason}", "Install the package again.")


def missing_library(reason: str) -> str:
    """How to mend a build that does not run, from what it said."""
    lacking = sorted(set(_LIBRARY.findall(reason)))
    if not lacking:
        return "Correct the setting `engines`, or try the program by hand with --version."
    known_packages = sorted({PACKAGES[name] for name in lacking if name in PACKAGES})
    command = (
        f"apt-get install {' '.join(known_packages)}"
        if known_packages
        else "install what provides it"
    )
    return f"Missing library: {', '.join(lacking)}. On Debian: {command}"
