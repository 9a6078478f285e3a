"""What a fail point decides, without a server."""

from __future__ import annotations

import pytest

from shardhouse.router.errors import CommandError
from shardhouse.router.fail_points import FailPoints

FIND = {"failCommands": ["find"], "errorCode": 5}


def hits(points: FailPoints, command="find", namespace="a.b", application="") -> bool:
    return points.hit(command, namespace, application) is not None


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("alwaysOn", [True, True, True]),
        ("off", [False, False, False]),
        ({"times": 2}, [True, True, False]),
        ({"skip": 1}, [False, True, True]),
        ({"activationProbability": 0.0}, [False, False, False]),
    ],
)
def test_modes(mode, expected):
    points = FailPoints()
    points.configure("failCommand", mode, FIND)
    assert [hits(points) for _ in expected] == expected


@pytest.mark.parametrize(
    ("data", "hit"),
    [
        ({}, True),
        ({"failCommands": ["insert"]}, False),
        ({"namespace": "a.b"}, True),
        ({"namespace": "a.c"}, False),
        ({"appName": "other"}, False),
        ({"appName": "mine"}, True),
    ],
)
def test_what_matches(data, hit):
    points = FailPoints()
    points.configure("failCommand", "alwaysOn", {**FIND, **data})
    assert hits(points, application="mine") is hit


def test_it_can_always_be_switched_off_and_counts():
    points = FailPoints()
    points.configure("failCommand", "alwaysOn", {"failCommands": ["configureFailPoint", "find"]})
    assert not hits(points, "configureFailPoint")
    assert hits(points)
    assert points.configure("failCommand", "off", {}) == 1
    assert not points


@pytest.mark.parametrize(
    ("code", "labels", "transaction", "expected"),
    [
        (91, None, True, ["RetryableWriteError"]),
        (91, None, False, []),
        (91, [], True, []),
        (5, None, True, []),
        (5, ["X"], False, ["X"]),
    ],
)
def test_labels(code, labels, transaction, expected):
    data = {"failCommands": ["find"], "errorCode": code}
    if labels is not None:
        data["errorLabels"] = labels
    points = FailPoints()
    points.configure("failCommand", "alwaysOn", data)
    assert points.hit("find", "", "").error(retryable=transaction).labels == expected


@pytest.mark.parametrize("mode", ["sometimes", {}, {"times": "x"}, None])
def test_a_mode_that_is_none(mode):
    with pytest.raises(CommandError) as refused:
        FailPoints().configure("failCommand", mode, {})
    assert refused.value.code == 2
