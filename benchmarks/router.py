"""What the router costs: the same operations through it and directly at the shard that owns them.

A plain script. It starts a cluster of its own (two shards of one member, a config server, routers),
and lets one application, a process with a pymongo client and a thread per connection, do each
operation for a while at the shard, at the routers, at the shard again, and so on. Read the ratios:
all processes share this machine, so the absolute numbers say as much about it as about the router.

    python -m benchmarks.router                       throughput and latency
    python -m benchmarks.router --memory 1000000      memory over so many operations
    python -m benchmarks.router --idle 1000           memory per idle connection

Writes are acknowledged by one member: a shard asked directly would not wait for more, and how long
its journal takes is not the router's affair. The two-shard operations have no direct counterpart:
beside them stands the same operation at one shard, on the half of the documents that it holds.
"""

import argparse
import contextlib
import itertools
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from pymongo import MongoClient
from pymongo.collection import Collection

from tests.router.cluster import ADMIN, KEY, PASSWORD, RouterProcess, TestCluster, until

DATABASE = "router_benchmark"
DOCUMENTS, GROUPS = 10_000, 500
"""Half of the documents are on each shard; a group has as many on the one as on the other."""

Operation = Callable[[Collection], object]


def find(collection: Collection) -> object:
    """One document by its key, on the first shard."""
    return collection.find_one({"k": random.randrange(DOCUMENTS // 2)})


def insert(collection: Collection) -> object:
    """One new document on the first shard."""
    return collection.insert_one({"k": -random.randrange(1 << 30), "v": "x" * 100})


def update(collection: Collection) -> object:
    """One document by its key, on the first shard."""
    query = {"k": random.randrange(DOCUMENTS // 2)}
    return collection.update_one(query, {"$set": {"v": random.random()}})


def sorted_find(collection: Collection) -> object:
    """The documents of a group, in order, from both shards."""
    return list(collection.find({"g": random.randrange(GROUPS)}).sort("k", -1))


def aggregation(collection: Collection) -> object:
    """The documents of a group, counted by a field, from both shards."""
    stages = [
        {"$match": {"g": random.randrange(GROUPS)}},
        {"$group": {"_id": "$h", "sum": {"$sum": "$n"}}},
    ]
    return list(collection.aggregate(stages))


OPERATIONS: Mapping[str, Operation] = {
    "find": find,
    "insert": insert,
    "update": update,
    "sorted": sorted_find,
    "aggregate": aggregation,
}


@dataclass
class Result:
    """What an application saw in one turn: operations per second, microseconds at percentiles."""

    rate: float
    p50: float
    p99: float


def application(pipe: Connection, where: Mapping[str, Any], connections: int) -> None:
    """A process of its own: gets `(operation, seconds)`, answers a `Result`, until None comes."""
    with MongoClient(**where, maxPoolSize=connections, w=1) as client:
        collection = client[DATABASE].c
        while (order := pipe.recv()) is not None:
            name, seconds = order
            pipe.send(work(OPERATIONS[name], collection, connections, seconds))


def work(operation: Operation, collection: Collection, connections: int, seconds: float) -> Result:
    """Do an operation in as many threads as connections."""
    took: list[list[float]] = [[] for _ in range(connections)]
    begin = threading.Barrier(connections + 1)
    over = threading.Event()

    def loop(mine: list[float]) -> None:
        operation(collection)
        begin.wait()
        before = time.perf_counter()
        while not over.is_set():
            operation(collection)
            after = time.perf_counter()
            mine.append(after - before)
            before = after

    threads = [threading.Thread(target=loop, args=(mine,)) for mine in took]
    for thread in threads:
        thread.start()
    begin.wait()
    began = time.perf_counter()
    time.sleep(seconds)
    over.set()
    spent = time.perf_counter() - began
    for thread in threads:
        thread.join()
    every = sorted(itertools.chain.from_iterable(took))
    p50, p99 = (every[int(len(every) * share)] * 1e6 for share in (0.5, 0.99))
    return Result(len(every) / spent, p50, p99)


@contextlib.contextmanager
def applications(wheres: list[Mapping[str, Any]], connections: int) -> Iterator[list[Connection]]:
    """One application per place."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for where in wheres:
        mine, other = context.Pipe()
        process = context.Process(target=application, args=(other, where, connections))
        process.start()
        pipes.append(mine)
        processes.append(process)
    try:
        yield pipes
    finally:
        for pipe in pipes:
            pipe.send(None)
        for process in processes:
            process.join()


@dataclass
class Bench:
    """A cluster with its data, and where an application finds it."""

    cluster: TestCluster
    routers: list[RouterProcess]

    @property
    def through(self) -> dict[str, Any]:
        """How a client connects to the routers."""
        hosts = [f"127.0.0.1:{router.port}" for router in self.routers]
        return {"host": hosts, "username": ADMIN, "password": PASSWORD}

    @property
    def direct(self) -> dict[str, Any]:
        """How a client connects to the first shard itself."""
        return {
            "host": self.cluster.shards[0].address, "directConnection": True,
            "username": "__system", "password": KEY, "authSource": "local",
        }  # fmt: skip

    def prepare(self) -> None:
        """Keys below the half on the first shard, the others on the second; groups on both."""
        with MongoClient(**self.through) as client:
            namespace, half = f"{DATABASE}.c", DOCUMENTS // 2
            client.admin.command("enableSharding", DATABASE, primaryShard="s0")
            client.admin.command("shardCollection", namespace, key={"k": 1})
            client.admin.command("split", namespace, middle={"k": half})
            client.admin.command("moveRange", namespace, min={"k": half}, toShard="s1")
            collection = client[DATABASE].c
            collection.create_index({"g": 1, "k": 1})
            collection.insert_many(
                {"k": k, "g": k % GROUPS, "h": k % 7, "n": k, "v": "x" * 100}
                for k in range(DOCUMENTS)
            )

    def processor_seconds(self) -> float:
        """What the routers used so far."""
        used = (psutil.Process(router.process.pid).cpu_times() for router in self.routers)
        return sum(times.user + times.system for times in used)

    def resident_bytes(self) -> int:
        """What the first router holds."""
        return psutil.Process(self.routers[0].process.pid).memory_info().rss


@contextlib.contextmanager
def bench(routers: int) -> Iterator[Bench]:
    """A cluster of its own, gone afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        cluster = TestCluster(Path(directory))
        more = [cluster.start_router() for _ in range(routers - 1)]
        try:
            made = Bench(cluster, [cluster.router, *more])
            for router in more:
                with router.client() as client:
                    until("a router", lambda client=client: client.admin.command("ping"))
            made.prepare()
            yield made
        finally:
            for router in more:
                router.stop()
            cluster.stop()


def compare(made: Bench, names: list[str], connections: list[int], rounds: int) -> None:
    """Throughput and latency, side by side."""
    print(
        "operation connections | direct ops/s  p50 us  p99 us | router ops/s  p50 us  p99 us |"
        " ratio  added p50 us  router us/op"
    )
    for name, threads in itertools.product(names, connections):
        with applications([made.direct, made.through], threads) as pipes:
            turns: list[tuple[Result, Result]] = []
            spent = 0.0
            for turn in range(rounds + 1):
                results = []
                for pipe, routed in zip(pipes, (False, True), strict=True):
                    before = made.processor_seconds()
                    pipe.send((name, 0.3 if turn == 0 else 1.5))
                    results.append(pipe.recv())
                    if routed and turn:
                        spent += (made.processor_seconds() - before) / (results[-1].rate * 1.5)
                if turn:
                    turns.append((results[0], results[1]))
        direct, router = (
            Result(*(statistics.median(getattr(turn[side], field) for turn in turns)
                     for field in ("rate", "p50", "p99")))
            for side in (0, 1)
        )  # fmt: skip
        ratio = statistics.median(turn[1].rate / turn[0].rate for turn in turns)
        print(
            f"{name:9} {threads:11} | {direct.rate:12.0f} {direct.p50:7.0f} {direct.p99:7.0f}"
            f" | {router.rate:12.0f} {router.p50:7.0f} {router.p99:7.0f}"
            f" | {ratio:5.0%} {router.p50 - direct.p50:13.0f} {spent / rounds * 1e6:13.0f}",
            flush=True,
        )


def memory(made: Bench, operations: int) -> None:
    """The router's memory while it serves so many operations."""
    mixed = (find, insert, update, sorted_find)
    with MongoClient(**made.through, maxPoolSize=4) as client:
        collection = client[DATABASE].c
        for done in range(0, operations + 1, operations // 10):
            print(f"{done:9} operations: {made.resident_bytes() / 2**20:.1f} MiB", flush=True)
            if done < operations:
                threads = [
                    threading.Thread(target=repeat, args=(one, collection, operations // 40))
                    for one in mixed
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()


def repeat(operation: Operation, collection: Collection, times: int) -> None:
    """Do an operation so many times."""
    for _ in range(times):
        operation(collection)


def idle(made: Bench, connections: int) -> None:
    """The router's memory per connection that is logged in and does nothing."""
    before = made.resident_bytes()
    with MongoClient(
        **made.through, minPoolSize=connections, maxPoolSize=None, maxConnecting=10
    ) as client:
        status = client.admin.command
        until(
            "connections", lambda: status("serverStatus")["connections"]["current"] > connections,
            seconds=300,
        )  # fmt: skip
        print(f"{(made.resident_bytes() - before) / connections / 1000:.1f} kB per connection")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--operations", nargs="+", choices=OPERATIONS, default=list(OPERATIONS))
    parser.add_argument("--connections", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--routers", type=int, default=2, help="router processes")
    parser.add_argument("--rounds", type=int, default=5, help="turns of 1.5 s at each side")
    parser.add_argument("--memory", type=int, metavar="OPERATIONS")
    parser.add_argument("--idle", type=int, metavar="CONNECTIONS")
    arguments = parser.parse_args()
    single = arguments.memory or arguments.idle
    with bench(1 if single else arguments.routers) as made:
        if arguments.memory:
            memory(made, arguments.memory)
        elif arguments.idle:
            idle(made, arguments.idle)
        else:
            compare(made, arguments.operations, arguments.connections, arguments.rounds)


if __name__ == "__main__":
    main()
