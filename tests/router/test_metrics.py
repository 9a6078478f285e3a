"""/metrics as Prometheus reads it."""

from __future__ import annotations

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymongo.errors import OperationFailure

from shardhouse.router.options import OptionError, parse
from shardhouse.router.statistics import BOUNDS, Statistics
from tests.free_ports import free_port
from tests.router.cluster import until


def scrape(port, host="127.0.0.1"):
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    return found, text


@pytest.fixture
def measured(cluster):
    port = free_port()
    router = cluster.start_router("--metricsPort", str(port))

    def value(name, **labels):
        return scrape(port)[0].get((f"shardhouse_router_{name}", frozenset(labels.items())))

    yield router, value, port
    assert router.stop() == 0


def test_what_happened_is_counted(measured, accounts):
    router, value, port = measured
    with router.client(maxPoolSize=1) as client:
        collection = client[accounts.name].accounts
        for k in range(10):
            collection.insert_one({"k": k})
        assert len(list(collection.find({"k": {"$lt": 50}}))) == 10
        cursor = collection.find(batch_size=2)
        next(cursor)
        with pytest.raises(OperationFailure):
            client.admin.command("nonsense")
        with client.start_session() as session, session.start_transaction():
            collection.insert_one({"k": 70}, session=session)
        assert value("commands_total", command="insert", outcome="ok") == 11
        assert value("commands_total", command="insert", outcome="error") == 0
        assert value("command_duration_seconds_count", command="find") == 2
        assert value("command_duration_seconds_bucket", command="find", le="+Inf") == 2
        assert value("command_duration_seconds_sum", command="find") > 0
        assert value("commands_total", command="<UNKNOWN>", outcome="error") == 1
        assert value("errors_total", code="59") == 1
        assert value("cursors") == 1
        assert value("transactions_total", state="committed") == 1
        assert value("connections") >= 1
        assert value("connections_created_total") >= 2
        assert value("received_bytes_total") > 0
        assert value("routing_loads_total", kind="full") > 0
        opcounters = client.admin.command("serverStatus")["opcounters"]
        assert (opcounters["insert"], opcounters["query"]) == (11, 2)
        collection.insert_many([{"k": k} for k in range(100, 105)])
        assert client.admin.command("serverStatus")["opcounters"]["insert"] == 16
        cursor.close()
    until("the connections to be gone", lambda: value("connections") == 0)
    found, text = scrape(port)
    assert found["process_resident_memory_bytes", frozenset()] > 0
    assert accounts.name not in text


def test_shards_and_connections_to_them_are_shown(measured, cluster, root):
    router, value, _ = measured
    with router.client() as client:
        client.admin.command("listDatabases")
        assert value("primary_up", shard="config") == 1
        for shard in cluster.shards:
            assert value("primary_up", shard=shard.name) == 1
            assert value("members", shard=shard.name, state="primary") == 1
            assert value("upstream_connections_created_total", host=shard.address) >= 1
            assert value("upstream_connections", host=shard.address, state="idle") >= 1
            assert value("upstream_waiting", host=shard.address) == 0


def test_nothing_is_served_unless_asked(cluster, tmp_path):
    key = tmp_path / "key"
    key.write_text("secret")
    basics = ["--configdb", "c/h:1", "--keyFile", str(key)]
    assert parse(basics).metrics_port is None
    assert parse([*basics, "--metricsPort", "9216"]).metrics_bind_ip == "127.0.0.1"
    with pytest.raises(OptionError):
        parse([*basics, "--metricsPort", "0"])


def test_a_port_in_use_is_told_at_the_start(cluster, capfd):
    router = cluster.start_router("--metricsPort", str(cluster.router.port))
    assert router.process.wait(timeout=30) == 2
    assert "in use" in capfd.readouterr().err


def test_latencies_fall_into_buckets():
    counts = Statistics()
    for took in (0.0001, 0.0005, 0.003, 60.0):
        counts.ran("find", took, 0)
    counts.ran("find", 0.003, 43)
    tally = counts.commands["find"]
    assert tally.buckets[0] == 2
    assert tally.buckets[BOUNDS.index(0.005)] == 2
    assert tally.buckets[-1] == 1
    assert (tally.total, tally.failed, counts.failures) == (5, 1, 1)
