"""How long operations may take, by what they do. Time in which the service does not run, or waits
for space in the store, is not counted."""

from collections.abc import Callable

from shardhouse.domain.model import Instance
from shardhouse.settings import Settings

#: The seconds that an operation on an instance may take.
TimeLimit = Callable[[Instance, Settings], float]
BASE = 600.0
"""Seconds for what every operation does, whatever the size of its instance."""
PER_NODE = 600.0
"""Seconds a node may take to end, to serve again and to catch up with its set."""
COPYING = 6 * 3600.0
"""Seconds in which data begins to move and catches up, and in which nothing but its amount counts
besides."""
BYTES_PER_SECOND = 5 * 1024**2
"""The least speed at which data is copied."""


def brief(_instance: Instance, _settings: Settings) -> float:
    """Of operations that restart nothing."""
    return BASE


def rolling(instance: Instance, _settings: Settings) -> float:
    """Of operations that start nodes, one after another, or restart them."""
    return BASE + PER_NODE * len(instance.nodes)


def repeated(instance: Instance, _settings: Settings) -> float:
    """Of operations that restart all nodes in up to three stages."""
    return BASE + 3 * PER_NODE * len(instance.nodes)


def copying(instance: Instance, settings: Settings) -> float:
    """Of operations that start nodes and copy or move data."""
    held = sum(node.used_bytes for node in instance.nodes)
    return rolling(instance, settings) + COPYING + held / BYTES_PER_SECOND


def creating(_instance: Instance, settings: Settings) -> float:
    """Of creations: what the operator allows."""
    return settings.create_timeout
