"""What all pages of one instance share."""

from collections.abc import Iterator
from typing import Any

from shardhouse.client.errors import RefusalError
from shardhouse.console.visit import Page, Visit
from shardhouse.contract.call import Call
from shardhouse.contract.changes import LIST_CERTIFICATES
from shardhouse.domain.model import Mode, Status

Json = dict[str, Any]
#: The pages: the last part of their path, and what they are called.
TABS = (
    ("", "Overview"),
    ("connect", "Connect"),
    ("backups", "Backups"),
    ("changes", "Changes"),
    ("metrics", "Metrics"),
    ("operations", "Operations"),
    ("slow-queries", "Slow queries"),
    ("logs", "Logs"),
    ("users", "Users"),
    ("parameters", "Parameters"),
    ("data", "Data"),
)


def find(visit: Visit) -> Json:
    """The instance that the path names. Raises RefusalError 404."""
    return of_id(visit, visit.instance_id)


def of_id(visit: Visit, instance_id: str) -> Json:
    """An instance of the project. Raises RefusalError 404."""
    found = next(visit.client.instances(id=instance_id), None) if instance_id else None
    if found is None:
        raise RefusalError(404, "", f"There is no instance {instance_id} in this project.")
    return found


def nodes(instance: Json) -> Iterator[tuple[Json, Json]]:
    """All nodes, each with its group."""
    for group in instance["groups"]:
        for node in group["nodes"]:
            yield group, node


def client_nodes(instance: Json) -> list[Json]:
    """The nodes that clients connect to: routers, or members of the replica set."""
    internal = ("shard", "config", "shard_readonly")
    return [node for group, node in nodes(instance) if group["type"] not in internal]


def page(template: str, tab: str, instance: Json, **shown: Any) -> Page:
    """A page of an instance. `pause` says after how many seconds it is fetched again, where that is
    not as often as elsewhere; 0 for never."""
    known = {"instance": instance, "tab": tab, "tabs": TABS}
    return Page(template, instance["name"], known | shown)


def authority(visit: Visit, instance: Json) -> str:
    """The certificates (PEM) that clients of an instance with TLS should trust. Raises RefusalError
    for one without."""
    call, path = LIST_CERTIFICATES, {"instance_id": instance["id"]}
    certificates = visit.client.call(call, path, {}, {})["certs"]
    if not certificates:
        raise RefusalError(404, "", f"The instance {instance['name']} has no TLS.")
    with visit.client.download(certificates[0]["download_link"]) as (_, parts):
        return b"".join(parts).decode()


def exists_for(instance: Json, call: Call) -> bool:
    """Whether a call exists for the instance's mode."""
    return Mode(instance["mode"]) in call.rules.modes


def why_not(instance: Json, call: Call) -> str:
    """Why the API would refuse a change now, in words; empty where it would not."""
    if not call.rules.idle:
        return ""
    if instance["actions"]:
        return f"The instance is busy: {', '.join(instance['actions'])}."
    if instance["status"] not in {str(Status(one)) for one in call.rules.statuses}:
        return f"Not while the instance is {instance['status']}."
    return ""
