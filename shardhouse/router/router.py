"""The parts of a running router, put together, and the tasks that keep them current."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from shardhouse.router import MONGODB_VERSION
from shardhouse.router.audit import Audit
from shardhouse.router.auth import service
from shardhouse.router.auth.users import Users
from shardhouse.router.catalog.cache import CONFIG, Catalog
from shardhouse.router.clock import Clock
from shardhouse.router.cursors import Cursor, Cursors
from shardhouse.router.errors import CommandError
from shardhouse.router.fail_points import FailPoints
from shardhouse.router.logs import Log
from shardhouse.router.options import Options
from shardhouse.router.parameters import Parameters
from shardhouse.router.running import Operations
from shardhouse.router.slow_log import SlowLog
from shardhouse.router.statistics import Statistics
from shardhouse.router.tls import Contexts
from shardhouse.router.transactions.registry import Transactions
from shardhouse.router.upstream.client import MAJORITY_WRITE, Cluster
from shardhouse.router.upstream.encoder import kill
from shardhouse.router.wire import raw

_USERS_EVERY, _SHARDS_EVERY, _PING_EVERY, _REAP_EVERY = 1.0, 5.0, 10.0, 1.0
_DEFAULTS_EVERY, _AUDIT_EVERY = 10.0, 0.25
_PAUSE = 0.2
_LOOK_EVERY = 0.05
_ENDING = 2.0
CURSOR_IN_USE = 12051


class Defaults:
    """The cluster's default concerns, and both as encoded fields."""

    def __init__(self, read: Mapping[str, Any], write: Mapping[str, Any]) -> None:
        self.read_concern = read
        self.write_concern = write
        self.encoded = {
            "readConcern": raw.element("readConcern", read),
            "writeConcern": raw.element("writeConcern", write),
        }


class Router:
    """What every command may use: routing, nodes, users, cursors, the clock, and the defaults."""

    def __init__(self, options: Options, key: bytes | None, tls: Contexts, log: Log) -> None:
        self.options = options
        self.log = log
        self.tls = tls
        self.process_id = ObjectId()
        self.clock = Clock()
        self.cluster = Cluster(options.config_string, key, tls, self.clock, log)
        self.catalog = Catalog(self.cluster.read_config)
        self.users = Users(self.cluster.ask_config, service.user(key) if key else None)
        self.cursors = Cursors()
        self.operations = Operations()
        self.transactions = Transactions()
        self.statistics = Statistics()
        self.parameters = Parameters(options.parameters, log.levels)
        self.fail_points = FailPoints()
        self.slow_log = SlowLog(log, options.slow_milliseconds, options.slow_sample_rate)
        self.audit = Audit(options.audit_filter_file, options.audit_path, log)
        self.secret = os.urandom(32)
        self.defaults = Defaults({"level": "local"}, {"w": "majority", "wtimeout": 0})
        self.stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._later: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """`host:port`, under which this router is listed in `config.mongos`."""
        return f"{socket.gethostname()}:{self.options.port}"

    def start(self) -> None:
        """Begin to watch the cluster; returns at once, whether it can be reached or not."""
        self.cluster.start()
        for period, work in (
            (_PAUSE, self._follow_shards),
            (_USERS_EVERY, self._refresh_users),
            (_DEFAULTS_EVERY, self.refresh_defaults),
            (_PING_EVERY, self._ping),
            (_REAP_EVERY, self._reap),
            (_AUDIT_EVERY, self._refresh_audit),
        ):
            self._tasks.append(asyncio.create_task(self._repeat(period, work)))

    async def drained(self, seconds: float) -> None:
        """Wait until clients ended their cursors and transactions, at most so many seconds."""
        deadline = time.monotonic() + seconds
        while self.cursors.finite or self.transactions.open:
            if time.monotonic() >= deadline:
                return
            await asyncio.sleep(_LOOK_EVERY)

    async def stop(self) -> None:
        """End the tasks, the open cursors, and the connections."""
        self.stopping.set()
        with contextlib.suppress(TimeoutError):  # a shard that does not answer
            async with asyncio.timeout(_ENDING):
                cursors = self.cursors.all
                await asyncio.gather(*map(self.kill_cursor, cursors), return_exceptions=True)
        tasks = [*self._tasks, *self._later]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.cluster.stop()
        self.audit.close()

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something nobody waits for."""
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def kill_cursor(self, cursor: Cursor) -> None:
        """End a cursor on its node; that it is gone already, or its node, is as good."""
        self.cursors.remove(cursor)
        if cursor.stream is not None:
            await cursor.stream.close()
            return
        command = kill(cursor.remote, cursor.collection, cursor.lsid)
        try:
            await self.cluster.run_on(cursor.address, cursor.shard, command, cursor.database)
        except CommandError as error:
            if error.code == CURSOR_IN_USE:  # the node still works for it: try again soon
                cursor.abandoned = True
                self.cursors.add(cursor)

    async def end_cursors(self, transaction: Any, lsid: Mapping[str, Any]) -> None:
        """A transaction is over, and with it the cursors opened in it."""
        for cursor in self.cursors.of_session(bytes(lsid["id"])):
            if cursor.transaction == transaction and cursor.transaction is not None:
                self.cursors.remove(cursor)
                self.later(self.kill_cursor(cursor))

    async def signing_keys(self) -> None:
        """Load the keys that sign the cluster time."""
        query = {"purpose": "HMAC"}
        self.clock.set_keys(await self.cluster.read("admin", "system.keys", query))

    async def _repeat(self, period: float, work: Callable[[], Awaitable[object]]) -> None:
        complaint = ""
        while True:
            try:
                await work()
                complaint = ""
                pause = period
            except CommandError as error:
                if complaint != error.message:
                    complaint = error.message
                    self.log.alert(
                        "SHARDING", "Waiting for the cluster", task=work.__name__, error=complaint
                    )
                pause = min(period, _PAUSE)
            except Exception as error:
                # A task that keeps the router current must outlive one bad answer.
                self.log.fail("SHARDING", "Task failed", task=work.__name__, error=repr(error))
                pause = period
            await asyncio.sleep(pause)

    async def _follow_shards(self) -> None:
        """Learn which shards there are, then wait for news of them, though not for long."""
        self.cluster.topology_changed.clear()
        await self.cluster.refresh_shards()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SHARDS_EVERY):
                await self.cluster.topology_changed.wait()

    async def _refresh_users(self) -> None:
        await self.users.poll()
        if self.clock.needs_keys:
            await self.signing_keys()

    async def refresh_defaults(self) -> None:
        """Learn the cluster's default concerns."""
        reply = await self.cluster.ask_config({"getDefaultRWConcern": 1})
        self.defaults = Defaults(
            reply.get("defaultReadConcern") or {"level": "local"},
            reply.get("defaultWriteConcern") or {"w": "majority"},
        )

    async def _ping(self) -> None:
        ping = {
            "ping": datetime.now(UTC),
            "up": int(self.statistics.uptime),
            "waiting": True,
            "mongoVersion": MONGODB_VERSION,
            "advisoryHostFQDNs": [],
        }
        statement = raw.encode({"q": {"_id": self.name}, "u": {"$set": ping}, "upsert": True})
        await self.cluster.run(
            CONFIG,
            {"update": "mongos", "writeConcern": MAJORITY_WRITE},
            "config",
            sequences=[("updates", statement)],
        )

    async def _refresh_audit(self) -> None:
        self.audit.refresh()

    async def _reap(self) -> None:
        limit = self.parameters["cursorTimeoutMillis"] / 1000
        self.transactions.forget_idle(time.monotonic())
        for cursor in self.cursors.idle(time.monotonic(), limit):
            self.cursors.timed_out += 1
            await self.kill_cursor(cursor)
