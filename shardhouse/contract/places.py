"""Where an instance is, and from where it is reached: availability zones, networks of clients."""

from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Call, JobId, Method, Rules, Wire
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.model import Mode

OF_SETS = Rules(modes=frozenset({Mode.REPLICA_SET}))


class ZoneItem(Wire):
    """An availability zone. `status` is always `ENABLED`."""

    code: str
    description: str
    status: str


class ZonesAnswer(Wire):
    """The installation's zones, and those the instance is in."""

    az_list: list[ZoneItem]


class MigrateBody(Wire):
    """Where to."""

    target_azs: Annotated[
        str,
        Rule(lambda field, value: ",".join(rules.zones(field, value, ()))),
        Field(description="A zone, or several, separated by commas: nodes take turns in them."),
    ]


class NetworkAnswer(Wire):
    """Networks in CIDR form, as they were given."""

    instance_id: str
    client_network_ranges: list[str]


class NetworkBody(Wire):
    """All networks: those that were there before are replaced."""

    client_network_ranges: Annotated[
        tuple[str, ...],
        Rule(rules.networks),
        Field(description="IPv4 networks in CIDR form, prefix 8 to 32."),
    ]


LIST_ZONES = Call(
    "ListAz2Migrate",
    Method.GET,
    f"{INSTANCE}/migrate/az",
    summary="The availability zones an instance can move to.",
    permission="dds:instance:list",
    answer=ZonesAnswer,
)
MIGRATE = Call(
    "MigrateAz",
    Method.POST,
    f"{INSTANCE}/migrate",
    summary="Move an instance to other availability zones. Zones are labels here: its nodes stay.",
    permission="dds:instance:migrateAz",
    body=MigrateBody,
    example={"target_azs": "zone-a,zone-b,zone-c"},
    answer=JobId,
    success=202,
)
SHOW_NETWORK = Call(
    "ShowClientNetwork",
    Method.GET,
    f"{INSTANCE}/client-network",
    summary="The networks of clients beyond the instance's own.",
    permission="dds:instance:list",
    answer=NetworkAnswer,
    rules=OF_SETS,
)
UPDATE_NETWORK = Call(
    "UpdateClientNetwork",
    Method.POST,
    f"{INSTANCE}/client-network",
    summary="Change the networks of clients. It is a record: nodes answer whoever reaches them.",
    permission="dds:instance:modify",
    body=NetworkBody,
    example={"client_network_ranges": ["192.168.0.0/16"]},
    rules=OF_SETS,
)
CALLS = (LIST_ZONES, MIGRATE, SHOW_NETWORK, UPDATE_NETWORK)
