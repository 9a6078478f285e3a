"""Few calls of a kind at a time, and one for each instance."""

import pytest

from shardhouse.api.dds.turns import Turns
from shardhouse.errors import DdsError


def test_turns() -> None:
    turns = Turns("instance {} is looked at", "{} other instances are looked at", most=2)
    with turns.of("a"):
        with pytest.raises(DdsError, match="instance a") as busy, turns.of("a"):
            pass
        assert (busy.value.code, busy.value.status) == ("DBS.200019", 403)
        with turns.of("b"), pytest.raises(DdsError, match="2 other") as many, turns.of("c"):
            pass
        assert (many.value.code, many.value.status) == ("APIGW.0308", 429)
        with pytest.raises(ValueError, match="ended"), turns.of("b"):
            raise ValueError("ended")
        with turns.of("c"):
            pass
    with turns.of("a"):
        pass
