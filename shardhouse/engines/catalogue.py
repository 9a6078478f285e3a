"""From a requested version to a build: decisions on plain data, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shardhouse.domain.creation import OFFERED, modes
from shardhouse.domain.model import Mode
from shardhouse.engines import known
from shardhouse.errors import EngineError

ROUTABLE = (6, 0)
"""Release whose internal commands our own router relies upon; any other needs its own mongos."""


@dataclass(frozen=True)
class Engine:
    """One MongoDB build. `version` is the true one, such as `6.0.5`; `distribution` what it was
    built for; `libraries` a folder that its processes, and nothing else, find libraries in."""

    version: str
    mongod: Path
    mongos: Path | None = None
    storage_engines: tuple[str, ...] = ("wiredTiger",)
    distribution: str = ""
    modules: tuple[str, ...] = ()
    openssl: str = ""
    libraries: Path | None = None

    @property
    def name(self) -> str:
        """What tells this build from others, of the same version too: `6.0.5-ubuntu2204`."""
        return "-".join(part for part in (self.version, *self.modules, self.distribution) if part)

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that its own programs, and nothing else, are started with."""
        return {"LD_LIBRARY_PATH": str(self.libraries)} if self.libraries else {}

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor, `(6, 0)`."""
        return release(self.version)

    @property
    def routable(self) -> bool:
        """Whether our own router may stand in front of its shards."""
        return self.release == ROUTABLE

    @property
    def shardable(self) -> bool:
        """Whether a cluster can be built of it: with its own mongos or with our router."""
        return self.routable or self.mongos is not None

    @property
    def openssl_3(self) -> bool:
        """Whether its TLS is OpenSSL 3 or newer, which is still maintained."""
        major = self.openssl.partition(".")[0]
        return major.isdigit() and int(major) >= 3


@dataclass(frozen=True)
class Catalogue:
    """The builds of this machine: `engines` serve new instances, `others` only those that run on
    them already. `broken` says why further ones do not run, by name."""

    engines: tuple[Engine, ...]
    others: tuple[Engine, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)
    prefer_openssl_3: bool = False

    @property
    def present(self) -> tuple[Engine, ...]:
        """All builds that are here."""
        return (*self.engines, *self.others)

    def for_version(self, requested: str, *, sharded: bool = False, tls: bool = False) -> Engine:
        """The build that serves `requested` (`4.0` or `4.0.3`): of the same release, else the
        oldest newer one; of two patch levels the newer, unless the installation prefers OpenSSL 3
        where TLS is asked for. `sharded` asks for one that can be a cluster. EngineError says
        what is installed and what to do."""
        wanted = release(requested)
        able = [engine for engine in self.engines if engine.shardable or not sharded]
        serving = [engine for engine in able if engine.release >= wanted]
        if not serving:
            raise EngineError(self._refusal(requested, sharded, bool(able)))
        oldest = min(engine.release for engine in serving)
        modern = tls and self.prefer_openssl_3
        return max(
            (engine for engine in serving if engine.release == oldest),
            key=lambda engine: (modern and engine.openssl_3, numbers(engine.version)),
        )

    def build(self, name: str, version: str) -> Engine:
        """The build an instance was made with. Instances older than names of builds have only a
        `version`. EngineError says how to get it back: no other build takes its place."""
        for engine in self.present:
            if engine.name == name or (not name and engine.version == version):
                return engine
        raise EngineError(self._gone(name, version))

    def alike(self, name: str, version: str, *, sharded: bool) -> Engine:
        """The build of this name, else the newest of its version's release, for data that another
        machine wrote. EngineError says which are here."""
        able = [engine for engine in self.engines if engine.shardable or not sharded]
        fitting = [engine for engine in able if engine.release == release(version)]
        if not fitting:
            here = ", ".join(sorted(engine.name for engine in self.engines)) or "none"
            kind = "that can be a cluster " if sharded else ""
            major, minor = release(version)
            raise EngineError(
                f"MongoDB {version} wrote it, and no build of {major}.{minor} {kind}is here (here: "
                f"{here}). {known.way_back(f'{major}.{minor}')}"
            )
        named = [engine for engine in fitting if engine.name == name]
        return max(named or fitting, key=lambda engine: numbers(engine.version))

    def versions(self) -> tuple[str, ...]:
        """The offered versions that some build here serves, oldest first."""
        newest = max((engine.release for engine in self.engines), default=(0, 0))
        return tuple(version for version in OFFERED if release(version) <= newest)

    def served_by(self) -> dict[str, dict[Mode, str]]:
        """For each offered version the true version that serves it, by mode; a mode that cannot be
        had with it is left out."""
        found: dict[str, dict[Mode, str]] = {}
        for version in self.versions():
            served = found[version] = {}
            for mode in modes(version):
                try:
                    engine = self.for_version(version, sharded=mode is Mode.SHARDING)
                except EngineError:
                    continue
                served[mode] = engine.version
        return found

    def _gone(self, name: str, version: str) -> str:
        here = ", ".join(sorted(engine.name for engine in self.present))
        if reason := self.broken.get(name):
            return f"MongoDB {name}, which this instance runs on, does not run: {reason}"
        return (
            f"MongoDB {name or version}, which this instance runs on, is not here "
            f"(here: {here or 'none'}). {known.way_back(name or version)}"
        )

    def _refusal(self, requested: str, sharded: bool, able: bool) -> str:
        if not self.engines:
            return (
                "No MongoDB build is installed. Get the default one (shardhouse engine add), or "
                "name a folder with a mongod in the setting `engines`."
            )
        present = ", ".join(sorted(engine.version for engine in self.engines))
        if sharded and not able:
            return (
                f"None of the builds here ({present}) can be a cluster: our router serves 6.0 "
                "only (shardhouse engine add 6.0), so else name in the setting `engines` a folder "
                "that has mongos too."
            )
        return (
            f"MongoDB {requested} was requested, and the newest build here that fits is older "
            f"({present}). Name a folder with a newer one in the setting `engines`."
        )


def numbers(version: str) -> tuple[int, ...]:
    """`6.0.5` (or `6.0.4-3`, as Percona writes) as numbers; EngineError if it is no version."""
    try:
        return tuple(int(part) for part in version.replace("-", ".").split("."))
    except ValueError:
        raise EngineError(f"{version!r} is not a MongoDB version such as 6.0 or 6.0.5.") from None


def release(version: str) -> tuple[int, int]:
    """Major and minor of a version."""
    major, minor = (*numbers(version), 0)[:2]
    return major, minor
