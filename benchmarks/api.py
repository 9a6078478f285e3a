"""Requests per second and latency of the APIs, beside a bare endpoint of the same framework.

One `serve` process, keep-alive connections from threads of this process, in one run: token issue by
token, the list with 1,000 instances in the store, create's reply, and a FastAPI application that
answers constant JSON.

    python -m benchmarks.api
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from shardhouse.domain.creation import Limits, parse_create
from shardhouse.domain.model import Role, Status
from shardhouse.domain.topology import Ids, plan_instance
from shardhouse.store import instances
from shardhouse.store.database import Database
from shardhouse.store.tables import NODES
from shardhouse.workflows.context import now
from tests import requests
from tests.installation import Installation, until

BARE = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def bare():
    return {"instances": [], "total_count": 0}
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", loop="uvloop", http="httptools")
"""
STORED = 1000
Call = tuple[str, str, str, dict[str, str], str | None]


def fill(installation: Installation, number: int) -> None:
    """Put instances into the store that have no processes; `createfail` ones are left alone."""
    limits = Limits("otc", ("3.4",), (), (), False)
    database = Database(f"sqlite:///{installation.data_dir / 'shardhouse.db'}")
    request = parse_create(requests.cluster(), limits)
    with database.write() as connection:
        for _ in range(number):
            instance = plan_instance(
                request,
                project_id=installation.project_id,
                engine_version="6.0.5",
                ids=Ids(lambda: uuid.uuid4().hex),
                now=now(),
            )
            instances.add(connection, instance)
            instances.set_status(connection, instance.id, Status.CREATE_FAIL, now())
        connection.execute(NODES.update().values(status=Status.ABNORMAL, role=Role.UNKNOWN))
    database.close()


def measure(call: Call, connections: int, seconds: float) -> tuple[float, float, float]:
    """Requests per second, p50 and p99 in milliseconds."""
    base, method, path, headers, body = call
    address = urlsplit(base)
    latencies: list[float] = []
    failures: list[int] = []
    end = time.perf_counter() + seconds

    def work() -> None:
        connection = HTTPConnection(address.hostname or "", address.port)
        mine = []
        while time.perf_counter() < end:
            begin = time.perf_counter()
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            mine.append(time.perf_counter() - begin)
            if answer.status >= 400:
                failures.append(answer.status)
        latencies.extend(mine)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    latencies.sort()
    return (
        len(latencies) / seconds,
        statistics.median(latencies) * 1000,
        latencies[int(len(latencies) * 0.99)] * 1000,
    )


def bare() -> tuple[subprocess.Popen[bytes], str]:
    """Start the bare application; its process and address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", BARE, str(port)])

    def open_() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    until("the bare application", open_)
    return process, f"http://127.0.0.1:{port}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table; exit 0 whatever is in it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="shardhouse-api-") as folder:
        # No memory for new nodes: creations end at their first step, and the reply is measured.
        installation = Installation(
            Path(folder) / "data", memory_reserve=10**9, quotas={"single": 10**6}
        )
        process, address = bare()
        try:
            installation.start()
            fill(installation, STORED)
            run(installation, address, options.seconds)
        finally:
            process.kill()
            process.wait()
            installation.destroy()
    return 0


def run(installation: Installation, bare_address: str, seconds: float) -> None:
    """Measure all calls."""
    headers = {"X-Auth-Token": installation.token(), "Content-Type": "application/json"}
    path = f"/v3/{installation.project_id}/instances"
    auth = {
        "identity": {"methods": ["token"], "token": {"id": installation.token()}},
        "scope": {"project": {"id": installation.project_id}},
    }
    token_body = json.dumps({"auth": auth})
    create_body = json.dumps(requests.single())
    calls: dict[str, Callable[[], Call]] = {
        "bare endpoint": lambda: (bare_address, "GET", "/", {}, None),
        "token by token": lambda: (
            installation.iam,
            "POST",
            "/v3/auth/tokens",
            headers,
            token_body,
        ),
        "list, page of 100": lambda: (installation.dds, "GET", path, headers, None),
        "list, page of 10": lambda: (installation.dds, "GET", f"{path}?limit=10", headers, None),
        "create's reply": lambda: (installation.dds, "POST", path, headers, create_body),
    }
    print(f"{STORED} clusters of 11 nodes in the store; aims: list p50 < 10 ms, token < 5 ms")
    print(f"{'call':<20} {'connections':>11} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8}")
    for connections in (1, 16):
        for name, call in calls.items():
            rate, median, high = measure(call(), connections, seconds)
            print(f"{name:<20} {connections:>11} {rate:>11.0f} {median:>8.2f} {high:>8.2f}")


if __name__ == "__main__":
    sys.exit(main())
