"""Random requests to a service of their own. It may create no instance: the APIs are what is
tried."""

from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

from tests.fuzz import run
from tests.fuzz.grammar import ROUTES
from tests.installation import Installation, until

GROWTH = 50 * 2**20
WORKERS = 4


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A service without room for instances."""
    none = {"sharding": 0, "replica_set": 0, "single": 0}
    installation = Installation(tmp_path_factory.mktemp("fuzz") / "data", quotas=none)
    try:
        installation.start()
        yield installation
    finally:
        installation.destroy()


def attack(installation: Installation, seed: int, seconds: float) -> None:
    process = psutil.Process(installation.pid)
    run.many(installation, range(seed, seed + WORKERS), 2)  # what is loaded late is no growth
    before = process.memory_info().rss
    done = run.many(installation, range(seed + WORKERS, seed + 2 * WORKERS), seconds)
    statuses = sum((one.statuses for one in done), Counter[int]())
    print(f"{sum(one.number for one in done)} requests: {dict(statuses)}")
    findings = [finding for one in done for finding in one.findings]
    assert not findings, "\n".join(findings[:10])
    assert {200, 400, 401, 404} <= statuses.keys()
    until("memory to be given back", lambda: process.memory_info().rss - before < GROWTH)
    assert run.complaints(installation.log.read_text(), run.secrets(installation)) == []


def test_every_route_is_known() -> None:
    assert {port for port, _, _ in ROUTES} == {"dds", "iam"}
    assert ("dds", "POST", "/v3/{project_id}/instances") in ROUTES
    assert ("iam", "POST", "/v3/auth/tokens") in ROUTES


@pytest.mark.soak
def test_random_requests_do_no_harm(fuzzed: Installation) -> None:
    attack(fuzzed, 1000, 20)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(0, 80, 8))
def test_many_random_requests_do_no_harm(fuzzed: Installation, seed: int) -> None:
    attack(fuzzed, seed, 120)
