"""Real mongods for the tests of `mongo`: started by the local driver, one set per session."""

from dataclasses import dataclass, field

import pytest

from shardhouse.engines import discover
from shardhouse.mongo import certificates, commandline, keyfile, replica_set, users
from shardhouse.mongo.admin import Access, Clients
from shardhouse.mongo.commandline import Member, MongodPlan, TlsFiles
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.local import LocalRuntime
from shardhouse.nodes.runtime import Command, NodeRef

PORT = 18635
PASSWORD = "Test@123/x"


@dataclass
class Lab:
    """Starts, kills and restarts the mongods of one instance."""

    runtime: LocalRuntime
    access: Access
    authority: certificates.Authority | None = None
    commands: dict[str, Command] = field(default_factory=dict)

    def start(self, name, count, member=Member.REPLICA):
        """Processes of a set that is not formed yet, and its plan."""
        taken = [host.partition(":")[0] for host in self.commands]
        addresses = self.runtime.free_addresses(count, PORT, taken)
        for address in addresses:
            self._start_one(name, address, member)
        hosts = tuple(f"{address}:{PORT}" for address in addresses)
        return SetPlan(name, hosts, config_server=member is Member.CONFIG)

    def _start_one(self, name, address, member):
        files = {"key": self.access.key.encode()}
        if self.authority:
            files["ca.pem"] = self.authority.certificate
            files["node.pem"] = certificates.issue_node(self.authority, [address], name)
        host = f"{address}:{PORT}"
        volume = self.runtime.ensure_volume(self.node(host), files)
        tls = TlsFiles(volume.conf / "node.pem", volume.conf / "ca.pem")
        plan = MongodPlan(
            executable=discover([]).for_version("6.0").mongod,
            member=member,
            replica_set=name,
            address=address,
            port=PORT,
            data=volume.data,
            log_file=volume.log / "mongod.log",
            key_file=volume.conf / "key",
            memory=256 << 20,
            oplog=128,
            max_connections=400,
            tls=tls if self.authority else None,
        )
        self.commands[host] = Command(commandline.mongod(plan), {})
        self.restart(host)

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
    return Lab(LocalRuntime(folder, "127.81.0.0/16"), access, authority)


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
            users.ensure_administrator(plan.visible, PASSWORD, opened, Deadline(30))
            yield Formed(made, plan, opened)
    finally:
        made.close()
