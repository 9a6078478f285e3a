"""Numbers of servers for metrics: `serverStatus`, and what it does not say."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Timestamp

from shardhouse.mongo.admin import Client

_LEFT_OUT = (
    *("electionMetrics", "indexStats", "locks", "readConcernCounters", "readPreferenceCounters"),
    *("security", "tcmalloc", "tenantMigrations", "transactions", "twoPhaseCommitCoordinator"),
)
"""Sections that are large and hold nothing we measure."""
_STATUS: Mapping[str, Any] = {
    "serverStatus": 1,
    "opLatencies": {"histograms": True},
    "oplog": 1,
    **dict.fromkeys(_LEFT_OUT, 0),
}
_DAY = timedelta(days=1)
_CHUNKS_BY_SHARD = [{"$group": {"_id": "$shard", "chunks": {"$sum": 1}}}]
Status = Mapping[str, Any]


def status(client: Client) -> Status:
    """`serverStatus` with histograms of latencies and the ends of the oplog. Raises PyMongo's
    errors."""
    return client.admin.command(dict(_STATUS))


def replication(client: Client, told: Status) -> dict[str, float]:
    """Of a member of a replica set: `oplog.window` (seconds between the ends of its oplog), of a
    primary `oplog.rate` (bytes per hour), of others `repl.lag` (seconds behind the primary, as it
    knows it). `told` is its `status`. Raises PyMongo's errors."""
    found: dict[str, float] = {}
    ends = told.get("oplog", {})
    first, last = ends.get("earliestOptime"), ends.get("latestOptime")
    if isinstance(first, Timestamp) and isinstance(last, Timestamp):
        found["oplog.window"] = window = last.time - first.time
        if window > 0 and _leads(told):
            size = client["local"].command("collStats", "oplog.rs")["size"]
            found["oplog.rate"] = 3600 * size / window
    if not _leads(told):
        lag = _lag(client.admin.command("replSetGetStatus")["members"])
        found |= {} if lag is None else {"repl.lag": lag}
    return found


def _leads(told: Status) -> bool:
    repl = told.get("repl", {})
    return bool(repl.get("isWritablePrimary", repl.get("ismaster")))


def _lag(members: Sequence[Mapping[str, Any]]) -> float | None:
    own = next((one.get("optimeDate") for one in members if one.get("self")), None)
    primary = next((one.get("optimeDate") for one in members if one["state"] == 1), None)
    if own is None or primary is None:
        return None
    lag: timedelta = primary - own
    return max(0.0, lag.total_seconds())


def cluster(client: Client, told: Status, shards: Sequence[str]) -> dict[str, float]:
    """Of the primary of a cluster's config servers: `cluster.chunks.<n>` of the n-th of `shards`,
    and `cluster.failed_migrations` within a day. Nothing of others. Raises PyMongo's errors."""
    if not _leads(told):
        return {}
    config = client["config"]
    found = config["chunks"].aggregate(_CHUNKS_BY_SHARD)
    counts = {one["_id"]: one["chunks"] for one in found}
    failed = {"what": "moveChunk.error", "time": {"$gte": datetime.now(UTC) - _DAY}}
    return {
        "cluster.failed_migrations": config["changelog"].count_documents(failed),
        **{f"cluster.chunks.{n}": counts.get(shard, 0) for n, shard in enumerate(shards, 1)},
    }
