"""What a node needs to run: its files and its command line, from the plan and the secrets."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shardhouse.domain.flavors import all_flavors
from shardhouse.domain.model import Group, GroupType, Instance, Node
from shardhouse.engines import Engine
from shardhouse.mongo import certificates, commandline, keyfile
from shardhouse.mongo.commandline import GIB, Member, MongodPlan, RouterPlan, TlsFiles
from shardhouse.nodes.runtime import Command, NodeRef, Runtime, Volume

#: Names of an instance's secrets in the store.
KEY = "keyfile"
PASSWORD = "password"  # noqa: S105 - a name, not a secret
CA_CERTIFICATE = "ca-certificate"
CA_KEY = "ca-key"
#: Names of files in a node's conf folder.
KEY_FILE = "keyfile"
NODE_FILE = "node.pem"
CA_FILE = "ca.pem"
LOG_FILE = "mongo.log"
_MEMBER = {GroupType.SHARD: Member.SHARD, GroupType.CONFIG: Member.CONFIG}


@dataclass(frozen=True)
class Launch:
    """How nodes of one instance are started."""

    engine: Engine
    memory_scale: float
    router_metrics_port: int | None = None

    def command(self, instance: Instance, group: Group, node: Node, volume: Volume) -> Command:
        """The process of one node."""
        if group.type is GroupType.MONGOS:
            return Command(commandline.router(self._router(instance, node, volume)), {})
        return Command(commandline.mongod(self._mongod(instance, group, node, volume)), {})

    def _mongod(self, instance: Instance, group: Group, node: Node, volume: Volume) -> MongodPlan:
        return MongodPlan(
            executable=self.engine.mongod,
            member=_MEMBER.get(group.type, Member.REPLICA),
            replica_set=group.replica_set,
            address=node.address,
            port=node.port,
            data=volume.data,
            log_file=volume.log / LOG_FILE,
            key_file=volume.conf / KEY_FILE,
            memory=node_memory(node, self.memory_scale),
            oplog=commandline.oplog_megabytes(group.size),
            max_connections=all_flavors()[node.spec_code].max_connections,
            tls=_tls(instance, volume),
        )

    def _router(self, instance: Instance, node: Node, volume: Volume) -> RouterPlan:
        (config,) = instance.of_type(GroupType.CONFIG)
        return RouterPlan(
            config_set=config.replica_set,
            config_hosts=tuple(member.host for member in config.nodes),
            address=node.address,
            port=node.port,
            log_file=volume.log / LOG_FILE,
            key_file=volume.conf / KEY_FILE,
            tls=_tls(instance, volume),
            mongos=self.engine.mongos,
            metrics_port=self.router_metrics_port,
        )


def node_memory(node: Node, scale: float) -> int:
    """Bytes a node may use: its flavor's memory, scaled down to this installation."""
    return int(all_flavors()[node.spec_code].memory_gb * GIB * scale)


def new_secrets(instance: Instance) -> dict[str, str]:
    """Secrets of a new instance: its key file's text, and its authority where it has TLS."""
    secrets = {KEY: keyfile.generate()}
    if instance.ssl:
        authority = certificates.issue_ca(f"{instance.name} {instance.id}", datetime.now(UTC))
        secrets[CA_CERTIFICATE] = authority.certificate.decode()
        secrets[CA_KEY] = authority.key.decode()
    return secrets


def files(instance: Instance, node: Node, secrets: dict[str, str]) -> dict[str, bytes]:
    """What lies in a node's conf folder."""
    found = {KEY_FILE: secrets[KEY].encode()}
    if instance.ssl:
        certificate = secrets[CA_CERTIFICATE].encode()
        authority = certificates.Authority(certificate, secrets[CA_KEY].encode())
        found[CA_FILE] = certificate
        found[NODE_FILE] = certificates.issue_node(authority, [node.address], node.name)
    return found


def authority_file(runtime: Runtime, instance: Instance) -> Path | None:
    """Where this machine finds the instance's CA certificate; None where it has no TLS."""
    if not instance.ssl:
        return None
    first = instance.nodes[0]
    return Path(runtime.volume(NodeRef(instance.id, first.id)).conf) / CA_FILE


def _tls(instance: Instance, volume: Volume) -> TlsFiles | None:
    if not instance.ssl:
        return None
    return TlsFiles(volume.conf / NODE_FILE, volume.conf / CA_FILE)
