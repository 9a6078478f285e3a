"""Fixtures for pytest: a test that names one has a real MongoDB, made when it is first needed.

pytest loads this module wherever Shardhouse is installed, so nothing is imported before a fixture
is used. `docs/testing.md` is the guide.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pymongo.database import Database

    from shardhouse.testing import Installation, Instance

_DATA_DIR = "shardhouse_data_dir"
_SNAPSHOT = "shardhouse_snapshot"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings of `pytest.ini` and its like."""
    parser.addini(
        _DATA_DIR,
        "Folder of a Shardhouse installation that stays from run to run. Without it, "
        "SHARDHOUSE_DATA_DIR names it; where neither does, each run has one in a temporary folder.",
    )
    parser.addini(_SNAPSHOT, "A file of `shardhouse snapshot save`, for shardhouse_instance.")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Which installation is used, where one is named."""
    folder = _data_dir(config)
    return f"shardhouse: installation in {folder}" if folder else None


@pytest.fixture(scope="session")
def shardhouse(pytestconfig: pytest.Config) -> "Iterator[Installation]":
    """A running installation: a temporary one, or that of `shardhouse_data_dir`."""
    from shardhouse.testing import Installation

    with _readable(), Installation(_data_dir(pytestconfig), _reporter(pytestconfig)) as running:
        yield running


@pytest.fixture(scope="session")
def shardhouse_snapshot(pytestconfig: pytest.Config) -> Path | None:
    """The snapshot of which `shardhouse_instance` is made; override it to choose another."""
    return _path(pytestconfig, pytestconfig.getini(_SNAPSHOT))


@pytest.fixture(scope="session")
def shardhouse_instance_order(shardhouse_snapshot: Path | None) -> dict[str, Any]:
    """What `shardhouse_instance` is: arguments of `Installation.create`. Override it for another
    shape."""
    return {"snapshot": shardhouse_snapshot} if shardhouse_snapshot else {"mode": "replicaset"}


@pytest.fixture(scope="session")
def shardhouse_cluster_order() -> dict[str, Any]:
    """What `shardhouse_cluster` is: arguments of `Installation.create`. Override it for another
    shape."""
    return {"mode": "sharding", "shards": 2}


@pytest.fixture(scope="session")
def shardhouse_instance(
    shardhouse: "Installation", shardhouse_instance_order: dict[str, Any]
) -> "Iterator[Instance]":
    """An instance for the whole session: a replica set of three, or what was ordered."""
    with _readable(), shardhouse.lease(**shardhouse_instance_order) as instance:
        yield instance


@pytest.fixture(scope="session")
def shardhouse_cluster(
    shardhouse: "Installation", shardhouse_cluster_order: dict[str, Any]
) -> "Iterator[Instance]":
    """A sharded cluster for the whole session, of two shards if nothing else was ordered."""
    with _readable(), shardhouse.lease(**shardhouse_cluster_order) as instance:
        yield instance


@pytest.fixture
def shardhouse_database(shardhouse_instance: "Instance") -> "Iterator[Database[dict[str, Any]]]":
    """A database of `shardhouse_instance` for one test; it is dropped afterwards."""
    with shardhouse_instance.database() as database:
        yield database


@contextmanager
def _readable() -> Iterator[None]:
    """What goes wrong is the message of the failure, without a trace of our code."""
    from shardhouse.errors import ShardhouseError

    try:
        yield
    except ShardhouseError as error:
        raise pytest.fail.Exception(error.message, pytrace=False) from None


def _data_dir(config: pytest.Config) -> Path | None:
    """The folder of the setting, else of the variable, relative to where pytest was called as it is
    for `shardhouse`."""
    named = _path(config, config.getini(_DATA_DIR))
    variable = os.environ.get("SHARDHOUSE_DATA_DIR")
    if named or not variable:
        return named
    return config.invocation_params.dir / Path(variable).expanduser()


def _path(config: pytest.Config, text: str) -> Path | None:
    """A path of a setting; it may be relative to where pytest's settings are."""
    return config.rootpath / Path(text).expanduser() if text else None


def _reporter(config: pytest.Config) -> Callable[[str], None]:
    """Shows with `-v` what takes seconds, as it begins."""

    def report(line: str) -> None:
        terminal = config.pluginmanager.getplugin("terminalreporter")
        capture = config.pluginmanager.getplugin("capturemanager")
        if terminal is None or capture is None or config.get_verbosity() < 1:
            return
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(f"shardhouse: {line}")

    return report
