"""Databases and routing tables, loaded when first needed, refreshed when a shard says they are old.

Read from the config servers through a `Reader`. One load per name at a time; everyone waits for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar, cast

from shardhouse.router.catalog.chunks import Collection, RoutingTable, build
from shardhouse.router.catalog.versions import UNSHARDED
from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw

CONFIG = "config"
"""The id under which the config servers are reached like a shard."""

_REMEMBERED = 10_000
_FIXED = frozenset({"admin", "config"})
T = TypeVar("T")


class Reader(Protocol):
    """Reads a `config` collection at majority, newest state; documents come shallowly decoded."""

    async def __call__(
        self, collection: str, query: Mapping[str, Any], sort: Mapping[str, int] | None = None
    ) -> Sequence[raw.Document]: ...


@dataclass(frozen=True)
class Database:
    """A database's primary shard, and the version (`{uuid, timestamp, lastMod}`) shards check."""

    name: str
    primary: str
    version: Mapping[str, Any] | None

    @cached_property
    def versions_at_home(self) -> Mapping[str, bytes]:
        """What goes with a command on an unsharded collection, as encoded fields."""
        return {
            "shardVersion": raw.element("shardVersion", UNSHARDED),
            "databaseVersion": raw.element("databaseVersion", self.version),
        }


@dataclass(frozen=True, slots=True)
class Routing:
    """All that is known of a namespace at one moment.

    `database` is None while it does not exist; `table` is None unless the collection is sharded;
    `buckets` is the table of the collection's time series buckets, if those are sharded.
    """

    namespace: str
    database: Database | None
    table: RoutingTable | None
    buckets: RoutingTable | None


class _Loaded:
    """A bounded memory of loaded values with one load per key at a time."""

    def __init__(self) -> None:
        self.values: OrderedDict[str, Any] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Any]] = {}

    def known(self, key: str) -> Any:
        value = self.values.get(key)
        if value is not None:
            self.values.move_to_end(key)
        return value

    async def get(self, key: str, load: Callable[[], Awaitable[T]]) -> T:
        value = self.known(key)
        if value is not None:
            return cast("T", value)
        task = self._loading.get(key)
        if task is None:
            task = asyncio.ensure_future(self._load(key, load))
            self._loading[key] = task
        return cast("T", await asyncio.shield(task))

    async def _load(self, key: str, load: Callable[[], Awaitable[T]]) -> T:
        try:
            value = await load()
            if value is not None:
                self.values[key] = value
                if len(self.values) > _REMEMBERED:
                    self.values.popitem(last=False)
            return value
        finally:
            del self._loading[key]


@dataclass(frozen=True, slots=True)
class _Tables:
    table: RoutingTable | None
    buckets: RoutingTable | None


class Catalog:
    """The router's view of where data lives."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._databases = _Loaded()
        self._tables = _Loaded()
        self._outdated: dict[str, _Tables] = {}
        self.full_loads = self.incremental_loads = 0

    @property
    def sizes(self) -> tuple[int, int]:
        """How many databases and collections are remembered."""
        return len(self._databases.values), len(self._tables.values)

    async def database(self, name: str) -> Database | None:
        """The database, or None if it does not exist (asked anew each time)."""
        if name in _FIXED:
            return Database(name, CONFIG, None)
        return await self._databases.get(name, lambda: self._load_database(name))

    def known(self, namespace: str) -> Routing | None:
        """Database and routing table of a namespace, if they need not be read."""
        database = self._databases.known(namespace.partition(".")[0])
        tables = self._tables.known(namespace)
        if database is None or tables is None:
            return None
        return Routing(namespace, database, tables.table, tables.buckets)

    async def routing(self, namespace: str) -> Routing:
        """Database and routing table of a namespace."""
        name = namespace.partition(".")[0]
        database = await self.database(name)
        if database is None or (name in _FIXED and namespace != "config.system.sessions"):
            return Routing(namespace, database, None, None)
        tables = await self._tables.get(namespace, lambda: self._load_tables(namespace))
        return Routing(namespace, database, tables.table, tables.buckets)

    def forget_collection(self, namespace: str) -> None:
        """The table is old: the next `routing` reads what changed since."""
        tables = self._tables.values.pop(namespace, None)
        if tables is not None and tables.table is not None:
            self._outdated[namespace] = tables
            if len(self._outdated) > _REMEMBERED:  # such as those of collections that are gone
                del self._outdated[next(iter(self._outdated))]

    def forget_database(self, name: str) -> None:
        """The database may have moved or gone, and its collections with it."""
        self._databases.values.pop(name, None)
        for namespace in [n for n in self._tables.values if n.partition(".")[0] == name]:
            self.forget_collection(namespace)

    def forget_all(self) -> None:
        """As `flushRouterConfig` asks."""
        self._databases.values.clear()
        self._tables.values.clear()
        self._outdated.clear()

    async def _load_database(self, name: str) -> Database | None:
        for document in await self._read("databases", {"_id": name}):
            return Database(name, document["primary"], document["version"])
        return None

    async def _load_tables(self, namespace: str) -> _Tables:
        database, _, collection = namespace.partition(".")
        buckets = f"{database}.system.buckets.{collection}"
        known = self._outdated.pop(namespace, None)
        if known is None:
            self.full_loads += 1
        else:
            self.incremental_loads += 1
        for _ in range(10):
            found = await self._read("collections", {"_id": {"$in": [namespace, buckets]}})
            tables: dict[str, RoutingTable | None] = {}
            for document in map(raw.deep, found):
                described = Collection.read(document)
                tables[described.namespace] = await self._load_chunks(
                    described, known.table if known else None
                )
            if None not in tables.values():
                return _Tables(tables.get(namespace), tables.get(buckets))
            known = None
        raise CommandError(82, f"routing table of {namespace} changes too fast to be read")

    async def _load_chunks(
        self, collection: Collection, known: RoutingTable | None
    ) -> RoutingTable | None:
        order = {"lastmod": 1}
        if (
            known is not None
            and known.collection.uuid == collection.uuid
            and known.collection.timestamp == collection.timestamp
            and known.collection.key == collection.key
        ):
            newer = {"uuid": collection.uuid, "lastmod": {"$gte": known.newest}}
            return known.updated(await self._read("chunks", newer, order))
        return build(collection, await self._read("chunks", {"uuid": collection.uuid}, order))
