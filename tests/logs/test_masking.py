"""No value of a client is left in a masked line; all that is none stays."""

import json
from pathlib import Path
from typing import Any

import pytest

from shardhouse.logs.lines import SLOW_QUERY
from shardhouse.logs.masking import MASK, masked
from shardhouse.logs.operations import SlowOperation, Type, slow_operation

LINES = [
    json.loads(line)
    for line in (Path(__file__).parent / "mongod-6.0.jsonl").read_text().splitlines()
]
#: Values that the lines were made with.
VALUES = (
    "secret",
    "s0s0",
    "s2s2",
    "6b0ba539",
    "eHg=",
    "2026-11-29T04:08:25.852Z",
    'localField":"a',
)
SLOW = [line for line in LINES if line["id"] == SLOW_QUERY]


def slow(command: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {"id": SLOW_QUERY, "attr": {"type": "command", "command": command, **attributes}}


@pytest.mark.parametrize("line", LINES)
def test_real_lines(line: dict[str, Any]) -> None:
    shown = masked(line)
    text = json.dumps(shown, separators=(",", ":"))
    assert not [value for value in VALUES if value in text]
    assert {k: v for k, v in shown.items() if k != "attr"} == {
        k: v for k, v in line.items() if k != "attr"
    }
    assert shown.get("attr", {}).keys() == line.get("attr", {}).keys()
    assert slow_operation(shown) == slow_operation(line)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            {"find": "c", "filter": {"a": 1, "b": {"$in": ["x", ["y", {"z": None}]]}}, "limit": 3},
            {
                "find": "c",
                "filter": {"a": MASK, "b": {"$in": [MASK, [MASK, {"z": MASK}]]}},
                "limit": 3,
            },
        ),
        (
            {
                "aggregate": "c",
                "pipeline": [{"$match": {"code": "x", "limit": 4}}, {"$limit": 5}],
                "cursor": {"batchSize": 2},
                "$db": "shop",
            },
            {
                "aggregate": "c",
                "pipeline": [{"$match": {"code": MASK, "limit": MASK}}, {"$limit": MASK}],
                "cursor": {"batchSize": 2},
                "$db": "shop",
            },
        ),
        (
            {
                "q": {"_id": {"$oid": "6b"}},
                "u": [{"$set": {"t": {"$date": "2026"}}}],
                "multi": True,
            },
            {"q": {"_id": MASK}, "u": [{"$set": {"t": MASK}}], "multi": True},
        ),
        (
            {
                "count": "c",
                "query": {"b": {"$binary": {"base64": "eA==", "subType": "0"}}, "e": {}},
            },
            {"count": "c", "query": {"b": MASK, "e": {}}},
        ),
        ({"$truncated": "{ find: secret"}, {"$truncated": MASK}),
        (
            {"getMore": 17, "collection": "c", "comment": "x"},
            {"getMore": 17, "collection": "c", "comment": MASK},
        ),
        (
            {"explain": {"find": "c", "filter": {"a": 1}}},
            {"explain": {"find": MASK, "filter": {"a": MASK}}},
        ),
        (
            {
                "find": "c",
                "filter": {"a": {"$regex": "^x", "$options": "i"}, "b": {"$exists": True}},
            },
            {
                "find": "c",
                "filter": {"a": {"$regex": MASK, "$options": MASK}, "b": {"$exists": MASK}},
            },
        ),
    ],
)
def test_commands(command: dict[str, Any], expected: dict[str, Any]) -> None:
    assert masked(slow(command))["attr"]["command"] == expected
    assert masked(slow({}, originatingCommand=command))["attr"]["originatingCommand"] == expected


def test_attributes_that_are_not_known_are_masked() -> None:
    attributes = {"newInALaterRelease": {"a": ["x"]}, "count": 7, "planSummary": "IXSCAN { a: 1 }"}
    assert masked(slow({}, **attributes))["attr"] == {
        "type": "command",
        "command": {},
        "newInALaterRelease": {"a": [MASK]},
        "count": 7,
        "planSummary": "IXSCAN { a: 1 }",
    }


def test_other_lines_show_no_command_they_quote() -> None:
    error = {"code": 96, "codeName": "OperationFailed", "errmsg": "Sort of secret"}
    attributes = {"cmd": {"find": "c", "filter": {"a": "secret"}}, "error": error, "host": "h:1"}
    assert masked({"s": "W", "id": 23798, "attr": attributes})["attr"] == {
        "cmd": {"find": "c", "filter": {"a": MASK}},
        "error": {"code": 96, "codeName": "OperationFailed", "errmsg": MASK},
        "host": "h:1",
    }


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("HostUnreachable: h:1", "HostUnreachable: h:1"),
        ('E11000 dup key: { a: "x}", b: 1 }', "E11000 dup key: ###"),
        ({"code": 7, "errmsg": "no route"}, {"code": 7, "errmsg": "no route"}),
        (
            {"code": 7, "errmsg": "dup key: { a: 1 }", "keyValue": {"a": 1}},
            {"code": 7, "errmsg": "dup key: ###", "keyValue": {"a": MASK}},
        ),
        (None, None),
    ],
)
def test_errors_of_servers_stay(error: Any, expected: Any) -> None:
    shown = masked({"s": "W", "id": 1, "attr": {"error": error, "ns": "a.b"}})
    assert shown["attr"] == {"error": expected, "ns": "a.b"}


def test_operations_of_clients() -> None:
    found = [slow_operation(line) for line in SLOW]
    kinds = [one.type if one else None for one in found]
    assert kinds == [
        Type.INSERT, Type.QUERY, None, Type.GETMORE, Type.COMMAND, Type.UPDATE, Type.COMMAND,
        Type.REMOVE, Type.KILLCURSORS, Type.UPDATE, Type.UPDATE, Type.QUERY, Type.QUERY,
    ]  # fmt: skip
    assert {(one.database, one.collection) for one in found if one} == {("shop", "orders")}
    assert found[0] == SlowOperation(Type.INSERT, "shop", "orders", 119, 0, 0, 0)
    assert found[1] == SlowOperation(Type.QUERY, "shop", "orders", 0, 0, 0, 300)
    locks = {"Global": {"acquireCount": {"r": 1}, "timeAcquiringMicros": {"r": 12, "w": 30}}}
    waited = slow({"find": "c"}, ns="a.b.c", remote="h:1", locks=locks, durationMillis=5)
    assert slow_operation(waited) == SlowOperation(Type.QUERY, "a", "b.c", 5, 42, 0, 0)


@pytest.mark.parametrize(
    ("command", "attributes"),
    [
        ({"find": "c"}, {"ns": "shop.c"}),  # a thread of the server
        ({"find": "c"}, {"ns": "shop.c", "remote": "h:1", "appName": "shardhouse"}),
        ({"insert": "probe"}, {"ns": "shardhouse_probe.probe", "remote": "h:1"}),
        ({"getMore": 1, "collection": "oplog.rs"}, {"ns": "local.oplog.rs", "remote": "h:1"}),
        ({"update": "system.sessions"}, {"ns": "config.system.sessions", "remote": "h:1"}),
        ({"replSetHeartbeat": "rs"}, {"ns": "admin.$cmd", "remote": "h:1"}),
        ({"_configsvrMoveRange": "a.b"}, {"ns": "admin.$cmd", "remote": "h:1"}),
        ({"hello": 1}, {"ns": "admin.$cmd", "remote": "h:1"}),
    ],
)
def test_operations_of_no_client(command: dict[str, Any], attributes: dict[str, Any]) -> None:
    assert slow_operation(slow(command, **attributes)) is None


def test_a_command_about_no_collection() -> None:
    found = slow_operation(slow({"listDatabases": 1}, ns="admin.$cmd", remote="h:1"))
    assert found is not None
    assert (found.type, found.database, found.collection) == (Type.COMMAND, "admin", "")
