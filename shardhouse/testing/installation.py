"""An installation for tests: a new one in a temporary folder, or one that is named and stays."""

import hashlib
import itertools
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Self

from shardhouse.testing import locks
from shardhouse.testing.errors import InstallationError
from shardhouse.testing.instance import Instance

if TYPE_CHECKING:
    from shardhouse.client.api import Client
    from shardhouse.client.orders import Mode

STOP_SECONDS = 120.0
#: Nothing is backed up by itself: that would only take time.
_NO_BACKUPS = {"backup_strategy": {"keep_days": 0}}


class Installation:
    """A running Shardhouse, as a context manager.

    Without `data_dir` it is a new one in a temporary folder, on ports that were free, and nothing
    is left of it at the end, however this process ends. With `data_dir` it is the installation in
    that folder: it is started where it does not run, and stays. `report` gets a line for what takes
    seconds. Settings come from SHARDHOUSE_* variables as those of `shardhouse serve` do, for a
    temporary one without those that lead out of its folder (`guard.OUTSIDE`).

    Entering it raises InstallationError, or another ShardhouseError, if it does not start.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        report: Callable[[str], object] = lambda line: None,
    ) -> None:
        self._named = None if data_dir is None else Path(data_dir).expanduser().resolve()
        self._report = report
        self._folder: Path | None = self._named
        self._guard: subprocess.Popen[str] | None = None
        self._keep = False

    def __repr__(self) -> str:
        return f"Installation({str(self._folder or 'in a temporary folder')!r})"

    def __enter__(self) -> Self:
        if self._named is None:
            self._start_new()
        else:
            self._start_named(self._named)
        return self

    def __exit__(self, *_: object) -> None:
        if "api" in self.__dict__:
            self.api.__exit__(None, None, None)
            del self.api
        if self._guard is not None:
            self._end_new(self._guard)

    @property
    def data_dir(self) -> Path:
        """Its folder. InstallationError while there is none."""
        if self._folder is None:
            raise InstallationError("The installation does not run: enter it with `with`.")
        return self._folder

    @cached_property
    def api(self) -> "Client":
        """Its APIs, as the administrator."""
        from shardhouse.cli import credentials
        from shardhouse.client.api import Client

        admin = credentials.read_admin_file(self.data_dir)
        return Client(credentials.from_admin_file(admin, self.data_dir))

    @property
    def env(self) -> dict[str, str]:
        """What `shardhouse env` exports, for OpenStack clients and the official SDK; and
        SHARDHOUSE_DATA_DIR, for `shardhouse` itself."""
        from shardhouse.cli import credentials, env

        variables = env.variables(credentials.read_admin_file(self.data_dir))
        return variables | {credentials.DATA_DIR_VARIABLE: str(self.data_dir)}

    def cluster(self, shards: int = 2, **order: Any) -> Instance:
        """A new sharded cluster; `order` is that of `create`."""
        return self.create("sharding", shards=shards, **order)

    def replica_set(self, members: int = 3, **order: Any) -> Instance:
        """A new replica set; `order` is that of `create`."""
        return self.create("replicaset", members=members, **order)

    def create(
        self,
        mode: "Mode" = "replicaset",
        *,
        name: str | None = None,
        password: str | None = None,
        snapshot: str | os.PathLike[str] | None = None,
        zones: int = 3,
        **order: Any,
    ) -> Instance:
        """A new instance, when it is normal. `order` has further fields of
        `shardhouse.client.orders.Order`: version, spec, size (GB), shards, mongos, members, port,
        ssl. The nodes of each group are spread over `zones` availability zones. With `snapshot`, a
        file of `shardhouse snapshot save`, it has the shape and the data of that.

        Raises InstallationError, or another ShardhouseError, if it cannot be made.
        """
        name = name or f"test-{secrets.token_hex(4)}"
        password = password or _new_password()
        region = self.api.region
        zone = ",".join(f"{region}-{number:02}" for number in range(1, zones + 1))
        self._need_builds()
        self._report(f"making {name} ({snapshot or mode})")
        if snapshot is not None:
            from shardhouse.client import snapshots

            changes = {"availability_zone": zone, **_NO_BACKUPS}
            answer = snapshots.load(
                self.api, Path(snapshot), name=name, password=password, changes=changes, **order
            )
        else:
            from shardhouse.client.orders import Order

            body = Order(name, mode, region, zone=zone, **order).body(password) | _NO_BACKUPS
            answer = self.api.dds("POST", "instances", body)
        self._finish(name, answer)
        return Instance(self, next(self.api.instances(id=answer["id"])), password)

    @contextmanager
    def lease(self, *, password: str | None = None, **order: Any) -> Iterator[Instance]:
        """An instance that nobody else uses meanwhile; `order` is that of `create` but for the
        name, which it has by itself.

        Where the installation is a temporary one, or the order names a snapshot, it is a new one,
        and deleted afterwards. Else it stays for later: who orders the same gets it again, without
        its databases and with another password, or that of the order.
        """
        if "name" in order:
            raise InstallationError(
                f"An instance for tests has a name by itself, not {order['name']!r}: leave `name` "
                "out of the order. Installation.create makes one of any name."
            )
        if self._named is None:
            with self.create(**order, password=password) as made:
                yield made
            return
        with self._free_name(order) as name:
            if order.get("snapshot"):
                # One that is there is of a session that was killed.
                for found in [*self.api.instances(name=name)]:
                    self.api.dds("DELETE", f"instances/{found['id']}")
                with self.create(**order, name=name, password=password) as made:
                    yield made
            else:
                again = self._again(name, password or _new_password())
                yield again or self.create(**order, name=name, password=password)

    @contextmanager
    def _free_name(self, order: Mapping[str, Any]) -> Iterator[str]:
        """The first name for instances of this order that nobody has locked; it is locked during
        the block."""
        canonical = json.dumps(order, sort_keys=True, default=os.fspath)
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:8]
        for number in itertools.count(1):
            name = f"pytest-{digest}-{number}"
            lock = locks.take(self.data_dir / "testing" / f"{name}.lock")
            if lock is not None:
                try:
                    yield name
                finally:
                    locks.release(lock)
                return

    def _again(self, name: str, password: str) -> Instance | None:
        """The instance of this name as if it were new, if there is one that can be used."""
        found = next(self.api.instances(name=name), None)
        if found is None:
            return None
        if found["status"] == "createfail":
            self.api.dds("DELETE", f"instances/{found['id']}")
            return None
        self._report(f"using {name} again")
        instance = Instance(self, found, password)
        for node in instance.nodes:
            instance.resume(node)
        instance.await_normal()
        body = {"user_name": "rwuser", "user_pwd": instance.password}
        self.api.dds("PUT", f"instances/{instance.id}/reset-password", body)
        instance.reset()
        return instance

    def _need_builds(self) -> None:
        if not self.api.dds("GET", "datastores/DDS-Community/versions")["builds"]:
            raise InstallationError(
                "No MongoDB is installed for Shardhouse. Get it with `shardhouse engine add`, and "
                "run the tests again."
            )

    def _finish(self, name: str, answer: Mapping[str, Any]) -> None:
        """Wait until an instance is made."""
        from shardhouse.client import jobs
        from shardhouse.client.errors import ClientError

        try:
            jobs.finish(self.api, answer["job_id"])
        except ClientError as error:
            self._keep = True
            raise InstallationError(
                f"The instance {name} was not made. {error.message} The folder stays; logs are in "
                f"{self.data_dir}/serve.log and {self.data_dir}/instances/{answer['id']}/*/log."
            ) from None

    def _start_new(self) -> None:
        self._folder = Path(mkdtemp(prefix="shardhouse-"))
        self._report(f"starting in {self._folder}")
        self._guard = guard = subprocess.Popen(
            [sys.executable, "-P", "-m", "shardhouse.testing.guard", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests, which end it
        )
        assert guard.stdout is not None
        try:
            if guard.stdout.readline():
                return
        except BaseException:  # Ctrl-C, mostly
            self._end_new(guard)
            raise
        self._end_new(guard)

    def _end_new(self, guard: "subprocess.Popen[str]") -> None:
        """Have the guard remove what it started. InstallationError if that fails, or has failed
        to start."""
        from shardhouse.nodes.local import processes

        folder, self._guard, self._folder = self._folder, None, None
        rest = (
            f"What is left of it: `shardhouse down --data-dir {folder}`, then delete that folder."
        )
        try:
            problem = guard.communicate("keep" if self._keep else "", STOP_SECONDS)[1].strip()
        except subprocess.TimeoutExpired:
            guard.kill()
            guard.communicate()
            raise InstallationError(
                f"The installation was not removed within {STOP_SECONDS:g} s. {rest}"
            ) from None
        if guard.returncode:
            ended = processes.describe(guard.returncode)
            raise InstallationError(
                problem or f"The process that removes the installation has ended: {ended}. {rest}"
            )

    def _start_named(self, folder: Path) -> None:
        from shardhouse.cli.installation import Installation as Local
        from shardhouse.testing.guard import START_SECONDS

        local = Local(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locks.locked(folder / "testing" / "start.lock"):
            child = None
            if local.serve() is None:
                self._report(f"starting in {folder}")
                child = local.start()
            local.await_answers(child, START_SECONDS)


def _new_password() -> str:
    """One that the API takes: it wants all classes of characters."""
    return f"aA1-{secrets.token_urlsafe(18)}"
