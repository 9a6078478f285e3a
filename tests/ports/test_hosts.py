"""Where a service listens, and what its addresses are then."""

import json
import socket
from pathlib import Path

import pytest

from shardhouse import endpoints
from shardhouse.cli.installation import Installation
from tests.cli.program import running


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize(("host", "family"), [("::1", "[::1]"), ("0.0.0.0", None), ("::", None)])
def test_every_host_gives_addresses_that_can_be_called(
    host: str, family: str | None, tmp_path: Path
) -> None:
    if ":" in host and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    folder = tmp_path / "data"
    with running(folder, f"--host={host}") as program:
        known = json.loads((folder / "admin.json").read_text())
        assert program.json("instance", "list") == []
    address = endpoints.host_of(known["dds_endpoint"])
    assert address not in endpoints.WILDCARDS
    if family is not None:
        assert known["dds_endpoint"].startswith(f"http://{family}:")
    log = Installation(folder).log_file.read_text()
    assert ("NO TLS" in log) == (host != "::1")
    assert ("set dds_endpoint and iam_endpoint" in " ".join(log.split())) == (host != "::1")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("::1", "http://[::1]:1"),
        ("dds.example.org", "http://dds.example.org:1"),
    ],
)
def test_addresses_are_written_as_urls_want_them(host: str, url: str) -> None:
    assert endpoints.url("http", host, 1) == url
    assert endpoints.host_of(url) == host


def test_which_hosts_are_this_machines_alone() -> None:
    assert all(map(endpoints.is_loopback, ("127.0.0.1", "127.8.0.1", "::1", "localhost")))
    assert not any(map(endpoints.is_loopback, ("0.0.0.0", "::", "192.0.2.1", "example.org")))
