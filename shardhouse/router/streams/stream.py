"""One change stream: a cursor on every shard, read side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import Timestamp

from shardhouse.router.errors import STALE_CODES, CommandError
from shardhouse.router.streams import tokens
from shardhouse.router.streams.merge import Batch, Merger
from shardhouse.router.upstream.client import Cluster, Reply
from shardhouse.router.upstream.encoder import DirectCursorId, kill
from shardhouse.router.wire import raw

_POLL_MS = 200
"""How long a shard is left to wait for news: what an idle one can cost the others, at most."""

_LAG = 15.0
"""Seconds a new primary may need to know that what the old one told is committed."""

_TOKEN_NOT_FOUND = 280
_STALE_TIME = 209
_NOTE = {"msg": "change stream waits for this shard"}


@dataclass(slots=True)
class _Source:
    """An open cursor on a node, and the request under way on it."""

    id: int
    address: str
    collection: str
    pending: asyncio.Task[Reply] | None = None
    noted: str = ""


class ChangeStream:
    """`command` opens the stream on a shard, its pipeline without the first stage, whose `options`
    are without those that say where to start."""

    def __init__(
        self,
        cluster: Cluster,
        command: Mapping[str, Any],
        options: Mapping[str, Any],
        db: str,
        preference: Mapping[str, Any],
    ) -> None:
        self._cluster = cluster
        self._command = command
        self._options = options
        self._db = db
        self._preference = preference
        self._sources: dict[str, _Source] = {}
        self._merger = Merger()

    @property
    def token(self) -> str:
        """The token after all that was told."""
        return self._merger.floor

    async def open(self, time: Timestamp, after: tokens.Token | None) -> None:
        """Begin at a time, or after a token; ChangeStreamFatalError (280) if it never was."""
        await self._cluster.refresh_shards()
        start = {"startAtOperationTime": time if after is None else after.time}
        try:
            holder = await self._holder(after) if after is not None and after.is_event else None
            self._merger.floor = "" if after is None else after.data
            starts: dict[str, Mapping[str, Any]] = dict.fromkeys(self._cluster.shards, start)
            if holder is not None and after is not None:
                starts[holder] = {"startAfter": {"_data": after.data}}
            await self._open_all(starts)
        except BaseException:
            await self.close()
            raise
        self._merger.floor = self._merger.promise

    async def next_batch(self, limit: int | None, seconds: float) -> Batch:
        """What can be told now, else within so many seconds, else nothing but a newer token."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            self._absorb()
            late = loop.time() >= deadline
            if self._merger.awaited is None or late or self._ready:
                # Whatever a new shard did comes after it was added, and that we now learn.
                await self._admit_new_shards()
                batch = self._merger.take(limit)
                if batch.events or batch.ended or late:
                    return batch
            await self._urge()
            self._ask()
            pending = [s.pending for s in self._sources.values() if s.pending is not None]
            await asyncio.wait(
                pending,
                timeout=max(deadline - loop.time(), 0),
                return_when=asyncio.FIRST_COMPLETED,
            )

    async def close(self) -> None:
        """End every cursor; those whose node is gone are gone as well."""
        sources, self._sources = self._sources, {}
        waiting = [source.pending for source in sources.values() if source.pending is not None]
        for task in waiting:
            task.cancel()
        await asyncio.gather(
            *waiting,
            *(
                self._cluster.run_on(
                    source.address,
                    shard,
                    kill(DirectCursorId(source.id), source.collection, self._command.get("lsid")),
                    self._db,
                )
                for shard, source in sources.items()
                if source.id
            ),
            return_exceptions=True,
        )

    @property
    def _ready(self) -> bool:
        promise = self._merger.promise
        return any(f.events and f.events[0][0] <= promise for f in self._merger.feeds.values())

    def _pipeline(self, start: Mapping[str, Any], rest: Sequence[Any]) -> dict[str, Any]:
        first = {"$changeStream": {**self._options, **start}}
        return {**self._command, "pipeline": [first, *rest], "cursor": {"batchSize": 0}}

    async def _open_all(self, starts: Mapping[str, Mapping[str, Any]]) -> None:
        """Open a cursor on each shard. Whatever becomes of one, all are awaited: a cursor that
        opens after the stream has failed would be known to nobody."""
        opening = asyncio.gather(
            *(self._open(shard, start) for shard, start in starts.items()), return_exceptions=True
        )
        try:
            outcomes = await asyncio.shield(opening)
        except asyncio.CancelledError:
            await opening
            raise
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _open(self, shard: str, start: Mapping[str, Any]) -> None:
        command = self._pipeline(start, self._command["pipeline"])
        reply = await self._run(shard, command)
        cursor = raw.shallow(bytes(reply.fields["cursor"].raw))
        self._sources[shard] = _Source(
            int(cursor["id"]), reply.address, str(cursor["ns"]).partition(".")[2]
        )
        self._merger.add(shard, _promise(cursor))

    async def _run(self, shard: str, command: Mapping[str, Any]) -> Reply:
        return await self._cluster.run(
            shard, command, self._db, preference=self._preference, attempts=3
        )

    async def _holder(self, token: tokens.Token) -> str:
        """The shard whose event a token is. It alone can start after it by itself."""
        probes = {
            asyncio.create_task(self._holds(shard, token)): shard for shard in self._cluster.shards
        }
        waiting = set(probes)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task.result():
                        return probes[task]
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        raise CommandError(
            _TOKEN_NOT_FOUND,
            f"cannot resume stream; the resume token was not found. {{_data: {token.data!r}}}",
        )

    async def _holds(self, shard: str, token: tokens.Token) -> bool:
        """Whether a token's event is among a shard's; a member that lags is given some time."""
        command = self._pipeline(
            {"startAtOperationTime": token.time}, [{"$match": {"_id._data": token.data}}]
        )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LAG
        reply = await self._run(shard, {**command, "cursor": {"batchSize": 1}})
        cursor = raw.shallow(bytes(reply.fields["cursor"].raw))
        found = bool(cursor["firstBatch"])
        source = _Source(int(cursor["id"]), reply.address, str(cursor["ns"]).partition(".")[2])
        try:
            while not found and source.id and _promise(cursor) < token.data:
                if loop.time() >= deadline:
                    break
                more = await self._more(shard, source)
                cursor = raw.shallow(bytes(more.fields["cursor"].raw))
                source.id = int(cursor["id"])
                found = bool(cursor["nextBatch"])
        finally:
            if source.id:
                ended = kill(
                    DirectCursorId(source.id), source.collection, self._command.get("lsid")
                )
                await self._cluster.run_on(source.address, shard, ended, self._db)
        return found

    async def _more(self, shard: str, source: _Source) -> Reply:
        command: dict[str, Any] = {
            "getMore": DirectCursorId(source.id),
            "collection": source.collection,
            "maxTimeMS": _POLL_MS,
        }
        if "lsid" in self._command:
            command["lsid"] = self._command["lsid"]
        return await self._cluster.run_on(source.address, shard, command, self._db)

    async def _admit_new_shards(self) -> None:
        await self._cluster.refresh_shards()
        new = [shard for shard in self._cluster.shards if shard not in self._sources]
        since = {"startAtOperationTime": tokens.read(self._merger.floor).time}
        await self._open_all(dict.fromkeys(new, since))

    def _ask(self) -> None:
        for shard in self._merger.wanted:
            source = self._sources[shard]
            if source.pending is None:
                source.pending = asyncio.create_task(self._more(shard, source))

    def _absorb(self) -> None:
        for shard, source in list(self._sources.items()):
            task = source.pending
            if task is None or not task.done():
                continue
            source.pending = None
            try:
                reply = task.result()
            except CommandError:
                if shard in self._cluster.shards:
                    raise
                del self._sources[shard], self._merger.feeds[shard]  # it left the cluster
                continue
            cursor = raw.shallow(bytes(reply.fields["cursor"].raw))
            events = [bytes(event.raw) for event in cursor["nextBatch"]]
            source.id = int(cursor["id"])
            self._merger.receive(
                shard,
                [(tokens.of_event(event), event) for event in events],
                _promise(cursor),
                ended=not source.id,
            )

    async def _urge(self) -> None:
        """Have shards that hold up others' events write an empty note: their time moves on."""
        awaited = self._merger.awaited
        if awaited is None:
            return
        late = [
            shard
            for shard in self._merger.wanted
            if shard in self._cluster.shards
            and self._merger.feeds[shard].promise < awaited
            and self._sources[shard].noted < awaited
        ]
        for shard in late:
            self._sources[shard].noted = awaited
        await asyncio.gather(*(self._note(shard, awaited) for shard in late))

    async def _note(self, shard: str, token: str) -> None:
        command = {
            "appendOplogNote": 1,
            "maxClusterTime": _after(tokens.read(token).time),
            "data": _NOTE,
            "writeConcern": {"w": 1},
        }
        try:
            await self._cluster.run(shard, command, "admin")
        except CommandError as error:
            if error.code not in STALE_CODES | {_STALE_TIME}:
                raise


def _after(time: Timestamp) -> Timestamp:
    return Timestamp(time.time, time.inc + 1)


def _promise(cursor: Mapping[str, Any]) -> str:
    token = raw.shallow(bytes(cursor["postBatchResumeToken"].raw))
    return str(token["_data"])
