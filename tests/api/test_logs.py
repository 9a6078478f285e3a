"""What nodes log of slow operations and errors, as clients get it."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from huaweicloudsdkdds import v3 as sdk
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.clients.test_huaweicloudsdk import signed
from tests.installation import Installation, until, uri

Made = dict[str, Any]
SECRET = "a-value-of-a-client"
SLOW = {"name": SECRET, "$where": "sleep(120) || true"}
FAILING = {"name": SECRET, "$where": "throw 'on purpose'"}
DATABASE = "logged"
#: What the line about the failing operation contains.
FAILED = ["Plan executor error", '"find":"orders"']


def moment(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%S+0000")


def get(installation: Installation, made: Made, log: str, **query: Any) -> Any:
    times = {"start_date": moment(days=1), "end_date": moment(seconds=-1)}
    path = f"/instances/{made['id']}/{log}"
    return installation.call("GET", path, params=times | query)


def post(installation: Installation, made: Made, log: str, **body: Any) -> Any:
    times = {"start_time": moment(days=1), "end_time": moment(seconds=-1), "limit": 100}
    path = f"/v3.1/{installation.project_id}/instances/{made['id']}/{log}"
    return installation.call("POST", path, json=times | body)


def slow(installation: Installation, made: Made, **body: Any) -> list[dict[str, Any]]:
    answer = post(installation, made, "slow-logs", database_keywords=[DATABASE], **body)
    assert answer.status_code == 200, answer.text
    return answer.json()["slow_logs"]


def errors(installation: Installation, made: Made, **body: Any) -> list[dict[str, Any]]:
    answer = post(installation, made, "error-logs", **body)
    assert answer.status_code == 200, answer.text
    return answer.json()["error_logs"]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


@contextmanager
def unmasked(installation: Installation, made: Made) -> Iterator[None]:
    path = f"/instances/{made['id']}/slowlog-desensitization"
    assert installation.call("PUT", f"{path}/off").status_code == 200
    try:
        yield
    finally:
        assert installation.call("PUT", f"{path}/on").status_code == 200


def work(made: Made, collection: str) -> None:
    """Four slow operations, and one that fails."""
    with MongoClient(uri(made), appname="shop") as client:
        one = client[DATABASE][collection]
        try:
            one.insert_one({"name": SECRET})
            for _ in range(2):
                assert len(list(one.find(SLOW))) == 1
            one.update_one(SLOW, {"$set": {"seen": SECRET}})
            assert one.count_documents({"$and": [{"name": SECRET}, {"seen": SECRET}]}) == 1
            one.delete_one(SLOW)
            one.insert_one({"name": SECRET})
            with pytest.raises(OperationFailure):
                list(one.find(FAILING))
        finally:
            client.drop_database(DATABASE)


@pytest.fixture(scope="module")
def replica(shared_replica: Made) -> Made:
    work(shared_replica, "orders")
    return shared_replica


@pytest.fixture(scope="module")
def cluster(shared_cluster: Made) -> Made:
    work(shared_cluster, "orders")
    return shared_cluster


@pytest.fixture(params=["replica", "cluster"])
def made(request: pytest.FixtureRequest) -> Made:
    return request.getfixturevalue(request.param)


def names(made: Made) -> dict[str, str]:
    return {node["id"]: node["name"] for group in made["groups"] for node in group["nodes"]}


def test_slow_operations(installation: Installation, made: Made) -> None:
    found = slow(installation, made, min_cost_time=100)
    assert {"QUERY", "UPDATE", "REMOVE"} <= {line["operate_type"] for line in found}
    assert {(line["database"], line["collection"]) for line in found} == {(DATABASE, "orders")}
    assert {names(made)[line["node_id"]] for line in found} == {line["node_name"] for line in found}
    queries = [line for line in found if line["operate_type"] == "QUERY"]
    reads = [line for line in queries if line["docs_returned"]]
    assert [(line["docs_returned"], line["docs_scanned"]) for line in reads] == [(1, 1)] * 2
    assert all(line["cost_time"] >= 120 for line in reads)
    assert "###" in reads[0]["whole_message"]
    assert not [line for line in found if SECRET in line["whole_message"]]
    # The older call shows the same ones.
    answer = get(installation, made, "slowlog", type="QUERY", limit=100).json()
    listed = [one for one in answer["slow_log_list"] if one["database"] == DATABASE]
    assert [one["time"] for one in listed] == [f"{line['cost_time']} ms" for line in queries]
    assert {one["rows_sent"] for one in listed} >= {"1"}
    assert not [one for one in listed if SECRET in one["query_sample"]]
    assert all(earlier["start_time"] >= later["start_time"] for earlier, later in pairwise(listed))


def test_values_are_shown_once_masking_is_off(installation: Installation, replica: Made) -> None:
    # A search for a value that is masked would tell whether it is there.
    assert not slow(installation, replica, keywords=[SECRET])
    with unmasked(installation, replica):
        found = slow(installation, replica, keywords=[SECRET.upper(), "orders"])
        assert found
        assert all(SECRET in line["whole_message"] for line in found)
    assert not slow(installation, replica, keywords=[SECRET])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"operate_type": "update"}, {"UPDATE"}),
        ({"collection_keywords": ["nothing", "ORDER"], "operate_type": "QUERY"}, {"QUERY"}),
        ({"collection_keywords": ["nothing"]}, set()),
        ({"keywords": ['"appName":"shop"', "nothing"]}, set()),
        ({"max_cost_time": 99, "operate_type": "QUERY"}, set()),
        ({"start_time": moment(days=3), "end_time": moment(days=2)}, set()),
    ],
)
def test_what_is_asked_for(
    installation: Installation, replica: Made, wanted: Any, found: set[str]
) -> None:
    lines = slow(installation, replica, **wanted)
    assert {line["operate_type"] for line in lines} == found


def test_pages(installation: Installation, made: Made) -> None:
    # What is logged meanwhile belongs to no page.
    times = {"start_time": moment(days=1), "end_time": moment(seconds=3)}
    whole = errors(installation, made, **times)
    assert len(whole) > 3
    numbers = [line["line_num"] for line in whole]
    assert numbers == sorted(numbers, reverse=True)
    step = -(-len(whole) // 3)
    paged = page = errors(installation, made, **times, limit=step)
    while len(page) == step:
        page = errors(installation, made, **times, limit=step, line_num=page[-1]["line_num"])
        paged = paged + page
    assert paged == whole
    back = errors(
        installation, made, **times, limit=2, line_num=numbers[3], search_type="backwards"
    )
    assert back == whole[1:3]
    dates = {"start_date": times["start_time"], "end_date": times["end_time"]}
    first = get(installation, made, "errorlog", **dates, limit=3).json()
    second = get(installation, made, "errorlog", **dates, offset=1, limit=1).json()
    assert first["error_log_list"][1:2] == second["error_log_list"]
    assert first["total_record"] == second["total_record"] == len(whole)


def test_errors(installation: Installation, made: Made) -> None:
    (line, *_) = errors(installation, made, severity="Warning", keywords=FAILED)
    assert line["severity"] == "Warning"
    assert names(made)[line["node_id"]] == line["node_name"]
    assert SECRET not in line["raw_message"]
    answer = get(installation, made, "errorlog", type="WARNING", node_id=line["node_id"]).json()
    contents = [one for one in answer["error_log_list"] if FAILED[0] in one["content"]]
    (item, *_) = [one for one in contents if '"find": "orders"' in one["content"]]
    assert (item["level"], item["node_name"]) == ("WARNING", line["node_name"])
    assert item["content"].startswith("W ")
    assert not errors(installation, made, severity="ERROR", keywords=FAILED)


def test_nodes_of_clusters(installation: Installation, cluster: Made) -> None:
    nodes = {group["type"]: group["nodes"][0]["id"] for group in cluster["groups"]}
    for kind in ("mongos", "config"):
        answer = get(installation, cluster, "slowlog", node_id=nodes[kind])
        assert refusal(answer) == (400, "DBS.280343")
        assert get(installation, cluster, "errorlog", node_id=nodes[kind]).status_code == 200
    assert get(installation, cluster, "slowlog", node_id=nodes["shard"]).status_code == 200
    unknown = get(installation, cluster, "slowlog", node_id="0" * 32 + "no02")
    assert refusal(unknown) == (404, "DBS.200013")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"start_date": moment(days=32)}, "DBS.280067"),
        ({"start_date": "yesterday"}, "DBS.280067"),
        ({"end_date": moment(days=-1)}, "DBS.280068"),
        ({"end_date": moment(days=2)}, "DBS.280068"),
        ({"type": "OTHER"}, "DBS.280066"),
        ({"offset": 2000}, "DBS.280440"),
        ({"offset": 1999, "limit": 2}, "DBS.280440"),
        ({"limit": 101}, "DBS.280439"),
    ],
)
def test_queries_that_are_refused(
    installation: Installation, shared_replica: Made, wrong: Any, code: str
) -> None:
    for log in ("slowlog", "errorlog"):
        assert refusal(get(installation, shared_replica, log, **wrong)) == (400, code)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"start_time": None}, "DBS.280067"),
        ({"limit": 0}, "DBS.280439"),
        ({"line_num": "7"}, "DBS.200001"),
        ({"keywords": ["x"] * 11}, "DBS.200001"),
        ({"keywords": ["x" * 513]}, "DBS.200001"),
        ({"keywords": [""]}, "DBS.200001"),
    ],
)
def test_bodies_that_are_refused(
    installation: Installation, shared_replica: Made, wrong: Any, code: str
) -> None:
    for log in ("slow-logs", "error-logs"):
        assert refusal(post(installation, shared_replica, log, **wrong)) == (400, code)


def test_a_plus_that_was_not_encoded(installation: Installation, shared_replica: Made) -> None:
    query = f"start_date={moment(hours=1)}&end_date={moment()}"
    answer = installation.call("GET", f"/instances/{shared_replica['id']}/slowlog?{query}")
    assert answer.status_code == 200, answer.text


def exported(installation: Installation, made: Made, log: str, **body: Any) -> dict[str, Any]:
    def finished() -> dict[str, Any] | None:
        answer = installation.call("POST", f"/instances/{made['id']}/{log}-download", json=body)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["status"] in ("CREATING", "FINISH")
        return found if found["status"] == "FINISH" else None

    return until("the files", finished)


def content(item: dict[str, Any]) -> str:
    answer = httpx.get(item["file_link"])
    assert answer.status_code == 200, answer.text
    assert len(answer.content) <= int(item["file_size"]) * 1024
    return gzip.decompress(answer.content).decode()


def test_downloads(installation: Installation, made: Made) -> None:
    found = exported(installation, made, "slowlog")
    holding = [
        node["name"]
        for group in made["groups"]
        if group["type"] not in ("mongos", "config")
        for node in group["nodes"]
    ]
    assert sorted(item["node_name"] for item in found["list"]) == sorted(holding)
    assert found["count"] == len(holding)
    texts = [content(item) for item in found["list"]]
    shown = [line for text in texts for line in text.splitlines() if f"{DATABASE}.orders" in line]
    assert shown
    assert not [line for line in shown if SECRET in line]
    listed = slow(installation, made, keywords=[f"{DATABASE}.orders"])
    assert {line["whole_message"] for line in listed} <= set(shown)
    (first, *_) = found["list"]
    named = exported(installation, made, "slowlog", file_name_list=[first["file_name"]])
    assert [item["file_name"] for item in named["list"]] == [first["file_name"]]
    assert exported(installation, made, "slowlog")["list"][0]["file_name"] == first["file_name"]


def test_errors_are_downloaded_of_one_node(installation: Installation, cluster: Made) -> None:
    (line, *_) = errors(installation, cluster, keywords=FAILED)
    found = exported(installation, cluster, "errorlog", node_id_list=[line["node_id"]])
    assert [item["node_name"] for item in found["list"]] == [line["node_name"]]
    assert line["raw_message"] in content(found["list"][0]).splitlines()


def test_links_are_of_the_masking_that_holds(installation: Installation, replica: Made) -> None:
    node = replica["groups"][0]["nodes"]
    ids = [slow(installation, replica, operate_type="UPDATE")[0]["node_id"]]
    assert ids[0] in [one["id"] for one in node]
    with unmasked(installation, replica):
        (item,) = exported(installation, replica, "slowlog", node_id_list=ids)["list"]
        assert SECRET in content(item)
    answer = httpx.get(item["file_link"])
    assert refusal(answer) == (400, "DBS.280361")


def test_downloads_that_are_refused(installation: Installation, replica: Made) -> None:
    path = f"/instances/{replica['id']}/slowlog-download"
    answer = installation.call("POST", path, json={"file_name_list": ["other"]})
    assert refusal(answer) == (400, "DBS.280361")
    answer = installation.call("POST", path, json={"node_id_list": ["other"]})
    assert refusal(answer) == (404, "DBS.200013")
    (item, *_) = exported(installation, replica, "slowlog")["list"]
    forged = item["file_link"].replace("slowlog", "errorlog")
    assert httpx.get(forged).status_code == 401


def test_the_sdk_reads_logs(installation: Installation, replica: Made) -> None:
    client = signed(installation)
    times = {"start_time": moment(days=1), "end_time": moment(), "limit": 10}
    body = sdk.ListLtsSlowLogsRequestBody(**times, database_keywords=[DATABASE])
    request = sdk.ListLtsSlowLogsRequest(instance_id=replica["id"], body=body)
    assert client.list_lts_slow_logs(request).slow_logs[0].database == DATABASE
    errors_body = sdk.ListLtsErrorLogsRequestBody(**times, severity="Warning")
    errors_request = sdk.ListLtsErrorLogsRequest(instance_id=replica["id"], body=errors_body)
    assert client.list_lts_error_logs(errors_request).error_logs[0].severity == "Warning"
    dates = {"start_date": moment(days=1), "end_date": moment()}
    answer = client.list_slow_logs(sdk.ListSlowLogsRequest(instance_id=replica["id"], **dates))
    assert answer.slow_log_list[0].time.endswith(" ms")
    wanted = sdk.DownloadErrorlogRequest(
        instance_id=replica["id"], body=sdk.DownloadErrorlogRequestBody()
    )
    done = until(
        "the files",
        lambda: next((a for a in [client.download_errorlog(wanted)] if a.status == "FINISH"), None),
    )
    assert done.count == len(done.list) == 3
    assert done.list[0].update_at > 0
