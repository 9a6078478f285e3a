"""Where an instance is, and from where it is reached."""

from dataclasses import dataclass
from itertools import cycle

from shardhouse.contract.places import MIGRATE, UPDATE_NETWORK, MigrateBody, NetworkBody
from shardhouse.domain import policy, rules
from shardhouse.domain.change import Change
from shardhouse.store import instances
from shardhouse.workflows import limits
from shardhouse.workflows.context import now
from shardhouse.workflows.operation import Asked, Edit, Operation, Planned, Run, Step


@dataclass(frozen=True)
class Zones:
    """Arguments: the zones to come."""

    zones: tuple[str, ...]


def _plan(asked: Asked[MigrateBody]) -> Planned[Zones]:
    return Planned(Zones(rules.zones("target_azs", asked.body.target_azs, asked.settings.zones)))


def record(run: Run[Zones]) -> None:
    """The nodes of each group take turns in the zones, as those of a new instance do."""
    zones = run.arguments.zones
    change = Change.of_instance(availability_zone=",".join(zones))
    for group in run.instance.groups:
        for node, zone in zip(group.nodes, cycle(zones), strict=False):
            change = change.with_nodes([node.id], availability_zone=zone)
    with run.context.database.write() as connection:
        instances.apply(connection, run.instance.id, change, now())
    run.report(f"nodes with another zone: {len(run.instance.nodes)}")


ZONES = Operation(
    "MIGRATE_AZ",
    "AzMigrate",
    Zones,
    (Step("Record the availability zones", record),),
    call=MIGRATE,
    plan=_plan,
    limit=limits.brief,
)


def _networks(asked: Asked[NetworkBody]) -> Change:
    ranges = list(asked.body.client_network_ranges)
    return Change(policies={policy.CLIENT_NETWORK: {"ranges": ranges}})


NETWORK = Edit(UPDATE_NETWORK, _networks)
