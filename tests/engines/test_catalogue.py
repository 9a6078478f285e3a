"""Which build serves which requested version."""

from pathlib import Path

import pytest

from shardhouse.engines import Catalogue, Engine, discover
from shardhouse.errors import EngineError


def engine(version, mongos=False):
    return Engine(
        version, Path(f"/{version}/mongod"), Path(f"/{version}/mongos") if mongos else None
    )


BOTH = Catalogue((engine("6.0.5"), engine("6.0.19"), engine("5.0.2", True), engine("7.0.1")))


@pytest.mark.parametrize(
    ("requested", "sharded", "served"),
    [
        ("3.4", False, "5.0.2"),
        ("5.0", False, "5.0.2"),
        ("5.0.9", True, "5.0.2"),
        ("6.0", False, "6.0.19"),
        ("7.0", False, "7.0.1"),
        ("4.0", True, "5.0.2"),
        ("6.0", True, "6.0.19"),
    ],
)
def test_the_same_release_or_the_oldest_newer_one_serves(requested, sharded, served):
    assert BOTH.for_version(requested, sharded=sharded).version == served


@pytest.mark.parametrize(
    ("engines", "requested", "sharded", "says"),
    [
        ((), "3.4", False, "extra"),
        ((engine("6.0.5"),), "8.0", False, "6.0.5"),
        ((engine("7.0.1"),), "4.0", True, "mongos"),
        ((engine("6.0.5"), engine("7.0.1")), "7.0", True, "fits"),
        ((engine("6.0.5"),), "six", False, "six"),
    ],
)
def test_a_refusal_says_what_to_do(engines, requested, sharded, says):
    with pytest.raises(EngineError, match=says):
        Catalogue(engines).for_version(requested, sharded=sharded)


def test_versions_are_those_the_newest_build_serves():
    catalogue = Catalogue((engine("6.0.5"),))
    assert catalogue.versions() == ("3.2", "3.4", "3.6", "4.0", "4.2", "4.4", "5.0", "6.0")
    assert Catalogue(()).versions() == ()


def test_only_our_own_release_needs_no_mongos():
    assert engine("6.0.5").routable
    assert not engine("7.0.1").shardable
    assert engine("7.0.1", mongos=True).shardable


def test_the_installed_build_is_found_and_told_its_version():
    found = discover([]).for_version("3.4")
    assert found.version.startswith("6.0.")
    assert found.mongod.is_file()


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)


def test_a_folder_may_hold_the_programs_in_bin(tmp_path):
    script(tmp_path / "bin/mongod", "echo 'db version v7.0.14-8'")
    script(tmp_path / "bin/mongos", "")
    found = discover([tmp_path]).for_version("7.0", sharded=True)
    assert (found.version, found.mongos) == ("7.0.14-8", tmp_path / "bin/mongos")


def test_the_version_is_asked_once_per_content(tmp_path):
    log = tmp_path / "asked"
    script(tmp_path / "mongod", f"echo x >> {log}; echo 'db version v6.0.1'")
    discover([tmp_path])
    discover([tmp_path])
    assert log.read_text() == "x\n"


@pytest.mark.parametrize("text", ["echo 'libssl.so.3 missing' >&2; exit 127", "echo hello"])
def test_a_program_that_does_not_run_is_named(tmp_path, text):
    script(tmp_path / "mongod", text)
    with pytest.raises(EngineError, match="--version"):
        discover([tmp_path])


def test_a_folder_without_mongod_is_named(tmp_path):
    with pytest.raises(EngineError, match=str(tmp_path)):
        discover([tmp_path])
