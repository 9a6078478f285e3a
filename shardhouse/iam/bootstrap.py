"""First boot: a domain, a project, an administrator and an access key, written to `admin.json`.

The file is written before the rows are committed, and a file without rows is taken up again, so a
crash at any moment loses neither. Later boots refresh endpoints and region only.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from shardhouse.errors import SettingsError
from shardhouse.iam.access_keys import seal_context
from shardhouse.iam.clock import Clock, utc_now
from shardhouse.iam.key_material import new_access_key, new_secret_key
from shardhouse.iam.passwords import Passwords, strength
from shardhouse.iam.projects import new_id
from shardhouse.iam.roles import SECURITY_ADMINISTRATOR, TENANT_ADMINISTRATOR
from shardhouse.settings import Settings
from shardhouse.store.database import Database
from shardhouse.store.iam import credentials, directory
from shardhouse.store.iam.records import AccessKey, Assignment, Domain, Project, User
from shardhouse.store.neighbours import networks
from shardhouse.store.vault import Vault


@dataclass(frozen=True)
class Account:
    """A new domain with its first project and administrator, as words not yet stored."""

    domain_name: str
    project_name: str
    user_name: str
    password: str = field(repr=False)
    access_key: str
    secret_key: str = field(repr=False)


def bootstrap(
    settings: Settings, database: Database, vault: Vault, *, clock: Clock = utc_now
) -> None:
    """Make the first account where there is none, and bring `admin.json` up to date.

    Raises SettingsError when `admin.json` cannot be read.
    """
    path = settings.admin_file
    known = _read(path)
    passwords = Passwords(vault, clock)
    with database.write() as connection:
        if directory.domain_list(connection):
            # Projects of an older version have no networks yet.
            networks_of = _default_networks(connection)
            defaults = networks_of.get(known.get("project_id", ""), {})
            current = known | _addresses(settings) | defaults
            if known and known != current:
                _write(path, current)
            return
        account = _first_account(settings, known)
        project_id = found_account(connection, account, vault, passwords, clock)
        defaults = _default_networks(connection)[project_id]
        admin = vars(account) | {"project_id": project_id}
        _write(path, _addresses(settings) | admin | defaults)


def found_account(
    connection: Connection, account: Account, vault: Vault, passwords: Passwords, clock: Clock
) -> str:
    """Store an account; returns its project's id. Raises IntegrityError when the domain exists."""
    now = clock()
    domain = Domain(new_id(), account.domain_name, True, now)
    project = Project(new_id(), domain.id, domain.id, account.project_name, "", True, now)
    user = User(
        id=new_id(),
        domain_id=domain.id,
        name=account.user_name,
        description="Administrator",
        enabled=True,
        password_hash=passwords.hash(account.password),
        password_strength=strength(account.password),
        created_at=now,
    )
    directory.add_domain(connection, domain)
    directory.add_project(connection, project)
    directory.add_user(connection, user)
    for role in (SECURITY_ADMINISTRATOR, TENANT_ADMINISTRATOR):
        directory.assign(connection, Assignment(user.id, "domain", domain.id, role.id))
    sealed = vault.seal(account.secret_key, seal_context(account.access_key))
    key = AccessKey(account.access_key, user.id, sealed, True, "Made at first boot", now)
    credentials.add_access_key(connection, key)
    return project.id


def new_password() -> str:
    """A random password within the domain's rule: 24 characters, three classes."""
    return f"Sh1{secrets.token_hex(10)}!"


def _first_account(settings: Settings, known: Mapping[str, Any]) -> Account:
    """Presets first, then a file left by an interrupted first boot, then made up."""
    password = settings.password.get_secret_value() if settings.password else None
    secret_key = settings.secret_key.get_secret_value() if settings.secret_key else None
    return Account(
        domain_name=settings.domain_name,
        project_name=settings.project_name or settings.region,
        user_name=settings.user_name,
        password=password or known.get("password") or new_password(),
        access_key=settings.access_key or known.get("access_key") or new_access_key(),
        secret_key=secret_key or known.get("secret_key") or new_secret_key(),
    )


def _addresses(settings: Settings) -> dict[str, Any]:
    return {
        "iam_endpoint": settings.iam_url(),
        "dds_endpoint": settings.dds_url(),
        "region": settings.region,
        "tls_authority": str(settings.tls_authority) if settings.tls_authority else None,
    }


def _default_networks(connection: Connection) -> dict[str, dict[str, str]]:
    """Each project's default networks, by the project's id; made where there never were any."""
    return {
        project.id: dict(vars(networks.ensure_defaults(connection, project.id)))
        for domain in directory.domain_list(connection)
        for project in directory.project_list(connection, domain.id)
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be read ({error}). It holds the administrator's password and keys: "
            "mend it, or move it away if you keep them elsewhere."
        ) from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold a JSON object with the administrator's credentials.")
    return content


def _write(path: Path, content: Mapping[str, Any]) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
