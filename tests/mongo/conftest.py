"""Real mongods for the tests of `mongo`: started by the local driver, one set per session."""

from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from shardhouse.engines import Engine
from shardhouse.mongo import admin, administrator, certificates, commandline, keyfile, replica_set
from shardhouse.mongo.admin import Access, Clients
from shardhouse.mongo.commandline import Member, MongodPlan, TlsFiles
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.local import LocalRuntime
from shardhouse.nodes.runtime import Command, Endpoint, NodeRef
from tests import builds

ENGINE = builds.under_test()
PORT = 18635
PASSWORD = "Test@123/x"


@dataclass
class Lab:
    """Starts, kills and restarts the mongods of one instance."""

    runtime: LocalRuntime
    access: Access
    authority: certificates.Authority | None = None
    commands: dict[str, Command] = field(default_factory=dict)
    engine: Engine = ENGINE
    oplog: int = 128
    memory: int = 256 << 20
    chosen: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    def start(self, name, count, member=Member.REPLICA, data=None):
        """Processes of a set that is not formed yet, and its plan; with a copy of the `data` of a
        node that fits the plan, they form it."""
        endpoints = self.endpoints(count)
        for endpoint in endpoints:
            self._start_one(name, endpoint.address, member, data)
        return self.plan(name, endpoints, member)

    def endpoints(self, count):
        """Where the next members can be started."""
        taken = [Endpoint(host.partition(":")[0], PORT) for host in self.commands]
        return self.runtime.free_endpoints(count, PORT, taken)

    def plan(self, name, endpoints, member=Member.REPLICA):
        """A set of members at these places."""
        hosts = tuple(f"{address}:{port}" for address, port in endpoints)
        hidden = hosts[-1] if len(hosts) >= 3 else None
        return SetPlan(name, hosts, config_server=member is Member.CONFIG, hidden=hidden)

    def _start_one(self, name, address, member, data=None):
        files = {"key": self.access.key.encode()}
        if self.authority:
            files["ca.pem"] = self.authority.certificate
            files["node.pem"] = certificates.issue_node(self.authority, [address], name)
        host = f"{address}:{PORT}"
        volume = self.runtime.ensure_volume(self.node(host), files)
        plan = self._plan(name, Endpoint(address, PORT), member, volume)
        argv = (*commandline.mongod(plan), *self.options)
        self.commands[host] = Command(argv, self.engine.environment)
        if data is not None:
            self.runtime.copy_data(data, self.node(host))
        self.restart(host)

    def _plan(self, name, endpoint, member, volume):
        tls = TlsFiles(volume.conf / "node.pem", volume.conf / "ca.pem")
        return MongodPlan(
            executable=self.engine.mongod,
            release=self.engine.release,
            member=member,
            replica_set=name,
            address=endpoint.address,
            port=endpoint.port,
            data=volume.data,
            log_file=volume.log / "mongod.log",
            key_file=volume.conf / "key",
            memory=self.memory,
            oplog=self.oplog,
            max_connections=400,
            tls=tls if self.authority else None,
            chosen=self.chosen,
        )

    @contextmanager
    def private(self, node, *, replay=False, version="", more=()):
        """A client of a private mongod on the data of `node`."""
        volume = self.runtime.ensure_volume(node, {"key": self.access.key.encode()})
        (endpoint,) = self.runtime.free_endpoints(1, PORT + 1, [])
        plan = self._plan("", endpoint, Member.REPLICA, volume)
        argv = commandline.private_mongod(plan, version or self.engine.version, replay=replay)
        self.runtime.ensure_process(node, Command((*argv, *more), self.engine.environment))
        try:
            with Clients(Access(self.access.key)) as clients:
                host = f"{endpoint.address}:{endpoint.port}"
                admin.listening(host, Deadline(60, lambda: self._runs(node)))
                yield clients[host]
        finally:
            self.runtime.stop(node, 60)

    def _runs(self, node):
        state = self.runtime.state(node)
        assert state.running, state.exit_reason

    def node(self, host):
        return NodeRef("lab", host.replace(":", "-"))

    def kill(self, *hosts):
        for host in hosts:
            self.runtime.stop(self.node(host), 0)

    def restart(self, *hosts):
        for host in hosts:
            self.runtime.ensure_process(self.node(host), self.commands[host])

    def close(self):
        for host in self.commands:
            self.runtime.remove(self.node(host))
        self.runtime.close()


def _lab(folder, tls=False):
    authority = certificates.issue_ca("lab") if tls else None
    path = folder / "ca.pem"
    if authority:
        path.write_bytes(authority.certificate)
    access = Access(keyfile.generate(), path if tls else None)
    return Lab(LocalRuntime(folder, ["127.81.0.0/16"]), access, authority)


@pytest.fixture
def lab(tmp_path):
    made = _lab(tmp_path)
    yield made
    made.close()


@pytest.fixture
def tls_lab(tmp_path):
    made = _lab(tmp_path, tls=True)
    yield made
    made.close()


@pytest.fixture
def clients(lab):
    with Clients(lab.access) as opened:
        yield opened


@dataclass(frozen=True)
class Formed:
    """The session's set of three, with its administrator. Tests leave it as they found it."""

    lab: Lab
    plan: SetPlan
    clients: Clients


@pytest.fixture(scope="session")
def formed(tmp_path_factory):
    made = _lab(tmp_path_factory.mktemp("formed"))
    try:
        plan = made.start("replica", 3)
        with Clients(made.access) as opened:
            replica_set.form(plan, opened, Deadline(60))
            administrator.ensure(plan.visible, PASSWORD, opened, Deadline(30))
            yield Formed(made, plan, opened)
    finally:
        made.close()
