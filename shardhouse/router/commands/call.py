"""One running command: what the client asked, who asked, and the way to the shards for it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bson import Timestamp
from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth.privileges import Privileges, Requirement, Unrestricted
from shardhouse.router.auth.users import User
from shardhouse.router.catalog.cache import CONFIG, Database, Routing
from shardhouse.router.catalog.chunks import RoutingTable
from shardhouse.router.catalog.versions import UNSHARDED
from shardhouse.router.command import Command
from shardhouse.router.errors import (
    CommandError,
    ShardReplyError,
    bad_value,
    unauthorized,
    wrong_type,
)
from shardhouse.router.router import Router
from shardhouse.router.session import ClientSession
from shardhouse.router.topology.monitor import SELECTION_TIMEOUT
from shardhouse.router.transactions.transaction import STATEMENTS, Transaction
from shardhouse.router.upstream.client import (
    MAJORITY_WRITE,
    PRIMARY,
    Errand,
    Reply,
    StaleRoutingError,
)
from shardhouse.router.upstream.rules import BYPASS, CLIENT_GENERIC, RULES
from shardhouse.router.wire import raw

READ_ATTEMPTS = 3
STALE_ROUNDS = 10
NOWHERE: dict[str, Any] = {"shardVersion": UNSHARDED}
"""The versions for what is asked of a database that does not exist."""

T = TypeVar("T")
_MODES = frozenset({"primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"})
_LEVELS = ("local", "majority", "linearizable", "available", "snapshot")
_READS = frozenset({"find", "count", "distinct", "listCollections", "listIndexes"})
_NOBODY = Privileges(())
_ANYBODY = Unrestricted()


@dataclass(slots=True)
class Call:
    """Handlers get one of these, and return the fields of the reply."""

    router: Router
    session: ClientSession
    command: Command
    user: User | None = None
    lsid: dict[str, Any] | None = None
    operation_time: Timestamp | None = None
    preference: Mapping[str, Any] = field(default_factory=lambda: PRIMARY)
    transaction: Transaction | None = None
    shards: tuple[str, ...] = ()  # those that worked for it

    @property
    def body(self) -> raw.Document:
        """The command's fields."""
        return self.command.body

    @property
    def db(self) -> str:
        """The command's database."""
        return self.command.db

    @property
    def access_control(self) -> bool:
        """Whether the client has to log in; if not, all clients count as one, who may do all."""
        return self.router.options.access_control

    @property
    def admitted(self) -> bool:
        """Whether the client has come far enough to be served, and to be believed its session."""
        return self.user is not None or not self.access_control

    @property
    def privileges(self) -> Privileges:
        """What the user may do."""
        if not self.access_control:
            return _ANYBODY
        return self.user.privileges if self.user else _NOBODY

    @property
    def transaction_number(self) -> Any:
        """The number of a retryable write, if it is one."""
        return None if self.transaction is not None else self.body.get("txnNumber")

    def require(self, requirements: Iterable[Requirement]) -> None:
        """Unauthorized (13) unless the user has all of these."""
        privileges = self.privileges
        if not all(privileges.allow(requirement) for requirement in requirements):
            raise unauthorized(
                f"not authorized on {self.db} to execute command {self.command.name}"
            )

    def build(self, name: str, value: Any, source: Command | None = None) -> raw.Document:
        """A command for a shard: `name` with `value`, and the client's fields that `name` accepts.

        Any other field of the client's is an error where it is one in a server. Concerns are
        filled in.
        """
        source = source or self.command
        rule = RULES[name]
        built: raw.Document = {name: value}
        for argument, content in itertools.islice(source.body.items(), 1, None):
            if argument in rule.client:
                built[argument] = content
            elif argument not in CLIENT_GENERIC and not rule.lenient:
                unknown = f"BSON field '{source.name}.{argument}' is an unknown field."
                raise CommandError(40415, unknown)
        self.command.time_limit()
        for argument in ("maxTimeMS", "comment"):
            if argument in source.body:
                built[argument] = source.body[argument]
        if rule.read_concern:
            built["readConcern"] = self.read_concern()
        elif source.body.get("readConcern") is not None:
            self.read_concern()  # it has to be one
            level = raw.deep(source.body["readConcern"]).get("level", "local")
            # Drivers repeat a snapshot session's with each getMore, which servers accept.
            if level != "local" and name != "getMore" and "autocommit" not in self.body:
                raise CommandError(
                    72, f"Command {source.name} does not support read concern {level}"
                )
        if name in _READS and "writeConcern" in source.body:
            raise CommandError(72, "Command does not support writeConcern")
        if rule.write_concern:
            built["writeConcern"] = self.write_concern()
        return built

    def read_concern(self) -> Mapping[str, Any]:
        """The client's read concern, completed."""
        given = self.body.get("readConcern")
        if given is not None and not isinstance(given, RawBSONDocument):
            raise CommandError(9, "readConcern field should be an object")
        concern = raw.shallow(bytes(given.raw)) if given is not None else {}
        if "level" not in concern:
            concern = {**self.router.defaults.read_concern, **concern}
        if concern["level"] not in _LEVELS:
            raise CommandError(9, f"readConcern.level must be one of {', '.join(_LEVELS)}")
        if concern["level"] == "snapshot" and "autocommit" not in self.body:
            # Left to themselves, shards would each choose a time of their own.
            after = concern.pop("afterClusterTime", None)
            now = self.router.clock.now
            concern.setdefault("atClusterTime", now if after is None else max(now, after))
        return concern

    def write_concern(self) -> Mapping[str, Any]:
        """The client's write concern, completed.

        A shard is never asked for an unacknowledged write: its answer would leave out all errors,
        also that it refused the write's routing."""
        concern = self.command.write_concern()
        if self.command.unacknowledged:
            return {**concern, "w": 1}
        return concern if "w" in concern else {**self.router.defaults.write_concern, **concern}

    def read_preference(self) -> None:
        """Take `$readPreference` from the command."""
        given = self.command.get("$readPreference", RawBSONDocument)
        if given is not None:
            self.preference = _checked(raw.deep(given))

    async def run(
        self,
        shard: str,
        command: Mapping[str, Any],
        *,
        db: str | None = None,
        sequences: Sequence[tuple[str, bytes]] = (),
        attempts: int = 1,
        follow_preference: bool = False,
    ) -> Reply:
        """Run on a shard (its primary unless the read preference is to be followed).

        Within a transaction its statements join it; what the router asks for itself does not.
        """
        preference = PRIMARY
        sent = dict(command)
        if self.user is not None:
            sent["$audit"] = self.user.impersonation
            rule = RULES.get(next(iter(command)))
            if rule is not None and rule.write_concern:
                sent[BYPASS] = self.user.passes_write_blocks
        if self.session.forwarded is not None:
            sent["$client"] = self.session.forwarded
        if self.lsid is not None:
            sent.setdefault("lsid", self.lsid)
        joined = self.transaction if next(iter(command)) in STATEMENTS else None
        if joined is not None:
            sent = joined.join(shard, sent)
            attempts = 1
        if self.preference is not PRIMARY:
            sent["$readPreference"] = self.preference
            if follow_preference:
                preference = self.preference
        lost = True
        try:
            reply = await self.router.cluster.run(
                shard,
                sent,
                db or self.db,
                sequences=sequences,
                preference=preference,
                attempts=attempts,
                patience=self._patience(),
            )
            lost = False
        except ShardReplyError:
            lost = False
            raise
        finally:
            if joined is not None:
                joined.ended(lost=lost)
        self._note(reply)
        if joined is not None:
            joined.answered(shard, reply.read_only)
        return reply

    def take(self, errand: Errand, name: str, fields: raw.Document) -> Reply:
        """The reply to a command that was sent on an errand, as `run` would return or raise it."""
        address = errand.connection.address
        reply = self.router.cluster.taken(name, fields, errand.shard, address)
        self._note(reply)
        return reply

    def _note(self, reply: Reply) -> None:
        self.saw(reply)
        if reply.shard not in self.shards:
            self.shards += (reply.shard,)

    def _patience(self) -> float:
        """Seconds to wait for an eligible member: no longer than the client's time limit."""
        limit = self.command.time_limit()
        return SELECTION_TIMEOUT if limit is None else min(SELECTION_TIMEOUT, limit)

    def saw(self, reply: Reply) -> None:
        """Remember when what this reply tells can be read back."""
        if reply.time is not None and (
            self.operation_time is None or reply.time > self.operation_time
        ):
            self.operation_time = reply.time

    async def on_config(
        self, command: Mapping[str, Any], db: str = "admin", attempts: int = 1
    ) -> raw.Document:
        """Run on the config servers."""
        return (await self.run(CONFIG, command, db=db, attempts=attempts)).fields

    async def routed(self, namespace: str, attempt: Callable[[Routing], Awaitable[T]]) -> T:
        """Run `attempt` with the namespace's routing, again with newer one while it proves old."""
        for rounds in range(STALE_ROUNDS):
            routing = await self.router.catalog.routing(namespace)
            try:
                return await attempt(routing)
            except StaleRoutingError as error:
                if self.transaction is not None:
                    raise  # the shard aborted its part: the whole statement has to start over
                await self.refresh(namespace, error.reply, rounds)
        raise CommandError(82, f"routing of {namespace} kept changing")

    async def refresh(self, namespace: str, stale: Mapping[str, Any], rounds: int) -> None:
        """Forget what a shard called stale. While the shard itself refreshes, give it a moment."""
        self.router.statistics.stale += 1
        self.router.log.debug(
            1, "SHARDING", "Routing is refreshed", self.session.context,
            namespace=namespace, code=stale.get("code"), round=rounds,
        )  # fmt: skip
        if stale.get("code") == 249:
            self.router.catalog.forget_database(str(stale.get("db", namespace.partition(".")[0])))
        elif stale.get("code") == 70:
            self.router.catalog.forget_database(namespace.partition(".")[0])
        else:
            self.router.catalog.forget_collection(namespace)
            named = stale.get("ns")
            if isinstance(named, str):
                self.router.catalog.forget_collection(named)
        if rounds:
            await asyncio.sleep(0.005 * 2**rounds)

    async def database(self, *, create: bool = False) -> Database:
        """The command's database; made if asked, else NamespaceNotFound (26) if it is missing."""
        found = await self.router.catalog.database(self.db)
        if found is None and create:
            await self.create_database(self.db)
            found = await self.router.catalog.database(self.db)
        if found is None:
            raise CommandError(26, f"database {self.db} not found")
        return found

    async def nowhere(self) -> tuple[str, dict[str, Any]]:
        """Where to send what is asked of a database that does not exist: to any shard, since a
        server refuses what is wrong with a command also if it finds no data. With the version, it
        notices if meanwhile there is data on other shards."""
        shards = await self.all_shards()
        return random.choice(shards), dict(NOWHERE)  # noqa: S311 spreads load

    async def all_shards(self) -> list[str]:
        """Ids of all shards; ShardNotFound (70) if there is none."""
        cluster = self.router.cluster
        if not cluster.shards:
            await cluster.refresh_shards()
        if not cluster.shards:
            raise CommandError(70, "the cluster has no shards yet")
        return cluster.shards

    async def create_database(self, name: str, **options: Any) -> None:
        """Make a database (harmless if it exists)."""
        command = {"_configsvrCreateDatabase": name, **options, "writeConcern": MAJORITY_WRITE}
        await self.on_config(command, attempts=READ_ATTEMPTS)
        self.router.catalog.forget_database(name)


def at_home(database: Database) -> dict[str, Any]:
    """The versions for an unsharded collection on its database's primary shard."""
    if database.version is None:
        return {}
    return {"shardVersion": UNSHARDED, "databaseVersion": database.version}


def database_version(database: Database) -> dict[str, Any]:
    """The version for a command on a database as such."""
    return {} if database.version is None else {"databaseVersion": database.version}


def _checked(preference: raw.Document) -> raw.Document:
    mode, tags = preference.get("mode"), preference.get("tags", [])
    if not isinstance(mode, str) or mode not in _MODES:
        raise bad_value("Could not parse $readPreference mode")
    if not isinstance(tags, list) or not all(isinstance(one, dict) for one in tags):
        raise wrong_type("$readPreference.tags", "array")
    staleness = preference.get("maxStalenessSeconds", -1)
    if isinstance(staleness, bool) or not isinstance(staleness, int | float):
        raise wrong_type("$readPreference.maxStalenessSeconds", "long")
    if mode == "primary" and (any(tags) or staleness > 0):
        raise bad_value("mode 'primary' has neither tags nor a limit of staleness")
    return preference


def owners(routing: Routing, database: Database) -> list[tuple[str, dict[str, Any]]]:
    """Every shard that holds a part of the collection, with the versions to attach."""
    if routing.table is None:
        return [(database.primary, at_home(database))]
    return [(shard, at(routing.table, shard)) for shard in routing.table.shards]


def at(table: RoutingTable, shard: str) -> dict[str, Any]:
    """The version for a sharded collection on one shard."""
    return {"shardVersion": table.version(shard)}
