"""Cloud Eye: values of the shared instances, as cloudeye-exporter, the official SDK and
otcextensions ask for them. The instances are monitored by seconds meanwhile, so that values are
there soon."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import openstack
import pytest
from huaweicloudsdkces import v1 as ces
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from pymongo import MongoClient

from shardhouse.domain.metrics import METRICS
from tests.api.neighbours.projects import Project
from tests.installation import Installation, until, uri

Made = dict[str, Any]
PATIENCE = 60.0
INSERTED = 400
#: What cloudeye-exporter has in its metric.yml for each level, as far as nodes of ours differ.
OF_INSTANCES = ["mongo001_command_ps", "mongo007_chunk_num1", "mongo008_connections"]
OF_NODES = [
    *(metric.id for metric in METRICS if metric.objects),
    *("iops_usage", "mongo018_porfling_num", "mongo070_rocks_active_memtable"),
]
BATCH = 300
#: Of every data node, whatever it does.
ALWAYS = {
    *("mongo001_command_ps", "mongo007_connections_usage", "mongo031_cpu_usage"),
    *("mongo032_mem_usage", "mongo035_disk_usage", "mongo025_repl_oplog_win"),
    *("mongo036_iops", "mongo038_write_throughput", "mongo042_disk_total_size"),
    *("mongo054_wt_cache_used_percent", "mongo091_active_session_count"),
}


@pytest.fixture(scope="module", autouse=True)
def _by_seconds(
    installation: Installation, shared_replica: Made, shared_cluster: Made
) -> Iterator[None]:
    def switch(*, enabled: bool) -> None:
        for made in (shared_replica, shared_cluster):
            path = f"/instances/{made['id']}/monitoring-by-seconds/switch"
            answer = installation.call("PUT", path, json={"enabled": enabled})
            assert answer.is_success, answer.text

    switch(enabled=True)
    yield
    switch(enabled=False)


def send(
    installation: Installation, method: str, path: str, token: str | None = None, **options: Any
) -> httpx.Response:
    url = f"{installation.iam}/V1.0/{installation.project_id}/{path}"
    headers = {"X-Auth-Token": token or installation.token()}
    return httpx.request(method, url, headers=headers, timeout=30, **options)


def dimensions(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def of_node(made: Made, node: Made) -> list[dict[str, str]]:
    return dimensions(("mongodb_instance_id", made["id"]), ("mongodb_node_id", node["id"]))


def nodes(made: Made, *roles: str) -> list[Made]:
    every = [node for group in made["groups"] for node in group["nodes"]]
    return [node for node in every if not roles or node["role"] in roles]


def ask(
    installation: Installation, asked: list[Made], begin: int | None = None, **changes: Any
) -> list[Made]:
    """As cloudeye-exporter asks: ten minutes of raw values."""
    now = int(time.time() * 1000)
    body = {
        "metrics": asked,
        "from": now - 600_000 if begin is None else begin,
        "to": now,
        "period": "1",
        "filter": "average",
    }
    answer = send(installation, "POST", "batch-query-metric-data", json=body | changes)
    assert answer.status_code == 200, answer.text
    found: list[Made] = answer.json()["metrics"]
    assert len(found) == len(asked)
    return found


def metric(name: str, of: list[dict[str, str]]) -> Made:
    return {"namespace": "SYS.DDS", "metric_name": name, "dimensions": of}


def points(installation: Installation, name: str, of: list[dict[str, str]]) -> list[Made]:
    """The values of one metric, as soon as there are any."""

    def there() -> list[Made] | None:
        return ask(installation, [metric(name, of)])[0]["datapoints"] or None

    return until(f"values of {name}", there, PATIENCE)


def test_what_cloudeye_exporter_does(
    installation: Installation, shared_replica: Made, shared_cluster: Made
) -> None:
    listed: list[Made] = []
    while page := installation.call(
        "GET", "/instances", params={"limit": 100, "offset": len(listed)}
    ).json()["instances"]:
        listed += page
    asked = [
        metric(name, dimensions(("mongodb_instance_id", made["id"])))
        for made in listed
        for name in OF_INSTANCES
    ]
    asked += [
        metric(name, of_node(made, node))
        for made in listed
        for node in nodes(made)
        for name in OF_NODES
    ]
    for made in (shared_replica, shared_cluster):
        for node in nodes(made):
            points(installation, "mongo001_command_ps", of_node(made, node))
    found = [
        answered
        for start in range(0, len(asked), BATCH)
        for answered in ask(installation, asked[start : start + BATCH])
    ]
    own = ("namespace", "metric_name", "dimensions")
    assert [{name: one[name] for name in own} for one in found] == asked
    with_values = {
        (one["dimensions"][-1]["value"], one["metric_name"]) for one in found if one["datapoints"]
    }
    for made in (shared_replica, shared_cluster):
        for node in nodes(made, "Primary", "Secondary", "Hidden"):
            ids = {name for id, name in with_values if id == node["id"]}
            assert ids >= ALWAYS, ALWAYS - ids
            assert ("mongo026_repl_lag" in ids) == (node["role"] != "Primary")
            assert ("mongo026_oplog_size_ph" in ids) == (node["role"] == "Primary")
            assert not ids & {"mongo018_porfling_num", "mongo070_rocks_active_memtable"}
    for node in nodes(shared_cluster, "master"):
        ids = {name for id, name in with_values if id == node["id"]}
        assert {"mongo001_command_ps", "mongo007_connections", "mongo031_cpu_usage"} <= ids
        assert "mongo035_disk_usage" not in ids
    assert {name for id, name in with_values if id == shared_cluster["id"]} == set(OF_INSTANCES)
    assert not [name for id, name in with_values if id == shared_replica["id"]]


def test_rates_are_what_happened(installation: Installation, shared_replica: Made) -> None:
    (primary,) = nodes(shared_replica, "Primary")
    of = of_node(shared_replica, primary)
    points(installation, "mongo003_insert_ps", of)
    begin = int(time.time() * 1000) - 5000
    with MongoClient(uri(shared_replica)) as client:
        client["measured"]["inserted"].insert_many({"n": n} for n in range(INSERTED))
        client.drop_database("measured")

    def total() -> float | None:
        asked = [metric("mongo003_insert_ps", of)]
        series = ask(installation, asked, begin)[0]["datapoints"]
        found = sum(5 * point["average"] for point in series)
        return found if found > INSERTED / 2 else None

    assert INSERTED * 0.5 < until("the inserts", total, PATIENCE) < INSERTED * 1.5


@pytest.mark.soak
def test_a_clusters_chunks_and_connections(
    installation: Installation, shared_cluster: Made
) -> None:
    of = dimensions(("mongodb_cluster_id", shared_cluster["id"]))
    with MongoClient(uri(shared_cluster)) as client:
        client.admin.command("enableSharding", "measured")
        client.admin.command("shardCollection", "measured.spread", key={"_id": "hashed"})

        def counted() -> bool:
            asked = [metric(f"mongo007_chunk_num{number}", of) for number in (1, 2)]
            last = [one["datapoints"][-1:] for one in ask(installation, asked)]
            return all(series and series[0]["average"] >= 1 for series in last)

        until("chunks on both shards", counted, PATIENCE)
        assert points(installation, "mongo008_connections", of)[-1]["average"] >= 1
        client.drop_database("measured")


@pytest.fixture
def sdk(installation: Installation) -> ces.CesClient:
    key = (installation.admin["access_key"], installation.admin["secret_key"])
    credentials = BasicCredentials(*key, installation.project_id)
    builder = ces.CesClient.new_builder().with_credentials(credentials)
    return builder.with_endpoint(installation.iam).build()


def test_the_sdk_lists_pages(
    installation: Installation, shared_replica: Made, sdk: ces.CesClient
) -> None:
    wanted = {"namespace": "SYS.DDS", "dim_0": f"mongodb_cluster_id,{shared_replica['id']}"}
    whole = sdk.list_metrics(ces.ListMetricsRequest(**wanted))
    assert whole.meta_data.count == whole.meta_data.total == len(whole.metrics) > 100
    found: list[Any] = []
    start = None
    while page := sdk.list_metrics(ces.ListMetricsRequest(**wanted, limit=50, start=start)).metrics:
        assert len(page) <= 50
        last = page[-1]
        where = ",".join(f"{one.name}:{one.value}" for one in last.dimensions)
        start = f"SYS.DDS.{last.metric_name}.{where}"
        found += page
    assert found == whole.metrics
    backwards = sdk.list_metrics(ces.ListMetricsRequest(**wanted, order="desc", limit=1000))
    assert backwards.metrics == found[::-1]
    levels = {tuple(one.name for one in item.dimensions) for item in found}
    roles = ("mongod_primary_instance_id", "mongod_secondary_instance_id")
    assert levels == {("mongodb_cluster_id", role) for role in roles}
    cpu = sdk.list_metrics(ces.ListMetricsRequest(**wanted, metric_name="mongo031_cpu_usage"))
    assert [one.unit for one in cpu.metrics] == ["%"] * len(nodes(shared_replica))


def test_the_sdk_asks_for_values(
    installation: Installation, shared_replica: Made, sdk: ces.CesClient
) -> None:
    (primary,) = nodes(shared_replica, "Primary")
    of = of_node(shared_replica, primary)
    points(installation, "mongo042_disk_total_size", of)
    now = int(time.time() * 1000)
    period = 300
    answer = sdk.show_metric_data(
        ces.ShowMetricDataRequest(
            namespace="SYS.DDS",
            metric_name="mongo042_disk_total_size",
            dim_0=f"mongodb_instance_id,{shared_replica['id']}",
            dim_1=f"mongodb_node_id,{primary['id']}",
            filter="max",
            period=period,
            _from=now - 600_000,
            to=now,
        )
    )
    assert answer.metric_name == "mongo042_disk_total_size"
    last = answer.datapoints[-1]
    assert (last.max, last.unit, last.average) == (20, "GB", None)
    assert last.timestamp % (period * 1000) == 0
    info = ces.MetricInfo(
        "SYS.DDS",
        "mongo042_disk_total_size",
        [ces.MetricsDimension(one["name"], one["value"]) for one in of],
    )
    body = ces.BatchListMetricDataRequestBody([info], "3600", "min", now - 3_600_000, now)
    batch = sdk.batch_list_metric_data(ces.BatchListMetricDataRequest(body=body))
    assert (batch.metrics[0].unit, batch.metrics[0].datapoints[-1].min) == ("GB", 20)
    with pytest.raises(ClientRequestException) as refused:
        sdk.show_metric_data(ces.ShowMetricDataRequest(metric_name="x", dim_0="a,b", period=7))
    assert refused.value.status_code == 400


def test_otcextensions_lists_metrics(installation: Installation, shared_replica: Made) -> None:
    admin = installation.admin
    cloud = openstack.connect(
        auth_type="password",
        auth={
            "auth_url": f"{installation.iam}/v3",
            "username": admin["user_name"],
            "password": admin["password"],
            "project_id": installation.project_id,
            "user_domain_name": admin["domain_name"],
        },
        region_name=admin["region"],
        vendor_hook="otcextensions.sdk:load",
        load_yaml_config=False,
        load_envvars=False,
    )
    found = list(cloud.ces.metrics(namespace="SYS.DDS", metric_name="mongo031_cpu_usage"))
    ids = {one.dimensions[-1]["value"] for one in found}
    assert ids >= {node["id"] for node in nodes(shared_replica)}


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": []},
        {"metrics": [{"namespace": "SYS.DDS", "metric_name": "m"}]},
        {"metrics": [metric("m", [])]},
        {"metrics": [metric("m", dimensions(("a", "b")))] * 501},
        {"period": "60"},
        {"period": None},
        {"filter": "median"},
        {"from": "now"},
        {"from": 2, "to": 1},
    ],
    ids=str,
)
def test_what_is_refused(installation: Installation, changes: Made) -> None:
    body = {"metrics": [metric("m", dimensions(("a", "b")))], "from": 0, "to": 1000}
    body |= {"period": "1", "filter": "average"} | changes
    answer = send(installation, "POST", "batch-query-metric-data", json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()
    assert (error["http_code"], error["message"]["code"]) == ("400", "ces.0014")


def test_what_there_is_not_has_no_values(installation: Installation, shared_replica: Made) -> None:
    (primary,) = nodes(shared_replica, "Primary")
    points(installation, "mongo031_cpu_usage", of_node(shared_replica, primary))
    asked = [
        metric("mongo031_cpu_usage", of_node(shared_replica, primary)),
        metric("mongo031_cpu_usage", dimensions(("mongodb_instance_id", "other"))),
        metric("unknown", of_node(shared_replica, primary)),
        {**metric("mongo031_cpu_usage", of_node(shared_replica, primary)), "namespace": "SYS.ECS"},
    ]
    found = ask(installation, asked)
    assert [bool(one["datapoints"]) for one in found] == [True, False, False, False]
    assert [one["unit"] for one in found] == ["%", "%", "", "%"]


def test_nothing_of_another_project(
    installation: Installation, shared_replica: Made, project: Project
) -> None:
    (primary,) = nodes(shared_replica, "Primary")
    of = of_node(shared_replica, primary)
    points(installation, "mongo031_cpu_usage", of)
    now = int(time.time() * 1000)
    body = {"metrics": [metric("mongo031_cpu_usage", of)], "from": now - 600_000, "to": now}
    body |= {"period": "1", "filter": "average"}
    found = project.call("POST", "/V1.0/{p}/batch-query-metric-data", body)
    assert found["metrics"][0]["datapoints"] == []
    listed = project.call("GET", "/V1.0/{p}/metrics")
    assert listed == {"metrics": [], "meta_data": {"count": 0, "marker": "", "total": 0}}
