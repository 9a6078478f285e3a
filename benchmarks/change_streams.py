"""How long a change takes to reach a change stream while the other shards are idle.

A plain script against the router (or mongos) of a cluster with at least two shards. It shards a
collection of its own over two of them, writes to one only, and prints milliseconds from the write's
acknowledgement to the event's arrival: for a stream on the collection, the database, the cluster.

    python -m benchmarks.change_streams mongodb://user:password@host:port/ --events 200
"""

import argparse
import statistics
import time

from bson import MaxKey
from pymongo import MongoClient
from pymongo.change_stream import ChangeStream

DATABASE = "change_stream_benchmark"


def prepare(client: MongoClient) -> None:
    """`c` over two shards: keys below 0 on the first, the others on the second."""
    client.drop_database(DATABASE)
    first, second, *_ = [one["_id"] for one in client.admin.command("listShards")["shards"]]
    namespace = f"{DATABASE}.c"
    client.admin.command("enableSharding", DATABASE, primaryShard=first)
    client.admin.command("shardCollection", namespace, key={"k": 1})
    client.admin.command("split", namespace, middle={"k": 0})
    bounds = {"min": {"k": 0}, "max": {"k": MaxKey()}}
    client.admin.command("moveRange", namespace, **bounds, toShard=second)


def latencies(client: MongoClient, stream: ChangeStream, events: int) -> list[float]:
    """Milliseconds for each event, written one after the other to the second shard."""
    collection = client[DATABASE].c
    took = []
    for number in range(events):
        collection.insert_one({"k": number})
        written = time.perf_counter()
        while stream.try_next() is None:
            pass
        took.append((time.perf_counter() - written) * 1000)
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("uri")
    parser.add_argument("--events", type=int, default=200)
    arguments = parser.parse_args()
    with MongoClient(arguments.uri) as client:
        prepare(client)
        scopes = {"collection": client[DATABASE].c, "database": client[DATABASE], "cluster": client}
        for name, watched in scopes.items():
            with watched.watch(max_await_time_ms=1000) as stream:
                took = sorted(latencies(client, stream, arguments.events))
            p99 = took[int(len(took) * 0.99)]
            print(
                f"{name:10} p50 {statistics.median(took):7.1f} ms  p99 {p99:7.1f} ms"
                f"  most {took[-1]:7.1f} ms"
            )
        client.drop_database(DATABASE)


if __name__ == "__main__":
    main()
