"""The pool: a limit, a line, and the end of connections nobody will answer on."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable

import pytest

from shardhouse.router.errors import CommandError, NodeUnreachableError
from shardhouse.router.upstream.encoder import encode
from shardhouse.router.upstream.pool import Pool

PING = encode({"ping": 1}, "admin")


class Slow:
    """A connection whose replies come when the test says so."""

    def __init__(self) -> None:
        self.closed: str | None = None
        self.reply: asyncio.Future[dict[str, object]] = asyncio.Future()
        self.asked = 0

    async def request(self, command):
        self.asked += 1
        return await asyncio.shield(self.reply)

    def close(self, reason):
        self.closed = reason
        if not self.reply.done():
            self.reply.set_exception(NodeUnreachableError("a:1", reason))


def within_a_loop(story: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    @functools.wraps(story)
    def run() -> None:
        asyncio.run(story())

    return run


def pool_of(made: list[Slow], limit: int, patience: float = 20.0) -> Pool:
    async def open_one():
        made.append(Slow())
        return made[-1]

    return Pool(open_one, limit, patience)


@within_a_loop
async def test_who_finds_no_connection_waits_for_one():
    made: list[Slow] = []
    pool = pool_of(made, 2)
    requests = [asyncio.create_task(pool.request(PING)) for _ in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (len(made), pool.in_use) == (2, 2)
    for one in made:
        one.reply.set_result({"ok": 1})
    assert await asyncio.gather(*requests) == [{"ok": 1}] * 10
    assert (len(made), pool.in_use, pool.idle) == (2, 0, 2)


@within_a_loop
async def test_who_waits_too_long_is_told_and_leaves_the_line():
    made: list[Slow] = []
    pool = pool_of(made, 1, patience=0.05)
    first = asyncio.create_task(pool.request(PING))
    with pytest.raises(CommandError) as late:
        await asyncio.gather(*(pool.request(PING) for _ in range(3)))
    assert late.value.code == 202
    assert pool.waiting == 0
    made[0].reply.set_result({"ok": 1})
    assert await first == {"ok": 1}
    assert await pool.request(PING) == {"ok": 1}
    assert pool.in_use == 0


@within_a_loop
async def test_a_waiter_that_leaves_costs_nobody_a_place():
    made: list[Slow] = []
    pool = pool_of(made, 1)
    first = asyncio.create_task(pool.request(PING))
    gone, stays = (asyncio.create_task(pool.request(PING)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    made[0].reply.set_result({"ok": 1})
    await first  # the place was passed on to `gone`, which leaves before it can run
    gone.cancel()
    assert await stays == {"ok": 1}
    assert pool.in_use == 0


@within_a_loop
async def test_a_lost_node_fails_what_is_under_way():
    made: list[Slow] = []
    pool = pool_of(made, 5)
    requests = [asyncio.create_task(pool.request(PING)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [one.asked for one in made] == [1, 1, 1]
    pool.drop("silent")
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    assert all(isinstance(outcome, NodeUnreachableError) for outcome in outcomes)
    assert (pool.in_use, pool.idle) == (0, 0)
