"""Runs commands on shards: finds the node, sends, reads errors, follows a primary that moved."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import Timestamp

from shardhouse.router.catalog.cache import CONFIG
from shardhouse.router.clock import Clock
from shardhouse.router.errors import (
    NOT_PRIMARY_CODES,
    STALE_CODES,
    CommandError,
    NodeUnreachableError,
    ShardReplyError,
)
from shardhouse.router.logs import Log
from shardhouse.router.tls import Contexts
from shardhouse.router.topology import description
from shardhouse.router.topology.description import ReplicaSet
from shardhouse.router.topology.monitor import SELECTION_TIMEOUT, Monitor
from shardhouse.router.upstream.connection import Connection, Done, connect
from shardhouse.router.upstream.encoder import DirectCursorId, Encoded, encode, operation_time
from shardhouse.router.upstream.pool import Pool
from shardhouse.router.wire import raw

_CONFIG_PATIENCE = 5.0
_READ_ATTEMPTS = 3
_ANY_CONFIG_SERVER: Mapping[str, Any] = {"mode": "primaryPreferred"}

PRIMARY: Mapping[str, Any] = {"mode": "primary"}
MAJORITY_WRITE: Mapping[str, Any] = {"w": "majority", "wtimeout": 60_000}
INTERNAL_FIELDS = (
    "$clusterTime", "$configTime", "$topologyTime", "$gleStats", "operationTime", "electionId",
    "opTime", "readOnly", "lastCommittedOpTime",
)  # fmt: skip
"""What members tell each other in a reply; no client sees it from a mongos."""

_RARE = ("$configTime", "$topologyTime")
"""Times that change with the cluster's layout only."""


class StaleRoutingError(ShardReplyError):
    """The shard knows newer routing than we do: refresh, then send again."""


class ShardGoneError(StaleRoutingError):
    """The shard is none of the cluster's (any more): nothing was sent (ShardNotFound, 70)."""

    def __init__(self, shard: str) -> None:
        message = f"Shard {shard} not found"
        super().__init__({"ok": 0.0, "errmsg": message, "code": 70, "codeName": "ShardNotFound"})


@dataclass(slots=True)
class Errand:
    """A request that can be sent at once: for which shard, and the connection taken for it."""

    shard: str
    pool: Pool
    connection: Connection
    abandoned: bool = False

    def abandon(self) -> None:
        """Nobody waits for the answer any more: end the connection, and with it the work."""
        self.abandoned = True
        self.connection.close("request abandoned")


@dataclass(slots=True)
class Reply:
    """A successful answer: its fields (internal ones removed), who gave it, and its time.

    `read_only` is what a participant of a transaction says of all its part so far.
    """

    fields: raw.Document
    address: str
    shard: str
    time: Timestamp | None
    read_only: bool | None = None


class Cluster:
    """All nodes: the config servers under the id `config`, and the shards under theirs."""

    def __init__(
        self, config_servers: str, key: bytes | None, tls: Contexts, clock: Clock, log: Log
    ) -> None:
        self._key = key
        self._tls = tls
        self._clock = clock
        self._log = log
        self._pools: dict[str, Pool] = {}
        self._monitors: dict[str, Monitor] = {}
        self._refreshing = asyncio.Lock()
        self._topology_time = Timestamp(0, 0)
        self._heard: list[bytes] = []
        self.topology_changed = asyncio.Event()
        """A node told that shards were added or removed since any other reply."""
        self._watch(CONFIG, config_servers)

    @property
    def shards(self) -> list[str]:
        """Ids of the shards known now."""
        return [name for name in self._monitors if name != CONFIG]

    @property
    def pools(self) -> Mapping[str, Pool]:
        """Connection pools by node address."""
        return self._pools

    def connection_string(self, shard: str) -> str:
        """`set/host:port,...` of a shard."""
        return self.replica_set(shard).connection_string

    def replica_set(self, shard: str) -> ReplicaSet:
        """What is known of a shard's members now."""
        return self._monitors[shard].known

    def start(self) -> None:
        """Begin to watch the config servers."""
        self._monitors[CONFIG].start()

    def stop(self) -> None:
        """Stop watching, close what is idle."""
        for monitor in self._monitors.values():
            monitor.stop()
        for pool in self._pools.values():
            pool.clear()

    async def refresh_shards(self) -> None:
        """Learn which shards there are, from `config.shards`."""
        async with self._refreshing:
            listed = {
                str(document["_id"]): str(document["host"])
                for document in await self.read_config("shards", {})
            }
            for name, monitor in list(self._monitors.items()):
                # A shard under an old name whose members are all new is another shard.
                members = description.seeds(listed.get(name, "")).members.keys()
                if name != CONFIG and members.isdisjoint(monitor.known.members):
                    self._forget(name)
            for name, hosts in listed.items():
                if name not in self._monitors:
                    self._log.note("SHARDING", "Shard joined the cluster", shard=name)
                    self._watch(name, hosts).start()

    async def read_config(
        self, collection: str, query: Mapping[str, Any], sort: Mapping[str, int] | None = None
    ) -> Sequence[raw.Document]:
        """Documents of `config.<collection>`, majority committed, not older than any reply seen."""
        return await self.read(CONFIG, collection, query, sort)

    async def read(
        self,
        db: str,
        collection: str,
        query: Mapping[str, Any],
        sort: Mapping[str, int] | None = None,
    ) -> Sequence[raw.Document]:
        """All documents a query finds on the config servers, shallowly decoded."""
        concern: dict[str, Any] = {"level": "majority"}
        if self._clock.config_time is not None:
            concern["afterClusterTime"] = self._clock.config_time
        command: dict[str, Any] = {
            "find": collection,
            "filter": query,
            "readConcern": concern,
            "$readPreference": _ANY_CONFIG_SERVER,
        }
        if sort:
            command["sort"] = sort
        # Without a primary among them, the other config servers know what was committed as well.
        reply = await self.run(
            CONFIG, command, db, preference=_ANY_CONFIG_SERVER, attempts=_READ_ATTEMPTS
        )
        cursor = raw.shallow(bytes(reply.fields["cursor"].raw))
        documents = [raw.shallow(bytes(found.raw)) for found in cursor["firstBatch"]]
        while cursor["id"]:
            more = {"getMore": DirectCursorId(cursor["id"]), "collection": collection}
            reply = await self.run_on(reply.address, CONFIG, more, db)
            cursor = raw.shallow(bytes(reply.fields["cursor"].raw))
            documents += [raw.shallow(bytes(found.raw)) for found in cursor["nextBatch"]]
        return documents

    async def ask_config(self, command: dict[str, Any]) -> raw.Document:
        """A command on `admin` of the config servers, its reply fully decoded.

        Waits less long than a client's command would: logins and hellos depend on it.
        """
        reply = await self.run(CONFIG, command, "admin", attempts=2, patience=_CONFIG_PATIENCE)
        return raw.deep(reply.fields)

    async def run(
        self,
        shard: str,
        command: Mapping[str, Any],
        db: str,
        *,
        sequences: Sequence[tuple[str, bytes]] = (),
        preference: Mapping[str, Any] = PRIMARY,
        attempts: int = 1,
        patience: float = SELECTION_TIMEOUT,
    ) -> Reply:
        """Run a command on a member of a shard.

        `attempts` above 1 repeat it after a broken connection or a change of primary: only for
        what may safely run twice.
        """
        while True:
            attempts -= 1
            monitor = await self._monitor(shard)
            try:
                member = await monitor.select(preference, patience)
            except CommandError:
                if self._monitors.get(shard) is not monitor:
                    raise ShardGoneError(shard) from None
                raise
            try:
                return await self.run_on(member.address, shard, command, db, sequences=sequences)
            except (NodeUnreachableError, ShardReplyError) as error:
                lost = isinstance(error, NodeUnreachableError) or error.code in NOT_PRIMARY_CODES
                if not lost or attempts <= 0:
                    raise

    async def run_on(
        self,
        address: str,
        shard: str,
        command: Mapping[str, Any],
        db: str,
        *,
        sequences: Sequence[tuple[str, bytes]] = (),
    ) -> Reply:
        """Run a command on one node; CommandError for whatever it answers but success."""
        encoded = encode({**command, **self._gossip()}, db, sequences)
        try:
            fields = await self._pool(address).request(encoded)
        except NodeUnreachableError as error:
            self._suspect(shard, address, str(error))
            raise
        return self.taken(encoded.name, fields, shard, address)

    def _gossip(self) -> dict[str, Any]:
        """The times a node is to know. One that hears of a newer topology reads which shards there
        are before it uses any: else it would wait for one that is gone."""
        times: dict[str, Any] = {}
        if self._clock.now.time:
            times["$clusterTime"] = self._clock.gossip()
        if self._topology_time.time and self._clock.config_time is not None:
            times["$configTime"] = self._clock.config_time
            times["$topologyTime"] = self._topology_time
        return times

    def at_once(self, shard: str) -> Errand | None:
        """A connection to the shard's primary, if both are there without waiting."""
        monitor = self._monitors.get(shard)
        primary = monitor.known.primary if monitor is not None else None
        pool = self._pools.get(primary.address) if primary is not None else None
        connection = pool.take() if pool is not None else None
        if pool is None or connection is None:
            return None
        return Errand(shard, pool, connection)

    def send(self, errand: Errand, command: Encoded, done: Done) -> None:
        """Send on the errand's connection and give it back; `done` gets the frame of the reply."""

        def answered(result: bytes | NodeUnreachableError) -> None:
            failed = not isinstance(result, bytes) and not errand.abandoned
            errand.pool.give_back(errand.connection, failed=failed)
            if failed:
                self._suspect(errand.shard, errand.connection.address, str(result))
            if not errand.abandoned:
                done(result)

        errand.connection.send(command, answered)

    def hear(self, gossip: Mapping[str, Any]) -> None:
        """Note the times a node tells."""
        cluster_time = gossip.get("$clusterTime")
        if cluster_time is not None:
            self._clock.advance(cluster_time["clusterTime"])
        self._clock.advance_config(gossip.get("$configTime"))
        topology_time = gossip.get("$topologyTime")
        if topology_time is not None and topology_time > self._topology_time:
            self._topology_time = topology_time
            self.topology_changed.set()

    def hear_encoded(self, reply: Mapping[str, bytes]) -> None:
        """As `hear`, from encoded fields. Only the cluster time is news most of the time."""
        told = reply.get("$clusterTime")
        if told is not None:
            self._clock.advance_encoded(raw.value_of("$clusterTime", told))
        rare = [reply[name] for name in _RARE if name in reply]
        if rare != self._heard:
            self._heard = rare
            self.hear(raw.shallow(raw.assembled(rare)))

    def taken(self, name: str, fields: raw.Document, shard: str, address: str) -> Reply:
        """A node's reply to command `name`, its times noted, its internal fields removed;
        CommandError if it refused."""
        time = operation_time(name, fields)
        self.hear(fields)
        read_only = fields.get("readOnly")
        for internal in INTERNAL_FIELDS:
            fields.pop(internal, None)
        if fields.get("ok") == 1:
            return Reply(fields, address, shard, time, read_only)
        refusal = error_of(fields)
        if refusal.code in NOT_PRIMARY_CODES:
            self._suspect(shard, address, refusal.message)
        raise refusal

    def _forget(self, shard: str) -> None:
        """The shard left the cluster: stop watching it, close its connections."""
        monitor = self._monitors.pop(shard)
        monitor.stop()
        self._log.note("SHARDING", "Shard left the cluster", shard=shard)
        for address in monitor.known.members:
            pool = self._pools.pop(address, None)
            if pool is not None:
                pool.close()

    def _suspect(self, shard: str, address: str, reason: str) -> None:
        monitor = self._monitors.get(shard)
        if monitor is not None:
            monitor.suspect(address, reason)

    async def _monitor(self, shard: str) -> Monitor:
        if shard not in self._monitors:
            await self.refresh_shards()
        try:
            return self._monitors[shard]
        except KeyError:
            raise ShardGoneError(shard) from None

    def _watch(self, name: str, hosts: str) -> Monitor:
        monitor = Monitor(hosts, self._dial, self._log, self._lost)
        self._monitors[name] = monitor
        return monitor

    def _lost(self, address: str) -> None:
        pool = self._pools.get(address)
        if pool is not None:
            pool.drop("the node does not answer, or was replaced as primary")

    async def _dial(self, address: str) -> Connection:
        return await connect(address, self._tls.members)

    def _pool(self, address: str) -> Pool:
        pool = self._pools.get(address)
        if pool is None:
            pool = Pool(
                lambda: connect(address, self._tls.members, lambda new: new.join(self._key))
            )
            self._pools[address] = pool
        return pool


def error_of(fields: raw.Document) -> ShardReplyError:
    """The exception for an `ok: 0` reply."""
    if fields.get("code") in STALE_CODES:
        return StaleRoutingError(fields)
    return ShardReplyError(fields)
