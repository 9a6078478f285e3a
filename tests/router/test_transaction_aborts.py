"""An abort follows what it is to undo: sent too early, it would arrive before it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bson import Binary, Int64

from shardhouse.router.command import Command
from shardhouse.router.commands.call import Call
from shardhouse.router.commands.transactions import statement
from shardhouse.router.errors import NodeUnreachableError
from shardhouse.router.logs import Log
from shardhouse.router.options import parse
from shardhouse.router.router import Router
from shardhouse.router.session import ClientSession
from shardhouse.router.tls import Contexts
from shardhouse.router.transactions.transaction import Transaction
from shardhouse.router.upstream.client import Reply, StaleRoutingError
from shardhouse.router.wire import raw

STALE = {"ok": 0.0, "code": 13388, "errmsg": "stale", "ns": "shop.orders"}


class Shards:
    """Stands where the cluster is: `a` calls the first find stale, `b` answers it when told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked: set[str] = set()

    async def run(self, shard: str, command: dict[str, Any], *_: object, **__: object) -> Reply:
        name = next(iter(command))
        first = name == "find" and shard not in self._asked
        self._asked.add(shard)
        self.events.append(f"{name} {shard}")
        if first and shard == "a":
            raise StaleRoutingError(STALE)
        if first:
            await self.answer
            self.events.append("answer b")
        return Reply({"ok": 1.0}, "b:1", shard, None)


def call(directory: Path) -> tuple[Call, Transaction]:
    key = directory / "key"
    key.write_text("secret-key")
    options = parse(["--configdb", "cfg/a:1", "--keyFile", str(key)])
    log = Log.to(str(directory / "log"), append=False)
    router = Router(options, b"secret-key", Contexts(options), log)
    lsid = {"id": Binary.from_uuid(uuid.uuid4()), "uid": Binary(b"u" * 32)}
    transaction = Transaction(lsid, Int64(1), {"level": "local"})
    command = Command("find", "shop", {"find": "orders"})
    session = ClientSession(1, "127.0.0.1:1", "127.0.0.1:2")
    return Call(router, session, command, transaction=transaction), transaction


async def both(asked: Call) -> raw.Document:
    """A read of both shards at once."""
    find = {"find": "orders"}
    await asyncio.gather(asked.run("a", find), asked.run("b", find))
    return {}


def carried_out(
    directory: Path, end: Callable[[Shards], None]
) -> tuple[list[str], BaseException | None]:
    """The statement, its second shard's answer coming last; what was sent, and its outcome."""

    async def scenario() -> tuple[list[str], BaseException | None]:
        asked, transaction = call(directory)
        shards = Shards()
        asked.router.cluster.run = shards.run  # type: ignore[method-assign, assignment]
        running = asyncio.create_task(statement(asked, transaction, both))
        for _ in range(50):
            await asyncio.sleep(0)
        assert shards.events == ["find a", "find b"], "an abort overtook the statement"
        end(shards)
        await asyncio.wait([running])
        return shards.events, running.exception()

    return asyncio.run(scenario())


def test_a_statement_is_undone_when_all_shards_have_answered(tmp_path):
    events, outcome = carried_out(tmp_path, lambda shards: shards.answer.set_result(None))
    assert events == [
        "find a", "find b", "answer b", "abortTransaction a", "abortTransaction b",
        "find a", "find b",
    ]  # fmt: skip
    assert outcome is None


def test_a_statement_is_not_run_again_where_the_first_may_yet_begin(tmp_path):
    lost = NodeUnreachableError("b:1", "connection closed")
    events, outcome = carried_out(tmp_path, lambda shards: shards.answer.set_exception(lost))
    assert events == ["find a", "find b", "abortTransaction a", "abortTransaction b"]
    assert isinstance(outcome, StaleRoutingError)
