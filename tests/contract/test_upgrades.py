"""Bodies of upgrade calls."""

from typing import Any

import pytest

from shardhouse.contract.parsing import parse
from shardhouse.contract.upgrades import QUICK, UpgradeBody
from shardhouse.errors import DdsError


def test_a_null_is_as_good_as_nothing() -> None:
    nothing = {"upgrade_mode": None, "is_delayed": None, "version": None}
    assert parse(UpgradeBody, nothing) == parse(UpgradeBody, {}) == UpgradeBody()


def test_what_is_asked_for_is_understood() -> None:
    asked = {"upgrade_mode": QUICK, "is_delayed": True, "version": "5.0"}
    assert parse(UpgradeBody, asked) == UpgradeBody(**asked)


@pytest.mark.parametrize(
    "body",
    [
        {"upgrade_mode": "fast"},
        {"upgrade_mode": 0},
        {"is_delayed": "true"},
        {"is_delayed": 0},
        {"version": ""},
        {"version": 0},
        {"version": []},
        {"version": "5"},
    ],
)
def test_wrong_values_start_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(DdsError) as caught:
        parse(UpgradeBody, body)
    assert caught.value.status == 400
