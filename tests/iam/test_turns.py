"""Turns at hashing: sources alternate, few wait, and whatever waits holds up nothing else."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest

from shardhouse.errors import IamError
from shardhouse.iam import turns as module
from shardhouse.iam.turns import Turns
from tests.iam.world import PASSWORD, Site
from tests.installation import until

ELSEWHERE = "127.0.0.2"


async def started(turns: Turns, source: str, operation: Callable[[], None]) -> asyncio.Task[None]:
    """An operation that has taken its turn or its place in the queue."""
    task = asyncio.create_task(turns.run(source, operation))
    await asyncio.sleep(0)
    return task


@contextmanager
def busy() -> Iterator[Callable[[], None]]:
    """An operation that lasts until the block ends."""
    release = threading.Event()

    def operation() -> None:
        assert release.wait(30)

    try:
        yield operation
    finally:
        release.set()


def test_sources_take_turns() -> None:
    served: list[str] = []

    async def scenario() -> None:
        turns = Turns()
        with busy() as operation:
            tasks = [await started(turns, "crowd", operation)]
            for name in ("crowd 1", "crowd 2", "crowd 3", "single 1", "pair 1", "pair 2"):
                append = lambda name=name: served.append(name)  # noqa: E731
                tasks.append(await started(turns, name.split()[0], append))
        await asyncio.gather(*tasks)
        assert not turns._waiting

    asyncio.run(scenario())
    assert served == ["crowd 1", "single 1", "pair 1", "crowd 2", "pair 2", "crowd 3"]


def test_few_wait_and_the_source_with_the_most_places_gives_one_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAITING_PER_SOURCE", 3)
    monkeypatch.setattr(module, "WAITING", 4)
    refused: list[str] = []

    async def attempt(turns: Turns, name: str, operation: Callable[[], None]) -> None:
        try:
            await turns.run(name[0], operation)
        except IamError as error:
            refused.append(f"{name}: {error.status} {error.retry_after}")

    async def scenario() -> None:
        turns = Turns()
        with busy() as operation:
            tasks = []
            for name in ("a0", "a1", "a2", "a3", "a4", "b1", "b2", "b3", "c1", "d1"):
                tasks.append(asyncio.create_task(attempt(turns, name, operation)))
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        await turns.run("a", lambda: None)

    asyncio.run(scenario())
    # Waiting: a1 a2 a3, full with b1; b2 and c1 take a place of the longest queue each.
    assert refused == [f"{name}: 429 1" for name in ("a4", "a3", "b3", "a2", "b2")]


def test_failed_and_abandoned_operations_pass_the_turn_on() -> None:
    def fails() -> None:
        raise ValueError("on purpose")

    async def scenario() -> None:
        turns = Turns()
        with busy() as operation:
            running = await started(turns, "a", operation)
            failing = await started(turns, "a", fails)
            abandoned = await started(turns, "a", operation)
            last = await started(turns, "b", lambda: None)
            abandoned.cancel()
        await running
        with pytest.raises(ValueError, match="on purpose"):
            await failing
        await last
        assert await turns.run("a", lambda: "free") == "free"

    asyncio.run(scenario())


def login(
    site: Site, name: str, source: str = "127.0.0.1", password: str = "wrong"
) -> httpx.Response:
    """A login from an address of this machine."""
    user = {"name": name, "password": password, "domain": {"name": "shardhouse"}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    transport = httpx.HTTPTransport(local_address=source, verify=False)
    with httpx.Client(transport=transport, timeout=60) as client:
        return client.post(f"{site.iam_url}/v3/auth/tokens", json={"auth": auth})


def test_waiting_logins_hold_up_no_other_request(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than there are threads for handlers; the first does not end."""
    token = site.token()
    release = threading.Event()
    hashed: list[str] = []
    passwords, turns = site.world.iam.passwords, site.world.iam.turns

    class Blocked:
        def verify(self, password_hash: str, password: str) -> bool:
            assert release.wait(60)
            hashed.append(threading.current_thread().name)
            return passwords_verify(password_hash, password)

    passwords_verify = passwords._hasher.verify
    monkeypatch.setattr(passwords, "_hasher", Blocked())

    def waiting() -> int:
        return sum(map(len, turns._waiting.values()))

    with ThreadPoolExecutor(64) as pool:
        try:
            crowd = [pool.submit(login, site, f"nobody{number}") for number in range(50)]
            until("the queue to be full", lambda: waiting() == module.WAITING_PER_SOURCE)
            refused = until("refusals", lambda: [one.result() for one in crowd if one.done()])
            elsewhere = pool.submit(login, site, "nobody", ELSEWHERE)
            until("a login from elsewhere to wait", lambda: len(turns._waiting) == 2)
            with site.client(token) as client:
                assert client.get("/v3/projects").status_code == 200
        finally:
            release.set()
        assert elsewhere.result().status_code == 401
        answers = [one.result() for one in crowd]
    for answer in refused:
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "1"
        assert answer.json()["error"] == {
            "code": 429,
            "message": "Too many logins are waiting to be checked; try again in a moment.",
            "title": "Too Many Requests",
        }
    assert sorted({answer.status_code for answer in answers}) == [401, 429]
    assert set(hashed) == {"passwords_0"}


def test_a_user_who_is_attacked_logs_in_from_elsewhere(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.user("attacked")
    monkeypatch.setattr(site.world.clock, "fixed", datetime.now(UTC))
    refusals = [login(site, "attacked") for _ in range(6)]
    assert [answer.status_code for answer in refusals] == [401] * 5 + [429]
    assert refusals[-1].headers["Retry-After"] == "1"
    assert "WWW-Authenticate" not in refusals[-1].headers
    assert login(site, "attacked", ELSEWHERE, PASSWORD).status_code == 201
    assert login(site, "attacked", password=PASSWORD).status_code == 429
