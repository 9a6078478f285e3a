"""What backups cost and how fast they are, beside the plainest way to do the same, in one run.

- `speed`: MB/s, of the files' size, of a backup and its two steps and of a restore in place, beside
  `cp` of the same files, the same through zstd's level 1, and a dump through the driver.
- `capture`: inserts per second (one document after another, w: majority) with automatic backups on
  and off, in turn.
- `new`: seconds until a backup is restored to a new instance that accepts writes, beside creating
  an instance and copying the files, once for each member: of a replica set, and of a cluster.

    python -m benchmarks.backup speed capture new --megabytes 1000
"""

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient, WriteConcern

from tests import requests
from tests.backing_up import backup, backups, recovered, restored
from tests.installation import Installation, until, uri

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONNECTIONS = 4
POLICY = {"start_time": "08:15-09:15", "keep_days": "7", "period": "1,2,3,4,5,6,7"}
OFF = {"keep_days": 0}
DOCUMENT = 1000
MB = 1e6
WORDS = [os.urandom(4).hex() for _ in range(2000)]


def document(number: int) -> dict[str, Any]:
    """About 1 kB, a third of it noise: databases compress by something like that."""
    noise = os.urandom(DOCUMENT // 6).hex()
    words = [WORDS[(number * 7 + n * n) % len(WORDS)] for n in range(DOCUMENT // 14)]
    return {"_id": number, "k": number % 1000, "noise": noise, "text": " ".join(words)}


def fill(instance: dict[str, Any], megabytes: int) -> None:
    """So much data, and an index."""
    count = int(megabytes * MB / DOCUMENT)
    with MongoClient(uri(instance)) as client:
        goods = client["shop"]["goods"]
        goods.create_index("k")
        for first in range(0, count, 1000):
            goods.insert_many(document(n) for n in range(first, min(count, first + 1000)))


def steps(installation: Installation, instance_id: str, action: str) -> dict[str, float]:
    """Seconds of each step of the newest job of a kind: the API tells whole ones only."""
    with sqlite3.connect(installation.data_dir / "shardhouse.db") as store:
        rows = store.execute(
            "SELECT name, (julianday(ended_at) - julianday(started_at)) * 86400 FROM job_steps"
            " WHERE job_id = (SELECT id FROM jobs WHERE instance_id = ? AND action = ?"
            " ORDER BY created_at DESC LIMIT 1) ORDER BY position",
            (instance_id, action),
        )
        return dict(rows.fetchall())


def timed(work: Callable[[], Any]) -> float:
    """Seconds that something takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def data(installation: Installation, instance: dict[str, Any], role: str) -> Path:
    """The data folder of an instance's first node of a role."""
    nodes = [node for group in instance["groups"] for node in group["nodes"]]
    node = next(node for node in nodes if node["role"] == role)
    return installation.data_dir / "instances" / instance["id"] / node["id"] / "data"


def size(folder: Path) -> int:
    """Bytes of the files of a folder, but for what a backup leaves out."""
    left_out = ("WiredTigerPreplog.", "diagnostic.data")
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
        and not str(path.relative_to(folder)).removeprefix("journal/").startswith(left_out)
    )


def copy(source: Path, target: Path) -> None:
    """`cp`, to a folder that is not there yet."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)


def copy_durably(source: Path, target: Path) -> None:
    """The same, and it is on the disk."""
    copy(source, target)
    subprocess.run(["sync", *[str(path) for path in target.rglob("*")]], check=True)


def copy_and_compress(source: Path, target: Path) -> None:
    """`cp`, and the copies are compressed into one file."""
    copy(source, target)
    options = {
        zstd.CompressionParameter.compression_level: 1,
        zstd.CompressionParameter.nb_workers: 2,
    }
    compressor = zstd.ZstdCompressor(options=options)
    with target.with_suffix(".zst").open("wb") as file:
        for path in filter(Path.is_file, sorted(target.rglob("*"))):
            with path.open("rb") as opened:
                while chunk := opened.read(1024**2):
                    file.write(compressor.compress(chunk))
        file.write(compressor.flush())
        os.fsync(file.fileno())


def dump(instance: dict[str, Any], target: Path) -> None:
    """All documents through the driver, as raw batches."""
    with MongoClient(uri(instance)) as client, target.open("wb") as file:
        for batch in client["shop"]["goods"].find_raw_batches(batch_size=100_000):
            file.write(batch)
        os.fsync(file.fileno())


def speed(installation: Installation, instance: dict[str, Any], runs: int) -> None:
    """Print MB/s, all of the same files: seconds alone would do, but for other sizes."""
    source = data(installation, instance, "Hidden")
    total = size(source)
    folder = installation.data_dir.parent
    seen: dict[str, list[float]] = {}
    for number in range(runs):
        made = None

        def back_up(name: str = f"speed-{number}") -> None:
            nonlocal made
            made = backup(installation, instance["id"], name)

        works = {
            "cp": lambda: copy(source, folder / "copy"),
            "cp, sync": lambda: copy_durably(source, folder / "copy"),
            "cp, zstd -1": lambda: copy_and_compress(source, folder / "copy"),
            "driver dump": lambda: dump(instance, folder / "dump.bson"),
            "backup": back_up,
        }
        for name, work in works.items():
            seen.setdefault(name, []).append(timed(work))
        for name, took in steps(installation, instance["id"], "BACKUP").items():
            seen.setdefault(f"  {name}", []).append(took)
        assert made is not None
        restore = partial(recovered, installation, instance, backup_id=made["id"])
        took = timed(restore)
        seen.setdefault("restore in place", []).append(took)
        for name, took in steps(installation, instance["id"], "RESTORE").items():
            seen.setdefault(f"  {name}", []).append(took)
        shutil.rmtree(folder / "copy")
    cp = statistics.median(seen["cp"])
    print(f"\n{total / MB:.0f} MB of files of one member; medians of {runs}")
    print(f"{'':<42} {'seconds':>8} {'MB/s':>8} {'of cp':>7}")
    for name, every in seen.items():
        took = statistics.median(every)
        print(f"{name:<42} {took:>8.2f} {total / MB / max(took, 0.001):>8.0f} {cp / took:>7.0%}")


def set_policy(installation: Installation, instance_id: str, policy: dict[str, Any]) -> None:
    """Automatic backups on or off; on, the first one is there."""
    path = f"/instances/{instance_id}/backups/policy"
    answer = installation.call("PUT", path, json={"backup_policy": policy})
    assert answer.status_code == 200, answer.text
    ours = {"instance_id": instance_id, "backup_type": "Auto"}
    known = len(backups(installation, **ours))

    def backed_up() -> bool:
        found = backups(installation, **ours)
        return len(found) >= known and found[0]["status"] == "COMPLETED"

    if policy != OFF:
        until("the automatic backup", lambda: backups(installation, **ours) or None, 60)
        until("it to be complete", backed_up, 300)


def written(instance: dict[str, Any], seconds: float) -> float:
    """Inserts per second, w: majority, over some connections."""
    counts: list[int] = []

    def write() -> None:
        with MongoClient(uri(instance)) as client:
            concern = WriteConcern("majority")
            orders = client["shop"].get_collection("orders", write_concern=concern)
            end, count = time.perf_counter() + seconds, 0
            while time.perf_counter() < end:
                orders.insert_one({"text": "x" * 200, "n": count})
                count += 1
            counts.append(count)

    threads = [threading.Thread(target=write) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def capture(installation: Installation, rounds: int, seconds: float) -> None:
    """Print what capturing costs."""
    instance = installation.make(requests.replica_set(name="captured"))
    rates: dict[str, list[float]] = {"on": [], "off": []}
    written(instance, seconds)  # the first files are slower
    for number in range(rounds):
        for state in ("on", "off") if number % 2 else ("off", "on"):
            set_policy(installation, instance["id"], POLICY if state == "on" else OFF)
            time.sleep(2)
            rates[state].append(written(instance, seconds))
    on, off = (statistics.median(rates[state]) for state in ("on", "off"))
    costs = [1 - a / b for a, b in zip(rates["on"], rates["off"], strict=True)]
    print(f"\ncapture: {rounds} rounds of {seconds:g} s, {CONNECTIONS} connections, w: majority")
    print(f"inserts/s off {off:.0f}, on {on:.0f}: medians differ by {1 - on / off:.1%};")
    turns = ", ".join(f"{cost:.1%}" for cost in costs)
    print(f"in turn: {turns}; their median is {statistics.median(costs):.1%}")
    installation.delete(instance["id"])


def new(installation: Installation, instance: dict[str, Any], label: str) -> None:
    """Print how long a restore to a new instance takes."""
    folder = installation.data_dir.parent
    saved = backup(installation, instance["id"], f"of-{label}")
    groups = [group for group in instance["groups"] if group["type"] != "mongos"]

    def copies() -> None:
        for group in groups:
            for node in group["nodes"]:
                copy(source / group["nodes"][-1]["id"] / "data", folder / node["id"])
                shutil.rmtree(folder / node["id"])

    source = installation.data_dir / "instances" / instance["id"]
    kind = requests.cluster if instance["mode"] == "Sharding" else requests.replica_set
    made: list[dict[str, Any]] = []
    creating = timed(lambda: made.append(installation.make(kind(name=f"plain-{label}"))))
    installation.delete(made[0]["id"])
    copying = timed(copies)

    def again() -> None:
        made.append(restored(installation, instance, f"new-{label}", backup_id=saved["id"]))
        with MongoClient(uri(made[-1])) as client:
            client["shop"]["proof"].insert_one({})

    took = timed(again)
    print(
        f"\n{label}: restored to new in {took:.1f} s; creation {creating:.1f} s, copying for each "
        f"member {copying:.1f} s: {took / (creating + copying):.2f} times both"
    )
    for name, part in steps(installation, made[-1]["id"], "RESTORE_TO_NEW_INSTANCE").items():
        print(f"  {name:<42} {part:>6.2f}")
    installation.delete(made[-1]["id"])


def main(argv: Sequence[str] | None = None) -> int:
    """Print numbers; exit 0 whatever they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", nargs="*", default=["speed", "capture", "new"])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="shardhouse-backup-") as folder:
        installation = Installation(Path(folder) / "data")
        try:
            installation.start()
            if "capture" in options.part:
                capture(installation, options.rounds, options.seconds)
            if {"speed", "new"} & set(options.part):
                instance = installation.make(requests.replica_set(name="measured"))
                fill(instance, options.megabytes)
                if "new" in options.part:
                    new(installation, instance, "set")
                if "speed" in options.part:
                    speed(installation, instance, options.runs)
                installation.delete(instance["id"])
            if "new" in options.part:
                cluster = installation.make(requests.cluster(name="measured-cluster"))
                fill(cluster, 10)
                new(installation, cluster, "cluster")
        finally:
            installation.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
