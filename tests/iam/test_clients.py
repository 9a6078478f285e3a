"""Clients nobody here wrote: keystoneauth1, openstacksdk, and the official SDK's own lookups."""

import keystoneauth1.exceptions
import openstack
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import SdkException
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkdds.v3 import DdsClient
from huaweicloudsdkiam.v3 import (
    CreateCredentialOption,
    CreatePermanentAccessKeyRequest,
    CreatePermanentAccessKeyRequestBody,
    IamClient,
    KeystoneListAuthDomainsRequest,
    KeystoneListProjectsRequest,
    KeystoneListUsersRequest,
    ListPermanentAccessKeysRequest,
)
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from tests.iam.world import PASSWORD, Site


def password_plugin(site: Site, auth_url: str, **changes: str) -> v3.Password:
    admin = site.world.admin
    given = {
        "username": admin["user_name"],
        "password": admin["password"],
        "user_domain_name": admin["domain_name"],
        "project_name": admin["project_name"],
        "project_domain_name": admin["domain_name"],
    }
    return v3.Password(auth_url=auth_url, **(given | changes))


@pytest.mark.parametrize("suffix", ["", "/", "/v3", "/v3/"])
def test_keystoneauth1_password_and_discovery(site: Site, suffix: str) -> None:
    session = Session(auth=password_plugin(site, site.iam_url + suffix))
    project = site.world.admin["project_id"]
    assert session.get_project_id() == project
    for service in ("ddsv3", "dds"):
        found = session.get_endpoint(service_type=service, region_name="eu-de")
        assert found == f"{site.dds_url}/v3/{project}"
    identity = session.get("/auth/projects", endpoint_filter={"service_type": "identity"})
    assert "eu-de" in {item["name"] for item in identity.json()["projects"]}


def test_keystoneauth1_token(site: Site) -> None:
    first = Session(auth=password_plugin(site, f"{site.iam_url}/v3")).get_token()
    plugin = v3.Token(auth_url=site.iam_url, token=first, project_name="eu-de")
    session = Session(auth=plugin)
    assert session.get_token() not in (None, first)
    assert session.get_project_id() == site.world.admin["project_id"]


def test_keystoneauth1_refusals(site: Site) -> None:
    wrong = Session(auth=password_plugin(site, site.iam_url, password="wrong"))
    with pytest.raises(keystoneauth1.exceptions.Unauthorized, match="user name or password"):
        wrong.get_token()
    site.user("keystone.nobody")
    plugin = password_plugin(site, site.iam_url, username="keystone.nobody", password=PASSWORD)
    with pytest.raises(keystoneauth1.exceptions.Forbidden, match="no role on project"):
        Session(auth=plugin).get_token()


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_openstacksdk_identity(site: Site) -> None:
    admin = site.world.admin
    connection = openstack.connect(
        auth_url=f"{site.iam_url}/v3",
        username=admin["user_name"],
        password=admin["password"],
        user_domain_name=admin["domain_name"],
        project_name=admin["project_name"],
        project_domain_name=admin["domain_name"],
        region_name="eu-de",
        load_yaml_config=False,
        load_envvars=False,
    )
    identity = connection.identity
    assert connection.current_project_id == admin["project_id"]
    assert admin["project_name"] in {project.name for project in identity.projects()}
    assert admin["user_name"] in {user.name for user in identity.users()}
    user = identity.create_user(name="by.openstack", password=PASSWORD)
    role = identity.find_role("DDS ReadOnlyAccess")
    project = identity.find_project(admin["project_name"])
    identity.assign_project_role_to_user(project, user, role)
    assert identity.validate_user_has_project_role(project, user, role)
    identity.unassign_project_role_from_user(project, user, role)
    assert not identity.validate_user_has_project_role(project, user, role)
    identity.delete_user(user)
    assert identity.find_user("by.openstack") is None
    connection.close()


@pytest.fixture
def sdk_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", site.iam_url)
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("sdk_environment")
def test_basic_credentials_find_their_project(site: Site) -> None:
    ak, sk = site.key(site.user("sdk.basic", "DDS FullAccess"))
    credentials = BasicCredentials(ak, sk)
    region = Region("eu-de", site.dds_url)
    DdsClient.new_builder().with_credentials(credentials).with_region(region).build()
    assert credentials.project_id == site.world.admin["project_id"]


@pytest.mark.usefixtures("sdk_environment")
def test_basic_credentials_with_a_wrong_secret(site: Site) -> None:
    ak, _ = site.key(site.user("sdk.wrong", "DDS FullAccess"))
    builder = DdsClient.new_builder().with_credentials(BasicCredentials(ak, "wrong"))
    with pytest.raises(SdkException, match=r"status_code:401.*verify aksk signature fail"):
        builder.with_region(Region("eu-de", site.dds_url)).build()


@pytest.mark.usefixtures("sdk_environment")
def test_iam_client_with_global_credentials(site: Site) -> None:
    admin = site.world.admin
    credentials = GlobalCredentials(admin["access_key"], admin["secret_key"])
    region = Region("eu-de", site.iam_url)
    client = IamClient.new_builder().with_credentials(credentials).with_region(region).build()
    domains = client.keystone_list_auth_domains(KeystoneListAuthDomainsRequest()).domains
    assert [domain.id for domain in domains] == [credentials.domain_id]
    found = client.keystone_list_projects(KeystoneListProjectsRequest(name="eu-de")).projects
    assert [project.id for project in found] == [admin["project_id"]]
    users = client.keystone_list_users(KeystoneListUsersRequest()).users
    assert admin["user_name"] in {user.name for user in users}
    user_id = site.user("sdk.keys")
    option = CreateCredentialOption(user_id=user_id, description="by the SDK")
    body = CreatePermanentAccessKeyRequestBody(credential=option)
    made = client.create_permanent_access_key(CreatePermanentAccessKeyRequest(body=body))
    request = ListPermanentAccessKeysRequest(user_id=user_id)
    listed = client.list_permanent_access_keys(request).credentials
    assert [key.access for key in listed] == [made.credential.access]
