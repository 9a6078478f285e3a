"""Fixtures: a booted store for unit tests, and a site on loopback that real clients talk to."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shardhouse.api.iam.app import create_iam_app
from tests.iam.world import Clock, Site, World, make_world, serving, stand_in_for_dds


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path, Clock(datetime(2026, 1, 31, 12, tzinfo=UTC)))
    yield made
    made.database.close()


@pytest.fixture(scope="session")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with socket.socket() as iam_socket, socket.socket() as dds_socket:
        for listener in (iam_socket, dds_socket):
            listener.bind(("127.0.0.1", 0))
        iam_port, dds_port = iam_socket.getsockname()[1], dds_socket.getsockname()[1]
        data_dir = tmp_path_factory.mktemp("site")
        world = make_world(data_dir, Clock(), region="eu-de", port=dds_port, iam_port=iam_port)
        iam_app = create_iam_app(world.iam, world.settings)
        dds_app = stand_in_for_dds(world.iam)
        iam_url, dds_url = f"http://127.0.0.1:{iam_port}", f"http://127.0.0.1:{dds_port}"
        with (
            serving(iam_app, iam_socket),
            serving(dds_app, dds_socket),
            httpx.Client(verify=False) as http,  # no TLS here; loading certificates takes 50 ms
        ):
            yield Site(world, iam_url, dds_url, http)
        world.database.close()


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    yield running_site
    running_site.world.clock.advanced = timedelta()
    running_site.world.busy_projects.clear()
