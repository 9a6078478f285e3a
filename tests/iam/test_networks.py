"""Default networks: made once for a project, told in `admin.json`."""

import json

from shardhouse.iam.bootstrap import bootstrap
from shardhouse.store.neighbours import networks
from shardhouse.store.neighbours.rows import NETWORKS, SECURITY_GROUPS, VPCS
from shardhouse.store.neighbours.tables import DEFAULT_NETWORKS
from tests.iam.world import World

NAMES = ("vpc_id", "subnet_id", "security_group_id")


def told(world: World) -> tuple[str, ...]:
    content = json.loads(world.settings.admin_file.read_text())
    return tuple(content[name] for name in NAMES)


def stored(world: World) -> tuple[str, ...]:
    project_id = world.admin["project_id"]
    with world.database.read() as connection:
        return tuple(
            row.id
            for rows in (VPCS, NETWORKS, SECURITY_GROUPS)
            for row in rows.find(connection, project_id=project_id)
        )


def test_first_boot_makes_networks_and_tells_their_ids(world: World) -> None:
    assert told(world) == stored(world)


def test_an_installation_of_an_older_version_gets_them_at_its_next_start(world: World) -> None:
    with world.database.write() as connection:
        for table in (
            *(rows.table for rows in (VPCS, NETWORKS, SECURITY_GROUPS)),
            DEFAULT_NETWORKS,
        ):
            connection.execute(table.delete())
    content = {name: value for name, value in world.admin.items() if name not in NAMES}
    world.settings.admin_file.write_text(json.dumps(content))
    bootstrap(world.settings, world.database, world.vault)
    assert told(world) == stored(world)
    assert len(told(world)) == 3


def test_what_was_deleted_is_not_made_again(world: World) -> None:
    with world.database.write() as connection:
        (vpc,) = VPCS.find(connection, project_id=world.admin["project_id"])
        for subnet in networks.vpc_subnets(connection, vpc.id):
            networks.remove_vpc_subnet(connection, subnet)
        networks.remove_vpc(connection, vpc)
    bootstrap(world.settings, world.database, world.vault)
    assert len(stored(world)) == 1
