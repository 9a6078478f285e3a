"""`shardhouse env`: the stored credentials in the form other clients read."""

import json
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from shardhouse.cli import credentials, output
from shardhouse.cli.options import DataDir, Json
from shardhouse.cli.output import CliError

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
        raise CliError(f"{folder / credentials.ADMIN_FILE} lacks the key {error}.") from None


def variables(known: Mapping[str, Any]) -> dict[str, str]:
    """OS_* for OpenStack clients and Terraform, HUAWEICLOUD_SDK_* for the official SDK."""
    region = known["region"].replace("-", "_").upper()
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
    }


def shell(known: Mapping[str, Any]) -> str:
    """Exports for any POSIX shell; a variable whose name no shell takes is left out."""
    pairs = {name: value for name, value in variables(known).items() if name.isidentifier()}
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in pairs.items())


def clouds(known: Mapping[str, Any]) -> str:
    """A clouds.yaml with one cloud. JSON is YAML, so strings are quoted as JSON does."""
    quote = json.dumps
    return f"""clouds:
  shardhouse:
    vendor_hook: otcextensions.sdk:load
    region_name: {quote(known["region"])}
    identity_api_version: 3
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

    return f"""provider "opentelekomcloud" {{
  auth_url    = {quote(known["iam_endpoint"] + "/v3")}
  region      = {quote(known["region"])}
  domain_name = {quote(known["domain_name"])}
  tenant_name = {quote(known["project_name"])}
  user_name   = {quote(known["user_name"])}
  password    = {quote(known["password"])}
}}

provider "huaweicloud" {{
  auth_url   = {quote(known["iam_endpoint"] + "/v3")}
  region     = {quote(known["region"])}
  project_id = {quote(known["project_id"])}
  access_key = {quote(known["access_key"])}
  secret_key = {quote(known["secret_key"])}
  endpoints = {{
    iam = {quote(known["iam_endpoint"] + "/")}
    dds = {quote(known["dds_endpoint"] + "/")}
  }}
}}"""


_FORMATS = {"sh": shell, "clouds": clouds, "terraform": terraform}
