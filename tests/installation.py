"""A real installation for tests: `shardhouse serve` as its own process, on free ports, with its own
data directory. Ending it ends every node it started."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from shardhouse.mongo.admin import Access, Clients
from tests.forking import Forked
from tests.free_ports import free_port

T = TypeVar("T")
START_SECONDS = 60.0
JOB_SECONDS = 180.0
#: Runs `serve` with the settings given as JSON; crash tests run a program of their own instead.
PROGRAM = (
    "import json, sys; from shardhouse.server import serve; from shardhouse.settings import load; "
    "serve(load(**json.loads(sys.argv[1])))"
)


def until(what: str, attempt: Callable[[], T | None], seconds: float = 30.0) -> T:
    """Poll until `attempt` gives something; AssertionError after the deadline."""
    end = time.monotonic() + seconds
    while True:
        result = attempt()
        if result is not None and result is not False:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.03)


class Installation:
    """One data directory and, while it is started, one `serve` on it."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.data_dir = data_dir
        # Each start is on the same ports, as clients expect.
        ports = {"port": free_port(), "iam_port": free_port()}
        self.settings = {"data_dir": str(data_dir)} | ports | settings
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self._process: Forked | None = None
        self._token: str | None = None

    # The process

    def start(self, program: str = PROGRAM, environment: Mapping[str, str] | None = None) -> None:
        """Start `serve` and wait until it answers."""
        self.launch(program, environment)
        until("serve to answer", self._answers, START_SECONDS)

    def launch(self, program: str = PROGRAM, environment: Mapping[str, str] | None = None) -> None:
        """Start `serve` and do not wait."""
        self._process = Forked(
            program, json.dumps(self.settings), os.environ | (environment or {}), self.log
        )

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"serve ended: {self.log.read_text()[-2000:]}")
        try:
            return httpx.get(self.dds).status_code == 200
        except (OSError, httpx.HTTPError, ValueError):
            return False

    @property
    def pid(self) -> int:
        """Process id of `serve`."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End `serve` as a crash would: SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End `serve` by SIGTERM; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def wait_end(self, seconds: float = 60.0) -> int:
        """Wait until `serve` ends by itself; its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def nodes(self, *ids: str) -> list[psutil.Process]:
        """Every process whose command line names this data directory, and one of the ids if any are
        given; not `serve`."""
        return [process for process, _ in self._running(ids)]

    def commands(self, *ids: str) -> list[list[str]]:
        """The command lines of `nodes`."""
        return [line for _, line in self._running(ids)]

    def _running(self, ids: tuple[str, ...]) -> Iterator[tuple[psutil.Process, list[str]]]:
        for process in psutil.process_iter():
            try:
                line = process.cmdline()
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
            except psutil.Error:  # it ended meanwhile
                continue
            ours = any(f"{self.data_dir}/instances/" in word for word in line)
            if ours and (not ids or any(one in word for one in ids for word in line)):
                yield process, line

    def destroy(self) -> None:
        """End `serve` and every node."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for process in self.nodes():
            process.kill()
        until("all nodes to be gone", lambda: not self.nodes())

    # The APIs

    @property
    def admin(self) -> dict[str, str]:
        """`admin.json`."""
        return json.loads((self.data_dir / "admin.json").read_text())

    @property
    def dds(self) -> str:
        """Address of the DDS API."""
        return self.admin["dds_endpoint"]

    @property
    def iam(self) -> str:
        """Address of IAM."""
        return self.admin["iam_endpoint"]

    @property
    def project_id(self) -> str:
        """The first project."""
        return self.admin["project_id"]

    def token(self) -> str:
        """The administrator's token for the first project; asked for once."""
        if self._token is None:
            self._token = self.issue(self.admin["user_name"], self.admin["password"])
        return self._token

    def issue(self, user: str, password: str, project_id: str | None = None) -> str:
        """A token by password, scoped to a project."""
        identity = {
            "methods": ["password"],
            "password": {
                "user": {
                    "name": user,
                    "password": password,
                    "domain": {"name": self.admin["domain_name"]},
                }
            },
        }
        scope = {"project": {"id": project_id or self.project_id}}
        answer = httpx.post(
            f"{self.iam}/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
        )
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]

    def call(
        self, method: str, path: str, *, token: str | None = None, **options: Any
    ) -> httpx.Response:
        """A DDS call below `/v3/{project_id}`, or an absolute path that starts with `/v3`."""
        url = path if path.startswith("/v3") else f"/v3/{self.project_id}{path}"
        headers = {"X-Auth-Token": token or self.token(), "Content-Type": "application/json"}
        return httpx.request(method, self.dds + url, headers=headers, timeout=30, **options)

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST an instance; the 202's body."""
        answer = self.call("POST", "/instances", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as it is now."""
        answer = self.call("GET", "/jobs", params={"id": job_id})
        assert answer.status_code == 200, answer.text
        return answer.json()["job"]

    def wait_job(self, job_id: str, seconds: float = JOB_SECONDS) -> dict[str, Any]:
        """Follow a job to its end."""

        def ended() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] != "Running" else None

        return until(f"job {job_id}", ended, seconds)

    def instance(self, instance_id: str) -> dict[str, Any] | None:
        """An instance as the list shows it; None if it is not there."""
        answer = self.call("GET", "/instances", params={"id": instance_id})
        assert answer.status_code == 200, answer.text
        return next(iter(answer.json()["instances"]), None)

    def make(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an instance, wait until it is normal, and give it as listed."""
        created = self.create(body)
        job = self.wait_job(created["job_id"])
        assert job["status"] == "Completed", job
        listed = self.instance(created["id"])
        assert listed is not None
        assert listed["status"] == "normal"
        return listed

    def system(self, instance: Mapping[str, Any]) -> Clients:
        """Connections to the instance's nodes as `__system`, through its key file: for what its
        administrator may not do."""
        folder = self.data_dir / "instances" / instance["id"]
        (key, *_) = folder.glob("*/conf/keyfile")
        (authority, *_) = [*(folder.glob("*/conf/ca.pem") if instance["ssl"] else ()), None]
        return Clients(Access(key.read_text(), authority))

    def delete(self, instance_id: str) -> dict[str, Any]:
        """Delete an instance and wait for the job's end."""
        answer = self.call("DELETE", f"/instances/{instance_id}")
        assert answer.status_code == 202, answer.text
        return self.wait_job(answer.json()["job_id"])


def addresses(instance: Mapping[str, Any]) -> list[str]:
    """`host:port` of the nodes a client may use: routers, or the visible members."""
    return [
        node["host"]
        for group in instance["groups"]
        if group["type"] not in ("shard", "config")
        for node in group["nodes"]
        if node["host"] and node["role"] != "Hidden"
    ]


def uri(instance: Mapping[str, Any], password: str = "Test@123", user: str = "rwuser") -> str:
    """The connection string an ordinary driver is given."""
    hosts = ",".join(addresses(instance))
    options = "authSource=admin"
    if instance["mode"] != "Sharding":
        options += f"&replicaSet={instance['replica_set']}"
    return f"mongodb://{user}:{password.replace('@', '%40')}@{hosts}/?{options}"
