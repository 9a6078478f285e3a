"""The node network: which endpoints nodes are given, and what is said of missing addresses."""

import ipaddress
import socket

import pytest

from shardhouse.errors import NodeError
from shardhouse.nodes.local import addresses
from shardhouse.nodes.local.addresses import NodeNetwork
from shardhouse.nodes.runtime import Endpoint

PORT = 18635
LAN = ipaddress.IPv4Network("192.0.2.0/24")


def network(*entries):
    return NodeNetwork(entries, "installation")


@pytest.fixture
def machine(monkeypatch):
    """A machine with these addresses in 192.0.2.0/24, on which every port is free."""

    def has(*found):
        present = {int(ipaddress.IPv4Address(one)): ("eth7", LAN) for one in found}
        monkeypatch.setattr(addresses, "configured", lambda: present)
        monkeypatch.setattr(addresses, "can_bind", lambda endpoint: True)

    return has


def hosts(endpoints):
    return [f"{address}:{port}" for address, port in endpoints]


def test_endpoints_are_bindable_distinct_and_not_taken():
    net = network("127.80.0.0/16")
    first = net.free(3, PORT, [])
    second = net.free(3, PORT, first)
    assert len({address for address, _ in (*first, *second)}) == 6
    assert {port for _, port in (*first, *second)} == {PORT}
    assert not [a for a, _ in (*first, *second) if a.rpartition(".")[2] in ("0", "255")]


def test_an_address_in_use_is_passed_by():
    net = network("127.80.0.0/16")
    (endpoint,) = net.free(1, PORT, [])
    with socket.create_server(endpoint):
        assert endpoint not in net.free(2, PORT, [])


def test_a_port_taken_everywhere_is_an_error_that_says_so():
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(NodeError, match=f"0.0.0.0:{port}"):
            network("127.80.0.0/16").free(1, port, [])


def test_a_loopback_network_is_gone_through_once_without_its_ends():
    found = network("127.9.0.0/29", "127.9.0.4/30").free(7, PORT, [])
    assert sorted(hosts(found)) == [f"127.9.0.{number}:{PORT}" for number in range(1, 8)]


def test_nodes_share_an_address_when_addresses_run_out():
    with socket.create_server(("127.9.1.1", PORT + 1)):
        found = network("127.9.1.1").free(3, PORT, [Endpoint("127.9.1.1", PORT + 2)])
    assert hosts(found) == [f"127.9.1.1:{PORT + more}" for more in (0, 3, 4)]


def test_every_address_gets_a_node_before_one_gets_a_second(machine):
    machine("192.0.2.5", "192.0.2.6", "192.0.2.7")
    taken = [Endpoint("192.0.2.6", 9000)]
    found = network("192.0.2.5-192.0.2.7").free(5, 8635, taken)
    assert hosts(found) == [
        "192.0.2.5:8635",
        "192.0.2.7:8635",
        "192.0.2.6:8635",
        "192.0.2.5:8636",
        "192.0.2.6:8636",
    ]


def test_of_a_network_only_the_machines_own_addresses_are_given(machine):
    machine("192.0.2.5", "192.0.2.200", "127.0.0.1")
    everywhere = network("0.0.0.0/0").free(2, 8635, [])
    assert hosts(everywhere) == ["192.0.2.5:8635", "192.0.2.200:8635"]
    assert hosts(network("192.0.2.128/25").free(1, 8635, [])) == ["192.0.2.200:8635"]
    assert network("192.0.2.128/25").missing() is None


def test_a_node_may_move_to_addresses_that_are_named_and_there(machine):
    machine("192.0.2.5", "192.0.2.200")
    named = network("192.0.2.0/25", "127.80.0.0/16")
    assert [one in named for one in ("192.0.2.5", "127.80.9.9")] == [True, True]
    assert [one in named for one in ("192.0.2.200", "192.0.2.6", "127.0.0.1")] == [False] * 3


def test_missing_addresses_are_told_with_the_commands_that_add_them(machine):
    machine("192.0.2.5")
    missing = network("192.0.2.5-192.0.2.7").missing(leased=["198.51.100.1", "127.64.0.1"])
    assert missing is not None
    assert "does not have 198.51.100.1, 192.0.2.6, 192.0.2.7. It has 192.0.2.5" in missing.found
    assert "ip addr add 192.0.2.6/32 dev eth7" in missing.mend
    assert "ip addr add 198.51.100.1/32 dev INTERFACE" in missing.mend
    with pytest.raises(NodeError, match=r"does not have 192\.0\.2\.9.* ip addr add"):
        network("192.0.2.9").free(1, 8635, [])
    with pytest.raises(NodeError, match=r"no address in node_network \(10\.0\.0\.0/8\)"):
        network("10.0.0.0/8").free(1, 8635, [])


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("nonsense", "nonsense"),
        ("192.0.2.1/24", "host bits"),
        ("192.0.2.9-192.0.2.1", "no addresses"),
        ("0.0.0.0", "no addresses"),
        ("10.0.0.0-10.255.0.0", "write a network"),
        ("::1", "IPv6 is not possible"),
        ("fd00::/64", "IPv6 is not possible"),
    ],
)
def test_an_entry_that_names_no_addresses_is_an_error_that_says_so(entry, told):
    with pytest.raises(NodeError, match=f"node_network must name .*{told}"):
        network("127.64.0.0/10", entry)


def test_a_setting_is_named_by_its_own_name(machine):
    machine()
    with pytest.raises(NodeError, match="public_network must name"):
        NodeNetwork(["words"], "installation", "public_network")
    missing = NodeNetwork(["192.0.2.0/24"], "installation", "public_network").missing()
    assert missing is not None
    assert "Set public_network" in missing.mend


def test_networks_that_share_addresses_overlap():
    nodes = network("127.64.0.0/10")
    assert not nodes.overlaps(network("127.200.0.0/24"))
    assert nodes.overlaps(network("127.200.0.0/24", "127.127.255.0-127.127.255.9"))
    assert list(network("127.200.0.0/29").addresses()) == [f"127.200.0.{n}" for n in range(1, 8)]
