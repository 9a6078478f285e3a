"""Connection strings, from what the API shows of an instance."""

from pathlib import Path
from typing import Any

from shardhouse.cli import credentials
from shardhouse.cli.output import CliError

_CLIENT_GROUPS = {"Sharding": "mongos", "ReplicaSet": "replica", "Single": "single"}


def address(instance: dict[str, Any], data_dir: Path | None, password: str | None) -> str:
    """The instance's `mongodb://` address; without a password it is masked.

    Raises CliError while its nodes have no addresses yet.
    """
    from shardhouse.mongo.probe import uri

    found = hosts(instance)
    if not found:
        raise CliError(
            f"The instance {instance['name']} has no addresses yet; its status is "
            f"{instance['status']}."
        )
    return uri(
        found,
        password=password,
        user=instance["db_user_name"],
        replica_set=instance["replica_set"] or None,
        authority=authority(instance, data_dir) if instance["ssl"] else None,
    )


def hosts(instance: dict[str, Any]) -> list[str]:
    """`name:port` or `address:port` of its routers, or of the members a client may know of."""
    wanted = _CLIENT_GROUPS[instance["mode"]]
    return [
        node["host"]
        for group in instance["groups"]
        if group["type"] == wanted
        for node in group["nodes"]
        if node["host"] and node["role"] != "Hidden"
    ]


def authority(instance: dict[str, Any], data_dir: Path | None) -> Path:
    """The CA certificate in the installation's folder; every node's folder has it."""
    first = instance["groups"][0]["nodes"][0]
    folder = credentials.resolve(data_dir) / "instances"
    return folder / str(instance["id"]) / str(first["id"]) / "conf" / "ca.pem"
