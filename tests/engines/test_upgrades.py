"""Which build an instance may be upgraded to: decisions on plain data."""

from pathlib import Path

import pytest

from shardhouse.engines.catalogue import Engine
from shardhouse.engines.upgrades import patch_available, target
from shardhouse.errors import EngineError

BUILDS = [
    Engine(version, Path(f"/{version}/mongod"))
    for version in ("4.4.2", "5.0.4", "5.0.32", "6.0.5", "6.0.24", "6.0.27")
]


@pytest.mark.parametrize(
    ("present", "wanted", "expected"),
    [
        ("6.0.5", "", "6.0.27"),
        ("6.0.5", "6.0", "6.0.27"),
        ("6.0.5", "6.0.24", "6.0.24"),
        ("5.0.4", "", "5.0.32"),
        ("4.4.2", "5.0", "5.0.32"),
        ("4.4.2", "5.0.4", "5.0.4"),
        ("5.0.32", "6.0", "6.0.27"),
        ("6.0.27", "6.0", "6.0.27"),
    ],
)
def test_the_newest_that_fits_is_chosen(present, wanted, expected):
    assert target(present, BUILDS, wanted, sharded=False).version == expected


@pytest.mark.parametrize(
    ("present", "wanted", "sharded", "reason"),
    [
        ("6.0.27", "", False, "newest build of its release"),
        ("6.0.27", "6.0.5", False, "no way back"),
        ("6.0.27", "5.0", False, "no way back"),
        ("4.4.2", "6.0", False, "the next is 5.0, not 6.0"),
        ("6.0.27", "7.0", False, "7.0 is not here"),
        ("6.0.5", "6.0.99", False, "6.0.99 is not here"),
        ("6.0.5", "7.0", True, "cluster"),
        ("8.0.4", "9.0", False, "there is no newer one"),
    ],
)
def test_a_reason_is_given_where_there_is_none(present, wanted, sharded, reason):
    with pytest.raises(EngineError, match=reason):
        target(present, BUILDS, wanted, sharded=sharded)


def test_a_patch_is_available_where_a_newer_one_is_here():
    assert patch_available("6.0.5", BUILDS, sharded=True)
    assert patch_available("5.0.4", BUILDS, sharded=False)
    assert not patch_available("6.0.27", BUILDS, sharded=True)
    assert not patch_available("4.4.2", BUILDS, sharded=False)
