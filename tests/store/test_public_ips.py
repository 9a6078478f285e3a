"""Public IPs are leases: of addresses that nothing else has, to one owner, to one thing."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.database import Database
from shardhouse.store.iam import directory
from shardhouse.store.iam.records import Domain, Project
from shardhouse.store.neighbours import public_ips
from shardhouse.store.neighbours.records import UNBOUND, Binding, PublicIp

POOL = ("127.200.0.1", "127.200.0.2")
NODE = Binding(node_id="node", private_ip_address="127.64.0.1")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    now = datetime.now(UTC)
    with database.write() as made:
        directory.add_domain(made, Domain("d", "home", True, now))
        for name in ("p", "q"):
            directory.add_project(made, Project(name, "d", "d", name, "", True, now))
        yield made
    database.close()


def lease(connection: Connection, project_id: str = "p", wanted: str | None = None) -> PublicIp:
    own = public_ips.add_bandwidth(connection, project_id, "own")
    return public_ips.lease(connection, POOL, own, wanted=wanted, name="")


def refused(reason: Reason) -> "pytest.RaisesExc[NeighbourError]":
    return pytest.raises(NeighbourError, check=lambda error: error.reason is reason)


def test_addresses_are_leased_once_and_come_back(connection: Connection) -> None:
    first, second = lease(connection), lease(connection, "q")
    assert (first.address, second.address) == POOL
    with refused(Reason.PUBLIC_IPS_EXHAUSTED):
        lease(connection)
    with refused(Reason.PUBLIC_IP_TAKEN):
        lease(connection, wanted=first.address)
    public_ips.release(connection, first)
    assert lease(connection, "q").address == first.address


def test_they_are_found_in_their_project_only(connection: Connection) -> None:
    made = lease(connection)
    assert public_ips.get(connection, "p", made.id) == made
    assert public_ips.at_address(connection, "p", made.address) == made
    for find, value in ((public_ips.get, made.id), (public_ips.at_address, made.address)):
        with refused(Reason.PUBLIC_IP_NOT_FOUND):
            find(connection, "q", value)


def test_one_leads_to_one_node(connection: Connection) -> None:
    first, second = lease(connection), lease(connection)
    bound = public_ips.set_binding(connection, first, NODE)
    assert (bound.status, bound.binding) == ("ACTIVE", NODE)
    # Again is no change: what binds may be repeated after a crash.
    assert public_ips.set_binding(connection, bound, NODE).binding == NODE
    with refused(Reason.PUBLIC_IP_PORT_TAKEN):
        public_ips.set_binding(connection, second, NODE)
    with refused(Reason.PUBLIC_IP_BOUND):
        public_ips.set_binding(connection, bound, Binding(node_id="other"))
    with refused(Reason.PUBLIC_IP_BOUND):
        public_ips.release(connection, bound)
    free = public_ips.set_binding(connection, bound, UNBOUND)
    assert (free.status, free.binding) == ("DOWN", UNBOUND)
    public_ips.release(connection, free)
