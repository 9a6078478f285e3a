"""OpenStack's clients, unchanged: keystoneauth1, and openstacksdk with otcextensions."""

from typing import Any

import openstack
import pytest
from keystoneauth1 import session
from keystoneauth1.identity.v3 import Password, Token
from openstack.connection import Connection
from openstack.exceptions import BadRequestException, HttpException
from pymongo import MongoClient

from tests import requests
from tests.installation import Installation, until, uri


@pytest.fixture(scope="module")
def cloud(installation: Installation) -> Connection:
    admin = installation.admin
    return openstack.connect(
        auth_type="password",
        auth={
            "auth_url": f"{installation.iam}/v3",
            "username": admin["user_name"],
            "password": admin["password"],
            "project_name": admin["project_name"],
            "user_domain_name": admin["domain_name"],
            "project_domain_name": admin["domain_name"],
        },
        region_name=admin["region"],
        vendor_hook="otcextensions.sdk:load",
        load_yaml_config=False,
        load_envvars=False,
    )


def test_otcextensions_lists(cloud: Connection) -> None:
    versions = [
        item.version if hasattr(item, "version") else item.name for item in _versions(cloud)
    ]
    assert versions
    flavors = list(cloud.dds.flavors(region="local", engine_name="DDS-Community"))
    assert "dds.mongodb.s2.medium.4.shard" in [flavor.spec_code for flavor in flavors]
    assert [item.id for item in cloud.dds.instances(limit=1)] == [
        item.id for item in cloud.dds.instances()
    ]


def _versions(cloud: Connection) -> list[Any]:
    return list(cloud.dds.datastores("DDS-Community"))


def test_otcextensions_creates_a_cluster_and_works_with_it(
    cloud: Connection, installation: Installation
) -> None:
    body = requests.cluster(name="otc-cluster")
    body["flavor"] = [dict(entry) for entry in body["flavor"]]
    created = cloud.dds.create_instance(**body)
    assert created.status == "creating"
    job = until("the job", lambda: _ended(cloud, created.job_id), 180)
    assert job.status == "Completed", job
    found = cloud.dds.find_instance("otc-cluster")
    assert (found.id, found.status) == (created.id, "normal")
    assert cloud.dds.get_instance(created.id).mode == "Sharding"
    listed = installation.instance(created.id)
    assert listed is not None
    until("idle", lambda: installation.instance(created.id)["actions"] == [])
    with MongoClient(uri(listed)) as mongo:
        mongo.admin.command("enableSharding", "shop")
        mongo.admin.command("shardCollection", "shop.orders", key={"_id": "hashed"})
        mongo["shop"]["orders"].insert_many([{"_id": number} for number in range(500)])
        assert mongo["shop"]["orders"].count_documents({}) == 500
        shards = mongo["shop"].command("collStats", "orders")["shards"]
        assert set(shards) == {"shard_1", "shard_2"}
        assert all(shard["count"] > 0 for shard in shards.values())
    cloud.dds.delete_instance(created.id)
    assert cloud.dds.find_instance("otc-cluster", ignore_missing=True) is None
    until("all nodes to be gone", lambda: not installation.nodes(created.id), 60)


def _ended(cloud: Connection, job_id: str) -> Any:
    job = cloud.dds.get_job(job_id)
    return job if job.status != "Running" else None


def test_otcextensions_is_told_what_is_wrong(cloud: Connection) -> None:
    with pytest.raises(BadRequestException) as caught:
        cloud.dds.create_instance(**requests.single(name="1"))
    assert "DBS.280234" in str(caught.value)


def test_deleting_what_is_not_there(cloud: Connection) -> None:
    with pytest.raises(HttpException):
        cloud.dds.delete_instance("0" * 32 + "in02", ignore_missing=False)


@pytest.mark.parametrize("path", ["/v3", ""])
def test_keystoneauth(installation: Installation, path: str) -> None:
    admin = installation.admin
    password = Password(
        f"{installation.iam}{path}",
        username=admin["user_name"],
        password=admin["password"],
        user_domain_name=admin["domain_name"],
        project_name=admin["project_name"],
        project_domain_name=admin["domain_name"],
    )
    first = session.Session(password)
    for kind in ("ddsv3", "dds"):
        answer = first.get(
            "/instances", endpoint_filter={"service_type": kind, "interface": "public"}
        )
        assert "instances" in answer.json()
    token = Token(f"{installation.iam}{path}", first.get_token(), project_id=admin["project_id"])
    again = session.Session(token)
    answer = again.get("/instances", endpoint_filter={"service_type": "ddsv3"})
    assert answer.status_code == 200
