"""`shardhouse env`: quoted for a real shell, and usable by clients nobody here wrote."""

import json
import subprocess
import sys

import pytest

from shardhouse.cli import env
from tests.cli.program import Program

KNOWN = {
    "iam_endpoint": "http://127.0.0.1:1",
    "dds_endpoint": "http://127.0.0.1:2",
    "region": "eu-de",
    "domain_name": "my domain",
    "user_name": "o'neil",
    "password": "a $(b) \"c\" ${d} 'e' `f`",
    "project_id": "p1",
    "project_name": "eu-de",
    "access_key": "AK",
    "secret_key": "SK",
}
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def _in_shell(exports: str, *command: str, **variables: str) -> dict[str, str]:
    done = subprocess.run(
        ["sh", "-c", f'{exports}\nexec "$@"', "sh", *command],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"} | variables,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_a_shell_reads_every_value_as_it_is() -> None:
    found = _in_shell(env.shell(KNOWN), sys.executable, "-c", SHOW)
    assert found["OS_PASSWORD"] == KNOWN["password"]
    assert found["OS_USERNAME"] == "o'neil"
    assert found["OS_AUTH_URL"] == "http://127.0.0.1:1/v3"
    assert found["HUAWEICLOUD_SDK_REGION_DDS_EU_DE"] == "http://127.0.0.1:2"
    assert {name: found[name] for name in env.variables(KNOWN)} == env.variables(KNOWN)


def test_the_ids_of_the_projects_networks_are_exported() -> None:
    names = ("vpc_id", "subnet_id", "security_group_id")
    found = env.variables(KNOWN | {name: f"the {name}" for name in names})
    assert all(found[f"SHARDHOUSE_{name.upper()}"] == f"the {name}" for name in names)
    assert found["HUAWEICLOUD_SDK_REGION_VPC_EU_DE"] == "http://127.0.0.1:1"
    # Written by an older version.
    assert "SHARDHOUSE_VPC_ID" not in env.variables(KNOWN)


def test_a_region_no_shell_can_name_leaves_the_rest_usable() -> None:
    found = _in_shell(env.shell(KNOWN | {"region": "a.b c"}), sys.executable, "-c", SHOW)
    assert found["OS_REGION_NAME"] == "a.b c"


def test_terraform_does_not_expand_a_password() -> None:
    assert "$${d}" in env.terraform(KNOWN)


def test_hosts_without_a_proxy_are_added_to_those_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "intern.example, 10.0.0.0/8")
    monkeypatch.setenv("no_proxy", "10.0.0.0/8")
    known = KNOWN | {"dds_endpoint": "https://[fd00::1]:9800"}
    wanted = "intern.example,10.0.0.0/8,127.0.0.1,fd00::1"
    found = _in_shell(env.shell(known), sys.executable, "-c", SHOW)
    assert (found["NO_PROXY"], found["no_proxy"]) == (wanted, wanted)
    for text in (env.clouds(known), env.terraform(known)):
        assert text.startswith(f"# Behind an HTTP proxy: export NO_PROXY={wanted}\n")
    monkeypatch.setenv("NO_PROXY", wanted)
    assert env.no_proxy(known) == wanted
    monkeypatch.setenv("no_proxy", "*")
    assert env.no_proxy(known) == "*"


def test_the_official_sdk_works_behind_a_proxy(program: Program) -> None:
    code = """
import json, os
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkdds.v3 import DdsClient, ListInstancesRequest
region = Region("local", os.environ["HUAWEICLOUD_SDK_REGION_DDS_LOCAL"])
client = DdsClient.new_builder().with_region(region).build()
print(json.dumps({"status": client.list_instances(ListInstancesRequest()).status_code}))
"""
    dead = "http://127.0.0.1:9"
    command = (sys.executable, "-W", "ignore", "-c", code)
    found = _in_shell(program.ok("env"), *command, http_proxy=dead, HTTP_PROXY=dead)
    assert found == {"status": 200}


def test_keystoneauth_logs_in_with_it(program: Program) -> None:
    code = """
import json, os
from keystoneauth1 import session
from keystoneauth1.identity import v3
e = os.environ
auth = v3.Password(
    auth_url=e["OS_AUTH_URL"], username=e["OS_USERNAME"], password=e["OS_PASSWORD"],
    user_domain_name=e["OS_USER_DOMAIN_NAME"], project_id=e["OS_PROJECT_ID"])
s = session.Session(auth)
r = s.get("/instances", endpoint_filter={
    "service_type": "ddsv3", "region_name": e["OS_REGION_NAME"], "interface": "public"})
print(json.dumps({"status": r.status_code, "project": s.get_project_id()}))
"""
    found = _in_shell(program.ok("env"), sys.executable, "-W", "ignore", "-c", code)
    assert found == {"status": 200, "project": program.json("env")["OS_PROJECT_ID"]}


def test_openstacksdk_reads_the_clouds_file(program: Program) -> None:
    import yaml

    cloud = yaml.safe_load(program.ok("env", "--format", "clouds"))["clouds"]["shardhouse"]
    assert cloud["auth"]["project_id"] == program.json("env")["OS_PROJECT_ID"]
    assert 'dds = "http://' in program.ok("env", "--format", "terraform")
