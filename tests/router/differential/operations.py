"""Commands as clients send them, good and bad, each with what counts when answers are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson import Code, Int64
from hypothesis import strategies as st

from tests.router.differential import stages
from tests.router.differential.filters import collations, filters, let_filters, wrong_filters
from tests.router.differential.sides import (
    COLLECTIONS,
    DOCUMENTS,
    MEASURES,
    MISSING,
    NAME,
    TARGETS,
    VIEWS,
)
from tests.router.differential.updates import array_filters, updates, wrong_updates
from tests.router.differential.values import (
    bad_documents,
    documents,
    fields,
    scalars,
    small,
)


@dataclass(frozen=True)
class Operation:
    """One command. `ordered`: its results come in a total order. `loose`: numbers are compared by
    value, as which of 1 and 1.0 stands for both depends on the order of documents. `counted`: of
    the results only the number counts."""

    command: Mapping[str, Any]
    way: str = "plain"
    ordered: bool = False
    loose: bool = False
    counted: bool = False
    changes: tuple[str, ...] = ()
    db: str = NAME

    @property
    def name(self) -> str:
        """The command's name."""
        return next(iter(self.command))

    @property
    def collection(self) -> str:
        """The collection it names first."""
        inner = self.command
        if self.name == "explain" and isinstance(inner["explain"], Mapping):
            inner = inner["explain"]
        return str(next(iter(inner.values())))


@st.composite
def _some(draw: st.DrawFn, **optional: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Few of the optional fields."""
    chosen = draw(st.lists(st.sampled_from(sorted(optional)), max_size=2, unique=True))
    return {name: draw(optional[name]) for name in chosen}


def _read_way(collection: str) -> st.SearchStrategy[str]:
    """Mostly plain, at times in a transaction; the router's documents name the exception."""
    rarely = "plain" if collection == "sharded_measures" else "transaction"
    return st.sampled_from(["plain", "plain", "plain", rarely])


hints = st.sampled_from([{"_id": 1}, "_id_", {"x": 1}, {"$natural": 1}, {"nope": 1}, "nope"])
sorts = st.one_of(
    st.just({"_id": 1}),
    st.just({"_id": -1}),
    st.tuples(fields, st.sampled_from([1, -1])).map(lambda s: {s[0]: s[1], "_id": 1}),
    st.tuples(fields, fields).map(lambda s: {s[0]: -1, s[1]: 1, "_id": -1}),
)
projections = st.sampled_from(
    [
        {"x": 1}, {"_id": 0, "k": 1, "n": 1}, {"t": 0, "loc": 0}, {"d.p": 1},
        {"l": {"$slice": 2}}, {"l": {"$elemMatch": {"p": 1}}}, {"s": {"$add": ["$n", 1]}},
        {"v": "$d.q"}, {"c": {"$literal": 5}}, {"o": {"$cond": [{"$gt": ["$n", 4]}, "$a", "$b"]}},
        {"x": 1, "y": 0}, {"$bad": 1}, {"x": {"$nope": 1}}, {"l.$": 1}, {},
    ]
)  # fmt: skip


@st.composite
def finds(draw: st.DrawFn) -> Operation:
    """find, to the end of its cursor."""
    collection = draw(st.sampled_from(COLLECTIONS))
    query = draw(filters)
    command: dict[str, Any] = {"find": collection, "filter": query}
    command |= draw(
        _some(
            projection=projections, collation=collations, hint=hints,
            batchSize=st.sampled_from([1, 2, 3, 5]),
            singleBatch=st.booleans(), showRecordId=st.just(False), returnKey=st.just(False),
            allowDiskUse=st.booleans(), noCursorTimeout=st.booleans(), comment=scalars,
            maxTimeMS=st.just(60_000), allowPartialResults=st.just(False),
        )
    )  # fmt: skip
    ordered = draw(st.booleans())
    if ordered:
        command["sort"] = draw(sorts)
        command |= draw(_some(skip=st.integers(0, 9), limit=st.integers(-4, 9)))
    counted = bool(command.get("singleBatch")) and not ordered
    if draw(st.integers(0, 9)) == 0:
        command["filter"], command["let"] = draw(let_filters)
    if draw(st.integers(0, 11)) == 0:
        command["min"], command["max"] = {"x": draw(small)}, {"x": draw(small)}
        command["hint"] = {"x": 1}
    return Operation(command, draw(_read_way(collection)), ordered=ordered, counted=counted)


wrong_options: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"unknownField": 1}, {"limit": "x"}, {"skip": -1}, {"limit": {}}, {"batchSize": -1},
        {"sort": 5}, {"sort": {"a": 3}}, {"sort": {"$a": 1}}, {"sort": {"a": "up"}},
        {"projection": 5}, {"hint": 5}, {"collation": 5}, {"collation": {}},
        {"collation": {"locale": "xx"}}, {"collation": {"locale": "en", "strength": 9}},
        {"maxTimeMS": -1}, {"maxTimeMS": "x"}, {"let": 5}, {"readConcern": 5},
        {"readConcern": {"level": "nope"}}, {"readConcern": {"level": "majority"}},
        {"readConcern": {"nope": 1}}, {"writeConcern": 5}, {"writeConcern": {"w": -1}},
        {"writeConcern": {"w": 1}}, {"tailable": True}, {"awaitData": True},
        {"tailable": True, "awaitData": True}, {"singleBatch": 5},
        {"returnKey": True, "hint": {"x": 1}}, {"min": {"x": 1}}, {"max": {"x": 1}, "hint": "x_1"},
        {"min": {"z": 1}, "hint": {"x": 1}}, {"showRecordId": "x"}, {"comment": {"a": 1}},
        {"ntoreturn": 1}, {"oplogReplay": True}, {"snapshot": True}, {"filter": 5},
        {"allowDiskUse": 5}, {"limit": 2.5}, {"skip": 2.0}, {"limit": Int64(3)}, {"limit": None},
        {"sort": None}, {"projection": None}, {"maxTimeMS": 0}, {"$readPreference": 5},
        {"$readPreference": {"mode": "nope"}}, {"$readPreference": {"mode": "secondaryPreferred"}},
        {"batchSize": 0}, {"batchSize": 2.0}, {"batchSize": "x"}, {"query": {}}, {"key": 1},
        {"ordered": 5}, {"bypassDocumentValidation": "x"}, {"fields": 5}, {"explain": "x"},
        {"cursor": 5}, {"cursor": {"batchSize": -1}}, {"cursor": {"nope": 1}}, {"pipeline": 5},
        {"new": 5}, {"upsert": "x"}, {"remove": True, "new": True}, {"arrayFilters": 5},
        {"runtimeConstants": 5}, {"apiVersion": "1"}, {"apiVersion": "2"}, {"apiStrict": True},
        {"apiVersion": "1", "apiStrict": True}, {"$db": 5}, {"readConcern": {"level": "local"}},
        {"readConcern": {"level": "available"}}, {"readConcern": {"level": "linearizable"}},
        {"min": 5}, {"writeConcern": {"w": "majority", "j": True}},
        {"writeConcern": {"nope": 1}}, {"writeConcern": {"w": "nope"}},
        {"maxTimeMS": 2**40}, {"let": {"a": "$$nope"}}, {"let": {"1": 2}},
        {"collation": {"locale": "en", "nope": 1}},
        {"collation": {"locale": "simple", "strength": 1}},
    ]
)  # fmt: skip


@st.composite
def wrong_commands(draw: st.DrawFn) -> Operation:
    """A sound command with one thing that is not."""
    sound = draw(st.one_of(finds(), counts(), distincts(), plain_aggregates(), writes()))
    command = {**sound.command, **draw(wrong_options)}
    # It may be right after all, and mean any part of the results.
    return Operation(command, sound.way, loose=True, counted=True, changes=sound.changes)


@st.composite
def wrong_queries(draw: st.DrawFn) -> Operation:
    """A filter, a stage or an update that is none."""
    collection = draw(st.sampled_from(COLLECTIONS))
    query = draw(wrong_filters)
    change = draw(wrong_updates)
    q = draw(st.sampled_from([{"k": 1}, {"_id": 1}, {"_id": 1, "k": -2}, {}]))
    commands: list[dict[str, Any]] = [
        {"find": collection, "filter": query},
        {"count": collection, "query": query},
        {"distinct": collection, "key": "x", "query": query},
        {"delete": collection, "deletes": [{"q": query, "limit": 0}]},
        {"update": collection, "updates": [{"q": query, "u": {"$set": {"w": 1}}, "multi": True}]},
        {"findAndModify": collection, "query": query, "remove": True},
        {"aggregate": collection, "pipeline": [{"$match": query}], "cursor": {}},
        {"update": collection, "updates": [{"q": q, "u": change, "multi": draw(st.booleans())}]},
        {"findAndModify": collection, "query": q, "update": change},
        {"aggregate": collection, "pipeline": [draw(stages.wrong_stages)], "cursor": {}},
        {
            "aggregate": collection,
            "pipeline": [{"$match": {"n": {"$gt": 3}}}, draw(stages.wrong_stages)],
            "cursor": {},
        },
    ]
    command = draw(st.sampled_from(commands))
    changes = (collection,) if next(iter(command)) in WRITING else ()
    return Operation(
        command, draw(_read_way(collection)), loose=True, counted=True, changes=changes
    )


_write_ways = st.sampled_from(["plain", "retryable", "retryable", "transaction"])
WRITING = {"insert", "update", "delete", "findAndModify"}


@st.composite
def counts(draw: st.DrawFn) -> Operation:
    """count."""
    command: dict[str, Any] = {"count": draw(st.sampled_from(COLLECTIONS))}
    command["query"] = draw(filters)
    command |= draw(
        _some(
            skip=st.integers(0, 6), limit=st.integers(-5, 6), collation=collations,
            hint=hints, maxTimeMS=st.just(60_000), fields=st.just({}), comment=scalars,
        )
    )  # fmt: skip
    return Operation(command)


@st.composite
def distincts(draw: st.DrawFn) -> Operation:
    """distinct."""
    key = st.one_of(fields, fields, st.sampled_from(["", "$x", "l.0", "d", "x.p", "meta", "time"]))
    command: dict[str, Any] = {"distinct": draw(st.sampled_from(COLLECTIONS)), "key": draw(key)}
    command["query"] = draw(filters)
    command |= draw(_some(collation=collations, comment=scalars, maxTimeMS=st.just(60_000)))
    return Operation(command, draw(_read_way(command["distinct"])), loose=True)


@st.composite
def plain_aggregates(draw: st.DrawFn) -> Operation:
    """aggregate."""
    pipeline = draw(stages.pipelines)
    command: dict[str, Any] = {
        "aggregate": draw(st.sampled_from(COLLECTIONS)),
        "pipeline": pipeline.stages,
        "cursor": draw(st.sampled_from([{}, {}, {"batchSize": 2}, {"batchSize": 0}])),
    }
    command |= draw(
        _some(
            collation=collations, hint=hints, allowDiskUse=st.booleans(),
            let=st.just({"v": 3}), maxTimeMS=st.just(60_000), comment=scalars,
        )
    )  # fmt: skip
    way = draw(_read_way(command["aggregate"]))
    return Operation(command, way, ordered=pipeline.ordered, loose=True, counted=pipeline.counted)


@st.composite
def writing_aggregates(draw: st.DrawFn) -> Operation:
    """aggregate into a collection."""
    target = draw(st.sampled_from([*TARGETS, "plain", "ranged", "hashed", "compound"]))
    first = [{"$match": draw(filters)}, {"$project": {"x": 1, "n": 1, "k": 1, "a": 1, "b": 1}}]
    last = draw(stages.writes_into(target))
    command = {
        "aggregate": draw(st.sampled_from(DOCUMENTS)),
        "pipeline": [*first, last],
        "cursor": {},
    }
    return Operation(command, changes=(target,))


@st.composite
def inserts(draw: st.DrawFn) -> Operation:
    """insert, of one document or several, of which some may be refused."""
    collection = draw(st.sampled_from([*DOCUMENTS, "missing_target"]))
    collection = "out" if collection == "missing_target" else collection
    document = st.one_of(documents(), documents(), documents(), bad_documents())
    command: dict[str, Any] = {
        "insert": collection,
        "documents": draw(st.lists(document, min_size=1, max_size=5)),
    }
    command |= draw(_some(ordered=st.booleans(), bypassDocumentValidation=st.booleans()))
    return Operation(command, draw(_write_ways), changes=(collection,))


keyed = st.one_of(
    st.integers(0, 18).map(lambda n: {"_id": n}),
    st.integers(-3, 9).map(lambda n: {"k": n}),
    st.tuples(st.integers(0, 5), st.integers(0, 3)).map(lambda t: {"a": t[0], "b": t[1]}),
    st.integers(0, 15).map(
        lambda n: {"_id": n, "k": n - 3 if n % 4 else n, "a": n % 5, "b": n % 3}
    ),
)  # fmt: skip


@st.composite
def update_writes(draw: st.DrawFn) -> Operation:
    """update, of one or several statements."""
    collection = draw(st.sampled_from(DOCUMENTS))
    statements = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        statement: dict[str, Any] = {
            "q": draw(st.one_of(keyed, keyed, keyed, filters)),
            "u": draw(updates),
        }
        statement |= draw(_some(multi=st.booleans(), upsert=st.booleans(), collation=collations))
        if not statement.get("multi"):
            # Which of several it would be is anybody's guess.
            statement["q"] = draw(keyed) if "_id" not in statement["q"] else statement["q"]
            statement["q"].setdefault("_id", draw(st.integers(0, 18)))
        if "[e]" in str(statement["u"]):
            statement["arrayFilters"] = draw(array_filters)
        if draw(st.integers(0, 9)) == 0:
            statement["hint"] = draw(hints)
        statements.append(statement)
    command: dict[str, Any] = {"update": collection, "updates": statements}
    command |= draw(_some(ordered=st.booleans(), let=st.just({"v": 2})))
    multi = any(statement.get("multi") for statement in statements)
    way = draw(st.sampled_from(["plain", "transaction"]) if multi else _write_ways)
    return Operation(command, way, changes=(collection,))


@st.composite
def delete_writes(draw: st.DrawFn) -> Operation:
    """delete, of one or several statements."""
    collection = draw(st.sampled_from(DOCUMENTS))
    statements = []
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        limit = draw(st.sampled_from([0, 1]))
        q = dict(draw(st.one_of(keyed, keyed, filters) if limit == 0 else keyed))
        if limit:
            q.setdefault("_id", draw(st.integers(0, 18)))
        statement = {"q": q, "limit": limit}
        statement |= draw(_some(collation=collations, hint=hints))
        statements.append(statement)
    command: dict[str, Any] = {"delete": collection, "deletes": statements}
    command |= draw(_some(ordered=st.booleans(), let=st.just({"v": 2})))
    multi = any(statement["limit"] == 0 for statement in statements)
    way = draw(st.sampled_from(["plain", "transaction"]) if multi else _write_ways)
    return Operation(command, way, changes=(collection,))


@st.composite
def find_and_modifies(draw: st.DrawFn) -> Operation:
    """findAndModify."""
    collection = draw(st.sampled_from(DOCUMENTS))
    query = dict(draw(keyed))
    command: dict[str, Any] = {"findAndModify": collection, "query": query}
    if draw(st.booleans()):
        command["sort"] = draw(sorts)
    else:
        query.setdefault("_id", draw(st.integers(0, 18)))
    if draw(st.integers(0, 3)) == 0:
        command["remove"] = True
    else:
        command["update"] = draw(updates)
        command |= draw(_some(new=st.booleans(), upsert=st.booleans()))
        if "[e]" in str(command["update"]):
            command["arrayFilters"] = draw(array_filters)
    command |= draw(
        _some(fields=projections, collation=collations, hint=hints, let=st.just({"v": 1}))
    )
    return Operation(command, draw(_write_ways), changes=(collection,))


@st.composite
def map_reduces(draw: st.DrawFn) -> Operation:
    """mapReduce."""
    collection = draw(st.sampled_from(DOCUMENTS))
    out = draw(
        st.sampled_from([{"inline": 1}, {"inline": 1}, "out", {"replace": "out"}, {"merge": "out"},
                         {"reduce": "out"}, {"nope": 1}, 5])
    )  # fmt: skip
    command: dict[str, Any] = {
        "mapReduce": collection,
        "map": Code("function() { emit(this.a, this.n || 0); }"),
        "reduce": Code("function(key, values) { return Array.sum(values); }"),
        "out": out,
    }
    command |= draw(
        _some(
            query=filters, finalize=st.just("function(key, value) { return {v: value}; }"),
            sort=st.just({"_id": 1}), verbose=st.booleans(), collation=collations,
            scope=st.just({"q": 1}),
        )
    )  # fmt: skip
    changes = () if out == {"inline": 1} else ("out",)
    return Operation(command, loose=True, changes=changes)


@st.composite
def explains(draw: st.DrawFn) -> Operation:
    """explain of anything."""
    inner = draw(
        st.one_of(finds(), counts(), distincts(), plain_aggregates(), update_writes(),
                  delete_writes(), find_and_modifies())
    )  # fmt: skip
    command: dict[str, Any] = {"explain": {**inner.command}}
    command |= draw(_some(verbosity=st.sampled_from(["queryPlanner", "executionStats", "nope", 5])))
    return Operation(command)


@st.composite
def explained_aggregates(draw: st.DrawFn) -> Operation:
    """aggregate with `explain: true`, which drivers send, and some that is not sound."""
    sound = draw(st.one_of(plain_aggregates(), writing_aggregates()))
    command: dict[str, Any] = {
        **sound.command,
        "explain": draw(st.sampled_from([True, True, True, False, 1, None])),
    }
    if draw(st.booleans()):
        command.pop("cursor")
    command |= draw(
        _some(
            readConcern=st.sampled_from([{"level": "local"}, {"level": "majority"}]),
            writeConcern=st.just({"w": 1}),
        )
    )
    return replace(sound, command=command, way="plain")


@st.composite
def measurements(draw: st.DrawFn) -> Operation:
    """Writing time series."""
    collection = draw(st.sampled_from(MEASURES))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        measured = draw(
            st.lists(
                st.sampled_from(
                    [
                        {"time": stages.DAY, "meta": 1, "n": 50},
                        {"time": stages.DAY, "meta": 0, "n": 51},
                        {"time": stages.DAY, "n": 52},
                        {"meta": 1, "n": 53},
                        {"time": 5, "meta": 2},
                    ]
                ),
                min_size=1,
                max_size=3,
            )
        )
        return Operation(
            {
                "insert": collection,
                "documents": [{**one, "_id": n + 100} for n, one in enumerate(measured)],
                "ordered": draw(st.booleans()),
            },
            draw(st.sampled_from(["plain", "retryable"])),
            changes=(collection,),
        )
    q = draw(st.sampled_from([{"meta": 1}, {"meta": {"$gt": 0}}, {}, {"n": 3}, {"_id": 1}]))
    if kind == 1:
        statement = {"q": q, "limit": draw(st.sampled_from([0, 0, 1]))}
        return Operation({"delete": collection, "deletes": [statement]}, changes=(collection,))
    if kind == 2:
        u = draw(st.sampled_from([{"$set": {"meta": 5}}, {"$set": {"n": 5}}, {"x": 1}]))
        statement = {"q": q, "u": u, "multi": draw(st.sampled_from([True, True, False]))}
        return Operation({"update": collection, "updates": [statement]}, changes=(collection,))
    return Operation(
        {"findAndModify": collection, "query": q, "remove": True}, changes=(collection,)
    )


@st.composite
def view_writes(draw: st.DrawFn) -> Operation:
    """Writing to a view, which none can."""
    view = draw(st.sampled_from(sorted(VIEWS)))
    q = draw(keyed)
    command = draw(
        st.sampled_from(
            [
                {"insert": view, "documents": [{"k": 1}]},
                {"update": view, "updates": [{"q": q, "u": {"$set": {"x": 1}}}]},
                {"delete": view, "deletes": [{"q": q, "limit": 1}]},
                {"findAndModify": view, "query": q, "remove": True},
                {"createIndexes": view, "indexes": [{"key": {"z": 1}, "name": "z"}]},
                {"listIndexes": view},
                {"dropIndexes": view, "index": "z"},
                {"collMod": view, "pipeline": 5},
                {"create": view},
            ]
        )
    )
    return Operation(command, draw(st.sampled_from(["plain", "plain", "retryable"]))
                     if next(iter(command)) in WRITING else "plain")  # fmt: skip


_STRANGE_NAMES: Sequence[Any] = (
    "", "$x", "a..b", ".a", "a.", "system.x", "a\0b", 5, {}, None, "$cmd", Code("f"),
)  # fmt: skip
_NAMING: Sequence[Mapping[str, Any]] = (
    {"find": 1}, {"count": 1}, {"aggregate": 1, "pipeline": [], "cursor": {}},
    {"distinct": 1, "key": "x"}, {"insert": 1, "documents": [{}]},
    {"update": 1, "updates": [{"q": {}, "u": {"$set": {"a": 1}}}]},
    {"delete": 1, "deletes": [{"q": {}, "limit": 1}]},
    {"findAndModify": 1, "remove": True}, {"listIndexes": 1},
    {"createIndexes": 1, "indexes": [{"key": {"a": 1}, "name": "a"}]},
    {"dropIndexes": 1, "index": "a"}, {"collMod": 1}, {"drop": 1}, {"create": 1},
)  # fmt: skip
ODD: Sequence[Mapping[str, Any]] = (
    *({**command, next(iter(command)): name} for command in _NAMING for name in _STRANGE_NAMES),
    {"count": "sharded_measures", "hint": {"_id": 1}}, {"count": "sharded_view", "hint": "none"},
    {"noSuchCommand": 1}, {"insert": "plain"}, {"insert": "plain", "documents": []},
    {"insert": "plain", "documents": 5}, {"insert": "plain", "documents": [5]},
    {"update": "plain"}, {"update": "plain", "updates": []},
    {"update": "plain", "updates": [{}]}, {"update": "plain", "updates": [{"q": {}}]},
    {"update": "plain", "updates": [{"q": 5, "u": {}}]},
    {"update": "plain", "updates": [{"q": {}, "u": 5}]},
    {"update": "plain", "updates": [{"q": {}, "u": {"$set": {"a": 1}}, "nope": 1}]},
    {"update": "plain", "updates": [{"q": {"_id": 1}, "u": {"x": 1}, "multi": True}]},
    {"update": "ranged", "updates": [{"q": {"_id": 1}, "u": {"x": 1}, "multi": True}]},
    {"update": "ranged", "updates": [{"q": {}, "u": {}, "nope": 1}]},
    {"update": "ranged", "updates": [{"q": 5, "u": {}}]},
    {"update": "ranged", "updates": [{"q": {"k": 1}, "u": 5}]},
    {"update": "ranged", "updates": [{"q": {"k": 1}}]},
    {"delete": "plain"}, {"delete": "plain", "deletes": [{"q": {}}]},
    {"delete": "plain", "deletes": [{"q": {}, "limit": 2}]},
    {"delete": "ranged", "deletes": [{"q": {"k": 1}, "limit": 2}]},
    {"delete": "ranged", "deletes": [{"q": {"k": 1}}]},
    {"delete": "ranged", "deletes": [{"q": 5, "limit": 1}]},
    {"delete": "ranged", "deletes": [{"q": {"k": 1}, "limit": 1, "nope": 1}]},
    {"delete": "plain", "deletes": [{"q": {}, "limit": "x"}]},
    {"findAndModify": "plain"}, {"findAndModify": "plain", "remove": True, "update": {}},
    {"findAndModify": "plain", "query": {"_id": 1}, "update": 5},
    {"findAndModify": "plain", "query": 5, "remove": True},
    {"findAndModify": "ranged"}, {"findAndModify": "ranged", "query": 5, "remove": True},
    {"findAndModify": "ranged", "query": {"k": 1}, "remove": True, "update": {}},
    {"findAndModify": "ranged", "query": {"k": 1}, "update": 5},
    {"findAndModify": "ranged", "query": {"k": 1}, "remove": True, "upsert": True},
    {"distinct": "plain"}, {"distinct": "plain", "key": 5}, {"distinct": "ranged"},
    {"distinct": "ranged", "key": 5}, {"distinct": "ranged", "key": "x", "query": 5},
    {"count": "ranged", "query": 5}, {"count": "plain", "query": 5},
    {"count": "ranged", "limit": "x"}, {"count": "ranged", "skip": -1},
    {"count": "ranged"}, {"count": "plain", "skip": -1}, {"count": "plain", "limit": -2},
    {"aggregate": "plain"}, {"aggregate": "plain", "pipeline": []},
    {"aggregate": "plain", "pipeline": [5], "cursor": {}},
    {"aggregate": "plain", "pipeline": [{}], "cursor": {}},
    {"aggregate": "plain", "pipeline": [{"a": 1, "b": 1}], "cursor": {}},
    {"aggregate": "plain", "pipeline": {}, "cursor": {}},
    {"aggregate": "ranged", "pipeline": []}, {"aggregate": "ranged", "cursor": {}},
    {"aggregate": "ranged", "pipeline": [5], "cursor": {}},
    {"aggregate": "ranged", "pipeline": [{}], "cursor": {}},
    {"aggregate": "ranged", "pipeline": {}, "cursor": {}},
    {"aggregate": 1, "pipeline": [], "cursor": {}},
    {"aggregate": 1, "pipeline": [{"$match": {}}], "cursor": {}},
    {"aggregate": 1, "pipeline": [{"$documents": [{"a": 1}]}], "cursor": {}},
    {"aggregate": 2, "pipeline": [], "cursor": {}},
    {"aggregate": "plain", "pipeline": [{"$documents": [{"a": 1}]}], "cursor": {}},
    {"getMore": Int64(123456789), "collection": "plain"}, {"getMore": 5},
    {"getMore": Int64(5)}, {"getMore": Int64(5), "collection": 5},
    {"getMore": "x", "collection": "plain"}, {"getMore": Int64(5), "collection": ""},
    {"getMore": Int64(5), "collection": "plain", "nope": 1},
    {"getMore": Int64(5), "collection": "plain", "batchSize": -1},
    {"killCursors": "plain", "cursors": [Int64(5)]}, {"killCursors": "plain"},
    {"killCursors": "plain", "cursors": []}, {"killCursors": "plain", "cursors": [5]},
    {"killCursors": "plain", "cursors": ["x"]}, {"killCursors": 5, "cursors": [Int64(5)]},
    {"killCursors": "plain", "cursors": 5}, {"killCursors": "", "cursors": [Int64(5)]},
    {"explain": 5}, {"explain": {}}, {"explain": {"noSuch": 1}}, {"explain": {"ping": 1}},
    {"explain": {"insert": "plain", "documents": [{}]}}, {"explain": {"find": 5}},
    {"explain": {"find": "plain", "nope": 1}}, {"explain": {"explain": {"find": "plain"}}},
    {"mapReduce": "plain"}, {"mapReduce": "plain", "map": 5, "reduce": "x", "out": "out"},
    {"mapReduce": "ranged", "map": 5, "reduce": "x", "out": {"inline": 1}},
    {"mapReduce": "ranged"}, {"find": "$cmd.aggregate"}, {"find": "system.views"},
    {"listCollections": 5}, {"listCollections": 1, "filter": 5},
    {"listCollections": 1, "nope": 1}, {"listCollections": 1, "nameOnly": "x"},
    {"listCollections": 1, "filter": {"name": "plain"}, "nameOnly": True},
    {"listCollections": 1, "cursor": {"batchSize": 1}, "filter": {"type": "view"}},
    {"listCollections": 1, "filter": {"$nope": 1}},
    {"listIndexes": "plain"}, {"listIndexes": "missing"}, {"listIndexes": "ranged"},
    {"listIndexes": "measures"}, {"listIndexes": "plain", "cursor": {"batchSize": 1}},
    {"listIndexes": "plain", "nope": 1}, {"listIndexes": "hashed", "cursor": 5},
    {"ping": 1}, {"ping": "x"}, {"create": "plain"}, {"create": "ranged"},
    {"create": "plain", "nope": 1}, {"create": "fresh", "capped": True},
    {"create": "fresh", "size": 10}, {"create": "fresh", "viewOn": "plain", "capped": True},
    {"create": "fresh", "pipeline": []}, {"create": "fresh", "validator": 5},
    {"create": "fresh", "validator": {"$nope": 1}}, {"create": "fresh", "timeseries": {}},
    {"create": "fresh", "timeseries": {"timeField": "t", "nope": 1}},
    {"create": "fresh", "capped": True, "size": -1}, {"create": "fresh", "collation": {}},
    {"create": "fresh", "viewOn": "plain", "pipeline": [{"$out": "x"}]},
    {"create": "fresh", "validationLevel": "nope"}, {"create": "fresh", "autoIndexId": 0},
    {"create": "fresh", "clusteredIndex": {"key": {"x": 1}, "unique": True}},
    {"create": "fresh", "expireAfterSeconds": 5}, {"create": "system.fresh"},
    {"create": "fresh", "indexOptionDefaults": {"nope": 1}},
    {"drop": "missing"}, {"drop": "missing", "nope": 1}, {"drop": "plain", "nope": 1},
    {"collMod": "missing"}, {"collMod": "plain"}, {"collMod": "plain", "nope": 1},
    {"collMod": "ranged"}, {"collMod": "ranged", "validator": {"$nope": 1}},
    {"collMod": "ranged", "validationLevel": "nope"},
    {"collMod": "ranged", "index": {"name": "nope", "hidden": True}},
    {"collMod": "ranged", "index": {"name": "x_1", "hidden": True}},
    {"collMod": "plain", "index": {"name": "x_1", "hidden": True}},
    {"collMod": "plain", "index": {"name": "x_1", "hidden": False}},
    {"collMod": "ranged", "index": {"name": "x_1", "hidden": False}},
    {"collMod": "plain", "index": {"keyPattern": {"x": 1}, "expireAfterSeconds": "x"}},
    {"collMod": "plain", "viewOn": "ranged"}, {"collMod": "view", "viewOn": "plain"},
    {"collMod": "measures", "timeseries": {"granularity": "nope"}},
    {"dropIndexes": "plain"}, {"dropIndexes": "missing", "index": "*"},
    {"dropIndexes": "plain", "index": "nope"}, {"dropIndexes": "ranged", "index": "nope"},
    {"dropIndexes": "plain", "index": "_id_"}, {"dropIndexes": "ranged", "index": "_id_"},
    {"dropIndexes": "ranged", "index": {"nope": 1}}, {"dropIndexes": "ranged", "index": 5},
    {"dropIndexes": "plain", "index": 5}, {"dropIndexes": "hashed", "index": ["a", "b"]},
    {"createIndexes": "plain"}, {"createIndexes": "plain", "indexes": []},
    {"createIndexes": "ranged", "indexes": []}, {"createIndexes": "ranged"},
    {"createIndexes": "plain", "indexes": 5}, {"createIndexes": "ranged", "indexes": [5]},
    *(
        {"createIndexes": name, "indexes": [index]}
        for name in ("plain", "ranged", "hashed", "measures")
        for index in (
            {"key": {"z": 1}}, {"name": "z"}, {"key": {"z": 1}, "name": "x_1"},
            {"key": {"x": 1}, "name": "other"}, {"key": {"z": "nope"}, "name": "z"},
            {"key": {"x": 1}, "name": "x_1"}, {"key": {}, "name": "z"},
            {"key": {"z": 1}, "name": "z", "nope": 1}, {"key": {"z": 0}, "name": "z"},
            {"key": {"x": 1}, "name": "x_1", "unique": True}, {"key": {"": 1}, "name": "z"},
            {"key": {"z": 1}, "name": "z", "expireAfterSeconds": -1},
            {"key": {"z": 1}, "name": "z", "partialFilterExpression": {"$nope": 1}},
            {"key": {"$z": 1}, "name": "z"}, {"key": {"z": 1}, "name": "z", "v": 9},
            {"key": {"z": 1, "t": "hashed", "u": "hashed"}, "name": "z"},
            {"key": {"z": 1}, "name": "*"}, {"key": {"_id": 1}, "name": "_id_"},
            {"key": {"z": 1}, "name": "z", "sparse": "x", "collation": {"locale": "xx"}},
        )
    ),
)  # fmt: skip
"""Commands out of the ordinary, most of them wrong."""


def _odd(command: Mapping[str, Any]) -> Operation:
    name = next(iter(command))
    changes: tuple[str, ...] = ("fresh", "out") if name in ("create", "mapReduce") else ()
    if name in WRITING and command[name] in (*DOCUMENTS,):
        changes = (command[name],)
    return Operation(command, loose=True, changes=changes)


def elsewhere(operation: Operation) -> Operation:
    """The same in a database that does not exist; it must be refused as where there is one."""
    way = "plain" if operation.way == "transaction" and operation.changes else operation.way
    return replace(operation, db=MISSING, way=way)


odd_operations = [_odd(command) for command in ODD]
odd_operations += [elsewhere(operation) for operation in odd_operations]


def odd() -> st.SearchStrategy[Operation]:
    """One of them."""
    return st.sampled_from(odd_operations)


@st.composite
def schemas(draw: st.DrawFn) -> Operation:
    """Collections and indexes made, changed and dropped."""
    name = draw(st.sampled_from(TARGETS))
    on = draw(st.sampled_from([name, name, "ranged", "hashed", "plain"]))
    command: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"create": name}, {"create": name, "capped": True, "size": 4096},
                {"create": name, "validator": {"n": {"$gt": 5}}},
                {"create": name, "collation": {"locale": "fr", "strength": 1}},
                {"create": name, "viewOn": "ranged", "pipeline": [{"$match": {"a": 1}}]},
                {"create": name, "timeseries": {"timeField": "time"}},
                {"create": name, "clusteredIndex": {"key": {"_id": 1}, "unique": True}},
                {"drop": name}, {"insert": name, "documents": [{"_id": 1, "n": 3}]},
                {"find": name, "filter": {}}, {"count": name},
                {"createIndexes": on, "indexes": [{"key": {"z": 1}, "name": "z"}]},
                {"createIndexes": on, "indexes": [{"key": {"z": 1}, "name": "z"},
                                                  {"key": {"w": -1}, "name": "w", "sparse": True}]},
                {"dropIndexes": on, "index": "z"}, {"dropIndexes": on, "index": ["z", "w"]},
                {"dropIndexes": on, "index": {"w": -1}}, {"listIndexes": on},
                {"collMod": name, "validator": {"n": 1}, "validationAction": "warn"},
                {"collMod": name, "viewOn": "plain", "pipeline": []},
                {"collMod": name, "validationLevel": "off"},
                {"listCollections": 1, "filter": {"name": name}},
                {"listCollections": 1, "filter": {"name": {"$in": ["ranged", "capped"]}}},
                {"listCollections": 1, "nameOnly": True,
                 "filter": {"name": {"$not": {"$regex": "^system"}}}},
            ]
        )
    )  # fmt: skip
    return Operation(command, changes=(name,))


@st.composite
def tails(draw: st.DrawFn) -> Operation:
    """Tailable cursors, on what is capped and what is not."""
    command = {
        "find": draw(st.sampled_from(["capped", "capped", "plain", "ranged", "missing", "view"])),
        "filter": draw(filters),
        "tailable": True,
    }
    command |= draw(_some(batchSize=st.sampled_from([1, 3, 100]), sort=st.just({"$natural": 1})))
    return Operation(command)


def writes() -> st.SearchStrategy[Operation]:
    """Any write of documents."""
    return st.one_of(inserts(), update_writes(), delete_writes(), find_and_modifies())


reads = st.one_of(finds(), finds(), counts(), distincts(), plain_aggregates(), plain_aggregates())
missing = st.one_of(
    reads, explained_aggregates(), explains(), wrong_queries(), wrong_commands(), odd(),
    map_reduces(), tails(), writes(), writing_aggregates(),
).map(elsewhere)  # fmt: skip
others = st.one_of(
    wrong_commands(), wrong_queries(), odd(), odd(), explains(), map_reduces(), tails(),
    view_writes(), measurements(), writing_aggregates(), schemas(), explained_aggregates(), missing,
    missing,
)  # fmt: skip
operations = st.one_of(reads, writes(), writes(), others)
sequences: st.SearchStrategy[Sequence[Operation]] = st.lists(operations, min_size=1, max_size=8)
"""An example: what is done, one after the other."""
