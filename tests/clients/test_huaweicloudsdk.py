"""The official SDK, unchanged: signed with AK/SK, and with a token."""

from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkdds.v3 import (
    BackupStrategy,
    CreateInstanceFlavorOption,
    CreateInstanceRequest,
    CreateInstanceRequestBody,
    Datastore,
    DdsClient,
    DeleteInstanceRequest,
    ListApiVersionRequest,
    ListDatastoreVersionsRequest,
    ListFlavorInfosRequest,
    ListFlavorsRequest,
    ListInstancesRequest,
    ListStorageTypeRequest,
    ShowApiVersionRequest,
    ShowJobDetailRequest,
    ShowQuotasRequest,
    TagWithKeyValue,
)
from pymongo import MongoClient

from tests import requests
from tests.installation import Installation, until


def signed(installation: Installation) -> DdsClient:
    """By key; the SDK finds the project by itself, at our IAM."""
    admin = installation.admin
    credentials = BasicCredentials(admin["access_key"], admin["secret_key"])
    credentials.with_iam_endpoint(installation.iam)
    region = Region(admin["region"], installation.dds)
    return DdsClient.new_builder().with_credentials(credentials).with_region(region).build()


def by_token(installation: Installation) -> DdsClient:
    """By token: a preset header beside a signature by a key nobody knows."""
    credentials = BasicCredentials("UNKNOWN", "unknown", installation.project_id)
    client = (
        DdsClient.new_builder()
        .with_credentials(credentials)
        .with_endpoint(installation.dds)
        .build()
    )
    client.preset_headers = {"X-Auth-Token": installation.token()}
    return client


@pytest.fixture(params=[signed, by_token])
def client(request: pytest.FixtureRequest, installation: Installation) -> DdsClient:
    return request.param(installation)


def body(**changes: Any) -> CreateInstanceRequestBody:
    flavor = requests.single()["flavor"][0]
    given = {
        "name": "sdk-single",
        "datastore": Datastore("DDS-Community", "4.0", "wiredTiger"),
        "region": "local",
        "availability_zone": "local-01",
        "vpc_id": requests.CLUSTER["vpc_id"],
        "subnet_id": requests.CLUSTER["subnet_id"],
        "security_group_id": requests.CLUSTER["security_group_id"],
        "password": "Test@123",
        "mode": "Single",
        "flavor": [
            CreateInstanceFlavorOption(
                "single", "1", flavor["storage"], str(flavor["size"]), flavor["spec_code"]
            )
        ],
        "backup_strategy": BackupStrategy("23:00-00:00", "7"),
        "tags": [TagWithKeyValue("made", "by-sdk")],
    }
    return CreateInstanceRequestBody(**given | changes)


def test_a_user_s_whole_way(client: DdsClient) -> None:
    created = client.create_instance(CreateInstanceRequest(body()))
    assert (created.status, created.port, created.status_code) == ("creating", 8635, 202)

    def job() -> Any:
        return client.show_job_detail(ShowJobDetailRequest(created.job_id)).job

    until("the job", lambda: job().status != "Running", 120)
    assert job().status == "Completed", job()
    (listed,) = client.list_instances(ListInstancesRequest(id=created.id)).instances
    assert (listed.status, listed.actions, listed.tags[0].value) == ("normal", [], "by-sdk")
    node = listed.groups[0].nodes[0]
    with MongoClient(
        node.private_ip,
        int(listed.port),
        username=listed.db_user_name,
        password="Test@123",
        directConnection=True,
    ) as mongo:
        mongo["shop"]["orders"].insert_one({"_id": 1})
        assert mongo["shop"]["orders"].count_documents({}) == 1
    deleted = client.delete_instance(DeleteInstanceRequest(created.id))
    assert deleted.status_code == 202
    assert client.list_instances(ListInstancesRequest(id=created.id)).total_count == 0
    gone = ShowJobDetailRequest(deleted.job_id)
    until("the removal", lambda: client.show_job_detail(gone).job.status == "Completed", 60)


def test_lists(client: DdsClient) -> None:
    assert client.list_api_version(ListApiVersionRequest()).versions[0].id == "v3"
    assert client.show_api_version(ShowApiVersionRequest(version="v3")).version.id == "v3"
    versions = client.list_datastore_versions(ListDatastoreVersionsRequest("DDS-Community"))
    assert "4.0" in versions.versions
    older = client.list_flavors(ListFlavorsRequest(region="local", engine_name="DDS-Community"))
    newer = client.list_flavor_infos(ListFlavorInfosRequest(engine_name="DDS-Community"))
    assert len(older.flavors) == newer.total_count
    assert client.list_storage_type(ListStorageTypeRequest()).storage_type[0].name == "ULTRAHIGH"
    resources = client.show_quotas(ShowQuotasRequest()).quotas.resources
    assert {item.mode for item in resources} == {"Sharding", "ReplicaSet", "Single"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"name": "1"}, "DBS.280234"), ({"password": "weak"}, "DBS.200052")],
)
def test_errors_arrive(client: DdsClient, changes: dict[str, str], code: str) -> None:
    with pytest.raises(ClientRequestException) as caught:
        client.create_instance(CreateInstanceRequest(body(**changes)))
    assert (caught.value.status_code, caught.value.error_code) == (400, code)
    assert caught.value.error_msg
    assert caught.value.request_id


def test_queries_with_every_kind_of_character_are_signed_alike(installation: Installation) -> None:
    client = signed(installation)
    for name in ("*a b", "*ü=&+", "*~!'()", "*%2F"):
        assert client.list_instances(ListInstancesRequest(name=name)).total_count == 0


def test_a_wrong_key_is_refused(installation: Installation) -> None:
    credentials = BasicCredentials(installation.admin["access_key"], "wrong" * 8).with_project_id(
        installation.project_id
    )
    client = (
        DdsClient.new_builder()
        .with_credentials(credentials)
        .with_endpoint(installation.dds)
        .build()
    )
    with pytest.raises(ClientRequestException) as caught:
        client.list_instances(ListInstancesRequest())
    assert (caught.value.status_code, caught.value.error_code) == (401, "APIGW.0301")
