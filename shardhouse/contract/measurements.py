"""What is measured of an instance: its databases, disks and connections."""

from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Call, Method, Rules, Wire
from shardhouse.contract.fields import Limit, Offset
from shardhouse.contract.instances import INSTANCE
from shardhouse.domain.model import Mode

LIST = "dds:instance:list"
MOST_CLIENTS = 200


class DatabasesQuery(Wire):
    """Which page."""

    offset: Offset = 0
    limit: Limit = 100


class DatabaseItem(Wire):
    """A database; sizes are GB as text."""

    name: str
    data_size: str
    storage_size: str
    collection_num: int


class DatabasesAnswer(Wire):
    """One page by name, without the databases of MongoDB itself."""

    databases: list[DatabaseItem]
    total_count: int


class VolumeItem(Wire):
    """The size of a group's volumes and what the fullest node uses of its own, in GB as text."""

    entity_id: str
    entity_name: str
    group_type: str
    used: str
    size: str


class DiskUsageAnswer(Wire):
    """Of a cluster the volumes of each shard and of the config servers, else of the instance."""

    volumes: list[VolumeItem]


class ConnectionsQuery(Wire):
    """Which node."""

    node_id: Annotated[
        str,
        Field(
            description="A node of the instance; without it the nodes that clients connect to: the "
            "routers of a cluster, else all."
        ),
    ] = ""


class ClientItem(Wire):
    """How many connections an address has."""

    client_ip: str
    count: int


class ConnectionsAnswer(Wire):
    """Connections by the client's address, the most frequent ones first. Those of the instance's
    own nodes and of this service are inner ones."""

    total_connections: int
    total_inner_connections: int
    total_outer_connections: int
    inner_connections: list[ClientItem]
    outer_connections: list[ClientItem]


class SetNameAnswer(Wire):
    """The name that connection strings have as `replicaSet`."""

    name: str


LIST_DATABASES = Call(
    "ListDatabases",
    Method.GET,
    f"{INSTANCE}/databases",
    summary="An instance's databases and their sizes.",
    permission=LIST,
    query=DatabasesQuery,
    answer=DatabasesAnswer,
)
SHOW_DISK_USAGE = Call(
    "ShowDiskUsage",
    Method.GET,
    f"{INSTANCE}/disk-usage",
    summary="How full an instance's volumes are.",
    permission=LIST,
    answer=DiskUsageAnswer,
)
SHOW_CONNECTION_STATISTICS = Call(
    "ShowConnectionStatistics",
    Method.GET,
    f"{INSTANCE}/conn-statistics",
    summary="Who is connected to an instance.",
    permission=LIST,
    query=ConnectionsQuery,
    answer=ConnectionsAnswer,
)
SHOW_REPLICA_SET_NAME = Call(
    "ShowReplSetName",
    Method.GET,
    f"{INSTANCE}/replica-set/name",
    summary="The name of a replica set.",
    permission=LIST,
    answer=SetNameAnswer,
    rules=Rules(modes=frozenset({Mode.REPLICA_SET})),
)
CALLS = (
    LIST_DATABASES,
    SHOW_DISK_USAGE,
    SHOW_CONNECTION_STATISTICS,
    SHOW_REPLICA_SET_NAME,
)
