"""Version 1 of the stable API: the router refuses what a replica set refuses."""

from __future__ import annotations

import pytest

from shardhouse.router.command import Command
from shardhouse.router.commands import stable_api
from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw

STRICT = {"apiVersion": "1", "apiStrict": True}


def code(body: dict, **options) -> int | None:
    command = Command(next(iter(body)), "app", raw.shallow(raw.encode(body)))
    try:
        stable_api.check(command, **options)
    except CommandError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    "body",
    [
        {"ping": 1},
        {"find": "c", "sort": {"a": 1}, "collation": {"locale": "en"}},
        {"aggregate": "c", "pipeline": [{"$collStats": {"count": {}}}], "cursor": {}},
        {"aggregate": "c", "pipeline": [{"$out": "o"}], "cursor": {}},
        {"create": "c", "capped": True},
        {"createIndexes": "c", "indexes": [{"key": {"a": "2d"}, "name": "a"}]},
        {"explain": {"find": "c"}},
    ],
)
def test_what_is_in_it(body):
    assert code({**body, **STRICT}) is None


@pytest.mark.parametrize(
    "body",
    [
        {"serverStatus": 1},
        {"distinct": "c", "key": "a"},
        {"find": "c", "tailable": True},
        {"find": "c", "returnKey": True},
        {"aggregate": "c", "pipeline": [], "explain": True},
        {"aggregate": "c", "pipeline": [{"$indexStats": {}}]},
        {"aggregate": "c", "pipeline": [{"$collStats": {"latencyStats": {}}}]},
        {"aggregate": "c", "pipeline": [{"$facet": {"a": [{"$indexStats": {}}]}}]},
        {"aggregate": "c", "pipeline": [{"$lookup": {"pipeline": [{"$fill": {}}]}}]},
        {"explain": {"aggregate": "c", "pipeline": [{"$indexStats": {}}]}},
        {"create": "c", "size": 1000},
        {"collMod": "c", "dryRun": True},
        {"createIndexes": "c", "indexes": [{"key": {"a": "text"}, "name": "a"}]},
    ],
)
def test_what_is_not(body):
    assert code({**body, **STRICT}) == 323
    assert code({**body, "apiVersion": "1"}) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"apiStrict": True}, 4886600),
        ({"apiDeprecationErrors": True}, 4886600),
        ({"apiVersion": 1}, 14),
        ({"apiVersion": "1", "apiStrict": 1}, 14),
        ({"apiVersion": "2"}, 322),
    ],
)
def test_parameters_that_make_no_sense(fields, expected):
    assert code({"ping": 1, **fields}) == expected


def test_it_can_be_required():
    assert code({"ping": 1}, required=True) == 498870
    assert code({"hello": 1}, required=True) is None
