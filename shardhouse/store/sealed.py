"""Secrets of instances: sealed, each bound to its row. Kept until the instance is deleted, those
of a job until it ends."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from shardhouse.store.tables import SECRETS
from shardhouse.store.vault import Vault

#: Begins the names of secrets that a job needs; an instance has one running job at most.
JOB = "job:"


def keep(
    connection: Connection, vault: Vault, instance_id: str, secrets: Mapping[str, str]
) -> None:
    """Seal secrets of an instance by name; one that is there already stays."""
    there = set(
        connection.execute(
            select(SECRETS.c.name).where(SECRETS.c.instance_id == instance_id)
        ).scalars()
    )
    for name, secret in secrets.items():
        if name not in there:
            sealed = vault.seal(secret, _context(instance_id, name))
            connection.execute(
                insert(SECRETS).values(instance_id=instance_id, name=name, sealed=sealed)
            )


def replace(
    connection: Connection, vault: Vault, instance_id: str, secrets: Mapping[str, str]
) -> None:
    """Seal secrets of an instance by name, also where there is one already."""
    for name in secrets:
        forget(connection, instance_id, name)
    keep(connection, vault, instance_id, secrets)


def load(connection: Connection, vault: Vault, instance_id: str) -> dict[str, str]:
    """All secrets of an instance, opened."""
    rows = connection.execute(
        select(SECRETS.c.name, SECRETS.c.sealed).where(SECRETS.c.instance_id == instance_id)
    )
    return {name: vault.open(sealed, _context(instance_id, name)) for name, sealed in rows}


def forget(connection: Connection, instance_id: str, name: str) -> None:
    """Delete one secret of an instance."""
    connection.execute(
        delete(SECRETS).where(SECRETS.c.instance_id == instance_id, SECRETS.c.name == name)
    )


def forget_jobs(connection: Connection, instance_id: str) -> None:
    """Delete the secrets of the instance's job."""
    connection.execute(
        delete(SECRETS).where(
            SECRETS.c.instance_id == instance_id, SECRETS.c.name.startswith(JOB, autoescape=True)
        )
    )


def _context(instance_id: str, name: str) -> str:
    return f"instance:{instance_id}:{name}"
