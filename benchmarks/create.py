"""Time from POST to `normal`, beside the floor: the same processes with no service, in one run.

The two take turns, so that what else the machine does touches both. Also prints what `serve` and
its nodes cost while nothing happens.

    python -m benchmarks.create single replicaset cluster
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import floor
from tests import requests
from tests.installation import Installation

AIM = 1.3
IDLE_SECONDS = 20.0
MIB = 1024**2
REQUESTS: dict[str, dict[str, Any]] = {
    "single": requests.single(),
    "replicaset": requests.replica_set(),
    "cluster": requests.cluster(),
}
FLOORS: dict[str, Callable[[], float]] = {
    "single": floor.single,
    "replicaset": floor.replicaset,
    "cluster": floor.cluster,
}


def create(installation: Installation, topology: str) -> tuple[float, str]:
    """Seconds from POST to the first list that says `normal`, and the instance's id."""
    begin = time.perf_counter()
    created = installation.create(REQUESTS[topology])
    while True:
        listed = installation.instance(created["id"])
        assert listed is not None
        if listed["status"] == "normal":
            return time.perf_counter() - begin, created["id"]
        assert listed["status"] == "creating", installation.job(created["job_id"])
        time.sleep(0.02)


def idle(installation: Installation) -> None:
    """Print memory and idle CPU of `serve` and of each kind of node of a running cluster."""
    _, instance_id = create(installation, "cluster")
    time.sleep(IDLE_SECONDS)  # the settling after the job is not idleness
    kinds: dict[str, list[psutil.Process]] = {"serve": [psutil.Process(installation.pid)]}
    for process in installation.nodes():
        line = process.cmdline()
        router = "shardhouse.router" in line
        kinds.setdefault("router" if router else "mongod", []).append(process)
    before = {
        process.pid: sum(process.cpu_times()[:2]) for kind in kinds.values() for process in kind
    }
    time.sleep(IDLE_SECONDS)
    print(f"\nidle, with one cluster, over {IDLE_SECONDS:g} s (per process)")
    print(f"{'process':<10} {'number':>6} {'RSS MiB':>9} {'PSS MiB':>9} {'CPU %':>7}")
    for kind, processes in kinds.items():
        memory = [process.memory_full_info() for process in processes]
        used = [
            (sum(process.cpu_times()[:2]) - before[process.pid]) / IDLE_SECONDS * 100
            for process in processes
        ]
        print(
            f"{kind:<10} {len(processes):>6} {statistics.mean(m.rss for m in memory) / MIB:>9.0f} "
            f"{statistics.mean(m.pss for m in memory) / MIB:>9.0f} {statistics.mean(used):>7.2f}"
        )
    installation.delete(instance_id)


def main(argv: Sequence[str] | None = None) -> int:
    """Print seconds and ratios; exit 0 whatever they are, for a ratio is no test."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("topology", nargs="*", default=list(FLOORS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-idle", action="store_true", help="leave the idle cost out")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="shardhouse-create-") as folder:
        installation = Installation(Path(folder) / "data")
        try:
            installation.start()
            print(f"{'topology':<12} {'service s':>10} {'floor s':>10} {'ratio':>7}   aim {AIM}")
            for topology in options.topology:
                served, plain = [], []
                for _ in range(options.runs):
                    seconds, instance_id = create(installation, topology)
                    served.append(seconds)
                    installation.delete(instance_id)
                    plain.append(FLOORS[topology]())
                service, base = statistics.median(served), statistics.median(plain)
                print(f"{topology:<12} {service:>10.2f} {base:>10.2f} {service / base:>7.2f}")
            if not options.no_idle:
                idle(installation)
        finally:
            installation.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
