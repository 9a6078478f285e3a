"""When a policy enlarges a volume, and to what size."""

import pytest

from shardhouse.domain import auto_enlarge
from tests import requests
from tests.domain.test_topology import plan

POLICY = {"switch_option": "on", "threshold": 80, "step": 10, "size": 100}


@pytest.mark.parametrize(
    ("size", "share", "changes", "wanted"),
    [
        (20, 0.79, {}, None),
        (20, 0.8, {}, 30),  # at least 10 GB
        (20, 0.95, {"switch_option": "off"}, None),
        (90, 0.9, {"step": 20}, 100),  # rounded up, and no more than the policy allows
        (100, 1.5, {}, None),
        (110, 0.9, {"size": 200, "step": 15}, 130),
    ],
)
def test_growth(size: int, share: float, changes: dict[str, object], wanted: int | None) -> None:
    assert auto_enlarge.enlarged(size, share, POLICY | changes) == wanted


def test_no_policy_enlarges_nothing() -> None:
    assert auto_enlarge.enlarged(10, 1.0, None) is None


def test_the_limit_follows_the_smallest_flavor() -> None:
    body = requests.replica_set()
    assert auto_enlarge.limit(plan(body)) == 5000
    flavor = body["flavor"][0] | {"spec_code": "dds.mongodb.s2.2xlarge.4.repset"}
    assert auto_enlarge.limit(plan(body | {"flavor": [flavor]})) == 10_000
