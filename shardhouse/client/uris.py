"""Connection strings, from what the API shows of an instance."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shardhouse import endpoints
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


def public_addresses(instance: dict[str, Any]) -> list[tuple[str, str]]:
    """Of each node that a public IP is bound to: words for it, and the `mongodb://` address that
    leads there, without a password. It is one node's alone, since members tell their clients
    private addresses."""
    user, port = instance["db_user_name"], int(instance["port"])
    return [
        (
            f"{node['name']}, at its public IP",
            uri([endpoints.authority(node["public_ip"], port)], user=user)
            + "&directConnection=true",
        )
        for node in _client_nodes(instance)
        if node["public_ip"]
    ]


def hosts(instance: dict[str, Any]) -> list[str]:
    """`name:port` or `address:port` of its routers, or of the members a client may know of."""
    return [
        node["host"]
        for node in _client_nodes(instance)
        if node["host"] and node["role"] != "Hidden"
    ]


def _client_nodes(instance: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The routers, or the members of the set."""
    wanted = _CLIENT_GROUPS[instance["mode"]]
    for group in instance["groups"]:
        if group["type"] == wanted:
            yield from group["nodes"]
