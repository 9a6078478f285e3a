"""How long a snapshot may take to arrive."""

import time
from collections.abc import Iterator

import pytest

from shardhouse.api.dds import snapshots
from shardhouse.errors import GatewayError


def dripping() -> Iterator[bytes]:
    while True:
        time.sleep(0.01)
        yield b"x"


@pytest.mark.parametrize("limit", ["PATIENCE", "DISCARDED"])
def test_a_sender_that_is_too_slow_is_told(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, limit, 0.1)
    with pytest.raises(GatewayError, match="too slowly"):
        for _ in snapshots._in_time(dripping(), snapshots.DISCARDED):
            pass
    pieces = [b"x" * 2**20] * 3
    assert list(snapshots._in_time(iter(pieces))) == pieces
