"""`shardhouse env`: the stored credentials in the form other clients read."""

import json
import os
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer

from shardhouse.cli import credentials, output
from shardhouse.cli.options import DataDir, Json
from shardhouse.cli.output import CliError
from shardhouse.client.credentials import ADMIN_FILE

Format = Literal["sh", "clouds", "terraform"]


def env(
    format: Annotated[
        Format,
        typer.Option(
            help="Shell exports, a clouds.yaml for OpenStack clients, or a provider block for "
            "Terraform."
        ),
    ] = "sh",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Print the administrator's credentials: eval "$(shardhouse env)"."""
    folder = credentials.resolve(data_dir)
    known = credentials.read_admin_file(folder)
    try:
        if json:
            output.print_json(variables(known))
        else:
            print(_FORMATS[format](known))
    except KeyError as error:
        raise CliError(f"{folder / ADMIN_FILE} lacks the key {error}.") from None


def variables(known: Mapping[str, Any]) -> dict[str, str]:
    """OS_* for OpenStack clients and Terraform, HUAWEICLOUD_SDK_* for the official SDK, the ids of
    the project's networks for create requests, and NO_PROXY for all of them, in both of its
    spellings: some clients read only one.
    """
    region = known["region"].replace("-", "_").upper()
    authority = known.get("tls_authority")
    # OpenStack clients and Terraform, the official SDK, curl.
    names = ("OS_CACERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    trusted = dict.fromkeys(names, str(authority)) if authority else {}
    # An installation that no `serve` of this version has started has no networks yet.
    networks = {
        f"SHARDHOUSE_{name.upper()}": known[name]
        for name in ("vpc_id", "subnet_id", "security_group_id")
        if name in known
    }
    neighbours = {
        f"HUAWEICLOUD_SDK_REGION_{service}_{region}": known["iam_endpoint"]
        for service in ("VPC", "EIP", "EPS", "LTS", "CES")
    }
    return {
        "OS_AUTH_URL": f"{known['iam_endpoint']}/v3",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_USERNAME": known["user_name"],
        "OS_PASSWORD": known["password"],
        "OS_PROJECT_NAME": known["project_name"],
        "OS_PROJECT_ID": known["project_id"],
        "OS_USER_DOMAIN_NAME": known["domain_name"],
        "OS_PROJECT_DOMAIN_NAME": known["domain_name"],
        "OS_DOMAIN_NAME": known["domain_name"],
        "OS_REGION_NAME": known["region"],
        "OS_ACCESS_KEY": known["access_key"],
        "OS_SECRET_KEY": known["secret_key"],
        "HUAWEICLOUD_SDK_AK": known["access_key"],
        "HUAWEICLOUD_SDK_SK": known["secret_key"],
        "HUAWEICLOUD_SDK_PROJECT_ID": known["project_id"],
        "HUAWEICLOUD_SDK_IAM_ENDPOINT": known["iam_endpoint"],
        f"HUAWEICLOUD_SDK_REGION_DDS_{region}": known["dds_endpoint"],
        **neighbours,
        **networks,
        **trusted,
        "NO_PROXY": no_proxy(known),
        "no_proxy": no_proxy(known),
    }


def no_proxy(known: Mapping[str, Any]) -> str:
    """The hosts of the installation, which this machine reaches without a proxy, after those that
    NO_PROXY has already.
    """
    hosts = f"{os.environ.get('NO_PROXY', '')},{os.environ.get('no_proxy', '')}".split(",")
    hosts += [urlsplit(known[name]).hostname or "" for name in ("iam_endpoint", "dds_endpoint")]
    wanted = dict.fromkeys(host.strip() for host in hosts if host.strip())
    # Clients know "no proxy for anything" only if it stands alone.
    return "*" if "*" in wanted else ",".join(wanted)


def shell(known: Mapping[str, Any]) -> str:
    """Exports for any POSIX shell; a variable whose name no shell takes is left out."""
    pairs = {name: value for name, value in variables(known).items() if name.isidentifier()}
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in pairs.items())


def clouds(known: Mapping[str, Any]) -> str:
    """A clouds.yaml with one cloud. JSON is YAML, so strings are quoted as JSON does."""
    quote = json.dumps
    authority = known.get("tls_authority")
    cacert = f"\n    cacert: {quote(authority)}" if authority else ""
    return f"""{_proxy_comment(known)}
clouds:
  shardhouse:
    vendor_hook: otcextensions.sdk:load
    region_name: {quote(known["region"])}
    identity_api_version: 3{cacert}
    auth:
      auth_url: {quote(known["iam_endpoint"] + "/v3")}
      username: {quote(known["user_name"])}
      password: {quote(known["password"])}
      project_id: {quote(known["project_id"])}
      user_domain_name: {quote(known["domain_name"])}"""


def terraform(known: Mapping[str, Any]) -> str:
    """Provider blocks for the two providers that know DDS."""

    def quote(text: str) -> str:
        # HCL expands ${ and %{ in strings.
        return json.dumps(text).replace("${", "$${").replace("%{", "%%{")

    authority = known.get("tls_authority")
    cacert = f"\n  cacert_file = {quote(authority)}" if authority else ""
    return f"""{_proxy_comment(known)}
provider "opentelekomcloud" {{
  auth_url    = {quote(known["iam_endpoint"] + "/v3")}
  region      = {quote(known["region"])}
  domain_name = {quote(known["domain_name"])}
  tenant_name = {quote(known["project_name"])}
  user_name   = {quote(known["user_name"])}
  password    = {quote(known["password"])}{cacert}
}}

provider "huaweicloud" {{
  auth_url   = {quote(known["iam_endpoint"] + "/v3")}
  region     = {quote(known["region"])}
  project_id = {quote(known["project_id"])}
  access_key = {quote(known["access_key"])}
  secret_key = {quote(known["secret_key"])}{cacert}
  endpoints = {{
    iam = {quote(known["iam_endpoint"] + "/")}
    dds = {quote(known["dds_endpoint"] + "/")}
    vpc = {quote(known["iam_endpoint"] + "/")}
    eps = {quote(known["iam_endpoint"] + "/")}
    lts = {quote(known["iam_endpoint"] + "/")}
    ces = {quote(known["iam_endpoint"] + "/")}
  }}
}}"""


def _proxy_comment(known: Mapping[str, Any]) -> str:
    """For files that cannot say it."""
    return f"# Behind an HTTP proxy: export NO_PROXY={shlex.quote(no_proxy(known))}"


_FORMATS = {"sh": shell, "clouds": clouds, "terraform": terraform}
