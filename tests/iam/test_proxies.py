"""Behind a proxy: its word about the client counts where it is trusted, and nowhere else."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shardhouse.errors import SettingsError
from shardhouse.settings import load
from tests.installation import Installation

FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}


@pytest.fixture
def behind_proxy(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data", trusted_proxies=["127.0.0.0/30"])
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def self_link(installation: Installation) -> str:
    answer = httpx.get(f"{installation.iam}/v3", headers=FORWARDED)
    return str(answer.json()["version"]["links"][0]["href"])


def login(installation: Installation, password: str, client: str) -> int:
    user = {
        "name": installation.admin["user_name"],
        "password": password,
        "domain": {"name": installation.admin["domain_name"]},
    }
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    headers = {"X-Forwarded-For": f"made-up, {client}"}
    url = f"{installation.iam}/v3/auth/tokens"
    return httpx.post(url, json={"auth": auth}, headers=headers, timeout=30).status_code


def test_a_trusted_proxy_names_scheme_and_client(behind_proxy: Installation) -> None:
    assert self_link(behind_proxy).startswith("https://")
    answers = {login(behind_proxy, "wrong", "192.0.2.1") for _ in range(6)}
    assert answers <= {401, 429}
    right = behind_proxy.admin["password"]
    assert login(behind_proxy, right, "192.0.2.2") == 201


def test_a_client_cannot_choose_its_own_address(installation: Installation) -> None:
    assert self_link(installation).startswith("http://")


def test_a_proxy_that_is_no_address_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="trusted_proxies"):
        load(trusted_proxies=["proxy.example"])
