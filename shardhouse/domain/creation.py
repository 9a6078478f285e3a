"""The request for a new instance: every rule of `POST /instances`, and what it asks for.

Pure: the caller passes what this installation accepts (`Limits`). Rules: OTC DDS API reference,
"Creating a DB Instance"; where Huawei's differ, the dialect decides.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shardhouse import error_codes as codes
from shardhouse.domain import rules
from shardhouse.domain.dialect import Dialect
from shardhouse.domain.flavors import Flavor, all_flavors
from shardhouse.domain.model import BackupStrategy, GroupType, Mode
from shardhouse.errors import bad_parameter

DEFAULT_PORT = 8635
DATASTORE = "DDS-Community"
OFFERED = ("3.2", "3.4", "3.6", "4.0", "4.2", "4.4", "5.0", "6.0", "7.0", "8.0")
"""Versions a client may request, as DDS writes them, if a build here serves them."""
#: A request is stored and echoed for its instance's whole life; all documented fields fit easily.
_MAX_BODY = 64 * 1024
#: Routers of a cluster, and shards: at least so many.
MIN_NODES = 2
#: Smallest and largest size in GB per type of group.
_SIZES = {
    GroupType.SHARD: (10, 2000),
    GroupType.CONFIG: (20, 20),
    GroupType.REPLICA: (10, 2000),
    GroupType.SINGLE: (10, 1000),
}
GROUP_TYPES = {
    Mode.SHARDING: (GroupType.MONGOS, GroupType.SHARD, GroupType.CONFIG),
    Mode.REPLICA_SET: (GroupType.REPLICA,),
    Mode.SINGLE: (GroupType.SINGLE,),
}
#: Fields that must come and in whose place nothing sensible can be put.
_NETWORK = {
    "vpc_id": codes.VPC_INVALID,
    "subnet_id": codes.SUBNET_INVALID,
    "security_group_id": codes.SECURITY_GROUP_INVALID,
}
#: Ids that mean "none" when they are empty: Go clients send every field that they know.
_OPTIONAL_IDS = frozenset({"disk_encryption_id", "enterprise_project_id", "dss_pool_id"})


@dataclass(frozen=True)
class Limits:
    """What this installation accepts. `versions` are those an installed build can serve; empty
    `regions` or `zones` accept any name."""

    dialect: Dialect
    versions: Sequence[str]
    regions: Sequence[str]
    zones: Sequence[str]
    tls_default: bool


@dataclass(frozen=True)
class GroupRequest:
    """One entry of `flavor`. `number` is as asked: groups for shards, nodes for the rest."""

    type: GroupType
    number: int
    size: int
    flavor: Flavor
    storage: str = ""

    def echo(self) -> dict[str, str]:
        """The entry as it is kept: numbers as the text that answers show."""
        size = {"size": str(self.size)} if self.type.holds_data else {}
        storage = {"storage": self.storage} if self.storage else {}
        return {
            "type": str(self.type),
            "num": str(self.number),
            **size,
            "spec_code": self.flavor.spec_code,
            **storage,
        }


@dataclass(frozen=True)
class CreateRequest:
    """A valid request. `echo` is the body without its password and nulls, its flavors as
    `GroupRequest.echo` has them. `configurations` are ids of parameter templates."""

    name: str
    version: str
    storage_engine: str
    mode: Mode
    region: str
    zones: tuple[str, ...]
    port: int
    password: str | None
    ssl: bool
    backup_strategy: BackupStrategy
    groups: tuple[GroupRequest, ...]
    tags: tuple[tuple[str, str], ...]
    echo: dict[str, Any]
    configurations: Mapping[GroupType, str]


def parse_create(body: object, limits: Limits) -> CreateRequest:
    """Check a create body. Raises DdsError (400) for the first rule it breaks."""
    given = rules.mapping("body", body)
    given = {key: value for key, value in given.items() if value != "" or key not in _OPTIONAL_IDS}
    size = len(json.dumps(given))
    if size > _MAX_BODY:
        raise bad_parameter(
            "body", f"at most {_MAX_BODY} characters are allowed, got {size}", codes.VALUE_TOO_LONG
        )
    name = rules.instance_name(given.get("name"))
    version, storage_engine = _datastore(given.get("datastore"), limits)
    region = _region(given.get("region"), limits)
    zones = rules.zones("availability_zone", given.get("availability_zone"), limits.zones)
    for field, code in _NETWORK.items():
        rules.uuid(field, given.get(field), code)
    if "disk_encryption_id" in given:
        rules.uuid("disk_encryption_id", given["disk_encryption_id"], codes.ENCRYPTION_KEY_INVALID)
    mode = Mode(rules.one_of("mode", given.get("mode"), list(Mode), codes.MODE_INVALID))
    if mode not in modes(version):
        raise bad_parameter(
            "mode", f"{mode} is not offered with version {version}", codes.MODE_INVALID
        )
    password = None
    if "password" in given:
        password = rules.database_password(given["password"])
    _check_recorded(given)
    groups = _groups(given.get("flavor"), mode, limits)
    echo = {key: value for key, value in given.items() if key != "password"}
    return CreateRequest(
        name=name,
        version=version,
        storage_engine=storage_engine,
        mode=mode,
        region=region,
        zones=zones,
        port=rules.database_port(given.get("port", DEFAULT_PORT)),
        password=password,
        ssl=rules.tls_option(given["ssl_option"]) if "ssl_option" in given else limits.tls_default,
        backup_strategy=rules.backup_strategy(given["backup_strategy"])
        if "backup_strategy" in given
        else BackupStrategy(),
        groups=groups,
        tags=rules.tags(given.get("tags", []), limits.dialect),
        echo=echo | {"flavor": [group.echo() for group in groups]},
        configurations=_configurations(given.get("configurations", []), mode),
    )


def _datastore(value: object, limits: Limits) -> tuple[str, str]:
    if value is None:
        raise bad_parameter("datastore", "it is required", codes.DATASTORE_MISSING)
    datastore = rules.mapping("datastore", value, codes.DATASTORE_MISSING)
    rules.one_of("datastore.type", datastore.get("type"), [DATASTORE], codes.DATASTORE_TYPE_INVALID)
    version = datastore.get("version")
    if not isinstance(version, str) or version not in limits.versions:
        raise bad_parameter(
            "datastore.version",
            f"one of {', '.join(limits.versions)} is required, got {rules.shown(version)}",
            codes.VERSION_INVALID,
        )
    allowed = storage_engines(version, limits.dialect)
    engine = datastore.get("storage_engine", allowed[0])
    return version, rules.one_of(
        f"datastore.storage_engine for version {version}",
        engine,
        allowed,
        codes.STORAGE_ENGINE_INVALID,
    )


def modes(version: str) -> tuple[Mode, ...]:
    """The modes a version is offered in: both documents leave out Single for 5.0."""
    return tuple(mode for mode in Mode if (mode, version) != (Mode.SINGLE, "5.0"))


def storage_engines(version: str, dialect: Dialect) -> tuple[str, ...]:
    """Names a version's storage engine may be called by, the default first.

    OTC: wiredTiger up to 4.0, rocksDB from 4.2. Huawei's SDK knows only wiredTiger, its Terraform
    rocksDB. Versions beyond the documented ones carry MongoDB's own name as well.
    """
    number = tuple(int(part) for part in version.split("."))
    if number <= (4, 0):
        return ("wiredTiger",)
    if dialect.plain_engine_name or number > (5, 0):
        return ("wiredTiger", "rocksDB")
    return ("rocksDB",)


def _region(value: object, limits: Limits) -> str:
    region = rules.text("region", value, codes.REGION_INVALID)
    if limits.regions and region not in limits.regions:
        rules.one_of("region", region, limits.regions, codes.REGION_INVALID)
    return region


def _check_recorded(given: Mapping[str, Any]) -> None:
    if "enterprise_project_id" in given:
        rules.text(
            "enterprise_project_id",
            given["enterprise_project_id"],
            codes.ENTERPRISE_PROJECT_INVALID,
        )
    if "server_group_policies" in given:
        for policy in rules.sequence("server_group_policies", given["server_group_policies"]):
            rules.one_of(
                "server_group_policies", policy, ["anti-affinity"], codes.SERVER_GROUP_INVALID
            )
    if "charge_info" in given:
        charge = rules.mapping("charge_info", given["charge_info"], codes.CHARGE_MODE_INVALID)
        if charge.get("charge_mode", "postPaid") != "postPaid":
            raise bad_parameter(
                "charge_info.charge_mode",
                "only postPaid is possible: there is no billing service here; "
                f"got {rules.shown(charge['charge_mode'])}",
                codes.CHARGE_MODE_INVALID,
            )


def _configurations(value: object, mode: Mode) -> dict[GroupType, str]:
    """Ids of parameter templates by the types of groups that they are for."""
    found: dict[GroupType, str] = {}
    for index, entry in enumerate(rules.sequence("configurations", value)):
        field = f"configurations[{index}]"
        given = rules.mapping(field, entry)
        kind = GroupType(
            rules.one_of(
                f"{field}.type for {mode}",
                given.get("type"),
                GROUP_TYPES[mode],
                codes.GROUP_TYPE_INVALID,
            )
        )
        if kind in found:
            raise bad_parameter(f"{field}.type", f'"{kind}" comes twice', codes.GROUP_TYPE_INVALID)
        found[kind] = rules.text(f"{field}.configuration_id", given.get("configuration_id"))
    return found


def _groups(value: object, mode: Mode, limits: Limits) -> tuple[GroupRequest, ...]:
    allowed = GROUP_TYPES[mode]
    found: dict[GroupType, GroupRequest] = {}
    for index, entry in enumerate(rules.sequence("flavor", value)):
        field = f"flavor[{index}]"
        given = rules.mapping(field, entry)
        kind = GroupType(
            rules.one_of(
                f"{field}.type for {mode}", given.get("type"), allowed, codes.GROUP_TYPE_INVALID
            )
        )
        if kind in found:
            raise bad_parameter(f"{field}.type", f'"{kind}" comes twice', codes.GROUP_TYPE_INVALID)
        found[kind] = _group(field, given, kind, limits)
    missing = [kind for kind in allowed if kind not in found]
    if missing:
        raise bad_parameter(
            "flavor",
            f"{mode} needs an entry of type {', '.join(missing)}",
            codes.NODE_TYPE_MISMATCH,
        )
    series = {group.flavor.series for group in found.values()}
    if len(series) > 1:
        raise bad_parameter(
            "flavor.spec_code",
            f"all must be of one series, got {', '.join(sorted(series))}",
            codes.FLAVOR_MISMATCH,
        )
    return tuple(found[kind] for kind in allowed)


def _group(field: str, given: Mapping[str, Any], kind: GroupType, limits: Limits) -> GroupRequest:
    number = rules.integer(f"{field}.num", given.get("num"), codes.NODE_NUMBER_INVALID)
    allowed = _numbers(kind, limits.dialect)
    if number not in allowed:
        words = (
            f"{allowed[0]} to {allowed[-1]}" if len(allowed) > 3 else " or ".join(map(str, allowed))
        )
        raise bad_parameter(
            f"{field}.num",
            f"{words} is allowed for {kind}, got {number}",
            codes.NODE_NUMBER_INVALID,
        )
    code = given.get("spec_code")
    flavor = all_flavors().get(code) if isinstance(code, str) else None
    if flavor is None or flavor.type is not kind:
        raise bad_parameter(
            f"{field}.spec_code",
            f"a spec code for {kind} such as {_example(kind)} is required "
            f"(GET flavors lists them), got {rules.shown(code)}",
            codes.FLAVOR_INVALID,
        )
    if not kind.holds_data:
        return GroupRequest(kind, number, 0, flavor)
    if "storage" in given:
        rules.one_of(
            f"{field}.storage",
            given["storage"],
            limits.dialect.storage_types,
            codes.STORAGE_TYPE_INVALID,
        )
    size = volume_size(f"{field}.size", given.get("size"), kind)
    return GroupRequest(kind, number, size, flavor, given.get("storage", ""))


def volume_size(field: str, value: object, kind: GroupType) -> int:
    """GB of a data node's volume: a multiple of 10 within the bounds of its kind of group."""
    size = rules.integer(field, value, codes.SIZE_OUT_OF_RANGE)
    smallest, largest = _SIZES[kind]
    if not smallest <= size <= largest:
        words = f"{smallest}" if smallest == largest else f"{smallest} to {largest}"
        raise bad_parameter(
            field,
            f"{words} GB is allowed for {kind}, got {size}",
            codes.SIZE_OUT_OF_RANGE,
        )
    if size % 10:
        raise bad_parameter(
            field, f"a multiple of 10 is required, got {size}", codes.SIZE_NO_MULTIPLE
        )
    return size


def _numbers(kind: GroupType, dialect: Dialect) -> Sequence[int]:
    match kind:
        case GroupType.MONGOS | GroupType.SHARD:
            return range(MIN_NODES, dialect.max_nodes + 1)
        case GroupType.REPLICA:
            return dialect.replica_members
        case _:
            return (1,)


def _example(kind: GroupType) -> str:
    return next(code for code, flavor in all_flavors().items() if flavor.type is kind)
