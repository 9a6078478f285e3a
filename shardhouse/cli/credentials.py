"""Whose credentials a command uses: those of the installation named by `--data-dir`, else by
SHARDHOUSE_DATA_DIR; where none is named the OS_* variables, else the default folder's.

What is named for Shardhouse alone goes before what is exported for all OpenStack clients, which may
be about another installation.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shardhouse.cli import output
from shardhouse.cli.output import CliError
from shardhouse.client.credentials import ADMIN_FILE, Credentials

DATA_DIR_VARIABLE = "SHARDHOUSE_DATA_DIR"


def find(data_dir: Path | None) -> Credentials:
    """The credentials a command uses; a note says if OS_* variables say otherwise.

    Raises CliError that says which are expected where.
    """
    named = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if not named and os.environ.get("OS_AUTH_URL"):
        return from_environment(os.environ)
    folder = resolve(data_dir)
    found = from_admin_file(read_admin_file(folder), folder)
    if data_dir is None:
        _note_unused(found, os.environ)
    return found


def resolve(data_dir: Path | None) -> Path:
    """The installation's folder: as given, else SHARDHOUSE_DATA_DIR, else the default."""
    given = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if not given:
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
            f"No credentials: {path} does not exist. The first `shardhouse up --data-dir "
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
            tls_authority=content.get("tls_authority"),
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
        auth_url=_auth_url(variables),
        user=variables["OS_USERNAME"],
        password=variables["OS_PASSWORD"],
        user_domain=user_domain,
        project_id=project_id,
        project_name=project_name,
        project_domain=variables.get("OS_PROJECT_DOMAIN_NAME") or user_domain,
        region=variables.get("OS_REGION_NAME") or None,
        data_dir=None,
        tls_authority=variables.get("OS_CACERT") or None,
    )


def _auth_url(variables: Mapping[str, str]) -> str:
    return variables["OS_AUTH_URL"].rstrip("/").removesuffix("/v3")


def _note_unused(found: Credentials, variables: Mapping[str, str]) -> None:
    """Say so where OS_* variables, which a named folder overrides, say something else."""
    if not variables.get("OS_AUTH_URL"):
        return
    used = {
        "OS_USERNAME": found.user,
        "OS_PASSWORD": found.password,
        "OS_PROJECT_ID": found.project_id,
        "OS_PROJECT_NAME": found.project_name,
    }
    others = [name for name, value in used.items() if variables.get(name, value) != value]
    if _auth_url(variables) != found.auth_url:
        others.insert(0, "OS_AUTH_URL")
    if others:
        output.note(
            f"The credentials used are those of {found.source}, which {DATA_DIR_VARIABLE} names, "
            f"not what {', '.join(others)} say; unset {DATA_DIR_VARIABLE} to use the OS_* "
            "variables."
        )
