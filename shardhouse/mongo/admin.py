"""Connections for our own administration: as `__system`, through the instance's key file."""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import WTimeoutError

from shardhouse.mongo import keyfile
from shardhouse.mongo.wait import Deadline

Client = MongoClient[dict[str, Any]]


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
    """Direct connections to the nodes of one instance, one per host, opened when first asked for
    and closed together. Threads may share them.

    `timeout` is for finding a server, `patience` for its answer, both in seconds; a frozen server
    accepts connections and never answers. The default leaves time for a majority's `wtimeout`.
    """

    def __init__(self, access: Access, timeout: float = 5.0, patience: float = 90.0) -> None:
        self._access = access
        self._timeout = timeout
        self._patience = patience
        self._open: dict[str, Client] = {}

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
        """A client of `address:port` that does not authenticate: for a router, where `__system` is
        nobody."""
        return self._client(host, {})

    def _client(self, host: str, credentials: dict[str, Any]) -> Client:
        client = self._open.get(host)
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
                appName="shardhouse",
                **credentials,
                **self._access.tls(),
            )
            client = self._open.setdefault(host, made)
            if client is not made:
                made.close()
        return client

    def close(self) -> None:
        """Close them all."""
        while self._open:
            self._open.popitem()[1].close()


def majority(
    client: Client, command: str, value: Any = 1, *, wtimeout: int = 60_000, **fields: Any
) -> dict[str, Any]:
    """Run an admin command that a majority must acknowledge within `wtimeout` milliseconds.

    Raises pymongo's WTimeoutError otherwise: the driver itself does not look at that part of the
    reply.
    """
    concern = {"w": "majority", "wtimeout": wtimeout}
    reply = client.admin.command(command, value, **fields, writeConcern=concern)
    error = reply.get("writeConcernError")
    if error:
        raise WTimeoutError(error.get("errmsg", "no majority"), error.get("code"), error)
    return dict(reply)


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
