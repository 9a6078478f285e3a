"""Which MongoDB builds this machine has, where, and which requested versions they serve.

`catalogue` decides on plain data, `known` lists the builds that can be had by name, and from which
wheels; `inspection` asks programs what they are, `wheels` gets files out of wheels, `store` keeps
unpacked builds, `discovery` puts together what is here.
"""

from shardhouse.engines.catalogue import Catalogue, Engine
from shardhouse.engines.discovery import Builds
from shardhouse.engines.store import EngineStore

__all__ = ["Builds", "Catalogue", "Engine", "EngineStore"]
