"""Connection strings of instances of this machine."""

from pathlib import Path
from typing import Any

from shardhouse.cli import credentials
from shardhouse.client import uris


def address(instance: dict[str, Any], data_dir: Path | None, password: str | None) -> str:
    """The instance's `mongodb://` address; without a password it is masked.

    Raises ClientError while its nodes have no addresses yet.
    """
    trusted = authority(instance, data_dir) if instance["ssl"] else None
    return uris.address(instance, authority=trusted, password=password)


def authority(instance: dict[str, Any], data_dir: Path | None) -> Path:
    """The CA certificate in the installation's folder; every node's folder has it."""
    first = instance["groups"][0]["nodes"][0]
    folder = credentials.resolve(data_dir) / "instances"
    return folder / str(instance["id"]) / str(first["id"]) / "conf" / "ca.pem"
