"""What a fail point decides, without a server."""

from __future__ import annotations

import pytest

from shardhouse.router.errors import CommandError
from shardhouse.router.fail_points import FailPoints, InjectedError

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


@pytest.mark.parametrize("named", ["isMaster", "ismaster"])
@pytest.mark.parametrize("sent", ["isMaster", "ismaster"])
def test_both_spellings_of_is_master_are_one(named, sent):
    points = FailPoints()
    points.configure("failCommand", "alwaysOn", {"failCommands": [named]})
    assert hits(points, sent)


def test_it_can_always_be_switched_off_and_counts():
    points = FailPoints()
    points.configure("failCommand", "alwaysOn", {"failCommands": ["configureFailPoint", "find"]})
    assert not hits(points, "configureFailPoint")
    assert hits(points)
    assert points.configure("failCommand", "off", {}) == 1
    assert not points


@pytest.mark.parametrize("labels", [[], ["X"]])
def test_labels_that_are_told_are_final(labels):
    points = FailPoints()
    points.configure("failCommand", "alwaysOn", {**FIND, "errorCode": 91, "errorLabels": labels})
    error = points.hit("find", "", "").error()
    assert isinstance(error, InjectedError)
    assert error.labels == labels


def test_the_one_for_get_more_needs_no_command():
    points = FailPoints()
    points.configure("failGetMoreAfterCursorCheckout", {"times": 1}, {"errorCode": 6})
    assert not hits(points, "getMore")
    assert points.hit("getMore", "a.b", "", "failGetMoreAfterCursorCheckout").error().code == 6
    assert points.hit("getMore", "a.b", "", "failGetMoreAfterCursorCheckout") is None


@pytest.mark.parametrize("mode", ["sometimes", {}, {"times": "x"}, None])
def test_a_mode_that_is_none(mode):
    with pytest.raises(CommandError) as refused:
        FailPoints().configure("failCommand", mode, {})
    assert refused.value.code == 2
