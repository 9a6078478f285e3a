"""Command lines, keys, certificates, URIs and log reading: no process needed."""

import datetime as dt
import json
import ssl
import subprocess
import sys
from pathlib import PurePath

import pytest

from shardhouse.domain import uris
from shardhouse.mongo import certificates, commandline, keyfile, logs
from shardhouse.mongo.commandline import GIB, Member, MongodPlan, RouterPlan, TlsFiles

FILES = TlsFiles(PurePath("/n/conf/node.pem"), PurePath("/n/conf/ca.pem"))


def plan(**changes):
    fields = {
        "executable": PurePath("/bin/mongod"),
        "release": (6, 0),
        "member": Member.SHARD,
        "replica_set": "shard_1",
        "address": "127.64.0.1",
        "port": 8635,
        "data": PurePath("/n/data"),
        "log_file": PurePath("/n/log/mongod.log"),
        "key_file": PurePath("/n/conf/key"),
        "memory": GIB // 4,
        "oplog": 1024,
        "max_connections": 400,
    }
    return MongodPlan(**fields | changes)


def mongod(**changes):
    return " ".join(commandline.mongod(plan(**changes)))


def private(version="6.0.27", replay=False, **changes):
    return " ".join(commandline.private_mongod(plan(**changes), version, replay=replay))


def test_a_mongod_authenticates_binds_one_address_and_keeps_small():
    line = mongod()
    for option in (
        "--shardsvr",
        "--replSet shard_1",
        "--bind_ip 127.64.0.1 --port 8635 --nounixsocket",
        "--keyFile /n/conf/key",
        "--logpath /n/log/mongod.log --logappend",
        "--wiredTigerCacheSizeGB 0.25",
        "--oplogSize 1024",
        "--networkMessageCompressors snappy,zstd",
        "enableLocalhostAuthBypass=0",
        "diagnosticDataCollectionEnabled=false",
        "file_max=8MB",
    ):
        assert option in line
    assert "tls" not in line


def test_roles_and_sizes_change_the_line():
    assert "--configsvr" in mongod(member=Member.CONFIG)
    assert "svr" not in mongod(member=Member.REPLICA)
    assert "--wiredTigerCacheSizeGB 3.50" in mongod(memory=8 * GIB)
    assert "file_max" not in mongod(memory=8 * GIB)


def test_an_audited_mongod_logs_commands_from_its_start_on():
    option = "logComponentVerbosity={command: {verbosity: 1}}"
    assert option in mongod(log_commands=True)
    assert option not in mongod()
    assert option not in private(log_commands=True)


def test_tls_is_required_and_clients_need_no_certificate():
    assert (
        "--tlsMode requireTLS --tlsCertificateKeyFile /n/conf/node.pem "
        "--tlsCAFile /n/conf/ca.pem --tlsAllowConnectionsWithoutCertificates"
    ) in mongod(tls=FILES)


def test_a_private_mongod_is_alone_and_lets_in_who_has_the_key():
    line = private(public_address="192.0.2.1", tls=FILES)
    assert "--bind_ip 127.64.0.1 --port 8635 --nounixsocket --keyFile /n/conf/key" in line
    assert "enableLocalhostAuthBypass=0" in line
    for absent in ("--replSet", "svr", "tls", "recoverFromOplog", "takeUnstable"):
        assert absent not in line
    replaying = private(replay=True)
    assert "recoverFromOplogAsStandalone=true" in replaying
    assert "takeUnstableCheckpointOnShutdown=true" in replaying


@pytest.mark.parametrize(
    ("version", "takes"),
    [("6.0.27", True), ("6.0.5", False), ("5.0.32", True), ("4.4.2", False), ("7.0.1", False)],
)
def test_large_entries_are_taken_where_the_build_is_known_to(version, takes):
    assert ("allowDocumentsGreaterThanMaxUserSize=true" in private(version)) is takes


def test_a_router_is_ours_unless_the_engine_has_one():
    plan = RouterPlan(
        "config",
        ("a:1", "b:1"),
        "127.64.0.9",
        8635,
        PurePath("/n/log/r.log"),
        PurePath("/n/key"),
        400,
    )
    argv = commandline.router(plan)
    assert argv[:4] == (sys.executable, "-P", "-m", "shardhouse.router")
    assert argv[4:6] == ("--configdb", "config/a:1,b:1")
    assert " ".join(argv).endswith("--maxConns 400")
    own = RouterPlan(**vars(plan) | {"mongos": PurePath("/opt/mongos"), "tls": FILES})
    assert commandline.router(own)[:3] == ("/opt/mongos", "--configdb", "config/a:1,b:1")
    assert "requireTLS" in commandline.router(own)


def test_only_our_router_serves_metrics_and_only_if_asked():
    plan = RouterPlan(
        "config", ("a:1",), "127.64.0.9", 8635, PurePath("/n/log/r.log"), PurePath("/n/key"), 400
    )
    assert "--metricsPort" not in commandline.router(plan)
    asked = RouterPlan(**vars(plan) | {"metrics_port": 9216})
    assert commandline.router(asked)[-4:] == (
        "--metricsPort", "9216", "--metricsBindIp", "127.64.0.9",
    )  # fmt: skip
    theirs = RouterPlan(**vars(asked) | {"mongos": PurePath("/opt/mongos")})
    assert "--metricsPort" not in commandline.router(theirs)


@pytest.mark.parametrize(("gigabytes", "oplog"), [(1, 128), (10, 512), (20, 1024), (2000, 51200)])
def test_the_oplog_is_five_percent_within_bounds(gigabytes, oplog):
    assert commandline.oplog_megabytes(gigabytes) == oplog


def test_keys_are_valid_and_never_the_same():
    key = keyfile.generate()
    assert 6 <= len(keyfile.password(key)) <= 1024
    assert keyfile.password(key) == key.strip()
    assert key != keyfile.generate()


def test_a_node_certificate_is_accepted_for_its_address_only(tmp_path):
    authority = certificates.issue_ca("instance 1")
    ca, node = tmp_path / "ca.pem", tmp_path / "node.pem"
    ca.write_bytes(authority.certificate)
    node.write_bytes(certificates.issue_node(authority, ["127.64.0.1"], "node 1"))
    verify = ["openssl", "verify", "-x509_strict", "-CAfile", ca]
    for purpose in ("sslserver", "sslclient"):
        done = subprocess.run(
            [*verify, "-purpose", purpose, "-verify_ip", "127.64.0.1", node],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    wrong = subprocess.run(
        [*verify, "-verify_ip", "127.64.0.2", node], capture_output=True, check=False
    )
    assert wrong.returncode != 0


def test_a_node_certificate_is_accepted_for_its_names(tmp_path):
    authority = certificates.issue_ca("instance 1")
    ca, node = tmp_path / "ca.pem", tmp_path / "node.pem"
    ca.write_bytes(authority.certificate)
    hosts = ["127.64.0.1", "mongos-1.i.db.test", "i.db.test"]
    node.write_bytes(certificates.issue_node(authority, hosts, "node 1"))
    for name, accepted in (*((name, True) for name in hosts[1:]), ("other.db.test", False)):
        done = subprocess.run(
            ["openssl", "verify", "-CAfile", ca, "-verify_hostname", name, node],
            capture_output=True,
            check=False,
        )
        assert (done.returncode == 0) is accepted, name


def test_two_authorities_do_not_accept_each_others_nodes(tmp_path):
    ours, theirs = certificates.issue_ca("a"), certificates.issue_ca("a")
    (tmp_path / "ca.pem").write_bytes(theirs.certificate)
    (tmp_path / "node.pem").write_bytes(certificates.issue_node(ours, ["127.0.0.1"], "n"))
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", tmp_path / "ca.pem", tmp_path / "node.pem"],
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0


def test_validity_starts_at_the_given_time(tmp_path):
    now = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    path = tmp_path / "ca.pem"
    path.write_bytes(certificates.issue_ca("x", now).certificate)
    decoded = ssl._ssl._test_decode_cert(str(path))
    assert decoded["notBefore"].startswith("Dec 31 23:55:00 2029")
    assert "key" not in repr(certificates.issue_ca("x")).replace("certificate", "")


def test_a_uri_escapes_and_masks():
    hosts = ["127.64.0.1:8635", "127.64.0.2:8635"]
    assert uris.uri(hosts) == (
        "mongodb://rwuser:****@127.64.0.1:8635,127.64.0.2:8635/?authSource=admin"
    )
    full = uris.uri(
        hosts[:1], password="Te/st@123", replica_set="replica", authority=PurePath("/a b/ca.pem")
    )
    assert full == (
        "mongodb://rwuser:Te%2Fst%40123@127.64.0.1:8635/?authSource=admin&replicaSet=replica"
        "&tls=true&tlsCAFile=/a%20b/ca.pem"
    )


def entry(severity, message, **attributes):
    return json.dumps({"s": severity, "msg": message, "attr": attributes})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([entry("E", "Listening failed", error={"errmsg": "in use"}), entry("I", "Shutting down")],
         "Listening failed: in use"),
        ([entry("I", "Starting"), "mongod: cannot open libssl"], "mongod: cannot open libssl"),
        ([entry("I", "Shutting down")], "Shutting down"),
        ([], ""),
    ],
)  # fmt: skip
def test_the_reason_is_the_last_error_of_the_log(lines, said):
    assert logs.reason(lines) == said


def test_parameters_that_were_chosen_are_options():
    line = mongod(
        memory=GIB,
        chosen={
            "net.maxIncomingConnections": "777",
            "operationProfiling.mode": "slowOp",
            "operationProfiling.slowOpThresholdMs": "250",
            "security.javascriptEnabled": "false",
            "storage.wiredTiger.engineConfig.cacheSizePct": "50",
            "ttlMonitorSleepSecs": "30",
        },
    )
    for option in (
        "--maxConns 777",
        "--profile 1",
        "--slowms 250",
        "--noscripting",
        "--wiredTigerCacheSizeGB 0.50",
        "--setParameter ttlMonitorSleepSecs=30",
    ):
        assert line.count(option) == 1
    assert line.count("--maxConns") == line.count("--wiredTigerCacheSizeGB") == 1
