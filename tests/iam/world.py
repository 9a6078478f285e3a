"""IAM in a temporary directory: a world for unit tests, a running site for real clients."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import uvicorn
from fastapi import Depends, FastAPI

from shardhouse.api import errors
from shardhouse.api.authentication import Caller, dds_body, dds_caller
from shardhouse.iam.bootstrap import Account, bootstrap, found_account
from shardhouse.iam.service import Iam
from shardhouse.settings import Settings
from shardhouse.store.database import Database
from shardhouse.store.metadata import METADATA
from shardhouse.store.vault import Vault

PASSWORD = "Stranger-2026"
OTHER = Account("elsewhere", "local", "boss", PASSWORD, "OTHERACCESSKEY000001", "o" * 40)


class Clock:
    """The real time plus what a test advanced, or a fixed moment plus that."""

    def __init__(self, fixed: datetime | None = None) -> None:
        self.fixed = fixed
        self.advanced = timedelta()

    def __call__(self) -> datetime:
        return (self.fixed or datetime.now(UTC)) + self.advanced

    def advance(self, **by: float) -> None:
        self.advanced += timedelta(**by)


@dataclass
class World:
    """A booted store with two domains: `admin` (admin.json) of the first, OTHER the second."""

    settings: Settings
    database: Database
    vault: Vault
    clock: Clock
    iam: Iam
    admin: dict[str, str]
    busy_projects: set[str]


def make_world(data_dir: Path, clock: Clock, **settings: Any) -> World:
    chosen = Settings(data_dir=data_dir, **settings)
    database, vault = Database(chosen.store_url), Vault.at(data_dir)
    METADATA.create_all(database.engine)
    bootstrap(chosen, database, vault, clock=clock)
    busy: set[str] = set()
    iam = Iam.over(database, vault, clock=clock, project_in_use=busy.__contains__)
    with database.write() as connection:
        found_account(connection, OTHER, vault, iam.passwords, clock)
    admin = json.loads(chosen.admin_file.read_text())
    return World(chosen, database, vault, clock, iam, admin, busy)


@dataclass
class Site:
    """The IAM application and a small stand-in for DDS, on loopback ports."""

    world: World
    iam_url: str
    dds_url: str
    http: httpx.Client

    def token(
        self,
        name: str = "",
        password: str = "",
        *,
        domain: str = "",
        scope: dict[str, Any] | None = None,
        status: int = 201,
    ) -> str:
        """A token by password, of the administrator and his project unless told otherwise."""
        admin = self.world.admin
        user = {
            "name": name or admin["user_name"],
            "password": password or admin["password"],
            "domain": {"name": domain or admin["domain_name"]},
        }
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
        default = {"project": {"id": admin["project_id"]}} if not domain else {}
        auth["scope"] = default if scope is None else scope
        answer = self.http.post(f"{self.iam_url}/v3/auth/tokens", json={"auth": auth})
        assert answer.status_code == status, answer.text
        return answer.headers.get("X-Subject-Token", "")

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"X-Auth-Token": token or self.token()}
        return httpx.Client(base_url=self.iam_url, headers=headers, verify=False)

    def user(self, name: str, *roles: str, project_id: str = "") -> str:
        """A user of the first domain with PASSWORD and roles on the first project; his id."""
        with self.client() as admin:
            body = {"user": {"name": name, "password": PASSWORD}}
            user_id: str = admin.post("/v3/users", json=body).json()["user"]["id"]
            for role in roles:
                role_id = admin.get("/v3/roles", params={"name": role}).json()["roles"][0]["id"]
                target = project_id or self.world.admin["project_id"]
                path = f"/v3/projects/{target}/users/{user_id}/roles/{role_id}"
                assert admin.put(path).status_code == 204
        return user_id

    def key(self, user_id: str) -> tuple[str, str]:
        """A new access key of a user: AK and SK."""
        with self.client() as admin:
            body = {"credential": {"user_id": user_id}}
            made = admin.post("/v3.0/OS-CREDENTIAL/credentials", json=body).json()["credential"]
        return made["access"], made["secret"]


def stand_in_for_dds(iam: Iam) -> FastAPI:
    """Routes as DDS has them, telling what the dependency gave."""
    app = FastAPI(redirect_slashes=False)
    app.state.iam = iam
    base = "/v3/{project_id}/instances"

    @app.get(base)
    def find(caller: Annotated[Caller, Depends(dds_caller("dds:instance:list"))]) -> Any:
        return {"user": caller.user_name, "project": caller.project_id, "how": caller.how}

    @app.post(base)
    def create(
        caller: Annotated[Caller, Depends(dds_caller("dds:instance:create"))],
        body: Annotated[dict[str, Any], Depends(dds_body)],
    ) -> Any:
        return {"body": body}

    @app.post(base + "/query")
    def query(
        caller: Annotated[Caller, Depends(dds_caller("dds:instance:list", reads=True))],
    ) -> Any:
        return {}

    errors.install(app, "dds")
    return app


@contextmanager
def serving(app: FastAPI, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "uvicorn did not start within 10 s"
        time.sleep(0.005)
    yield
    server.should_exit = True
    thread.join(10)
