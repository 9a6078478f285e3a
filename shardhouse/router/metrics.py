"""/metrics for Prometheus, on a port of its own: the counters as they are when someone asks.

The page names commands, hosts and shards; it holds no user, no namespace and nothing of any data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from shardhouse.router import MONGODB_VERSION
from shardhouse.router.catalog.cache import CONFIG
from shardhouse.router.router import Router
from shardhouse.router.statistics import BOUNDS, Tally
from shardhouse.router.transactions.registry import counts as transaction_counts

_PREFIX = "shardhouse_router"
_PATIENCE = 5.0
_AWAITING = frozenset({"hello", "isMaster", "ismaster"})
"""They are held open on purpose: how long they took says nothing."""


def serve(router: Router, address: str, port: int) -> Callable[[], None]:
    """Answer scrapes from a thread; returns what ends that. OSError if the port cannot be had."""
    registry = CollectorRegistry()
    registry.register(_Counters(router, asyncio.get_running_loop()))
    ProcessCollector(registry=registry)
    server, thread = start_http_server(port, address, registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


class _Counters(Collector):
    """Reads the counters in the router's own thread, where nothing changes meanwhile."""

    def __init__(self, router: Router, loop: asyncio.AbstractEventLoop) -> None:
        self._router = router
        self._loop = loop

    def describe(self) -> Iterable[Metric]:
        """The names depend on nothing the registry must know in advance."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """All metrics; none if the router is too busy or about to end."""
        if self._loop.is_closed():
            return ()
        reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
        try:
            return reading.result(_PATIENCE)
        except FutureTimeoutError:
            reading.cancel()
            return ()

    async def _read(self) -> Sequence[Metric]:
        return list(families(self._router))


def families(router: Router) -> Iterable[Metric]:
    """Every metric with its values now."""
    counts = router.statistics
    yield InfoMetricFamily(
        f"{_PREFIX}_build", "The MongoDB version it speaks", {"version": MONGODB_VERSION}
    )
    yield _gauge("uptime_seconds", "Since the start", counts.uptime)
    yield _gauge("connections", "Client connections open", counts.connections)
    yield _counter("connections_created", "Client connections taken", counts.connections_created)
    yield _counter(
        "connections_rejected", "Client connections beyond maxConns", counts.connections_rejected
    )
    yield _counter("received_bytes", "From clients", counts.bytes_in)
    yield _counter("sent_bytes", "To clients", counts.bytes_out)
    yield from _commands(counts.commands)
    errors = CounterMetricFamily(f"{_PREFIX}_errors", "Error replies by code", labels=["code"])
    for code, total in counts.errors.items():
        errors.add_metric([str(code)], total)
    yield errors
    yield _gauge("cursors", "Cursors clients hold open", len(router.cursors))
    yield _counter("cursors_timed_out", "Cursors ended for idleness", router.cursors.timed_out)
    yield from _transactions(router)
    yield from _pools(router)
    loads = CounterMetricFamily(
        f"{_PREFIX}_routing_loads", "Routing tables read, whole or what changed", labels=["kind"]
    )
    loads.add_metric(["full"], router.catalog.full_loads)
    loads.add_metric(["incremental"], router.catalog.incremental_loads)
    yield loads
    yield _counter("stale_routing_retries", "Requests sent anew with new routing", counts.stale)
    yield from _topology(router)


def _commands(tallies: dict[str, Tally]) -> Iterable[Metric]:
    ran = CounterMetricFamily(
        f"{_PREFIX}_commands", "Commands by outcome", labels=["command", "outcome"]
    )
    latency = HistogramMetricFamily(
        f"{_PREFIX}_command_duration_seconds",
        "From the command's arrival to its reply, waits of tailing cursors included",
        labels=["command"],
    )
    for name, tally in tallies.items():
        ran.add_metric([name, "ok"], tally.total - tally.failed)
        ran.add_metric([name, "error"], tally.failed)
        if name in _AWAITING:
            continue
        buckets, sofar = [], 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), tally.buckets, strict=True):
            sofar += count
            buckets.append((bound, float(sofar)))
        latency.add_metric([name], buckets, tally.seconds)
    yield ran
    yield latency


def _transactions(router: Router) -> Iterable[Metric]:
    now = transaction_counts(router.transactions)
    yield _gauge("transactions_open", "Neither committed nor aborted", now["currentOpen"])
    ended = CounterMetricFamily(
        f"{_PREFIX}_transactions", "Transactions by what became of them", labels=["state"]
    )
    for state in ("Started", "Committed", "Aborted"):
        ended.add_metric([state.lower()], now[f"total{state}"])
    yield ended


def _pools(router: Router) -> Iterable[Metric]:
    state = GaugeMetricFamily(
        f"{_PREFIX}_upstream_connections", "To cluster members", labels=["host", "state"]
    )
    waiting = GaugeMetricFamily(
        f"{_PREFIX}_upstream_waiting", "Requests in line for a connection", labels=["host"]
    )
    created = CounterMetricFamily(
        f"{_PREFIX}_upstream_connections_created", "Opened to cluster members", labels=["host"]
    )
    errors = CounterMetricFamily(
        f"{_PREFIX}_upstream_errors", "Connections that broke or failed to open", labels=["host"]
    )
    for host, pool in router.cluster.pools.items():
        state.add_metric([host, "in_use"], pool.in_use)
        state.add_metric([host, "idle"], pool.idle)
        waiting.add_metric([host], pool.waiting)
        created.add_metric([host], pool.created)
        errors.add_metric([host], pool.errors)
    yield from (state, waiting, created, errors)


def _topology(router: Router) -> Iterable[Metric]:
    primary = GaugeMetricFamily(
        f"{_PREFIX}_primary_up", "1 if the set's primary is known and answers", labels=["shard"]
    )
    members = GaugeMetricFamily(
        f"{_PREFIX}_members", "Members by what their last hello said", labels=["shard", "state"]
    )
    for shard in (CONFIG, *router.cluster.shards):
        known = router.cluster.replica_set(shard)
        primary.add_metric([shard], 1 if known.primary else 0)
        states = [member.state for member in known.members.values()]
        for state in ("primary", "secondary", "unknown"):
            members.add_metric([shard, state], states.count(state))
    yield from (primary, members)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"{_PREFIX}_{name}", text, value)
