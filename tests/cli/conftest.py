"""A service started by the program itself, and fake APIs for what only concerns printing."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from shardhouse.cli import client
from shardhouse.client.api import Client
from shardhouse.client.credentials import Credentials
from tests.cli.program import Program, running

PASSWORD = "Secret#2026"
NAME = "journey"
KNOWN = Credentials(
    auth_url="http://iam.test",
    user="admin",
    password="Pass-word1",
    user_domain="home",
    project_id="p1",
    project_name="local",
    project_domain="home",
    region="local",
    data_dir=None,
)
LOGIN = {
    "token": {
        "user": {"id": "u1", "name": "admin", "domain": {"id": "d1", "name": "home"}},
        "project": {"id": "p1", "name": "local"},
        "catalog": [
            {
                "type": "ddsv3",
                "endpoints": [
                    {"interface": "public", "region": "local", "url": "http://dds.test/v3/p1"}
                ],
            }
        ],
    }
}
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def fake_apis(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Let `answer` stand for both APIs behind the login, for all commands of the test."""

    def use(answer: Answer) -> None:
        def handler(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/v3/auth/tokens":
                return httpx.Response(201, json=LOGIN, headers={"X-Subject-Token": "t1"})
            token = None if request.url.path.startswith("/v3/backup-files/") else "t1"
            assert request.headers.get("X-Auth-Token") == token
            return answer(request)

        def connect(_data_dir: Any, timeout: float = 60) -> Client:
            return Client(KNOWN, httpx.MockTransport(handler))

        monkeypatch.setattr(client, "connect", connect)

    return use


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """`shardhouse` beside a running service of its own."""
    with running(tmp_path_factory.mktemp("cli") / "data") as started:
        yield started


@pytest.fixture(scope="session")
def instance(program: Program) -> dict[str, Any]:
    """A Single instance, created with the program."""
    created: dict[str, Any] = program.json(
        *("instance", "create", NAME, "--mode", "single", "--size", "10", "--wait"),
        "--password-stdin",
        stdin=f"{PASSWORD}\n",
    )
    return created
