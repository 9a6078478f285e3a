"""What a node needs to run: its files and its command line, from the plan and the secrets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from shardhouse.domain import audit, configuration
from shardhouse.domain.audit import AuditFilter
from shardhouse.domain.flavors import all_flavors
from shardhouse.domain.model import Group, GroupType, Instance, Mode, Node
from shardhouse.domain.names import certificate_names
from shardhouse.engines import Engine
from shardhouse.logs import files as log_files
from shardhouse.mongo import certificates, commandline, keyfile
from shardhouse.mongo.commandline import GIB, Member, MongodPlan, RouterPlan, TlsFiles, TlsMode
from shardhouse.nodes.runtime import AUDIT_LOG, Command, Endpoint, Volume

#: Names of an instance's secrets in the store.
KEY = "keyfile"
PASSWORD = "password"  # noqa: S105 - a name, not a secret
CA_CERTIFICATE = "ca-certificate"
CA_KEY = "ca-key"
#: Those of the authority that is to replace the present one.
NEXT_CA_CERTIFICATE = "next-ca-certificate"
NEXT_CA_KEY = "next-ca-key"
#: Names of files in a node's conf folder.
KEY_FILE = "keyfile"
NODE_FILE = "node.pem"
CA_FILE = "ca.pem"
#: What a router of ours is to audit.
AUDIT_FILE = "audit.json"
_MEMBER = {GroupType.SHARD: Member.SHARD, GroupType.CONFIG: Member.CONFIG}


@dataclass(frozen=True)
class Launch:
    """How nodes of one instance are started. With `tls_mode` they have TLS, in that mode, whatever
    the instance has: it is being switched."""

    engine: Engine
    memory_scale: float
    router_metrics_port: int | None = None
    tls_mode: TlsMode | None = None

    def command(self, instance: Instance, group: Group, node: Node, volume: Volume) -> Command:
        """The process of one node."""
        if group.type is GroupType.MONGOS:
            ours = self.engine.mongos is None
            argv = commandline.router(self._router(instance, group, node, volume))
            return Command(argv, {} if ours else self.engine.environment)
        argv = commandline.mongod(self._mongod(instance, group, node, volume))
        return Command(argv, self.engine.environment)

    def private(
        self,
        instance: Instance,
        group: Group,
        volume: Volume,
        endpoint: Endpoint,
        *,
        replay: bool,
    ) -> Command:
        """A process that serves data of a member of a group to us alone."""
        member = self._mongod(instance, group, group.members[0], volume)
        plan = replace(member, address=endpoint.address, port=endpoint.port)
        argv = commandline.private_mongod(plan, self.engine.version, replay=replay)
        return Command(argv, self.engine.environment)

    def _mongod(self, instance: Instance, group: Group, node: Node, volume: Volume) -> MongodPlan:
        return MongodPlan(
            executable=self.engine.mongod,
            release=self.engine.release,
            member=_MEMBER.get(group.type, Member.REPLICA),
            replica_set=group.replica_set,
            address=node.address,
            port=node.port,
            data=volume.data,
            log_file=volume.log / log_files.NAME,
            key_file=volume.conf / KEY_FILE,
            memory=node_memory(node, self.memory_scale),
            oplog=commandline.oplog_megabytes(group.size),
            max_connections=all_flavors()[node.spec_code].max_connections,
            tls=self._tls(instance, volume),
            public_address=node.public_ip,
            chosen=configuration.values(instance, group, node, self.engine.release),
            log_commands=_logs_commands(instance),
        )

    def _router(self, instance: Instance, group: Group, node: Node, volume: Volume) -> RouterPlan:
        (config,) = instance.of_type(GroupType.CONFIG)
        return RouterPlan(
            config_set=config.replica_set,
            config_hosts=tuple(member.host for member in config.nodes),
            address=node.address,
            port=node.port,
            log_file=volume.log / log_files.NAME,
            key_file=volume.conf / KEY_FILE,
            max_connections=all_flavors()[node.spec_code].max_connections,
            tls=self._tls(instance, volume),
            public_address=node.public_ip,
            mongos=self.engine.mongos,
            metrics_port=self._metrics_port(instance, node),
            chosen=configuration.values(instance, group, node, self.engine.release),
            audit_filter=volume.conf / AUDIT_FILE,
            audit_log=volume.log / AUDIT_LOG,
        )

    def _tls(self, instance: Instance, volume: Volume) -> TlsFiles | None:
        if self.tls_mode is None and not instance.ssl:
            return None
        mode = self.tls_mode or TlsMode.REQUIRE
        return TlsFiles(volume.conf / NODE_FILE, volume.conf / CA_FILE, mode)

    def _metrics_port(self, instance: Instance, node: Node) -> int | None:
        """The port set, or as much above it as the node's is above the instance's on an address
        that nodes share."""
        if self.router_metrics_port is None:
            return None
        return self.router_metrics_port + node.port - instance.port


def _logs_commands(instance: Instance) -> bool:
    """Whether an audit log is made of what mongods log: not of clusters, whose routers write it."""
    wanted = audit.policy(instance).filter
    return instance.mode is not Mode.SHARDING and wanted is not None and wanted.commands


def node_memory(node: Node, scale: float) -> int:
    """Bytes a node may use: its flavor's memory, scaled down to this installation."""
    return int(all_flavors()[node.spec_code].memory_gb * GIB * scale)


def node_disk(group: Group, node: Node, scale: float) -> int:
    """Bytes of disk that a node needs at least; a router needs none but for its log."""
    return commandline.least_disk(node_memory(node, scale)) if group.type.holds_data else 0


def new_secrets(instance: Instance) -> dict[str, str]:
    """Secrets of a new instance: its key file's text, and its authority where it has TLS."""
    secrets = {KEY: keyfile.generate()}
    if instance.ssl:
        authority = certificates.issue_ca(f"{instance.name} {instance.id}", datetime.now(UTC))
        secrets[CA_CERTIFICATE] = authority.certificate.decode()
        secrets[CA_KEY] = authority.key.decode()
    return secrets


def files(instance: Instance, node: Node, secrets: Mapping[str, str]) -> dict[str, bytes]:
    """What lies in a node's conf folder."""
    found = {KEY_FILE: secrets[KEY].encode()}
    if wanted := audit.policy(instance).filter:
        # A router that joins audits from its start on; others have no use for the file.
        found |= audit_file(wanted)
    if instance.ssl:
        certificate = secrets[CA_CERTIFICATE].encode()
        authority = certificates.Authority(certificate, secrets[CA_KEY].encode())
        found[CA_FILE] = trusted(secrets).encode()
        public = [node.public_address] if node.public_address else []
        hosts = [node.address, *public, *certificate_names(node)]
        found[NODE_FILE] = certificates.issue_node(authority, hosts, node.name)
    return found


def audit_file(wanted: AuditFilter | None) -> dict[str, bytes]:
    """The file in a router's conf folder that says what it audits."""
    return {AUDIT_FILE: json.dumps(None if wanted is None else wanted.document()).encode()}


def trusted(secrets: Mapping[str, str]) -> str:
    """The certificates (PEM) of the authorities that an instance with TLS trusts: its own, and the
    one that is to replace it."""
    return secrets[CA_CERTIFICATE] + secrets.get(NEXT_CA_CERTIFICATE, "")
