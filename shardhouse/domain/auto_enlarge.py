"""When a volume is enlarged by itself, and to what size.

Source: Huawei DDS API, "Configuring an Autoscaling Policy": above the threshold a volume grows by a
percentage of its size, rounded up to a multiple of 10 GB, at least by 10 GB.
"""

from collections.abc import Mapping
from typing import Any

from shardhouse.domain.flavors import all_flavors
from shardhouse.domain.model import GroupType, Instance

#: Its kind among an instance's policies.
KIND = "auto_enlarge"
ON, OFF = "on", "off"
_STEP = 10
_LARGE = 8
"""vCPUs from which on a volume may grow to the larger of the two limits."""
_LIMITS = (5000, 10_000)


def limit(instance: Instance) -> int:
    """GB that no policy may exceed: what the smallest of the nodes that hold users' data allows."""
    codes = [g.spec_code for g in instance.data_groups if g.type is not GroupType.CONFIG]
    small = min(all_flavors()[code].vcpus for code in codes) < _LARGE
    return _LIMITS[0] if small else _LIMITS[1]


def enlarged(size: int, share: float, policy: Mapping[str, Any] | None) -> int | None:
    """The GB that a volume of `size` should have, of which `share` is used; None where it should
    stay as it is."""
    if policy is None or policy["switch_option"] != ON or share * 100 < policy["threshold"]:
        return None
    growth = max(_STEP, -(-round(size * policy["step"] / 100) // _STEP) * _STEP)
    wanted = min(size + growth, policy["size"])
    return wanted if wanted > size else None
