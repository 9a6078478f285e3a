"""Real MongoDB instances for tests, made through the API of an installation of their own.

    with Installation() as service, service.cluster(shards=2) as cluster:
        cluster.client()["shop"]["orders"].insert_one({})

Does I/O: processes of this machine, HTTP, MongoDB. What is slow to import is imported when it is
needed; nothing in here needs pytest, whose fixtures are in `shardhouse.pytest_plugin`.
"""

from shardhouse.testing.errors import InstallationError
from shardhouse.testing.installation import Installation
from shardhouse.testing.instance import Instance, Node

__all__ = ["Installation", "InstallationError", "Instance", "Node"]
