"""CVE-2025-14847: a compressed message that claims more than it holds, sent without login."""

import pytest

from tests.frames import answer, overlong_frame


@pytest.mark.parametrize("claimed", [64, 200, 1_000, 8_000, 60_000])
def test_a_mongod_answers_an_overlong_frame_with_nothing(formed, claimed):
    for host in formed.plan.hosts:
        assert answer(host, overlong_frame(claimed)) == b""


def test_a_mongod_offers_no_zlib(formed):
    offered = formed.clients.anonymous(formed.plan.hosts[0]).admin.command(
        "hello", compression=["zlib", "snappy", "zstd"]
    )
    assert offered["compression"] == ["snappy", "zstd"]
