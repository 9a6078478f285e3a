"""What nodes are told to audit, and what is read of it."""

import json
from dataclasses import replace

from shardhouse.domain import audit
from shardhouse.domain.audit import AuditPolicy
from shardhouse.domain.model import GroupType
from shardhouse.nodes.local import LocalRuntime
from shardhouse.nodes.runtime import NodeRef
from shardhouse.workflows import launch
from shardhouse.workflows.audit_sources import RouterSource, audited_nodes
from tests import requests
from tests.domain.test_topology import plan

WANTED = AuditPolicy(7, types=("insert",)).filter
REF = NodeRef("instance", "node")


def configured(document):
    return b'{"atype":"auditConfigure",' + json.dumps({"param": {"config": document}}).encode()[1:]


def test_routers_are_audited_of_clusters_and_all_nodes_of_others():
    cluster, replica_set = plan(requests.cluster()), plan(requests.replica_set())
    (routers,) = cluster.of_type(GroupType.MONGOS)
    assert audited_nodes(cluster) == list(routers.nodes)
    assert audited_nodes(replica_set) == list(replica_set.nodes)


def test_a_router_is_told_by_a_file(tmp_path):
    runtime = LocalRuntime(tmp_path, ["127.80.0.0/16"])
    source = RouterSource(runtime, REF)
    file = runtime.volume(REF).conf / launch.AUDIT_FILE
    source.configure(WANTED)
    assert json.loads(file.read_text()) == WANTED.document()
    source.configure(None)
    assert json.loads(file.read_text()) is None


def test_a_router_has_acted_when_it_says_so_last(tmp_path):
    source = RouterSource(LocalRuntime(tmp_path, ["127.80.0.0/16"]), REF)
    wanted, none = configured(WANTED.document()), configured(None)
    assert not source.has_acted([], WANTED)
    assert not source.has_acted([wanted, none], WANTED)
    assert source.has_acted([none, wanted], WANTED)
    assert source.has_acted([wanted, none], None)


def test_only_whole_entries_are_read(tmp_path):
    source = RouterSource(LocalRuntime(tmp_path, ["127.80.0.0/16"]), REF)
    lines = [configured(None), b'{"atype":"authCheck"}', b'{"atype":"auth', b"Check}", b""]
    assert source.entries(lines, WANTED) == [b'{"atype":"authCheck"}']


def test_a_router_that_joins_audits_from_its_start():
    secrets = {launch.KEY: "key"}
    cluster = plan(requests.cluster())
    node = cluster.nodes[0]
    assert launch.AUDIT_FILE not in launch.files(cluster, node, secrets)
    policies = {audit.KIND: AuditPolicy(7, types=("insert",)).document()}
    files = launch.files(replace(cluster, policies=policies), node, secrets)
    assert json.loads(files[launch.AUDIT_FILE]) == WANTED.document()
