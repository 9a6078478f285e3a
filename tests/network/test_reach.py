"""Clients on another machine: TLS and names are verified, whatever the instance's mode."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests import requests
from tests.installation import addresses, until
from tests.network.conftest import ADDRESS, CLIENT, DOMAIN, House, Namespace

MODES = ("single", "replica", "cluster")


@pytest.fixture(scope="module")
def neighbour(house: House) -> Iterator[Namespace]:
    """The other machine; `house` has instances of all modes on the address that it reaches."""
    namespace = Namespace()
    try:
        try:
            namespace.join()
        except (OSError, subprocess.CalledProcessError) as error:
            told = getattr(error, "stderr", "") or str(error)
            pytest.skip(f"network namespaces need root and iproute2: {told.strip()}")
        house.settle(node_network=ADDRESS, node_domain=DOMAIN)
        house.make(
            single=requests.single(name="reach-single", ssl_option="1"),
            replica=requests.replica_set(name="reach-replica", ssl_option="1"),
            cluster=requests.cluster(name="reach-cluster", ssl_option="1"),
        )
        yield namespace
        house.remove(*MODES)
    finally:
        namespace.leave()


@pytest.mark.parametrize("mode", MODES)
def test_a_client_elsewhere_reaches_it_by_name(
    house: House, neighbour: Namespace, mode: str
) -> None:
    hosts = addresses(house[mode])
    neighbour.know(*(host.rpartition(":")[0] for host in hosts))
    done = neighbour.run(CLIENT, house.uri(mode), "by name")
    assert done.returncode == 0, done.stderr
    # Of a replica set the client has what `hello` told, of a cluster what it was given.
    assert json.loads(done.stdout) == sorted(hosts)
    assert all(f".{house[mode]['id']}.{DOMAIN}:" in host for host in hosts)


def test_one_name_for_the_instance_will_do(house: House, neighbour: Namespace) -> None:
    cluster = house["cluster"]
    name = f"{cluster['id']}.{DOMAIN}"
    neighbour.know(name)
    query = house.uri("cluster").partition("?")[2]
    uri = f"mongodb://rwuser:Test%40123@{name}:{cluster['port']}/?{query}"
    done = neighbour.run(CLIENT, uri, "by the instance's name")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_a_client_elsewhere_reaches_it_by_address(
    house: House, neighbour: Namespace, mode: str
) -> None:
    """From the first node's address and port alone, as the API shows them."""
    found = house[mode]
    first = found["groups"][0]["nodes"][0]
    neighbour.know()
    query = house.uri(mode).partition("?")[2]
    uri = f"mongodb://rwuser:Test%40123@{first['private_ip']}:{found['port']}/?{query}"
    done = neighbour.run(CLIENT, uri, "by address")
    assert done.returncode == 0, done.stderr
    assert all(host.startswith(f"{ADDRESS}:") for host in json.loads(done.stdout))


def test_another_name_of_the_same_address_is_not_trusted(
    house: House, neighbour: Namespace
) -> None:
    found = house["single"]
    neighbour.know("impostor.test")
    uri = house.uri("single").replace(f"single-1.{found['id']}.{DOMAIN}", "impostor.test")
    done = neighbour.run(CLIENT.replace("15000", "1000"), uri, "by a wrong name")
    assert done.returncode != 0
    assert "certificate verify failed" in done.stderr


@pytest.mark.soak
def test_without_the_domain_names_go_and_clients_stay(house: House, neighbour: Namespace) -> None:
    house.settle(node_domain=None)

    def nameless() -> bool:
        hosts = [host for mode in MODES for host in addresses(house[mode])]
        return all(host.startswith(f"{ADDRESS}:") for host in hosts)

    until("all names to go", nameless, 60)
    for mode in MODES:
        done = neighbour.run(CLIENT, house.uri(mode), "by address again")
        assert done.returncode == 0, (mode, done.stderr)
