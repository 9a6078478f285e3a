"""Every parameter of the table at real servers of each release: what it is by default, given at the
start, and changed while the server runs."""

import pytest
from pymongo.errors import OperationFailure

from shardhouse.domain import parameters
from shardhouse.domain.parameters import DEFAULT, Kind, NodeType, Parameter, Range
from shardhouse.engines import known
from shardhouse.mongo import commandline, replica_set
from shardhouse.mongo import parameters as servers
from shardhouse.mongo.wait import Deadline
from tests import builds

MEMORY = 1 << 30
CONNECTIONS = 400
#: A build of each release.
RELEASES = {build.version.rpartition(".")[0]: build.version for build in known.KNOWN}
TYPES = (NodeType.REPLICA, NodeType.SHARD)


def rows(release: tuple[int, int]) -> tuple[Parameter, ...]:
    found = {one.name: one for kind in TYPES for one in parameters.of_type(kind, release)}
    return tuple(found.values())


def other(row: Parameter) -> str:
    """An allowed value that is not the default."""
    if not isinstance(row.allowed, Range):
        return next(word for word in row.allowed if word != row.default)
    if row.kind is Kind.FLOAT:
        return "0.5"
    return str(row.allowed.high if row.allowed.high <= 2000 else row.allowed.low + 77)


def shown(row: Parameter, value: str) -> str:
    return servers.effective(row, value, max_connections=CONNECTIONS, memory=MEMORY)


def started(lab, clients):
    (host,) = lab.start("replica", 1).hosts
    Deadline(60).until(f"{host} to answer", lambda: clients[host].admin.command("ping"))
    return clients[host]


@pytest.mark.parametrize("version", RELEASES.values())
def test_servers_have_the_defaults_and_take_changes(lab, clients, version):
    lab.engine, lab.memory = builds.known_build(version), MEMORY
    wanted = rows(lab.engine.release)
    client = started(lab, clients)
    before = servers.read(client, wanted, MEMORY)
    assert before == {row.name: shown(row, row.default) for row in wanted}
    changed = {row.name: other(row) for row in wanted if not row.restart_required}
    for row in wanted:
        if row.name in changed:
            servers.change(client, row, changed[row.name], NodeType.REPLICA, MEMORY)
    assert servers.read(client, wanted, MEMORY) == before | changed
    for row in wanted:
        if row.name in changed:
            servers.change(client, row, row.default, NodeType.REPLICA, MEMORY)
    assert servers.read(client, wanted, MEMORY) == before


@pytest.mark.parametrize("version", RELEASES.values())
def test_a_server_is_started_with_every_parameter(lab, clients, version):
    lab.engine, lab.memory = builds.known_build(version), MEMORY
    wanted = rows(lab.engine.release)
    lab.chosen = {row.name: other(row) for row in wanted}
    plan = lab.start("replica", 1)
    replica_set.form(plan, clients, Deadline(60))
    client = clients[plan.hosts[0]]
    assert servers.read(client, wanted, MEMORY) == lab.chosen
    with pytest.raises(OperationFailure, match=r"scripting|globalScriptEngine|avascript"):
        client.shop.orders.find_one({"$where": "true"})


def test_the_least_and_the_most_are_taken(lab, clients):
    lab.memory = MEMORY
    client = started(lab, clients)
    for row in rows(lab.engine.release):
        if not row.restart_required and isinstance(row.allowed, Range):
            for value in (row.allowed.low, row.allowed.high):
                servers.change(client, row, str(value), NodeType.REPLICA, MEMORY)
                told = servers.read(client, [row], MEMORY)[row.name]
                assert told == shown(row, str(value)), row.name


def test_no_parameter_is_one_that_the_service_decides():
    assert not {name for name, _, _ in commandline.PARAMETERS} & set(parameters.BY_NAME)


def test_what_follows_from_the_flavor():
    (row,) = [one for one in parameters.PARAMETERS if one.name == commandline.CONNECTIONS]
    assert (shown(row, DEFAULT), shown(row, "500")) == ("400", "500")
    (cache,) = [one for one in parameters.PARAMETERS if one.name == commandline.CACHE]
    assert (shown(cache, DEFAULT), shown(cache, "10"), shown(cache, "50")) == ("25", "25", "50")
