"""Which build serves which requested version."""

from pathlib import Path

import pytest

from shardhouse.engines import Catalogue, Engine
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
        ((), "3.4", False, "engine add"),
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


def test_a_mode_that_a_version_cannot_have_is_left_out_of_the_table():
    table = Catalogue((engine("5.0.32"), engine("6.0.27"))).served_by()
    assert table["4.4"] == {"Sharding": "6.0.27", "ReplicaSet": "5.0.32", "Single": "5.0.32"}
    assert table["5.0"] == {"Sharding": "6.0.27", "ReplicaSet": "5.0.32"}
    assert Catalogue((engine("5.0.32"),)).served_by()["5.0"] == {"ReplicaSet": "5.0.32"}


def test_tls_prefers_openssl_3_within_a_release_if_the_setting_says_so():
    old = Engine("6.0.5", Path("/a"), openssl="3.0.19")
    new = Engine("6.0.27", Path("/b"), openssl="1.1.1w")
    later = Engine("7.0.1", Path("/c"), openssl="3.0.19")
    prefers = Catalogue((old, new, later), prefer_openssl_3=True)
    assert prefers.for_version("6.0", tls=True) is old
    assert prefers.for_version("6.0") is new
    assert Catalogue((old, new)).for_version("6.0", tls=True) is new
    assert Catalogue((new, later), prefer_openssl_3=True).for_version("6.0", tls=True) is new


def test_an_instance_gets_its_own_build_and_no_other():
    ours = Engine("6.0.5", Path("/a"), distribution="ubuntu2204")
    same = Engine("6.0.5", Path("/b"), distribution="rhel90")
    newer = Engine("6.0.27", Path("/c"), distribution="ubuntu2004")
    catalogue = Catalogue((newer,), (same, ours))
    assert catalogue.build("6.0.5-ubuntu2204", "6.0.5") is ours
    assert catalogue.build("", "6.0.5") in (ours, same)
    assert catalogue.for_version("6.0") is newer
    with pytest.raises(EngineError, match=r"shardhouse engine add 5\.0\.32"):
        catalogue.build("5.0.32-debian92", "5.0.32")
    with pytest.raises(EngineError, match="shardhouse engine add FOLDER"):
        catalogue.build("6.0.4-3", "6.0.4-3")


def test_a_build_that_does_not_run_any_more_is_told_with_its_reason():
    catalogue = Catalogue((), (), {"6.0.5-ubuntu2204": "libcurl.so.4 is missing"})
    with pytest.raises(EngineError, match=r"libcurl\.so\.4"):
        catalogue.build("6.0.5-ubuntu2204", "6.0.5")


def test_data_of_another_machine_gets_a_build_of_its_release():
    assert BOTH.alike("6.0.5", "6.0.5", sharded=False).version == "6.0.5"
    assert BOTH.alike("6.0.27-debian12", "6.0.27", sharded=True).version == "6.0.19"
    assert BOTH.alike("7.0.9-debian12", "7.0.9", sharded=False).version == "7.0.1"
    for version, sharded, says in (
        ("4.4.2", False, r"4\.4 is here \(here: 5\.0\.2, 6\.0\.19"),
        ("7.0.9", True, r"7\.0 that can be a cluster is here"),
        ("six", False, "six"),
    ):
        with pytest.raises(EngineError, match=says):
            BOTH.alike("", version, sharded=sharded)
