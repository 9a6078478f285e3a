"""`/metrics` of `serve`: parsed by Prometheus's own reader, compared with what happened."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message

from shardhouse.api import latency, routing
from shardhouse.api.latency import Timed
from tests.installation import Installation, until

Made = dict[str, Any]
Sample = tuple[dict[str, str], float]
PATIENCE = 60.0
CPU = "shardhouse_dds_mongo031_cpu_usage"


def scraped(installation: Installation) -> dict[str, list[Sample]]:
    port = installation.settings["metrics_port"]
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert answer.status_code == 200
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(answer.text):
        for one in family.samples:
            found.setdefault(one.name, []).append((one.labels, one.value))
    return found


def of(made: Made, samples: list[Sample]) -> dict[str, Sample]:
    return {one[0]["node_id"]: one for one in samples if one[0].get("instance_id") == made["id"]}


@pytest.fixture
def by_seconds(installation: Installation, shared_cluster: Made) -> Iterator[None]:
    path = f"/instances/{shared_cluster['id']}/monitoring-by-seconds/switch"
    assert installation.call("PUT", path, json={"enabled": True}).is_success
    yield
    assert installation.call("PUT", path, json={"enabled": False}).is_success


def test_nodes_and_clusters(
    installation: Installation, shared_cluster: Made, by_seconds: None
) -> None:
    nodes = {node["id"]: node for group in shared_cluster["groups"] for node in group["nodes"]}

    def all_measured() -> dict[str, list[Sample]] | None:
        page = scraped(installation)
        return page if len(of(shared_cluster, page.get(CPU, []))) == len(nodes) else None

    page = until("all nodes to be measured", all_measured, PATIENCE)
    for node_id, (labels, value) in of(shared_cluster, page[CPU]).items():
        assert labels == {
            "project_id": installation.project_id,
            "instance_id": shared_cluster["id"],
            "instance_name": shared_cluster["name"],
            "node_id": node_id,
            "node_name": nodes[node_id]["name"],
        }
        assert 0 <= value <= 100
    normal = of(shared_cluster, page["shardhouse_node_normal"])
    assert {id: (one[0]["role"], one[1]) for id, one in normal.items()} == {
        id: (node["role"], 1) for id, node in nodes.items()
    }
    assert of(shared_cluster, page["shardhouse_dds_mongo007_chunk_num1"])[""][1] >= 0
    assert ({"mode": "Sharding", "status": "normal"}, 1) in [
        (labels, min(value, 1)) for labels, value in page["shardhouse_instances"]
    ]
    completed = {labels["status"]: value for labels, value in page["shardhouse_jobs"]}
    assert completed["Completed"] >= 1
    assert page["process_resident_memory_bytes"][0][1] > 0


def test_requests_are_counted(installation: Installation) -> None:
    def counted() -> dict[tuple[str, str], float]:
        samples = scraped(installation).get("shardhouse_http_request_duration_seconds_count", [])
        found: dict[tuple[str, str], float] = {}
        for one, value in samples:  # one for each method
            key = one["route"], one["status"]
            found[key] = found.get(key, 0) + value
        return found

    before = counted()
    installation.call("GET", "/instances")
    installation.call("GET", "/instances", params={"limit": "x"})
    httpx.get(f"{installation.dds}/nothing/like/this")
    after = counted()
    for key in (
        ("/v3/{project_id}/instances", "200"),
        ("/v3/{project_id}/instances", "400"),
        ("none", "404"),
    ):
        assert after[key] >= before.get(key, 0) + 1


async def _request(app: Any, path: str, method: str = "GET") -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        pass

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode()}
    await app(scope | {"query_string": b"", "headers": [], "http_version": "1.1"}, receive, send)


def test_labels_are_no_words_of_clients() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/things/{id}")
    def thing(id: str) -> str:
        if id == "broken":
            raise RuntimeError
        return id

    routing.install(app, [])
    latencies = latency.histogram()
    timed = Timed(app, "service", latencies)
    for path in ("/things/1", "/things/2", "/things/3/", "/unknown/4"):
        asyncio.run(_request(timed, path))
    asyncio.run(_request(timed, "/things/1", "NONSENSE"))
    with pytest.raises(RuntimeError):
        asyncio.run(_request(timed, "/things/broken"))
    registry = CollectorRegistry()
    registry.register(latencies)

    def count(method: str, route: str, status: str) -> float | None:
        name = "shardhouse_http_request_duration_seconds_count"
        labels = {"service": "service", "method": method, "route": route, "status": status}
        return registry.get_sample_value(name, labels)

    assert count("GET", "/things/{id}", "200") == 3
    assert count("GET", "/things/{id}", "500") == 1
    assert count("GET", "none", "404") == 1
    assert count("other", "/things/{id}", "405") == 1
