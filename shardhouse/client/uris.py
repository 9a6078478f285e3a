"""Connection strings, from what the API shows of an instance."""

from pathlib import Path
from typing import Any

from shardhouse.client.errors import ClientError
from shardhouse.domain.uris import uri

_CLIENT_GROUPS = {"Sharding": "mongos", "ReplicaSet": "replica", "Single": "single"}


def address(
    instance: dict[str, Any], *, authority: Path | None = None, password: str | None = None
) -> str:
    """The instance's `mongodb://` address; without a password it is masked. `authority` is the
    place of the CA's certificate, for instances with TLS.

    Raises ClientError while its nodes have no addresses yet.
    """
    found = hosts(instance)
    if not found:
        raise ClientError(
            f"The instance {instance['name']} has no addresses yet; its status is "
            f"{instance['status']}."
        )
    return uri(
        found,
        password=password,
        user=instance["db_user_name"],
        replica_set=instance["replica_set"] or None,
        authority=authority,
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
