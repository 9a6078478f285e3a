"""What a backup asks of the instance that it is restored to. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from shardhouse import error_codes as codes
from shardhouse.domain.backup import Backup, GroupShape
from shardhouse.domain.creation import DATASTORE, CreateRequest, GroupRequest
from shardhouse.domain.model import Group, GroupType, Instance, Node
from shardhouse.errors import DdsError, bad_parameter

#: What the new instance has from the one that was backed up: nothing else would fit the data.
_INHERITED = ("datastore", "region", "mode")


def filled(body: Mapping[str, Any], backup: Backup, origin: Instance) -> dict[str, Any]:
    """A body of the creating call, made of one that restores a backup to a new instance: version,
    mode and region are those of the origin, as are the number and sizes of shards that are left
    out. Raises DdsError 400 for fields that are not asked for."""
    for field in _INHERITED:
        if body.get(field) is not None:
            raise bad_parameter(
                field, "it is that of the backup, and not part of a request that restores one"
            )
    found = {key: value for key, value in body.items() if key != "restore_point"}
    datastore = {
        "type": DATASTORE,
        "version": backup.version,
        "storage_engine": backup.storage_engine,
    }
    found |= {"datastore": datastore, "region": origin.region, "mode": str(backup.mode)}
    if isinstance(found.get("flavor"), list):
        found["flavor"] = [_entry(entry, backup) for entry in found["flavor"]]
    if "ssl_option" not in found:
        found["ssl_option"] = "1" if origin.ssl else "0"
    return found


def _entry(entry: object, backup: Backup) -> object:
    """An entry of `flavor`, its number and size those of the backup where they are left out."""
    if not isinstance(entry, Mapping):
        return entry
    alike = [group for group in backup.shape if group.type == entry.get("type")]
    if not alike:
        return dict(entry)
    number = len(alike) if alike[0].type == GroupType.SHARD else alike[0].nodes
    defaults: dict[str, Any] = {"num": 1 if alike[0].type == GroupType.CONFIG else number}
    if alike[0].type != GroupType.MONGOS:
        defaults["size"] = max(group.size for group in alike)
    return defaults | {key: value for key, value in entry.items() if value not in (None, "")}


def check(request: CreateRequest, backup: Backup) -> None:
    """Raises DdsError 400 where the backup's data does not fit what is asked for."""
    for wanted in request.groups:
        alike = [group for group in backup.shape if group.type == wanted.type]
        if wanted.type is GroupType.SHARD and wanted.number != len(alike):
            raise bad_parameter(
                "flavor[].num",
                f"the backup has {len(alike)} shards, got {wanted.number}",
                codes.NODE_NUMBER_INVALID,
            )
        _check_size(wanted, alike)


def _check_size(wanted: GroupRequest, alike: list[GroupShape]) -> None:
    needed = max((group.size for group in alike), default=0)
    if wanted.type.holds_data and wanted.size < needed:
        raise bad_parameter(
            "flavor[].size",
            f"at least the {needed} GB of the backup's {wanted.type} are required, got "
            f"{wanted.size}",
            codes.SIZE_OUT_OF_RANGE,
        )


def named(instance: Instance, backup: Backup) -> Instance:
    """A new instance whose shards have the names that the backup's cluster knows them by."""
    names = {
        kind: [group.name for group in backup.shape if group.type == kind]
        for kind in {group.type for group in instance.groups}
    }
    counted = {kind: iter(listed) for kind, listed in names.items()}
    groups = tuple(
        replace(group, name=next(counted[group.type])) if group.type.holds_data else group
        for group in instance.groups
    )
    return replace(instance, groups=groups)


def stand_in(origin: Instance, backup: Backup, name: str, *, with_router: bool = False) -> Instance:
    """An instance like the one that was backed up, with one node for each replica set of the
    backup, and if asked for one router. It has no TLS and no parameters. No node is one of the
    origin's; their ids begin with `name`."""
    groups = tuple(
        _stand_in(origin, group, f"{name}-{number}")
        for number, group in enumerate(backup.shape)
        if with_router or group.type != GroupType.MONGOS
    )
    build = origin.engine_build if origin.engine_version == backup.engine_version else ""
    return replace(
        origin,
        groups=groups,
        engine_version=backup.engine_version,
        engine_build=build,
        ssl=False,
        policies={},
    )


def placed(instance: Instance, endpoints: Iterable[tuple[str, int]]) -> Instance:
    """The same; its nodes are at these addresses and ports, in their order."""
    places = iter(endpoints)

    def at(node: Node) -> Node:
        address, port = next(places)
        return replace(node, address=address, port=port)

    groups = tuple(
        replace(group, nodes=tuple(at(node) for node in group.nodes)) for group in instance.groups
    )
    return replace(instance, groups=groups)


def _stand_in(origin: Instance, group: GroupShape, node_id: str) -> Group:
    node = Node(
        id=node_id,
        instance_id=origin.id,
        group_id=group.id,
        ordinal=1,
        name=group.name,
        spec_code=group.spec_code,
        availability_zone=origin.availability_zone,
    )
    return Group(
        id=group.id,
        instance_id=origin.id,
        type=GroupType(group.type),
        ordinal=1,
        name=group.name,
        spec_code=group.spec_code,
        size=group.size,
        nodes=(node,),
    )


def sources(instance: Instance, backup: Backup) -> dict[str, str]:
    """Which of the backup's groups each group of an instance that is built alike gets its data
    from, by id. Raises DdsError 400 for one that is built otherwise."""
    found: dict[str, str] = {}
    for group in instance.data_groups:
        fitting = [one for one in backup.shape if one.type == group.type and one.name == group.name]
        if not fitting:
            raise DdsError(
                codes.NOT_LEGAL_HERE,
                f"The backup {backup.id} has no data for {group.name} of instance {instance.id}: "
                "restore it to a new instance.",
            )
        found[group.id] = fitting[0].id
    held = [group for group in backup.shape if group.type != GroupType.MONGOS]
    if instance.mode is not backup.mode or len(found) != len(held):
        raise DdsError(
            codes.NOT_LEGAL_HERE,
            f"The backup {backup.id} is of a {backup.mode} instance with {len(held)} groups of "
            f"data, and {instance.id} is built otherwise: restore it to a new instance.",
        )
    return found
