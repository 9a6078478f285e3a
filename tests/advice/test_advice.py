"""Which index a slow operation needs, and which indexes nothing needs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shardhouse.advice import shapes, shards, slow, suggestion, unneeded
from shardhouse.advice.shards import Load
from shardhouse.advice.slow import Logged
from shardhouse.contract import advice as rows
from shardhouse.domain.indexes import Collection, Index, Key, Use, key_of, merged
from shardhouse.logs.operations import slow_operation

SECRET = "a-value-of-a-client"
NOW = datetime(2026, 5, 20, tzinfo=UTC)


def entry(command: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    """A line about an operation of a client."""
    given = {
        "type": "command",
        "ns": "shop.orders",
        "command": command,
        "planSummary": "COLLSCAN",
        "docsExamined": 1000,
        "nreturned": 1,
        "remote": "10.0.0.1:1",
        "durationMillis": 150,
    }
    return {"id": 51803, "attr": given | attributes}


def logged(command: dict[str, Any], **attributes: Any) -> Logged:
    line = entry(command, **attributes)
    operation = slow_operation(line)
    assert operation is not None
    return Logged("node", line, operation)


def query(command: dict[str, Any], **attributes: Any) -> shapes.Query | None:
    line = logged(command, **attributes)
    return shapes.read(line.entry, line.operation)


def find(filter_: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"find": "orders", "filter": filter_, **fields}


def index(*key: Any, name: str = "", **options: Any) -> Index:
    """An index: fields ascending, `-field` descending, or pairs."""
    pairs: list[tuple[str, Any]] = []
    for one in key:
        if isinstance(one, tuple):
            pairs.append(one)
        else:
            pairs.append((one.removeprefix("-"), -1 if one.startswith("-") else 1))
    made = tuple(pairs)
    return Index(name or "_".join(f"{field}_{kind}" for field, kind in made), made, options)


def collection(*indexes: Index, uses: dict[str, Use] | None = None, **changes: Any) -> Collection:
    given: dict[str, Any] = {
        "database": "shop",
        "name": "orders",
        "documents": 1000,
        "size": 1 << 20,
        "shards": ("shard_1",),
        "indexes": (index("_id", name="_id_"), *indexes),
        "index_sizes": {},
        "uses": uses or {},
    }
    return Collection(**given | changes)


OID = {"$oid": "6b0ba53966b48a50daee0fc9"}


@pytest.mark.parametrize(
    ("command", "shape", "sort"),
    [
        (find({"b": SECRET, "a": OID}), "{a: ###, b: ###}", ""),
        (find({"a": {"$in": [SECRET, 2]}}), "{a: {$in: ###}}", ""),
        (find({"a": {"$lt": 9, "$gte": SECRET}}), "{a: {$gte: ###, $lt: ###}}", ""),
        (find({"$and": [{"a": 1}, {"a": {"$ne": SECRET}}]}), "{a: {$eq: ###, $ne: ###}}", ""),
        (find({"$or": [{"a": SECRET}], "b": 1}), "{$or: ###, b: ###}", ""),
        (find({"a": {"inner": SECRET}}, sort={"b": -1, "c": 1}), "{a: ###}", "{b: -1, c: 1}"),
        (find({"a": 1, "$comment": SECRET}), "{a: ###}", ""),
        (
            {
                "aggregate": "orders",
                "pipeline": [
                    {"$match": {"a": SECRET}},
                    {"$sort": {"b": 1}},
                    {"$group": {"_id": "$c"}},
                    {"$match": {"d": 1}},
                ],
            },
            "{a: ###}",
            "{b: 1}",
        ),
        ({"count": "orders", "query": {"a": SECRET}}, "{a: ###}", ""),
        ({"distinct": "orders", "key": "b", "query": {"a": SECRET}}, "{a: ###}", ""),
        ({"findAndModify": "orders", "query": {"a": 1}, "sort": {"b": 1}}, "{a: ###}", "{b: 1}"),
        ({"q": {"a": SECRET}, "u": {"$set": {"b": SECRET}}}, "{a: ###}", ""),
    ],
)
def test_shapes_have_no_values(command: dict[str, Any], shape: str, sort: str) -> None:
    found = query(command)
    assert found is not None
    assert (found.shape, found.sort_shape) == (shape, sort)
    assert SECRET not in repr(found)


def test_a_cursor_goes_on_with_its_query() -> None:
    found = query(
        {"getMore": 7, "collection": "orders"}, originatingCommand=find({"a": 1}, sort={"b": 1})
    )
    assert found is not None
    assert (found.command, found.shape, found.sort_shape) == ("find", "{a: ###}", "{b: 1}")


@pytest.mark.parametrize(
    "command",
    [{"insert": "orders"}, {"update": "orders"}, {"createIndexes": "orders"}, {"getMore": 7}, {}],
)
def test_what_looks_for_nothing(command: dict[str, Any]) -> None:
    assert query(command) is None


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (find({"b": 1, "a": 2}), {"a": 1, "b": 1}),
        (
            find({"when": {"$gt": 1}, "who": 1}, sort={"made": -1}),
            {"who": 1, "made": -1, "when": 1},
        ),
        (find({"a": {"$in": [1, 2]}, "b": 1}, sort={"c": 1}), {"b": 1, "a": 1, "c": 1}),
        (find({"a": {"$in": [1]}}), {"a": 1}),
        (find({"a": {"$in": list(range(300))}, "b": 1}, sort={"c": 1}), {"b": 1, "c": 1, "a": 1}),
        # What is equal needs no order.
        (find({"a": 1}, sort={"a": 1, "b": -1}), {"a": 1, "b": -1}),
        # A range on what is sorted by is the sort's.
        (find({"a": 1, "b": {"$gt": 1}}, sort={"b": 1}), {"a": 1, "b": 1}),
        (find({}, sort={"a": -1}, limit=10), {"a": -1}),
        (find({"a": {"$gt": 1}}, sort={"b": 1}), {"a": 1}),
        (find({"a": 1, "b": {"$ne": 1}, "c": {"$exists": True}}), {"a": 1}),
        (find({"a": 1, "b": {"$regex": "x", "$options": "i"}}), {"a": 1}),
        (find({"a.b": None}), {"a.b": 1}),
        (find({"a": 1, "_id": {"$gt": 1}}), {"a": 1, "_id": 1}),
        ({"q": {"a": 1}, "limit": 1}, {"a": 1}),
        (find({}), None),
        (find({}, sort={"a": 1}), None),
        (find({"_id": 1, "a": 1}), None),
        (find({"_id": {"$gt": 1}}, sort={"_id": 1}, limit=1), None),
        (find({"a": {"$ne": 1}}), None),
        (find({"a": {"$regularExpression": {"pattern": "x", "options": ""}}}), None),
        (find({"a": {"$in": [{"$regularExpression": {"pattern": "x", "options": ""}}]}}), None),
        (find({"$or": [{"a": 1}, {"b": 1}], "c": 1}), None),
        (find({"$text": {"$search": "x"}, "a": 1}), None),
        (find({"$where": "true", "a": 1}), None),
        (find({"$expr": {"$eq": ["$a", 1]}, "b": 1}), None),
        (find({"a": {"$near": {}}, "b": 1}), None),
        (find({"a": 1}, hint={"a": 1}), None),
        (find({"a": 1}, collation={"locale": "de"}), None),
        (find({"a": 1}, sort={"score": {"$meta": "textScore"}}), None),
        (find(dict.fromkeys("abcdef", 1)), None),
        ({"aggregate": "orders", "pipeline": [{"$geoNear": {}}, {"$match": {"a": 1}}]}, None),
        ({"aggregate": "orders", "pipeline": [{"$unwind": "$a"}, {"$match": {"a": 1}}]}, None),
    ],
)
def test_equality_then_sort_then_range(command: dict[str, Any], key: dict[str, Any] | None) -> None:
    found = query(command)
    assert found is not None
    wanted = suggestion.wanted(found)
    assert (wanted and wanted.key) == (key_of(key) if key else None)


def test_a_command_that_was_cut_off_is_not_judged() -> None:
    line = entry(find({"a": 1})) | {"truncated": {"command": {}}}
    operation = slow_operation(line)
    assert operation is not None
    found = shapes.read(line, operation)
    assert found is not None
    assert found.obstacle
    assert suggestion.wanted(found) is None


@pytest.mark.parametrize(
    ("there", "serves"),
    [
        (index("b", "a", "-c", "d"), True),
        (index("a", "b", "c", "d", "e"), True),
        (index("a", "b", "c"), False),
        (index("a", "b", "d", "c"), False),
        (index("a", "c", "b", "d"), False),
        (index("a", "b"), False),
        (index("a", unique=True), True),
        (index("c", unique=True), False),
        (index("a", "b", "c", "d", sparse=True), False),
        (index("a", "b", "c", "d", partialFilterExpression={"e": 1}), False),
        (index("a", "b", "c", "d", collation={"locale": "de"}), False),
        (index("a", "b", "c", "d", hidden=True), False),
        (index(("a", "hashed")), False),
    ],
)
def test_what_an_index_serves(there: Index, serves: bool) -> None:
    group = slow.grouped([logged(find({"a": 1, "b": 1, "d": {"$gt": 1}}, sort={"c": 1}))])[0]
    verdict = slow.judged(group, collection(there))
    assert (verdict.wanted is None) is serves
    assert bool(verdict.reason) is serves


@pytest.mark.parametrize(
    ("attributes", "is_suggested"),
    [
        ({"docsExamined": 1000, "nreturned": 1}, True),
        ({"docsExamined": 1000, "nreturned": 900}, False),
        ({"docsExamined": 5, "nreturned": 0}, False),
        ({"docsExamined": 900, "nreturned": 900, "hasSortStage": True}, True),
        ({"docsExamined": 9, "nreturned": 9, "hasSortStage": True}, False),
    ],
)
def test_only_waste_needs_an_index(attributes: dict[str, Any], is_suggested: bool) -> None:
    (group,) = slow.grouped([logged(find({"a": 1}, sort={"b": 1}), **attributes)])
    assert bool(slow.judged(group, collection()).wanted) is is_suggested
    assert slow.judged(group, None).wanted is None


def test_groups_are_of_one_shape() -> None:
    lines = [
        logged(find({"a": SECRET}), durationMillis=200),
        logged(find({"a": 2}), durationMillis=400, planSummary="IXSCAN { b: 1 }"),
        logged(find({"a": {"$gt": 2}}), durationMillis=900),
        logged({"q": {"a": 1}, "u": []}, type="update", nMatched=3),
        logged({"insert": "orders"}),
    ]
    groups = slow.grouped(lines)
    assert [(group.query.command, group.operations, group.total) for group in groups] == [
        ("find", 1, 900),
        ("find", 2, 600),
        ("update", 1, 150),
    ]
    both = groups[1]
    assert (both.longest, both.plan) == (400, "IXSCAN { b: 1 }")
    assert (both.examined, both.returned) == (2000, 2)
    found = slow.finding(both, slow.judged(both, collection()))
    assert found.command == 'db.getSiblingDB("shop").getCollection("orders").createIndex({"a": 1})'
    assert SECRET not in found.model_dump_json()


@pytest.mark.parametrize(
    ("command", "examined"),
    [
        (find({"a": 1}), 50),
        (find({"a": 1}, limit=3), 3),
        # Not all of the filter is the index's: how many it skips is not known.
        (find({"a": 1, "b": {"$ne": 1}}, limit=3), 50),
    ],
)
def test_what_a_query_would_examine(command: dict[str, Any], examined: int) -> None:
    (group,) = slow.grouped([logged(command)])
    wanted = slow.judged(group, collection()).wanted
    assert wanted is not None
    after = slow.estimate(group.query, wanted, sampled=200, matching=10, documents=1000)
    assert after.documents_examined == examined
    assert bool(slow.tried(group, wanted, after, 1000, parallel=False).wanted)
    assert not slow.tried(group, wanted, after, 1000, parallel=True).wanted
    much = slow.estimate(group.query, wanted, sampled=200, matching=150, documents=1000)
    verdict = slow.tried(group, wanted, much, 1000, parallel=False)
    assert bool(verdict.wanted) is (examined == 3)
    assert bool(verdict.reason) is (examined != 3)


@pytest.mark.parametrize(
    ("stages", "is_suggested", "helps"),
    [
        # It sorts what it has grouped, which no index does.
        ([{"$group": {"_id": "$b"}}, {"$sort": {"_id": 1}}], False, False),
        ([{"$sort": {"b": 1}}], True, True),
    ],
)
def test_only_a_sort_that_an_index_spares_counts(
    stages: list[dict[str, Any]], is_suggested: bool, helps: bool
) -> None:
    command = {"aggregate": "orders", "pipeline": [{"$match": {"a": {"$gt": 1}, "c": 1}}, *stages]}
    (group,) = slow.grouped([logged(command, nreturned=900, hasSortStage=True)])
    assert bool(slow.judged(group, collection()).wanted) is is_suggested
    wanted = suggestion.wanted(group.query)
    assert wanted is not None
    all_of_it = slow.estimate(group.query, wanted, sampled=10, matching=10, documents=1000)
    assert bool(slow.tried(group, wanted, all_of_it, 1000, parallel=False).wanted) is helps


NAMES = some.sampled_from(
    [
        "a",
        "b.c",
        "$and",
        "$or",
        "$in",
        "$gt",
        "$not",
        "$regex",
        "$oid",
        "$date",
        "$match",
        "$sort",
        "$limit",
        "filter",
        "query",
        "pipeline",
        "sort",
        "limit",
        "skip",
        "hint",
        "q",
    ]
)
DOCUMENTS = some.recursive(
    some.sampled_from([SECRET, 1, -1.5, None, True]),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
COMMANDS = some.sampled_from(["find", "aggregate", "count", "distinct", "findAndModify", "q"])


@given(name=COMMANDS, rest=some.dictionaries(NAMES, DOCUMENTS, max_size=4))
def test_whatever_is_logged_is_read_and_shows_no_value(name: str, rest: dict[str, Any]) -> None:
    target = {"q": rest.get("q")} if name == "q" else {name: "orders"}
    for group in slow.grouped([logged(target | rest, type="update" if name == "q" else "command")]):
        verdict = slow.judged(group, collection())
        assert SECRET not in slow.finding(group, verdict).model_dump_json()
        assert SECRET not in repr(group)


def test_bounds_are_those_of_the_key() -> None:
    found = query(find({"a": OID, "b": {"$gt": 1, "$ne": 5}, "c": 1}))
    assert found is not None
    assert suggestion.bounds(found, (("a", 1), ("b", 1))) == {
        "$and": [{"a": OID}, {"b": {"$gt": 1}}]
    }


SHARD_KEY: Key = (("a", 1),)


@pytest.mark.parametrize(
    ("indexes", "shard_key", "found"),
    [
        ((index("a"), index("a", "b")), (), [("a_1", "a_1_b_1")]),
        ((index("-a"), index("a", "b")), (), [("a_-1", "a_1_b_1")]),
        ((index("a", "b"), index("b", "a")), (), []),
        ((index("a", "-b"), index("a", "b", "c")), (), []),
        ((index("a", unique=True), index("a", "b")), (), []),
        ((index("a", expireAfterSeconds=1), index("a", "b")), (), []),
        ((index("a", sparse=True), index("a", "b", sparse=True)), (), []),
        ((index("a"), index("a", "b", sparse=True)), (), []),
        ((index("a"), index("a", "b", partialFilterExpression={"c": 1})), (), []),
        ((index("a"), index("a", "b", collation={"locale": "de"})), (), []),
        (
            (
                index("a", collation={"locale": "de"}),
                index("a", "b", collation={"locale": "de"}),
            ),
            (),
            [("a_1", "a_1_b_1")],
        ),
        ((index("a"), index("a", "b", hidden=True)), (), []),
        ((index(("a", "hashed")), index(("a", "hashed"), "b")), (), []),
        ((index(("a", "text")), index("a", "b")), (), []),
        ((index("a"), index("a", "b")), SHARD_KEY, []),
        ((index("_id", "a"),), (), []),
    ],
)
def test_redundant_indexes(
    indexes: tuple[Index, ...], shard_key: Key, found: list[tuple[str, str]]
) -> None:
    told = unneeded.redundant(collection(*indexes), shard_key)
    assert [(one.index.name, one.index.covered_by) for one in told if one.index] == found


@pytest.mark.parametrize(
    ("there", "use", "is_unused"),
    [
        (index("a"), Use(0, NOW - timedelta(days=8)), True),
        (index("a"), Use(0, NOW - timedelta(days=6)), False),
        (index("a"), Use(1, NOW - timedelta(days=8)), False),
        (index("a"), None, False),
        (index(("a", "text")), Use(0, NOW - timedelta(days=8)), True),
        (index("a", unique=True), Use(0, NOW - timedelta(days=8)), False),
        (index("a", expireAfterSeconds=9), Use(0, NOW - timedelta(days=8)), False),
        (index("k"), Use(0, NOW - timedelta(days=8)), False),
        (index("k", "a"), Use(0, NOW - timedelta(days=8)), False),
        (index("_id", name="_id_"), Use(0, NOW - timedelta(days=8)), False),
    ],
)
def test_unused_indexes(there: Index, use: Use | None, is_unused: bool) -> None:
    given = collection(there, uses={there.name: use} if use else {})
    told = unneeded.unused(given, (("k", 1),), NOW, 7)
    assert [one.command for one in told] == (
        [f'db.getSiblingDB("shop").getCollection("orders").dropIndex("{there.name}")']
        if is_unused
        else []
    )


def test_a_redundant_index_is_told_once() -> None:
    old = Use(0, NOW - timedelta(days=30))
    given = collection(index("a"), index("a", "b"), uses={"a_1": old, "a_1_b_1": Use(5, NOW)})
    assert len(unneeded.redundant(given, ())) == 1
    assert unneeded.unused(given, (), NOW, 7) == []


def test_collections_of_all_shards_are_one() -> None:
    early, late = NOW - timedelta(days=9), NOW - timedelta(days=2)
    one = collection(
        index("a"), index("b"), uses={"a_1": Use(1, early), "b_1": Use(0, early)},
        index_sizes={"a_1": 10},
    )  # fmt: skip
    other = collection(
        index("a"), index("b"), uses={"a_1": Use(2, late)}, shards=("shard_2",),
        index_sizes={"a_1": 5},
    )  # fmt: skip
    (whole,) = merged([one, other])
    assert (whole.documents, whole.shards) == (2000, ("shard_1", "shard_2"))
    assert whole.uses == {"a_1": Use(3, late)}
    assert whole.index_sizes == {"a_1": 15}


def test_large_collections_without_a_shard_key() -> None:
    large, small = collection(size=2000), collection(name="small", size=10)
    sharded = collection(name="sharded", size=5000)
    found = shards.unsharded([small, large, sharded], {"shop.sharded"}, 1000)
    assert [one.command for one in found] == [
        'sh.shardCollection("shop.orders", {"_id": "hashed"})'
    ]


@pytest.mark.parametrize(
    ("loads", "hot"),
    [
        ([("a", 1000, 10.0, 0), ("b", 100, 1.0, 0)], ["a"]),
        ([("a", 1000, 10.0, 0), ("b", 900, 9.0, 0)], []),
        ([("a", 99, 10.0, 0), ("b", 1, 1.0, 0)], []),
        ([("a", 1000, 4.0, 0), ("b", 1, 0.1, 0)], []),
        ([("a", 0, 0.0, 5000), ("b", 0, 0.0, 100)], ["a"]),
        ([("a", 0, 0.0, 500), ("b", 0, 0.0, 100)], []),
        ([("a", 1000, 10.0, 5000)], []),
    ],
)
def test_hot_shards(loads: list[tuple[str, int, float, int]], hot: list[str]) -> None:
    found = shards.hot([Load(*one) for one in loads], 100, 1000, balancing=True)
    assert [one.shard.name for one in found if one.shard] == hot


def test_a_balancer_that_is_off_is_told() -> None:
    loads = [Load("a", 0, 0.0, 5000), Load("b", 0, 0.0, 0)]
    (found,) = shards.hot(loads, 100, 1000, balancing=False)
    assert found.command == "sh.startBalancer()"
    assert found.kind is rows.Kind.HOT_SHARD
