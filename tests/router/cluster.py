"""A real cluster for the tests: two one-member shards, a config server, and a router in front."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

import pymongo
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests import builds
from tests.free_ports import free_port

T = TypeVar("T")
KEY = "c2hhcmRob3VzZSByb3V0ZXIgdGVzdCBrZXk="
ADMIN, PASSWORD = "root", "Root@1234"
ENGINE = builds.under_test()


_STARTING = 120
"""Seconds a process may take to start where many others want the processors, too."""


def until(what: str, check: Callable[[], T], seconds: float = 20.0) -> T:
    """The first true value of `check`; fails after a deadline, saying what it waited for."""
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            value = check()
            if value:
                return value
        except (PyMongoError, OSError, AssertionError) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}; last error: {last}")


def with_key(path: Path | None) -> list[str]:
    """The option that turns on access control."""
    return ["--keyFile", str(path)] if path is not None else []


def _key_file(directory: Path) -> Path:
    path = directory / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o400)
    return path


class Tls:
    """A certificate authority, one node certificate for 127.0.0.1, and who uses them how."""

    def __init__(self, directory: Path) -> None:
        now = datetime.datetime.now(datetime.UTC)
        keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
        names = [
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
            for text in ("test authority", "node")
        ]
        self.authority, self.node = directory / "ca.pem", directory / "node.pem"
        for name, key, path in zip(names, keys, (self.authority, self.node), strict=True):
            made = (
                x509.CertificateBuilder()
                .subject_name(name)
                .issuer_name(names[0])
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(hours=1))
                .not_valid_after(now + datetime.timedelta(days=1))
                .add_extension(
                    x509.BasicConstraints(ca=path == self.authority, path_length=None), True
                )
                .add_extension(
                    x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
                )
                .sign(keys[0], hashes.SHA256())
            )
            private = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)

    @property
    def options(self) -> list[str]:
        return [
            "--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(self.node),
            "--tlsCAFile", str(self.authority), "--tlsAllowConnectionsWithoutCertificates",
        ]  # fmt: skip

    @property
    def client(self) -> dict[str, Any]:
        return {"tls": True, "tlsCAFile": str(self.authority)}


class Mongod:
    """One mongod process that can be killed and started again."""

    def __init__(
        self,
        directory: Path,
        role: str | None,
        name: str,
        key_file: Path | None,
        tls: Tls | None = None,
        more: Sequence[str] = (),
    ) -> None:
        self.name, self.port, self.directory = name, free_port(), directory / name
        self.directory.mkdir()
        self._arguments = [
            str(ENGINE.mongod), *([role] if role else []), "--replSet", name,
            "--port", str(self.port), "--bind_ip", "127.0.0.1",
            "--dbpath", str(self.directory), *with_key(key_file),
            "--logpath", str(self.directory / "log"), "--logappend", "--nounixsocket",
            "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64",
            "--setParameter", "enableLocalhostAuthBypass=0",
            "--setParameter", "diagnosticDataCollectionEnabled=false",
            "--setParameter", "logicalSessionRefreshMillis=3600000", *more,
        ]  # fmt: skip
        self._access_control = key_file is not None
        self._tls = tls
        self._arguments += tls.options if tls else []
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._arguments,
            env=os.environ | ENGINE.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def client(self, **options: Any) -> MongoClient:
        """A connection of our own, as a member of the cluster."""
        settings = {"serverSelectionTimeoutMS": 20_000, **options}
        settings |= self._tls.client if self._tls else {}
        if self._access_control:
            settings |= {"username": "__system", "password": KEY, "authSource": "local"}
        return MongoClient(self.address, directConnection=True, **settings)

    def initiate(self, *, config: bool) -> None:
        with self.client(serverSelectionTimeoutMS=1000 * _STARTING) as client:
            members = [{"_id": 0, "host": self.address}]
            request = {"_id": self.name, "members": members}
            request |= {"configsvr": True} if config else {}
            client.admin.command("replSetInitiate", request)
            until(
                f"{self.name} to lead",
                lambda: client.admin.command("hello")["isWritablePrimary"],
                _STARTING,
            )


class RouterProcess:
    """One router process."""

    def __init__(self, directory: Path, config: str, key_file: Path | None, *more: str) -> None:
        self.port = free_port()
        self.tls: Tls | None = None
        self.log = directory / f"router-{self.port}.log"
        self.arguments = [
            sys.executable, "-m", "shardhouse.router", "--configdb", config,
            *with_key(key_file), "--port", str(self.port), "--bind_ip", "127.0.0.1",
            "--logpath", str(self.log), "--logappend", *more,
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.arguments, env=os.environ)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def listening(self) -> RouterProcess:
        """Wait until a router that was started for the first time listens."""
        said = "Waiting for connections"
        until("the router to listen", lambda: said in self.log.read_text(), _STARTING)
        return self

    def client(self, user: str = ADMIN, password: str = PASSWORD, **options: Any) -> MongoClient:
        where = {"authSource": "admin", "serverSelectionTimeoutMS": 10_000, **options}
        where |= self.tls.client if self.tls else {}
        return MongoClient("127.0.0.1", self.port, username=user, password=password, **where)

    def stranger(self, **options: Any) -> MongoClient:
        """A client that does not log in."""
        return MongoClient("127.0.0.1", self.port, serverSelectionTimeoutMS=10_000, **options)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=15)


class TestCluster:
    """All of it, started; the administrator exists."""

    __test__ = False

    def __init__(
        self,
        directory: Path,
        *,
        shards: int = 2,
        tls: Tls | None = None,
        access_control: bool = True,
    ) -> None:
        self.tls = tls
        self.directory = directory
        self.key_file = _key_file(directory) if access_control else None
        self.config = Mongod(directory, "--configsvr", "cfg", self.key_file, tls)
        self.shards = [
            Mongod(directory, "--shardsvr", f"s{n}", self.key_file, tls) for n in range(shards)
        ]
        self.router = self.start_router()
        try:
            self._set_up()
        except BaseException:
            self.stop()
            raise

    def _set_up(self) -> None:
        for node in (self.config, *self.shards):
            node.initiate(config=node is self.config)
        if self.key_file is not None:
            self._create_administrator()
        with self.client() as client:
            for shard in self.shards:
                until(
                    f"shard {shard.name} to be added",
                    lambda shard=shard: client.admin.command(
                        "addShard", f"{shard.name}/{shard.address}", name=shard.name
                    ),
                    _STARTING,
                )

    def _create_administrator(self) -> None:
        with self.config.client() as client:
            client.admin.command("createUser", ADMIN, pwd=PASSWORD, roles=["root"])

    def client(self) -> MongoClient:
        """One that may do everything."""
        return self.router.client() if self.key_file is not None else self.router.stranger()

    def start_router(self, *more: str) -> RouterProcess:
        tls = self.tls.options if self.tls else []
        config = f"cfg/{self.config.address}"
        router = RouterProcess(self.directory, config, self.key_file, *tls, *more)
        router.tls = self.tls
        return router

    def stop(self) -> None:
        self.router.stop()
        for node in (self.config, *self.shards):
            node.kill()


def distribution(client: MongoClient, namespace: str) -> dict[str, int]:
    """Documents of a collection by shard."""
    database, _, collection = namespace.partition(".")
    stats = client[database].command("collStats", collection)
    return {name: one["count"] for name, one in stats["shards"].items()}


__all__ = ["ADMIN", "PASSWORD", "RouterProcess", "TestCluster", "distribution", "pymongo", "until"]
