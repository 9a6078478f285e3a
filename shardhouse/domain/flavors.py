"""Instance specifications: what a spec code promises, and which codes exist.

`dds.mongodb.<series>.<size>.<ratio>.<role>`, Kunpeng `dds.mongodb.<size>.arm2.<role>` (OTC and
Huawei DDS, "Instance Specifications").
"""

from dataclasses import dataclass
from functools import cache

from shardhouse.domain.dialect import Dialect
from shardhouse.domain.model import GroupType

_VCPUS = {"medium": 1, "large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}
_ROLES = {
    "mongos": GroupType.MONGOS,
    "shard": GroupType.SHARD,
    "config": GroupType.CONFIG,
    "repset": GroupType.REPLICA,
    "single": GroupType.SINGLE,
    "rr": GroupType.READONLY,
}
_CONFIG_SIZES = ("large", "xlarge", "2xlarge")
_SERIES = ("s2", "s6", "c3", "c6")
#: Connections a node of so many vCPUs takes by default (OTC user guide); config nodes take 600.
_CONNECTIONS = {1: 400, 2: 400, 4: 1000, 8: 4000, 16: 8000}
_CONFIG_CONNECTIONS = 600


@dataclass(frozen=True)
class Flavor:
    """One spec code. `memory_gb` is per node."""

    spec_code: str
    series: str
    type: GroupType
    vcpus: int
    memory_gb: int

    @property
    def max_connections(self) -> int:
        """Connections a node accepts by default."""
        if self.type is GroupType.CONFIG:
            return _CONFIG_CONNECTIONS
        return _CONNECTIONS[self.vcpus]


def _series_flavors(series: str) -> list[Flavor]:
    flavors = []
    for role, kind in _ROLES.items():
        if kind is GroupType.CONFIG:
            sizes = [(size, 2) for size in _CONFIG_SIZES]
        else:
            sizes = [(s, r) for s in _VCPUS for r in (2, 4) if (s, r) != ("medium", 2)]
        for size, ratio in sizes:
            vcpus = _VCPUS[size]
            code = f"dds.mongodb.{series}.{size}.{ratio}.{role}"
            flavors.append(Flavor(code, series, kind, vcpus, vcpus * ratio))
    return flavors


def _kunpeng_flavors() -> list[Flavor]:
    flavors = []
    for role, kind in _ROLES.items():
        for size, vcpus in _VCPUS.items():
            ratio = 2 if kind is GroupType.CONFIG else 4
            if kind is GroupType.CONFIG and size not in _CONFIG_SIZES:
                continue
            code = f"dds.mongodb.{size}.arm2.{role}"
            flavors.append(Flavor(code, "arm2", kind, vcpus, vcpus * ratio))
    return flavors


@cache
def all_flavors() -> dict[str, Flavor]:
    """Every spec code that is accepted."""
    flavors = [flavor for series in _SERIES for flavor in _series_flavors(series)]
    return {flavor.spec_code: flavor for flavor in flavors + _kunpeng_flavors()}


@cache
def offered_flavors(dialect: Dialect) -> tuple[Flavor, ...]:
    """What the flavor lists show. OTC sells memory at 4 GB per vCPU and large.2 config nodes; its
    list fits one page of 100, which its older clients need. Read replicas are Huawei's."""
    if dialect.all_flavors:
        return tuple(all_flavors().values())
    return tuple(
        flavor
        for flavor in all_flavors().values()
        if flavor.series != "arm2"
        and flavor.type is not GroupType.READONLY
        and (flavor.memory_gb == flavor.vcpus * 4 or flavor.spec_code.endswith(".large.2.config"))
    )
