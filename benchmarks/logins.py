"""Latency of the DDS list while strangers try passwords, beside the same list left alone.

One `serve` process with 1,000 instances in its store. The load is a process of its own: keep-alive
connections that log in with wrong passwords as fast as they are answered, for one user and for
user names that nobody has.

    python -m benchmarks.logins
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.api import STORED, fill, measure
from tests.installation import Installation, until

CONNECTIONS = 24
#: Address, user name ("" for a new one each time), domain; counts answers by status until its
#: input ends.
LOAD = """
import json, sys, threading, uuid
from collections import Counter
from http.client import HTTPConnection
host, port, name, domain, connections = sys.argv[1:]
answers, ended = Counter(), threading.Event()
def work():
    connection = HTTPConnection(host, int(port))
    while not ended.is_set():
        user = {"name": name or uuid.uuid4().hex, "password": "wrong", "domain": {"name": domain}}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
        connection.request("POST", "/v3/auth/tokens", json.dumps({"auth": auth}))
        answer = connection.getresponse()
        answer.read()
        answers[answer.status] += 1
threads = [threading.Thread(target=work, daemon=True) for _ in range(int(connections))]
for thread in threads:
    thread.start()
print("started", flush=True)
sys.stdin.read()
ended.set()
print(json.dumps(answers))
"""


@contextmanager
def load(installation: Installation, name: str) -> Iterator[list[str]]:
    """Logins with wrong passwords; afterwards the list says how many answers there were a second,
    by status."""
    address = installation.iam.removeprefix("http://").rsplit(":", 1)
    domain = installation.admin["domain_name"]
    command = [sys.executable, "-c", LOAD, *address, name, domain, str(CONNECTIONS)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    told: list[str] = []
    try:
        assert process.stdout is not None
        process.stdout.readline()
        begin = time.perf_counter()
        yield told
        seconds = time.perf_counter() - begin
        answers, _ = process.communicate()
        counted = json.loads(answers)
        told += [f"{count / seconds:.0f} x {status}" for status, count in sorted(counted.items())]
    finally:
        process.kill()
        process.wait()


def run(installation: Installation, seconds: float) -> None:
    """Print one line for each load."""
    headers = {"X-Auth-Token": installation.token()}
    path = f"/v3/{installation.project_id}/instances?limit=10"
    call = (installation.dds, "GET", path, headers, None)
    until("the store to be warm", lambda: measure(call, 1, 0.5))
    print(f"{STORED} clusters in the store; {CONNECTIONS} connections with wrong passwords")
    print(f"{'list, page of 10':<28} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8}  logins/s")

    def line(name: str, numbers: tuple[float, float, float], logins: Sequence[str]) -> None:
        rate, median, high = numbers
        print(f"{name:<28} {rate:>11.0f} {median:>8.2f} {high:>8.2f}  {', '.join(logins)}")

    line("alone", measure(call, 1, seconds), ())
    for words, name in (("one user", installation.admin["user_name"]), ("made-up users", "")):
        with load(installation, name) as logins:
            numbers = measure(call, 1, seconds)
        line(f"with wrong logins, {words}", numbers, logins)
    line("alone again", measure(call, 1, seconds), ())


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table; exit 0 whatever is in it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="shardhouse-logins-") as folder:
        installation = Installation(Path(folder) / "data", memory_reserve=10**9)
        try:
            installation.start()
            fill(installation, STORED)
            run(installation, options.seconds)
        finally:
            installation.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
