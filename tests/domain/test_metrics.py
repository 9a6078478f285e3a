"""The table of metrics, and values from samples."""

from typing import Any

import pytest

from shardhouse.domain import metrics
from shardhouse.domain.metrics import BY_ID, METRICS, Kind, Sample

#: Ids that Cloud Eye has for DDS, in the order in which values are stored: new ones come behind.
IDS = """
    mongo001_command_ps mongo002_delete_ps mongo003_insert_ps mongo004_query_ps
    mongo005_update_ps mongo006_getmore_ps mongo007_connections mongo007_connections_usage
    mongo007_chunk_num1 mongo007_chunk_num2 mongo007_chunk_num3 mongo007_chunk_num4
    mongo007_chunk_num5 mongo007_chunk_num6 mongo007_chunk_num7 mongo007_chunk_num8
    mongo007_chunk_num9 mongo007_chunk_num10 mongo007_chunk_num11 mongo007_chunk_num12
    mongo008_connections mongo008_mem_resident mongo009_mem_virtual mongo009_migFail_num
    mongo010_regular_asserts_ps mongo011_warning_asserts_ps mongo012_msg_asserts_ps
    mongo013_user_asserts_ps mongo014_queues_total mongo015_queues_readers
    mongo016_queues_writers mongo017_page_faults mongo019_cursors_open mongo020_cursors_timeOut
    mongo021_wt_cahe_usage mongo022_wt_cahe_dirty mongo023_wInto_wtCache mongo024_wFrom_wtCache
    mongo025_repl_headroom mongo025_repl_oplog_win mongo026_oplog_size_ph mongo026_repl_lag
    mongo027_repl_command_ps mongo028_repl_update_ps mongo029_repl_delete_ps
    mongo030_repl_insert_ps mongo031_cpu_usage mongo032_mem_usage mongo033_bytes_out
    mongo034_bytes_in mongo035_disk_usage mongo036_iops mongo037_read_throughput
    mongo038_write_throughput mongo042_disk_total_size mongo043_disk_used_size
    mongo044_swap_usage mongo050_top_total_time mongo051_top_read_time mongo052_top_write_time
    mongo053_wt_flushes_status mongo054_wt_cache_used_percent mongo055_wt_cache_dirty_percent
    mongo091_active_session_count mongo099_read_time_average mongo100_read_time_p99
    mongo101_read_time_p999 mongo102_write_time_average mongo103_write_time_p99
    mongo104_write_time_p999 mongo105_command_time_average mongo106_command_time_p99
    mongo107_command_time_p999 mongo108_txn_time_average mongo109_txn_time_p99
    mongo110_txn_time_p999
"""
GIB = 1024**3


def status(**sections: Any) -> dict[str, Any]:
    return {"uptimeMillis": 1000, **sections}


def taken(before: dict[str, Any], now: dict[str, Any], **others: float) -> dict[str, float]:
    """Values of two samples ten seconds apart; `others` are in both."""
    first = metrics.sample(100.0, before, others)
    return metrics.values(metrics.sample(110.0, now, others), first)


def latencies(latency: int, ops: int, *buckets: tuple[int, int]) -> dict[str, Any]:
    histogram = [{"micros": micros, "count": count} for micros, count in buckets]
    return {"opLatencies": {"reads": {"latency": latency, "ops": ops, "histogram": histogram}}}


CACHE = {
    "bytes currently in the cache": 3 * 1024**2,
    "tracked dirty bytes in the cache": 1024**2,
    "maximum bytes configured": 4 * 1024**2,
}


def test_ids_keep_their_places() -> None:
    ids = IDS.split()
    assert [metric.id for metric in METRICS[: len(ids)]] == ids
    assert len(BY_ID) == len(METRICS)


@pytest.mark.parametrize(
    ("id", "before", "now", "expected"),
    [
        ("mongo003_insert_ps", {"opcounters": {"insert": 5}}, {"opcounters": {"insert": 35}}, 3),
        ("mongo003_insert_ps", {"opcounters": {"insert": 5}}, {"opcounters": {"insert": 4}}, None),
        ("mongo003_insert_ps", {}, {"opcounters": {"insert": 4}}, None),
        ("mongo003_insert_ps", {"opcounters": {"insert": 5}}, {}, None),
        ("mongo028_repl_update_ps", {"opcountersRepl": {"update": 0}},
         {"opcountersRepl": {"update": 25}}, 2.5),
        ("mongo017_page_faults", {"extra_info": {"page_faults": 2}},
         {"extra_info": {"page_faults": 9}}, 7),
        ("mongo007_connections", {}, {"connections": {"current": 10, "available": 30}}, 10),
        ("mongo007_connections_usage", {}, {"connections": {"current": 10, "available": 30}}, 25),
        ("mongo033_bytes_out", {"network": {"bytesOut": 0}}, {"network": {"bytesOut": 50}}, 5),
        ("mongo021_wt_cahe_usage", {}, {"wiredTiger": {"cache": CACHE}}, 3),
        ("mongo054_wt_cache_used_percent", {}, {"wiredTiger": {"cache": CACHE}}, 75),
        ("mongo055_wt_cache_dirty_percent", {}, {"wiredTiger": {"cache": CACHE}}, 25),
        ("mongo036_iops", {"wiredTiger": {"connection": {"total read I/Os": 1,
                                                         "total write I/Os": 1}}},
         {"wiredTiger": {"connection": {"total read I/Os": 11, "total write I/Os": 21}}}, 3),
        ("mongo051_top_read_time", latencies(1000, 1), latencies(9000, 3), 8),
        ("mongo099_read_time_average", latencies(1000, 1), latencies(9000, 3), 4),
        ("mongo099_read_time_average", latencies(1000, 1), latencies(1000, 1), None),
        ("mongo100_read_time_p99", latencies(0, 1, (64, 1)),
         latencies(0, 101, (64, 99), (4096, 2)), 6.144),
        ("mongo100_read_time_p99", latencies(0, 1, (64, 1)), latencies(0, 1, (64, 1)), None),
    ],
)  # fmt: skip
def test_values_of_a_server(
    id: str, before: dict[str, Any], now: dict[str, Any], expected: float | None
) -> None:
    found = taken(status(**before), status(**now)).get(id)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("id", "before", "now", "expected"),
    [
        ("mongo031_cpu_usage", {"process.cpu": 4}, {"process.cpu": 9, "node.vcpus": 2}, 25),
        ("mongo031_cpu_usage", {"process.cpu": 4}, {"process.cpu": 90, "node.vcpus": 1}, 100),
        ("mongo032_mem_usage", {}, {"process.resident": GIB, "node.memory": 4 * GIB}, 25),
        ("mongo035_disk_usage", {}, {"node.used": GIB, "node.volume": 10 * GIB}, 10),
        ("mongo042_disk_total_size", {}, {"node.volume": 10 * GIB}, 10),
        ("mongo037_read_throughput", {"process.read": 0}, {"process.read": 40}, 4),
        ("mongo044_swap_usage", {}, {"process.swapped": 0, "node.swap": 0}, None),
        ("mongo026_repl_lag", {}, {"repl.lag": 2}, 2),
        ("mongo025_repl_headroom", {}, {"repl.lag": 2, "oplog.window": 60}, 58),
        ("mongo025_repl_oplog_win", {}, {"oplog.window": 7200}, 2),
        ("mongo026_oplog_size_ph", {}, {"oplog.rate": 3 * 1024**2}, 3),
        ("mongo007_chunk_num2", {}, {"cluster.chunks.2": 0}, 0),
    ],
)
def test_values_of_other_numbers(
    id: str, before: dict[str, float], now: dict[str, float], expected: float | None
) -> None:
    first = metrics.sample(100.0, status(), before)
    found = metrics.values(metrics.sample(110.0, status(), now), first).get(id)
    assert found == (None if expected is None else pytest.approx(expected))


def test_what_was_started_anew_has_no_rates() -> None:
    before = status(opcounters={"insert": 5}) | {"uptimeMillis": 90_000}
    now = status(opcounters={"insert": 50}, connections={"current": 1, "available": 1})
    found = taken(before, now)
    assert "mongo003_insert_ps" not in found
    assert found["mongo007_connections"] == 1


def test_a_node_that_does_not_answer_has_what_the_machine_says() -> None:
    first = metrics.sample(100.0, status(opcounters={"insert": 5}), {"process.cpu": 1})
    silent = metrics.sample(110.0, {}, {"process.cpu": 2, "node.vcpus": 1})
    assert metrics.values(silent, first) == {"mongo031_cpu_usage": pytest.approx(10)}


def test_a_sample_keeps_only_what_is_needed() -> None:
    kept = metrics.sample(
        0, status(opcounters={"insert": 1}, tcmalloc={"generic": {"heap": 1}}), {}
    )
    assert kept == Sample(0, {"uptimeMillis": 1000, "opcounters.insert": 1})


def test_who_has_what() -> None:
    ids = {kind: {metric.id for metric in metrics.of_kind(kind)} for kind in Kind}
    assert "mongo025_repl_oplog_win" in ids[Kind.PRIMARY] - ids[Kind.SECONDARY]
    assert "mongo026_repl_lag" in ids[Kind.SECONDARY] - ids[Kind.PRIMARY]
    assert "mongo035_disk_usage" not in ids[Kind.ROUTER]
    assert {"mongo031_cpu_usage", "mongo001_command_ps"} <= set.intersection(*ids.values())
    whole = {metric.id for metric in METRICS if metric.of_clusters}
    assert {"mongo001_command_ps", "mongo008_connections", "mongo007_chunk_num1"} <= whole
    assert "mongo031_cpu_usage" not in whole


def test_a_clusters_values() -> None:
    routers = [
        {"mongo003_insert_ps": 2.0, "mongo007_connections": 3.0, "mongo031_cpu_usage": 1.0},
        {"mongo003_insert_ps": 1.0, "mongo007_connections": 4.0},
    ]
    assert metrics.of_cluster(routers, {"mongo007_chunk_num1": 2.0}) == {
        "mongo003_insert_ps": 3,
        "mongo008_connections": 7,
        "mongo007_chunk_num1": 2,
    }
    assert metrics.of_cluster([], {}) == {}


def test_split() -> None:
    own, whole = metrics.split({"mongo031_cpu_usage": 1, "mongo009_migFail_num": 2})
    assert (own, whole) == ({"mongo031_cpu_usage": 1}, {"mongo009_migFail_num": 2})


def test_mean() -> None:
    assert metrics.mean([{"a": 1, "b": 1}, {"a": 3}]) == {"a": 2, "b": 1}
    assert metrics.mean([]) == {}
