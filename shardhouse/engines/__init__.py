"""Which MongoDB builds this machine has, where, and which requested versions they serve.

`catalogue` decides on plain data; `discovery` looks at folders and asks programs their version.
"""

from shardhouse.engines.catalogue import Catalogue, Engine
from shardhouse.engines.discovery import discover

__all__ = ["Catalogue", "Engine", "discover"]
