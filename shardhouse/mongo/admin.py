"""Connections for our own administration: as `__system`, through the instance's key file."""

import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError, WTimeoutError

from shardhouse.mongo import keyfile
from shardhouse.mongo.wait import Deadline

APPLICATION = "shardhouse"
"""What our own connections call themselves."""
Client = MongoClient[dict[str, Any]]
APPLICATION = "shardhouse"
"""How our connections call themselves, in logs and lists of operations."""


@dataclass(frozen=True)
class Access:
    """What opens an instance to us: its key file's text, and its authority where it has TLS."""

    key: str = field(repr=False)
    authority: Path | None = None

    def credentials(self) -> dict[str, Any]:
        """Options of a client that authenticates as `__system`."""
        return {
            "username": "__system",
            "password": keyfile.password(self.key),
            "authSource": "local",
            "authMechanism": "SCRAM-SHA-256",
        }

    def tls(self) -> dict[str, Any]:
        """Options of a client that verifies the instance's certificates; none without TLS."""
        return {"tls": True, "tlsCAFile": str(self.authority)} if self.authority else {}


class Clients:
    """Direct connections to the nodes of one instance, one per host and user, opened when first
    asked for and closed together. Threads may share them.

    `timeout` is for finding a server, `patience` for its answer, both in seconds; a frozen server
    accepts connections and never answers. The default leaves time for a majority's `wtimeout`.
    """

    def __init__(self, access: Access, timeout: float = 5.0, patience: float = 90.0) -> None:
        self._access = access
        self._timeout = timeout
        self._patience = patience
        self._open: dict[tuple[str, str], Client] = {}

    def with_timeouts(self, timeout: float, patience: float) -> "Clients":
        """Other connections to the same nodes; the caller closes them."""
        return Clients(self._access, timeout, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getitem__(self, host: str) -> Client:
        """The client of `address:port`. It connects lazily; errors are pymongo's."""
        return self._client(host, self._access.credentials())

    def anonymous(self, host: str) -> Client:
        """A client of `address:port` that does not authenticate: for what a router answers to
        anyone."""
        return self._client(host, {})

    def as_user(self, host: str, user: str, password: str) -> Client:
        """A client of `address:port`, a router, as a user in `admin`."""
        return self._client(host, {"username": user, "password": password, "authSource": "admin"})

    def _client(self, host: str, credentials: dict[str, Any]) -> Client:
        whose = host, credentials.get("username", "")
        client = self._open.get(whose)
        if client is None:
            milliseconds = int(self._timeout * 1000)
            made: Client = MongoClient(
                host,
                directConnection=True,
                serverSelectionTimeoutMS=milliseconds,
                connectTimeoutMS=milliseconds,
                socketTimeoutMS=int(self._patience * 1000),
                # Polls rarely and keeps no stream open: idle connections should cost nothing.
                serverMonitoringMode="poll",
                heartbeatFrequencyMS=60_000,
                appName=APPLICATION,
                **credentials,
                **self._access.tls(),
            )
            client = self._open.setdefault(whose, made)
            if client is not made:
                made.close()
        return client

    def close(self) -> None:
        """Close them all."""
        while self._open:
            self._open.popitem()[1].close()


def majority(
    client: Client,
    command: str,
    value: Any = 1,
    *,
    database: str = "admin",
    wtimeout: int = 60_000,
    **fields: Any,
) -> dict[str, Any]:
    """Run a command, of `admin` or another database, that a majority must acknowledge within
    `wtimeout` milliseconds.

    Raises pymongo's WTimeoutError otherwise: the driver itself does not look at that part of the
    reply.
    """
    concern = {"w": "majority", "wtimeout": wtimeout}
    reply = client[database].command(command, value, **fields, writeConcern=concern)
    error = reply.get("writeConcernError")
    if error:
        raise WTimeoutError(error.get("errmsg", "no majority"), error.get("code"), error)
    return dict(reply)


def reload_certificates(host: str, clients: Clients, deadline: Deadline) -> None:
    """Have a mongod use its certificate file as it is now; open connections live on."""
    deadline.until(
        f"{host} to load its certificate",
        lambda: clients[host].admin.command("rotateCertificates"),
    )


def resize_oplog(host: str, megabytes: int, clients: Clients, deadline: Deadline) -> None:
    """Have a member's oplog hold as much from now on, also after restarts: `--oplogSize` counts for
    new ones only. The server takes 990 MB and more."""
    deadline.until(
        f"{host} to resize its oplog",
        lambda: clients[host].admin.command("replSetResizeOplog", 1, size=float(megabytes)),
    )


def rotate_log(host: str, clients: Clients) -> None:
    """Have a mongod put its log file aside and go on in a new one. PyMongo's errors, also where it
    cannot: it goes on with the old one, and unlike to SIGUSR1 there is an answer."""
    clients[host].admin.command("logRotate", 1)


def end_at_once(host: str, clients: Clients) -> None:
    """Have a mongod that is about to be told to end not wait for its clients to leave it (see
    `commandline.FAREWELL`): a hidden member has none."""
    with suppress(PyMongoError):
        clients[host].admin.command(
            {"setParameter": 1, "shutdownTimeoutMillisForSignaledShutdown": 0}
        )


def prefer_tls(host: str, clients: Clients, deadline: Deadline) -> None:
    """Have a mongod that only accepts TLS (`allowTLS`) use it for its own connections too. Does
    nothing where it does."""

    def preferred() -> bool:
        admin = clients[host].admin
        if admin.command({"getParameter": 1, "tlsMode": 1})["tlsMode"] == "allowTLS":
            admin.command({"setParameter": 1, "tlsMode": "preferTLS"})
        return True

    deadline.until(f"{host} to prefer TLS", preferred)


def accepts(host: str, timeout: float = 1.0) -> bool:
    """Whether something accepts connections at `address:port` now.

    Asked before a driver is: a driver that was refused goes on trying until its own timeout.
    """
    address, _, port = host.rpartition(":")
    try:
        socket.create_connection((address, int(port)), timeout).close()
    except OSError:
        return False
    return True


def listening(host: str, deadline: Deadline) -> None:
    """Wait until something accepts connections at `address:port`; MongoError after the deadline."""
    deadline.until(f"{host} to accept connections", lambda: accepts(host) or None)
