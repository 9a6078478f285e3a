"""Who a command is to the APIs: from `--data-dir`, else OS_* variables, else the default folder."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shardhouse.cli.output import CliError

ADMIN_FILE = "admin.json"


@dataclass(frozen=True)
class Credentials:
    """A user with his password in the scope of a project. `auth_url` has no version path.

    `data_dir` is the installation they were read from, None when they came from variables.
    """

    auth_url: str
    user: str
    password: str = field(repr=False)
    user_domain: str
    project_id: str | None
    project_name: str | None
    project_domain: str
    region: str | None
    data_dir: Path | None


def find(data_dir: Path | None) -> Credentials:
    """The credentials a command uses. Raises CliError that says which are expected where."""
    if data_dir is None and os.environ.get("OS_AUTH_URL"):
        return from_environment(os.environ)
    folder = resolve(data_dir)
    return from_admin_file(read_admin_file(folder), folder)


def resolve(data_dir: Path | None) -> Path:
    """The installation's folder: as given, else SHARDHOUSE_DATA_DIR, else the default."""
    given = data_dir or os.environ.get("SHARDHOUSE_DATA_DIR")
    if given is None:
        from shardhouse.settings import DEFAULT_DATA_DIR

        given = DEFAULT_DATA_DIR
    return Path(os.path.abspath(Path(given).expanduser()))


def read_admin_file(data_dir: Path) -> dict[str, Any]:
    """What first boot wrote. Raises CliError when it is not there or not readable."""
    path = data_dir / ADMIN_FILE
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise CliError(
            f"No credentials: {path} does not exist. The first `shardhouse serve --data-dir "
            f"{data_dir}` makes it; for another installation set OS_AUTH_URL, OS_USERNAME, "
            "OS_PASSWORD, OS_PROJECT_NAME and OS_DOMAIN_NAME."
        ) from None
    except (OSError, ValueError) as error:
        raise CliError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise CliError(f"{path} must hold a JSON object, it holds a {type(content).__name__}.")
    return content


def from_admin_file(content: Mapping[str, Any], data_dir: Path) -> Credentials:
    """The first administrator. Raises CliError that names a missing key."""
    try:
        return Credentials(
            auth_url=content["iam_endpoint"],
            user=content["user_name"],
            password=content["password"],
            user_domain=content["domain_name"],
            project_id=content["project_id"],
            project_name=content["project_name"],
            project_domain=content["domain_name"],
            region=content["region"],
            data_dir=data_dir,
        )
    except KeyError as error:
        raise CliError(f"{data_dir / ADMIN_FILE} lacks the key {error}.") from None


def from_environment(variables: Mapping[str, str]) -> Credentials:
    """Those of OpenStack clients. Raises CliError that names a missing variable."""
    domain = variables.get("OS_DOMAIN_NAME", "")
    user_domain = variables.get("OS_USER_DOMAIN_NAME") or domain
    project_id = variables.get("OS_PROJECT_ID") or None
    project_name = variables.get("OS_PROJECT_NAME") or None
    missing = [name for name in ("OS_USERNAME", "OS_PASSWORD") if not variables.get(name)]
    if not user_domain:
        missing.append("OS_USER_DOMAIN_NAME or OS_DOMAIN_NAME")
    if not (project_id or project_name):
        missing.append("OS_PROJECT_ID or OS_PROJECT_NAME")
    if missing:
        raise CliError(
            f"OS_AUTH_URL is set, but not {', '.join(missing)}. Set them too, or name an "
            "installation with --data-dir."
        )
    return Credentials(
        auth_url=variables["OS_AUTH_URL"].rstrip("/").removesuffix("/v3"),
        user=variables["OS_USERNAME"],
        password=variables["OS_PASSWORD"],
        user_domain=user_domain,
        project_id=project_id,
        project_name=project_name,
        project_domain=variables.get("OS_PROJECT_DOMAIN_NAME") or user_domain,
        region=variables.get("OS_REGION_NAME") or None,
        data_dir=None,
    )
