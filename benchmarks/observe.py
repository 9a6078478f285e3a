"""What it costs to observe databases: the same operations with and without, side by side.

A plain script. Each operation is done for a while without being observed, then in each way of it,
and so on, by one application (see `benchmarks.router`). Read the ratios, and the processor time
that the observed process needs for an operation: all processes share this machine.

    python -m benchmarks.observe audit      audit logs: of a router, of a mongod
    python -m benchmarks.observe service    a replica set without `serve` (it is stopped meanwhile),
                                            with it, measured every five seconds, with a kill rule,
                                            and while its slow operations are read all the time
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import psutil
from pymongo import MongoClient

from benchmarks.router import Bench, Result, applications, bench
from shardhouse.domain.audit import AuditPolicy
from shardhouse.mongo.audit import QUIET, VERBOSE, Translator
from tests import requests
from tests.installation import Installation, uri
from tests.router.cluster import ADMIN, PASSWORD, until

Way = tuple[Mapping[str, Any], Callable[[], object], int]
"""How a client connects, what is done before it begins, and which process is observed."""

OPERATIONS = ("insert", "update", "find")
TURN = 1.5
"""Seconds of a turn."""


def audit(made: Bench, connections: Sequence[int], rounds: int) -> None:
    """Entries that a router writes, and what a mongod logs for them."""
    wanted = AuditPolicy(7).filter
    assert wanted is not None
    with tempfile.TemporaryDirectory() as folder:
        filter_file, path = Path(folder) / "filter.json", Path(folder) / "audit.log"
        filter_file.write_text("null")
        options = ("--auditFilterFile", str(filter_file), "--auditPath", str(path))
        router = made.cluster.start_router(*options)
        switched = itertools.count(2)

        def switch(document: object) -> None:
            filter_file.write_text(json.dumps(document))
            times = next(switched)
            said = '"Audit filter read"'
            until("the router to act", lambda: router.log.read_text().count(said) >= times)

        try:
            with router.client() as client:
                until("the router", lambda: client.admin.command("ping"))
            where = {"host": f"127.0.0.1:{router.port}", "username": ADMIN, "password": PASSWORD}
            pid = router.process.pid
            ways: dict[str, Way] = {
                "router": (where, lambda: switch(None), pid),
                "router, audited": (where, lambda: switch(wanted.document()), pid),
            }
            compare(ways, connections, rounds)
            lines = path.read_bytes().splitlines()
            print(f"{sum(map(len, lines)) / len(lines):.0f} bytes per entry")
        finally:
            router.stop()
    with MongoClient(**made.direct) as client:

        def verbosity(level: int, slow: int = 100) -> None:
            components = {"command": {"verbosity": level}}
            client.admin.command({"setParameter": 1, "logComponentVerbosity": components})
            client.admin.command("profile", 0, slowms=slow)

        direct, shard = made.direct, made.cluster.shards[0].process
        assert shard is not None
        compare(
            {
                "mongod": (direct, lambda: verbosity(QUIET), shard.pid),
                "command: 1": (direct, lambda: verbosity(VERBOSE), shard.pid),
                "slowms: -1": (direct, lambda: verbosity(QUIET, -1), shard.pid),
            },
            connections,
            rounds,
        )
        verbosity(QUIET)
    log = (made.cluster.shards[0].directory / "log").read_bytes().splitlines()[-100_000:]
    translator = Translator({}, {})
    # As a user's: what `__system` does is left out sooner.
    log = [line for line in log if b"Authentication" not in line]
    began = time.perf_counter()
    entries = translator.entries(log, wanted)
    took = time.perf_counter() - began
    print(f"{took / max(1, len(entries)) * 1e6:.0f} us to make an entry of a mongod's log")
    size = sum(map(len, log)) / max(1, len(log))
    print(f"{size:.0f} bytes per line of a mongod's log")


def service(connections: Sequence[int], rounds: int) -> None:
    """What `serve` does beside a replica set: watching, measuring, kill rules, reading of logs."""
    with tempfile.TemporaryDirectory(prefix="shardhouse-observe-") as folder:
        installation = Installation(Path(folder) / "data")
        installation.start()
        serve = psutil.Process(installation.pid)
        reading, calling = Event(), Lock()
        try:
            made = installation.make(requests.replica_set())
            at = f"/instances/{made['id']}"
            primary = next(n for n in made["groups"][0]["nodes"] if n["role"] == "Primary")
            (process,) = installation.nodes(primary["id"])
            rule = {"operation_types": ["query"], "node_type": "replica", "secs_running": 3600}
            rule |= {"max_concurrency": 0, "namespaces": [], "client_ips": []}
            answer = installation.call("POST", f"{at}/kill-op-rule", json=rule)
            assert answer.is_success, answer.text
            (listed,) = installation.call("GET", f"{at}/kill-op-rule").json()["rules"]

            def change(call: str, body: object) -> None:
                answer = installation.call("PUT", f"{at}/{call}", json=body)
                assert answer.is_success, answer.text

            def observe(*, seconds: bool = False, rules: bool = False, logs: bool = False) -> None:
                serve.resume()
                change("monitoring-by-seconds/switch", {"enabled": seconds})
                action = "enable" if rules else "disable"
                change("kill-op-rule", {"action": action, "ids": [listed["id"]]})
                (reading.set if logs else reading.clear)()

            def read_log() -> None:
                end = datetime.now(UTC)
                since = {"start_date": end - timedelta(hours=1), "end_date": end}
                dates = {name: f"{moment:%Y-%m-%dT%H:%M:%S}+0000" for name, moment in since.items()}
                answer = installation.call("GET", f"{at}/slowlog", params=dates)
                assert answer.is_success, answer.text

            def read_logs() -> None:
                while True:
                    reading.wait()
                    with calling:
                        if reading.is_set():
                            read_log()

            read_log()
            Thread(target=read_logs, daemon=True).start()
            where = {"host": uri(made)}

            def alone() -> None:
                observe()
                with calling:  # nobody waits for an answer of what is stopped
                    serve.suspend()

            pid = process.pid
            compare(
                {
                    "alone": (where, alone, pid),
                    "serve": (where, observe, pid),
                    "every five seconds": (where, partial(observe, seconds=True), pid),
                    "kill rule": (where, partial(observe, rules=True), pid),
                    "slow log read": (where, partial(observe, logs=True), pid),
                },
                connections,
                rounds,
            )
        finally:
            reading.clear()
            with calling:
                serve.resume()
                installation.destroy()


def compare(ways: Mapping[str, Way], connections: Sequence[int], rounds: int) -> None:
    """Throughput and latency of each way, their ratio to the first one's, and what they cost."""
    print(f"operation connections {'':16} |    ops/s   p50 us   p99 us |  ratio | us/op")
    for name in OPERATIONS:
        for threads in connections:
            with applications([where for where, _, _ in ways.values()], threads) as pipes:
                turns: list[list[Result]] = []
                spent = dict.fromkeys(ways, 0.0)
                for turn in range(rounds + 1):
                    results = []
                    for pipe, (way, (_, prepare, pid)) in zip(pipes, ways.items(), strict=True):
                        prepare()
                        before = _processor_seconds(pid)
                        pipe.send((name, TURN if turn else 0.3))
                        results.append(pipe.recv())
                        if turn:
                            used = _processor_seconds(pid) - before
                            spent[way] += used / (results[-1].rate * TURN) / rounds
                    if turn:
                        turns.append(results)
            for side, way in enumerate(ways):
                rate, p50, p99 = (
                    statistics.median(getattr(turn[side], field) for turn in turns)
                    for field in ("rate", "p50", "p99")
                )
                ratio = statistics.median(turn[side].rate / turn[0].rate for turn in turns)
                print(
                    f"{name:9} {threads:11} {way:16} | {rate:8.0f} {p50:8.0f} {p99:8.0f} | "
                    f"{ratio:6.0%} | {spent[way] * 1e6:5.0f}",
                    flush=True,
                )


def _processor_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("part", choices=("audit", "service"))
    parser.add_argument("--connections", nargs="+", type=int, default=[4])
    parser.add_argument("--rounds", type=int, default=5, help="turns of 1.5 s of each way")
    arguments = parser.parse_args()
    if arguments.part == "service":
        service(arguments.connections, arguments.rounds)
        return
    with bench(1) as made:
        audit(made, arguments.connections, arguments.rounds)


if __name__ == "__main__":
    main()
