"""What people say of a new instance, as the body of `POST /instances`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shardhouse.client.errors import ClientError

Mode = Literal["sharding", "replicaset", "single"]
#: The API requires network ids; an installation without a network service only echoes them.
NO_NETWORK = "00000000-0000-0000-0000-000000000000"
CONFIG_SIZE = 20
STORAGE = "ULTRAHIGH"
_NETWORK = ("vpc_id", "subnet_id", "security_group_id")
SPEC = "s2.medium.4"
VERSION = "4.4"
"""What people get who ask for no other."""
_MODES: Mapping[Mode, str] = {
    "sharding": "Sharding",
    "replicaset": "ReplicaSet",
    "single": "Single",
}


@dataclass(frozen=True)
class Order:
    """A new instance. What is None is left to the service."""

    name: str
    mode: Mode
    region: str
    version: str = "4.4"
    spec: str = SPEC
    size: int = 20
    shards: int = 2
    mongos: int = 2
    members: int = 3
    port: int | None = None
    zone: str | None = None
    ssl: bool | None = None

    def body(self, password: str) -> dict[str, Any]:
        """The body of `POST /instances`."""
        body: dict[str, Any] = {
            "name": self.name,
            "datastore": {"type": "DDS-Community", "version": self.version},
            "region": self.region,
            "availability_zone": self.zone or f"{self.region}-01",
            **dict.fromkeys(_NETWORK, NO_NETWORK),
            "password": password,
            "mode": _MODES[self.mode],
            "flavor": self.flavor(),
        }
        if self.port is not None:
            body["port"] = str(self.port)
        if self.ssl is not None:
            body["ssl_option"] = "1" if self.ssl else "0"
        return body

    def flavor(self) -> list[dict[str, Any]]:
        """What it is built of."""
        match self.mode:
            case "sharding":
                return [
                    {"type": "mongos", "num": self.mongos, "spec_code": self._code("mongos")},
                    self._data("shard", self.shards),
                    {
                        "type": "config",
                        "num": 1,
                        "storage": STORAGE,
                        "size": CONFIG_SIZE,
                        "spec_code": self._config_code(),
                    },
                ]
            case "replicaset":
                return [{**self._data("replica", self.members), "spec_code": self._code("repset")}]
            case _:
                return [self._data("single", 1)]

    def _data(self, kind: str, number: int) -> dict[str, Any]:
        return {
            "type": kind,
            "num": number,
            "storage": STORAGE,
            "size": self.size,
            "spec_code": self._code(kind),
        }

    def _code(self, role: str) -> str:
        return f"dds.mongodb.{self.spec}.{role}"

    def _config_code(self) -> str:
        """Config nodes have one size that every series knows."""
        if self.spec.endswith(".arm2"):
            return "dds.mongodb.large.arm2.config"
        return f"dds.mongodb.{self.spec.partition('.')[0]}.large.2.config"


def flavor_like(origin: Mapping[str, Any] | None, mode: str, spec: str) -> list[dict[str, Any]]:
    """What an instance of a mode is built of when a backup says how many and how large: nodes of
    the size `spec`, else those of `origin`, else the usual ones."""
    usual: Mode = next(ours for ours, theirs in _MODES.items() if theirs == mode)
    order = Order("", usual, "", spec=spec or SPEC)
    entries = [
        {key: value for key, value in entry.items() if key not in ("num", "size")}
        for entry in order.flavor()
    ]
    if origin is not None and not spec:
        own = {group["type"]: group["nodes"][0]["spec_code"] for group in origin["groups"]}
        entries = [entry | {"spec_code": own[entry["type"]]} for entry in entries]
    return entries


def restoring(
    name: str,
    source: Mapping[str, Any],
    flavor: list[dict[str, Any]],
    place: Mapping[str, Any],
    *,
    password: str | None = None,
    port: int | None = None,
) -> dict[str, Any]:
    """The body of `POST /instances` for one with the data of a restore point. Without a password
    that of the data holds."""
    body: dict[str, Any] = {"name": name, "flavor": flavor, "restore_point": dict(source), **place}
    if password is not None:
        body["password"] = password
    if port is not None:
        body["port"] = str(port)
    return body


def place_like(origin: Mapping[str, Any] | None, region: str) -> dict[str, Any]:
    """Zone and network ids: those of `origin`."""
    if origin is not None:
        return {key: origin[key] for key in ("availability_zone", *_NETWORK)}
    return {"availability_zone": f"{region}-01"} | dict.fromkeys(_NETWORK, NO_NETWORK)


def from_file(path: Path) -> dict[str, Any]:
    """A request body from a JSON file. Raises ClientError."""
    try:
        body = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ClientError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(body, dict):
        raise ClientError(f"{path} must hold a JSON object: the body of POST /instances.")
    return body
