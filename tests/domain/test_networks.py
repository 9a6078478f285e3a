"""Rules of networks that no request reaches one by one."""

import pytest

from shardhouse.domain import networks
from shardhouse.errors import NeighbourError, Reason


@pytest.mark.parametrize(
    ("cidr", "gateway", "pool"),
    [
        ("10.0.0.0/24", "10.0.0.1", ("10.0.0.2", "10.0.0.254")),
        ("10.0.0.0/24", "10.0.0.254", ("10.0.0.1", "10.0.0.253")),
        ("10.0.0.0/24", "10.0.0.9", ("10.0.0.1", "10.0.0.254")),
        ("10.0.0.0/28", "", ("10.0.0.1", "10.0.0.14")),
    ],
)
def test_pools_leave_out_the_gateway_at_their_ends(
    cidr: str, gateway: str, pool: tuple[str, str]
) -> None:
    assert networks.pool(cidr, gateway) == pool


def test_ports_get_the_first_free_address() -> None:
    taken = {"10.0.0.1", "10.0.0.3"}
    assert networks.port_address(None, "10.0.0.0/28", taken) == "10.0.0.2"
    assert networks.port_address("10.0.0.9", "10.0.0.0/28", taken) == "10.0.0.9"
    for wanted, reason in (
        ("10.0.0.3", Reason.PORT_ADDRESS_IN_USE),
        ("10.0.0.0", Reason.PORT_ADDRESS_INVALID),
        ("10.0.0.15", Reason.PORT_ADDRESS_INVALID),
        ("words", Reason.PORT_ADDRESS_INVALID),
    ):
        with pytest.raises(NeighbourError) as refused:
            networks.port_address(wanted, "10.0.0.0/28", taken)
        assert refused.value.reason is reason


def test_reasons_are_told_apart() -> None:
    assert len({reason.value for reason in Reason}) == len(Reason)
    assert all(400 <= reason.status < 500 for reason in Reason)
