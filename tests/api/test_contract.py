"""The DDS contract as tables: JSON types, status codes, error shapes (sections 3 to 6 of the API
facts). Types are strict: a number where text is documented fails."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests import requests
from tests.builds import under_test
from tests.installation import Installation

#: A shape: a type, a list of one shape, or a dict of them; `object` is anything but absence.
Shape = Any
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"

TAGGED = requests.single(
    tags=[{"key": "env", "value": "ci"}, {"key": "team", "value": ""}],
    enterprise_project_id="0b5b0f0e-0000-4000-8000-000000000000",
    ssl_option="0",
    future_field={"kept": [1, "two"]},
)

CREATE_ANSWER: Shape = {
    "id": str,
    "name": str,
    "created": str,
    "status": str,
    "region": str,
    "availability_zone": str,
    "vpc_id": str,
    "subnet_id": str,
    "security_group_id": str,
    "disk_encryption_id": str,
    "mode": str,
    "port": int,
    "job_id": str,
    "ssl_option": str,
    "enterprise_project_id": str,
    "datastore": {"type": str, "version": str, "storage_engine": str},
    "flavor": [{"type": str, "num": str, "size": str, "spec_code": str}],
    "backup_strategy": {"start_time": str, "keep_days": str},
    "tags": [{"key": str, "value": str}],
    "future_field": {"kept": object},
}
NODE: Shape = {
    "id": str,
    "name": str,
    "status": str,
    "role": str,
    "private_ip": str,
    "public_ip": str,
    "host": str,
    "spec_code": str,
    "availability_zone": str,
}
LIST_ITEM: Shape = {
    "id": str,
    "name": str,
    "remark": str,
    "status": str,
    "port": str,
    "mode": str,
    "region": str,
    "datastore": {"type": str, "version": str, "patch_available": bool, "whole_version": str},
    "engine": str,
    "engine_version": str,
    "engine_build": str,
    "memory_scale": float,
    "created": str,
    "updated": str,
    "db_user_name": str,
    "ssl": int,
    "vpc_id": str,
    "subnet_id": str,
    "security_group_id": str,
    "backup_strategy": {"start_time": str, "keep_days": int},
    "pay_mode": str,
    "maintenance_window": str,
    "replica_set": str,
    "groups": [{"type": str, "volume": {"size": str, "used": str}, "nodes": [NODE]}],
    "time_zone": str,
    "actions": [str],
    "tags": [{"key": str, "value": str}],
    "disk_encryption_id": str,
    "enterprise_project_id": str,
    "availability_zone": str,
}
JOB: Shape = {
    "id": str,
    "name": str,
    "status": str,
    "created": str,
    "ended": str,
    "progress": str,
    "instance": {"id": str, "name": str},
    "fail_reason": type(None),
    "steps": [{"name": str, "status": str, "started": str, "ended": str, "detail": str}],
}


def check(value: Any, shape: Shape, where: str = "answer") -> None:
    """Compare a JSON value with a shape, strictly: same keys, same types."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{where}: {value!r}"
        assert set(value) == set(shape), f"{where}: keys differ: {set(value) ^ set(shape)}"
        for key, inner in shape.items():
            check(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{where}: {value!r}"
        for index, item in enumerate(value):
            check(item, shape[0], f"{where}[{index}]")
    elif shape is not object:
        assert type(value) is shape, f"{where}: {value!r} is no {shape.__name__}"


@pytest.fixture(scope="module")
def made(installation: Installation) -> Iterator[dict[str, Any]]:
    """The create answer of a tagged single node that has become normal."""
    created = installation.create(TAGGED)
    assert installation.wait_job(created["job_id"])["status"] == "Completed"
    yield created
    installation.delete(created["id"])


def test_create_answer(made: dict[str, Any]) -> None:
    check(made, CREATE_ANSWER)
    assert made["created"] == made["created"][:10] + " " + made["created"][11:]
    for field in ("name", "region", "vpc_id", "mode", "tags", "future_field", "backup_strategy"):
        assert made[field] == TAGGED[field]


def test_list_item(installation: Installation, made: dict[str, Any]) -> None:
    item = installation.instance(made["id"])
    check(item, LIST_ITEM)
    assert item is not None
    assert item["actions"] == []
    assert item["groups"][0]["nodes"][0]["role"] == "Primary"
    assert item["tags"] == TAGGED["tags"]
    assert item["enterprise_project_id"] == TAGGED["enterprise_project_id"]
    assert item["created"][10] == "T"


def test_job(installation: Installation, made: dict[str, Any]) -> None:
    job = installation.job(made["job_id"])
    check(job, JOB)
    assert (job["name"], job["status"], job["progress"]) == (
        "CreateMongoDBReplicaSingle",
        "Completed",
        "",
    )
    assert job["created"].endswith("+0000")
    assert job["instance"] == {"id": made["id"], "name": made["name"]}


def test_the_true_build_is_told(installation: Installation, made: dict[str, Any]) -> None:
    answer = installation.call("GET", "/instances", params={"id": made["id"]})
    assert answer.headers["X-Shardhouse-Engine-Version"] == under_test().version
    (item,) = answer.json()["instances"]
    assert (item["datastore"]["version"], item["engine_version"]) == ("3.4", under_test().version)
    assert item["engine_build"] == under_test().name


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, True),
        ({"id": "<id>"}, True),
        ({"id": "0" * 32 + "in02"}, False),
        ({"name": "test-single"}, True),
        ({"name": "test-singl"}, False),
        ({"name": "*ingle"}, True),
        ({"name": "*%"}, False),
        ({"mode": "Single"}, True),
        ({"mode": "Sharding"}, False),
        ({"datastore_type": "DDS-Community"}, True),
        ({"vpc_id": TAGGED["vpc_id"]}, True),
        ({"vpc_id": "x"}, False),
        ({"subnet_id": TAGGED["subnet_id"]}, True),
        ({"tags": "env=ci"}, True),
        ({"tags": "env=ci,team="}, True),
        ({"tags": "env=ci,team=x"}, False),
        ({"offset": "0", "limit": "100"}, True),
        ({"offset": "100000"}, False),
    ],
)
def test_filters(
    installation: Installation, made: dict[str, Any], query: dict[str, str], found: bool
) -> None:
    given = {key: made["id"] if value == "<id>" else value for key, value in query.items()}
    answer = installation.call("GET", "/instances", params=given)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"instances", "total_count"}
    assert (made["id"] in [item["id"] for item in body["instances"]]) is found


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/instances", {"limit": "0"}, 400, "DBS.280439"),
        ("/instances", {"limit": "101"}, 400, "DBS.280439"),
        ("/instances", {"limit": "x"}, 400, "DBS.280439"),
        ("/instances", {"offset": "-1"}, 400, "DBS.280440"),
        ("/instances", {"mode": "Cluster"}, 400, "DBS.280342"),
        ("/instances", {"name": "*"}, 400, "DBS.280234"),
        ("/instances", {"tags": "=x"}, 400, "DBS.280441"),
        ("/instances", {"datastore_type": "MySQL"}, 400, "DBS.280235"),
        ("/jobs", {}, 400, "DBS.200001"),
        ("/jobs", {"id": "unknown"}, 400, "DBS.280016"),
        ("/flavors", {"engine_name": "MySQL"}, 400, "DBS.201020"),
        ("/datastores/MySQL/versions", {}, 404, "DBS.200042"),
    ],
)
def test_bad_queries(
    installation: Installation, path: str, query: dict[str, str], status: int, code: str
) -> None:
    answer = installation.call("GET", path, params=query)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    check(answer.json(), {"error_code": str, "error_msg": str})
    assert answer.headers["X-Request-Id"]


def test_marker_pages_do_not_repeat(installation: Installation, made: dict[str, Any]) -> None:
    seen: list[str] = []
    marker = ""
    while True:
        answer = installation.call("GET", "/instances", params={"limit": "1", "marker": marker})
        page = [item["id"] for item in answer.json()["instances"]]
        if not page:
            break
        seen += page
        marker = page[-1]
    assert made["id"] in seen
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_unknown_paths_answer_as_the_gateway(installation: Installation, method: str) -> None:
    answer = installation.call(method, "/nonsense")
    assert answer.status_code == 404
    check(answer.json(), {"error_code": str, "error_msg": str, "request_id": str})
    assert answer.json()["error_code"] == "APIGW.0101"


def test_without_credentials(installation: Installation) -> None:
    answer = httpx.post(f"{installation.dds}/v3/{installation.project_id}/instances", content="{")
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "APIGW.0301"
    check(answer.json(), {"error_code": str, "error_msg": str, "request_id": str})


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"name": NaN}',
        '{"dss_pool_id": Infinity}',
        '{"dss_pool_id": 1e400}',
        '{"name": "\\ud800"}',
        '{"other": {"\\ud800": 1}}',
        "[" * 100_000,
        '{"name": "x"}'.encode("utf-16"),
        b'{"name": "\xff"}',
    ],
)
def test_what_is_no_json_object_is_refused_and_makes_nothing(
    installation: Installation, content: str | bytes
) -> None:
    before = installation.call("GET", "/instances").json()["total_count"]
    answer = installation.call("POST", "/instances", content=content)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.200001")
    assert installation.call("GET", "/instances").json()["total_count"] == before


@pytest.mark.parametrize("code", [[], {}, 5, None])
def test_a_spec_code_of_another_type_is_refused(installation: Installation, code: object) -> None:
    body = requests.single()
    body["flavor"] = [body["flavor"][0] | {"spec_code": code}]
    answer = installation.call("POST", "/instances", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.280239")


def test_a_body_too_large_to_keep_is_refused(installation: Installation) -> None:
    answer = installation.call("POST", "/instances", json=requests.single(other="x" * 70_000))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.280271")


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (
            "/",
            {
                "versions": [
                    {
                        "id": str,
                        "links": [object],
                        "status": str,
                        "version": str,
                        "min_version": str,
                        "updated": str,
                    }
                ]
            },
        ),
        (
            "/v3",
            {
                "version": {
                    "id": str,
                    "links": [object],
                    "status": str,
                    "version": str,
                    "min_version": str,
                    "updated": str,
                }
            },
        ),
    ],
)
def test_versions_need_no_token(installation: Installation, path: str, shape: Shape) -> None:
    answer = httpx.get(installation.dds + path)
    assert answer.status_code == 200
    check(answer.json(), shape)


OFFER: Shape = {
    "engine_name": str,
    "type": str,
    "vcpus": str,
    "ram": str,
    "spec_code": str,
    "az_status": object,
}


def test_flavors_on_both_paths(installation: Installation) -> None:
    old = installation.call("GET", "/flavors").json()
    check(old, {"flavors": [OFFER], "total_count": int})
    new = installation.call("GET", f"/v3.1/{installation.project_id}/flavors").json()
    check(new, {"flavors": [OFFER | {"engine_versions": [str]}], "total_count": int})
    assert [f["spec_code"] for f in old["flavors"]] == [f["spec_code"] for f in new["flavors"]]
    assert "dds.mongodb.s2.large.2.config" in [f["spec_code"] for f in old["flavors"]]


def test_offers(installation: Installation) -> None:
    versions = installation.call("GET", "/datastores/DDS-Community/versions").json()
    served = {"Single": str, "ReplicaSet": str, "Sharding": str}
    check(versions.pop("served_by")["3.4"], served)
    check(versions, {"versions": [str], "builds": [str]})
    assert {"3.4", "4.0", "4.2", "4.4", "5.0"} <= set(versions["versions"])
    storage = installation.call("GET", "/storage-type").json()
    check(
        storage,
        {"storage_type": [{"name": str, "az_status": object}], "dss_pool_info": [object]},
    )


def test_quota_counts_what_is_there(installation: Installation, made: dict[str, Any]) -> None:
    answer = installation.call("GET", "/quotas").json()
    resource = {"type": str, "mode": str, "quota": int, "used": int}
    check(answer, {"quotas": {"resources": [resource]}})
    used = {item["mode"]: item["used"] for item in answer["quotas"]["resources"]}
    listed = installation.call("GET", "/instances", params={"mode": "Single"}).json()
    assert used["Single"] == listed["total_count"] > 0
