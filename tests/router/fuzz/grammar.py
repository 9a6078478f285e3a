# ruff: noqa: E501, DTZ001, SIM905, C420  (tables of odd things)
"""Random command documents: a sane example of every command, then spoilt.

All randomness comes from one `random.Random`, so that a seed tells the whole story. What could
undo the cluster by lawful means (removing a shard, the administrator, or the router itself) is
aimed at things that do not exist.
"""

from __future__ import annotations

import datetime
import random
import uuid
from collections.abc import Callable
from typing import Any

from bson import (
    Binary,
    Code,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)  # fmt: skip

from shardhouse.router.commands.table import TABLE

DATABASES = ("fuzz0", "fuzz1")
SHARDED, HASHED, PLAIN, VIEW, CAPPED, SERIES = "s", "h", "u", "v", "cap", "ts"
COLLECTIONS = (SHARDED, HASHED, PLAIN, VIEW, CAPPED, SERIES)
SESSIONS = tuple(uuid.UUID(int=n) for n in range(1, 5))
FAR = Timestamp(0xFFFFFFF0, 1)

Document = dict[str, Any]

_STRANGE_NAMES = (
    "", ".", "..", "$", "$cmd", "$cmd.aggregate", "a\0b", "system.users", "system.views",
    "system.buckets.ts", "x" * 300, "\U0001f600", "a.b.c", "$external", "admin", "config", "local",
    "system.profile", "none", "fuzz0", "fuzz0.s", "config.shards", "oplog.rs", "tmp.agg_out.1",
)  # fmt: skip

_STRANGE = (
    None, True, False, 0, 1, -1, 2**31 - 1, -(2**31), Int64(2**63 - 1), Int64(-(2**63)), Int64(0),
    0.5, -0.0, float("nan"), float("inf"), -float("inf"), 1e308, 2.0**63, Decimal128("NaN"),
    Decimal128("1E6144"), Decimal128("1"), "", "x", "$x", "$$ROOT", "a\0b", "x" * 70_000, b"",
    b"\0" * 16, Binary(b"\0" * 16, 4), Binary(b"x", 2), Binary(b"y", 6), ObjectId("0" * 24),
    Regex("(", "i"), Regex("a+a+a+$"), Code("f()"), Code("f()", {"a": 1}), Timestamp(0, 0), FAR,
    Timestamp(0xFFFFFFFF, 0xFFFFFFFF), MinKey(), MaxKey(), {}, [], [[]], [{}], {"": ""},
    {"$ref": 1}, DBRef("c", 1), datetime.datetime(1970, 1, 1), datetime.datetime(9999, 1, 1),
    {"$numberLong": "1"}, [None], {"a": {"b": {"c": [1, {"d": 2}]}}}, [1, "x", {}], {"$eq": {}},
)  # fmt: skip

_STRANGE_FIELDS = (
    "txnNumber", "autocommit", "startTransaction", "coordinator", "stmtIds", "stmtId", "lsid",
    "shardVersion", "databaseVersion", "fromMongos", "needsMerge", "exchange", "tailable",
    "awaitData", "maxTimeMS", "maxTimeMSOpOnly", "readConcern", "writeConcern", "$readPreference",
    "$clusterTime", "$configTime", "$topologyTime", "$audit", "$client", "$db", "$tenant",
    "$impersonatedUsers", "$queryOptions", "$replData", "$oplogQueryData", "$gleStats",
    "apiVersion", "apiStrict", "apiDeprecationErrors", "comment", "let", "collation", "hint",
    "explain", "cursor", "batchSize", "fromMigrate", "bypassDocumentValidation",
    "isTimeseriesNamespace", "encryptionInformation", "runtimeConstants", "legacyRuntimeConstants",
    "$_requestResumeToken", "$_resumeAfter", "$_requestReshardingResumeToken",
    "$_generateV2ResumeTokens", "$_isClusterQueryWithoutShardKeyCmd", "requestResumeToken",
    "mayBypassWriteBlocking", "readOnce", "term", "ntoreturn", "oplogReplay", "use44SortKeys",
    "useNewUpsert", "collectionUUID", "originalQueryShapeHash", "help", "allowPartialResults",
    "noCursorTimeout", "verbosity", "helloOk", "client", "topologyVersion", "maxAwaitTimeMS",
)  # fmt: skip


class Grammar:
    """Makes commands."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.cursors: list[tuple[int, str]] = []
        """Cursors the replies told of, as `(id, collection)`; getMore and killCursors use them."""

    def command(self) -> tuple[str, Document]:
        """A database and a command for it; `$db` is not in it."""
        name = self.random.choice(NAMES)
        return self.of(name)

    def of(self, name: str) -> tuple[str, Document]:
        """A command of one kind."""
        command = (EXAMPLES.get(name) or _ODD[name])(self)
        db = "admin" if name in ON_ADMIN else self.random.choice(DATABASES)
        if self.chance(0.05):
            db = self.random.choice(("admin", "config", "local", *DATABASES, *_STRANGE_NAMES))
        if self.chance(0.25):
            command |= self.session()
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 4))):
            command = self.spoilt(command)
        return db, tamed(command, db)

    # ingredients

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, *values: Any) -> Any:
        return self.random.choice(values)

    def strange(self) -> Any:
        return self.random.choice(_STRANGE)

    def collection(self) -> Any:
        if self.chance(0.1):
            return self.random.choice(_STRANGE_NAMES)
        return self.random.choice(COLLECTIONS)

    def namespace(self) -> str:
        return f"{self.random.choice(DATABASES)}.{self.collection()}"

    def number(self) -> Any:
        return self.pick(0, 1, 2, 10, 49, 50, 51, 99, Int64(5), 7.0, Decimal128("3"))

    def value(self) -> Any:
        return self.pick(self.number, lambda: self.pick("a", "b", None, True), self.strange)()

    def document(self) -> Document:
        return {
            "_id": self.pick(ObjectId(), self.number(), None),
            "k": self.value(),
            "t": datetime.datetime(2024, 1, 1),
            "a": self.value(),
            "l": [1, {"x": 2}],
        }

    def filter(self) -> Document:
        return self.pick(
            {}, {"_id": self.number()}, {"k": self.number()}, {"k": {"$gt": self.number()}},
            {"k": {"$in": [self.number(), self.value()]}}, {"a": self.value()},
            {"$or": [{"k": self.number()}, {"a": {"$exists": True}}]}, {"$and": [{"k": 1}]},
            {"$where": "true"}, {"$expr": {"$eq": ["$k", self.value()]}},
            {"$text": {"$search": "x"}}, {"a": {"$near": [0, 0]}}, {"$jsonSchema": {}},
            {"$alwaysFalse": 1}, {"a": {"$regex": "("}}, {"k": {"$mod": [0, 1]}},
            {"$_internalSchemaCond": []}, {"$comment": "x"}, {"$sampleRate": 0.5},
        )  # fmt: skip

    def update(self) -> Any:
        return self.pick(
            {"$set": {"a": self.value()}}, {"$inc": {"a": 1}}, {"$set": {"k": self.number()}},
            {"k": 1, "a": 2}, [{"$set": {"a": "$k"}}], {"$unset": {"k": 1}}, {"$push": {"l": 1}},
            {"$v": 2, "diff": {}}, [{"$unset": "a"}], {"$set": {"_id": 1}}, {},
        )  # fmt: skip

    def session(self) -> Document:
        lsid: Document = {"id": Binary.from_uuid(self.random.choice(SESSIONS))}
        told: Document = {"lsid": lsid}
        if self.chance(0.5):
            told["txnNumber"] = Int64(self.random.choice((0, 1, 2, 3, 2**40)))
        if self.chance(0.4):
            told["autocommit"] = False
        if self.chance(0.3):
            told["startTransaction"] = True
        if self.chance(0.05):
            lsid["uid"] = b"\0" * 32
        if self.chance(0.05):
            lsid |= {"txnUUID": Binary.from_uuid(SESSIONS[0]), "txnNumber": Int64(1)}
        return told

    def pipeline(self, depth: int = 0) -> list[Any]:
        stages = [self.stage(depth) for _ in range(self.random.choice((0, 1, 1, 2, 3)))]
        return self.nested(stages) if self.chance(0.02) else stages

    def nested(self, stages: list[Any]) -> list[Any]:
        for _ in range(self.random.choice((5, 30, 60))):
            around: Document = self.pick(
                {"$facet": {"a": stages}},
                {"$lookup": {"from": "s", "as": "x", "pipeline": stages}},
                {"$unionWith": {"coll": "s", "pipeline": stages}},
            )
            stages = [around]
        return stages

    def stage(self, depth: int) -> Document:
        inner = self.pipeline(depth + 1) if depth < 3 else []
        other = self.collection()
        name = self.random.choice(tuple(STAGES))
        example = STAGES[name](self, other, inner)
        return {name: self.strange() if self.chance(0.1) else example}

    # spoiling

    def spoilt(self, document: Document) -> Document:
        way = self.random.random()
        names = list(document)
        if way < 0.35 and names:
            return {**document, self.random.choice(names): self.strange()}
        if way < 0.45 and len(names) > 1:
            gone = self.random.choice(names[1:])
            return {name: value for name, value in document.items() if name != gone}
        if way < 0.75:
            return {**document, self.random.choice(_STRANGE_FIELDS): self.meaningful()}
        if way < 0.95 and names:
            name = self.random.choice(names)
            return {**document, name: self.deeper(document[name])}
        return {**document, f"x{self.random.randrange(9)}": self.strange()}

    def meaningful(self) -> Any:
        return self.pick(
            self.strange(), Int64(1), True, {"level": self.pick("local", "majority", "snapshot",
            "linearizable", "available", "nonsense"), **self.pick({}, {"afterClusterTime": FAR},
            {"atClusterTime": FAR}, {"atClusterTime": Timestamp(1, 1)},
            {"afterOpTime": {"ts": FAR, "t": Int64(1)}}, {"provenance": "clientSupplied"})},
            {"w": self.pick(0, 1, 2, 50, -1, "majority", "tag", {"a": 1}), "wtimeout": 50,
             **self.pick({}, {"j": True}, {"fsync": True, "j": True}, {"provenance": "x"})},
            {"mode": self.pick("secondary", "nearest", "primaryPreferred", "x"),
             **self.pick({}, {"tags": [{"dc": "x"}]}, {"maxStalenessSeconds": 1}, {"tags": "x"},
                         {"hedge": {"enabled": True}}, {"maxStalenessSeconds": 2**31})},
            {"clusterTime": FAR, "signature": {"hash": b"\0" * 20, "keyId": Int64(0)}},
            {"locale": self.pick("de", "simple", "xx"), "strength": self.pick(1, 2, 9)},
            {"e": ObjectId("00000000ffffffffffffffff"), "t": FAR, "v": Timestamp(0, 0)},
            {"uuid": Binary.from_uuid(SESSIONS[0]), "timestamp": FAR, "lastMod": 1},
            {"policy": "broadcast", "consumers": 2, "bufferSize": 100}, {"enabled": True}, "1",
        )  # fmt: skip

    def deeper(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self.spoilt(value)
        if isinstance(value, list) and value:
            index = self.random.randrange(len(value))
            return [
                *value[:index],
                self.deeper(value[index]),
                *value[index + 1 :],
                *([value[index]] if self.chance(0.2) else []),
            ]
        return self.strange()


def tamed(command: Document, db: str) -> Document:
    """Keeps a command off what the cluster and the test itself stand on."""
    name = next(iter(command), "")
    if name in _NEVER_AIMED:
        command = {**command, name: _NEVER_AIMED[name](command[name])}
    if name == "setParameter":
        for field in ("requireApiVersion", "cursorTimeoutMillis"):
            command.pop(field, None)
    if name == "setUserWriteBlockMode":
        command = {**command, "global": False}
    written = db in ("admin", "config", "local") and name in _WRITES
    return {"ping": 1} if written else command


def _elsewhere(value: Any) -> Any:
    return f"no-{value}" if isinstance(value, str) else value


_NEVER_AIMED: dict[str, Callable[[Any], Any]] = {
    name: _elsewhere
    for name in ("removeShard", "addShard", "dropUser", "updateUser", "revokeRolesFromUser",
                 "grantRolesToUser", "configureFailPoint")
}  # fmt: skip

_WRITES = frozenset(
    """insert update delete findAndModify drop dropDatabase create createIndexes dropIndexes collMod
    convertToCapped createUser dropAllUsersFromDatabase dropAllRolesFromDatabase dropRole mapReduce
    """.split()
)

Stage = Callable[[Grammar, Any, list[Any]], Any]

STAGES: dict[str, Stage] = {
    "$match": lambda g, c, p: g.filter(),
    "$project": lambda g, c, p: g.pick({"k": 1}, {"a": {"$add": ["$k", 1]}}, {"_id": 0}, {}),
    "$addFields": lambda g, c, p: {"z": g.pick("$k", {"$divide": [1, 0]}, {"$rand": {}})},
    "$set": lambda g, c, p: {"z": {"$function": {"body": "f", "args": [], "lang": "js"}}},
    "$unset": lambda g, c, p: "a",
    "$group": lambda g, c, p: {"_id": g.pick("$k", None, "$a"), "n": {"$sum": 1}},
    "$sort": lambda g, c, p: {"k": g.pick(1, -1)},
    "$limit": lambda g, c, p: g.pick(1, 5, Int64(2**62)),
    "$skip": lambda g, c, p: g.pick(0, 5, Int64(2**62)),
    "$count": lambda g, c, p: "n",
    "$sample": lambda g, c, p: {"size": g.number()},
    "$unwind": lambda g, c, p: "$l",
    "$bucket": lambda g, c, p: {"groupBy": "$k", "boundaries": [0, 50, 100], "default": "x"},
    "$bucketAuto": lambda g, c, p: {"groupBy": "$k", "buckets": 2},
    "$sortByCount": lambda g, c, p: "$k",
    "$redact": lambda g, c, p: g.pick("$$KEEP", "$$PRUNE", "$$DESCEND"),
    "$replaceRoot": lambda g, c, p: {"newRoot": {"a": "$k"}},
    "$replaceWith": lambda g, c, p: {"a": "$k"},
    "$densify": lambda g, c, p: {"field": "k", "range": {"step": 1, "bounds": "full"}},
    "$fill": lambda g, c, p: {"output": {"a": {"value": 1}}},
    "$setWindowFields": lambda g, c, p: {"sortBy": {"k": 1}, "output": {"r": {"$rank": {}}}},
    "$geoNear": lambda g, c, p: {"near": [0, 0], "distanceField": "d", "key": "a"},
    "$facet": lambda g, c, p: {"a": p, "b": [{"$count": "n"}]},
    "$lookup": lambda g, c, p: g.pick(
        {"from": c, "localField": "k", "foreignField": "k", "as": "x"},
        {"from": c, "let": {"k": "$k"}, "pipeline": p, "as": "x"},
        {"from": {"db": "config", "coll": "cache.chunks.fuzz0.s"}, "pipeline": p, "as": "x"},
        {"pipeline": [{"$documents": [{"a": 1}]}, *p], "as": "x"},
    ),
    "$graphLookup": lambda g, c, p: {
        "from": c, "startWith": "$k", "connectFromField": "k", "connectToField": "a", "as": "x"},
    "$unionWith": lambda g, c, p: g.pick(c, {"coll": c, "pipeline": p}, {"pipeline": p}),
    "$out": lambda g, c, p: g.pick("out", {"db": g.pick(*DATABASES), "coll": "out2"}, "s"),
    "$merge": lambda g, c, p: {
        "into": g.pick("s", "merged", {"db": "fuzz1", "coll": "u"}, {"db": "fuzz2", "coll": "n"}),
        "whenMatched": g.pick("merge", "fail", "replace", "keepExisting", p)},
    "$documents": lambda g, c, p: [{"a": 1}, {"a": 2}],
    "$collStats": lambda g, c, p: {"latencyStats": {}, "storageStats": {}, "count": {}},
    "$indexStats": lambda g, c, p: {},
    "$planCacheStats": lambda g, c, p: {},
    "$currentOp": lambda g, c, p: {"allUsers": g.pick(True, False), "localOps": g.pick(True, False)},
    "$listSessions": lambda g, c, p: g.pick({}, {"allUsers": True}),
    "$listLocalSessions": lambda g, c, p: g.pick({}, {"allUsers": True}),
    "$shardedDataDistribution": lambda g, c, p: {},
    "$changeStream": lambda g, c, p: g.pick(
        {}, {"fullDocument": "updateLookup"}, {"allChangesForCluster": True},
        {"startAtOperationTime": FAR}, {"startAtOperationTime": Timestamp(1, 1)},
        {"resumeAfter": {"_data": "82"}}, {"resumeAfter": {"_data": "zz"}},
        {"startAfter": {}}, {"showExpandedEvents": True}, {"showMigrationEvents": True},
        {"allowToRunOnSystemNS": True}, {"_passthroughToShard": {"shard": "s0"}}),
    "$changeStreamSplitLargeEvent": lambda g, c, p: {},
    "$listCatalog": lambda g, c, p: {},
    "$search": lambda g, c, p: {"index": "x"},
    "$searchMeta": lambda g, c, p: {},
    "$backupCursor": lambda g, c, p: {},
    "$operationMetrics": lambda g, c, p: {},
    "$queue": lambda g, c, p: [],
    "$mergeCursors": lambda g, c, p: {
        "remotes": [], "nss": "fuzz0.s", "sort": {"k": 1}, "compareWholeSortKey": False},
    **{
        name: lambda g, c, p: g.strange()
        for name in """$_internalInhibitOptimization $_internalSplitPipeline $_internalUnpackBucket
        $_internalReshardingIterateTransaction $_internalReshardingOwnershipMatch
        $_internalFindAndModifyImageLookup $_internalSetWindowFields $_internalDensify
        $_internalShardServerInfo $_internalConvertBucketIndexStats $_internalShredDocuments
        $_internalChangeStreamTransform $_internalChangeStreamOplogMatch $_unpackBucket
        $_internalChangeStreamUnwindTransaction $_internalChangeStreamCheckInvalidate
        $_internalChangeStreamHandleTopologyChange $_internalChangeStreamAddPreImage
        $_internalChangeStreamEnsureResumeTokenPresent $_internalBoundedSort $_addReshardingResumeId
        $_internalAllCollectionStats $_internalApplyOplogUpdate $_internalJsEmit""".split()
    },
}  # fmt: skip

Example = Callable[[Grammar], Document]


def _find(g: Grammar) -> Document:
    return {
        "find": g.collection(), "filter": g.filter(),
        **g.pick({}, {"sort": {"k": 1}}, {"sort": {"a": -1}, "limit": 5}, {"projection": {"k": 1}}),
        **g.pick({}, {"batchSize": 0}, {"batchSize": 2}, {"singleBatch": True}, {"limit": -1}),
        **g.pick({}, {}, {}, {"tailable": True}, {"tailable": True, "awaitData": True},
                 {"noCursorTimeout": True}, {"min": {"k": 1}, "hint": {"k": 1}}, {"let": {"a": 1}}),
    }  # fmt: skip


def _aggregate(g: Grammar) -> Document:
    return {
        "aggregate": g.pick(g.collection(), g.collection(), 1), "pipeline": g.pipeline(),
        "cursor": g.pick({}, {}, {"batchSize": 0}, {"batchSize": 1}),
        **g.pick({}, {}, {"allowDiskUse": True}, {"explain": True}, {"let": {"x": 1}}),
    }  # fmt: skip


def _update(g: Grammar) -> Document:
    return {"update": g.collection(), "updates": [
        {"q": g.filter(), "u": g.update(), "multi": g.pick(True, False), "upsert": g.chance(0.3),
         **g.pick({}, {}, {"hint": {"k": 1}}, {"arrayFilters": []}, {"collation": {"locale": "de"}})}
        for _ in range(g.pick(1, 1, 3))], "ordered": g.pick(True, False)}  # fmt: skip


def _delete(g: Grammar) -> Document:
    return {"delete": g.collection(), "deletes": [
        {"q": g.filter(), "limit": g.pick(0, 1)} for _ in range(g.pick(1, 1, 3))]}  # fmt: skip


def _insert(g: Grammar) -> Document:
    return {"insert": g.collection(), "documents": [g.document() for _ in range(g.pick(1, 2, 5))],
            "ordered": g.pick(True, False)}  # fmt: skip


def _find_and_modify(g: Grammar) -> Document:
    return {"findAndModify": g.collection(), "query": g.filter(), "upsert": g.chance(0.2),
            **g.pick({"update": g.update()}, {"remove": True}, {"update": g.update(), "new": True}),
            }  # fmt: skip


def _count(g: Grammar) -> Document:
    return {"count": g.collection(), "query": g.filter(),
            **g.pick({}, {"skip": g.number()}, {"limit": g.number()}, {"limit": -5})}  # fmt: skip


def _distinct(g: Grammar) -> Document:
    return {"distinct": g.collection(), "key": g.pick("k", "a", "_id", "l.x"), "query": g.filter()}


def _explain(g: Grammar) -> Document:
    inner = g.pick(_find, _aggregate, _update, _delete, _find_and_modify, _count, _distinct,
                   _insert, _cluster_command, _explain)(g)  # fmt: skip
    verbosity = g.pick("queryPlanner", "executionStats", "allPlansExecution", "x")
    return {"explain": {**inner, **({"$db": "fuzz0"} if g.chance(0.2) else {})},
            "verbosity": verbosity}  # fmt: skip


def _cluster_command(g: Grammar) -> Document:
    name = g.pick("clusterInsert", "clusterUpdate", "clusterDelete", "clusterFind",
                  "clusterAggregate", "clusterGetMore", "clusterCount")  # fmt: skip
    return {name: g.collection(), "updates": [{"q": {}, "u": {"$set": {"a": 1}}}], "pipeline": [],
            "deletes": [{"q": {}, "limit": 0}], "documents": [{"a": 1}], "cursor": {}}  # fmt: skip


def _get_more(g: Grammar) -> Document:
    number, name = g.pick(*g.cursors) if g.cursors else (5, "s")
    return {"getMore": Int64(number), "collection": name,
            **g.pick({}, {"batchSize": 1}, {"maxTimeMS": 20}, {"batchSize": 0})}  # fmt: skip


def _kill_cursors(g: Grammar) -> Document:
    number, name = g.pick(*g.cursors) if g.cursors else (5, "s")
    return {"killCursors": name, "cursors": [Int64(number), Int64(7)]}


def _map_reduce(g: Grammar) -> Document:
    return {"mapReduce": g.collection(), "map": "function(){emit(this.k,1)}",
            "reduce": "function(k,v){return v.length}",
            "out": g.pick({"inline": 1}, "mrout", {"merge": "mrout"}, {"reduce": "s"}),
            **g.pick({}, {"query": g.filter()}, {"finalize": "function(k,v){return v}"}, {"sort": {"k": 1}})}  # fmt: skip


def _sessions(name: str) -> Example:
    return lambda g: {name: [{"id": Binary.from_uuid(g.random.choice(SESSIONS))}]}


def _ending(name: str) -> Example:
    return lambda g: {name: 1, **g.session(), "autocommit": False,
                      **g.pick({}, {"recoveryToken": {"recoveryShardId": "s0"}},
                               {"recoveryToken": g.strange()})}  # fmt: skip


def _on(name: str, **more: Any) -> Example:
    return lambda g: {name: g.collection(), **more}


def _ns(name: str, **more: Any) -> Example:
    return lambda g: {name: g.namespace(), **more}


def _one(name: str, **more: Any) -> Example:
    return lambda g: {name: 1, **more}


def _account(name: str, **more: Any) -> Example:
    return lambda g: {name: g.pick("someone", "other"), **more}


_ROLES = [{"role": "read", "db": "fuzz0"}]
_PRIVILEGES = [{"resource": {"db": "fuzz0", "collection": ""}, "actions": ["find"]}]

EXAMPLES: dict[str, Example] = {
    "hello": _one("hello", maxAwaitTimeMS=10),
    "isMaster": _one("isMaster", client={"driver": {"name": "x", "version": "1"}}),
    "ismaster": _one("ismaster", compression=["zlib"]),
    "saslStart": lambda g: {"saslStart": 1, "mechanism": g.pick("SCRAM-SHA-256", "PLAIN", "MONGODB-X509"),
                            "payload": g.pick(b"n,,n=root,r=abc", b"", b"n,,", b"\xff" * 40)},
    "saslContinue": lambda g: {"saslContinue": 1, "conversationId": 1, "payload": b"c=biws,r=x,p=eA=="},
    "authenticate": _one("authenticate", mechanism="MONGODB-X509", user="CN=x"),
    "rotateCertificates": _one("rotateCertificates"),
    "ping": _one("ping"),
    "buildInfo": _one("buildInfo"),
    "connectionStatus": _one("connectionStatus", showPrivileges=True),
    "whatsmyuri": _one("whatsmyuri"),
    "isdbgrid": _one("isdbgrid"),
    "find": _find,
    "aggregate": _aggregate,
    "count": _count,
    "distinct": _distinct,
    "mapReduce": _map_reduce,
    "explain": _explain,
    "getMore": _get_more,
    "killCursors": _kill_cursors,
    "insert": _insert,
    "update": _update,
    "delete": _delete,
    "findAndModify": _find_and_modify,
    "create": lambda g: {"create": g.pick("new1", "new2", "s"), **g.pick(
        {}, {"capped": True, "size": 4096}, {"viewOn": "s", "pipeline": g.pipeline()},
        {"timeseries": {"timeField": "t"}}, {"validator": g.filter()},
        {"clusteredIndex": {"key": {"_id": 1}, "unique": True}})},
    "collMod": lambda g: {"collMod": g.collection(), **g.pick(
        {"validator": g.filter()}, {"index": {"name": "k_1", "hidden": True}},
        {"viewOn": "s", "pipeline": g.pipeline()}, {"changeStreamPreAndPostImages": {"enabled": True}})},
    "drop": lambda g: {"drop": g.pick("new1", "new2", "out", "merged", "none")},
    "dropDatabase": lambda g: {"dropDatabase": 1, "comment": "rare"},
    "renameCollection": lambda g: {"renameCollection": f"fuzz0.{g.pick('new1', 'out', 'none')}",
                                   "to": g.pick("fuzz0.new2", "fuzz1.new2", "x", "fuzz0.s"), "dropTarget": g.chance(0.3)},
    "createIndexes": lambda g: {"createIndexes": g.collection(), "indexes": [
        {"key": g.pick({"a": 1}, {"a": "text"}, {"a": "2d"}, {"$**": 1}, {"k": "hashed"}, {}), "name": g.pick("i1", "i2")}]},
    "dropIndexes": lambda g: {"dropIndexes": g.collection(), "index": g.pick("i1", "i2", "*", {"a": 1}, ["i1"])},
    "convertToCapped": lambda g: {"convertToCapped": g.pick("new1", "new2", "none"), "size": 4096},
    "setIndexCommitQuorum": _on("setIndexCommitQuorum", indexNames=["i1"], commitQuorum=1),
    "validate": _on("validate"),
    "planCacheClear": _on("planCacheClear"),
    "planCacheClearFilters": _on("planCacheClearFilters"),
    "planCacheListFilters": _on("planCacheListFilters"),
    "planCacheSetFilter": _on("planCacheSetFilter", query={"k": 1}, indexes=[{"k": 1}]),
    "listDatabases": _one("listDatabases", nameOnly=True),
    "listCollections": lambda g: {"listCollections": 1, "cursor": {"batchSize": g.pick(0, 1, 100)}},
    "listIndexes": lambda g: {"listIndexes": g.collection(), "cursor": {"batchSize": g.pick(0, 1, 100)}},
    "dbStats": _one("dbStats", scale=1),
    "collStats": _on("collStats", scale=1),
    "dataSize": _ns("dataSize", keyPattern={"k": 1}, min={"k": 0}, max={"k": 50}),
    "enableSharding": lambda g: {"enableSharding": g.pick(*DATABASES, "fuzz2", *_STRANGE_NAMES)},
    "shardCollection": lambda g: {"shardCollection": g.namespace(), "key": g.pick({"k": 1}, {"k": "hashed"}, {"a": 1}, {})},
    "refineCollectionShardKey": _ns("refineCollectionShardKey", key={"k": 1, "a": 1}),
    "reshardCollection": lambda g: {"reshardCollection": f"fuzz1.{g.pick('u', 'none', 'v')}", "key": {"a": 1}},
    "abortReshardCollection": _ns("abortReshardCollection"),
    "commitReshardCollection": _ns("commitReshardCollection"),
    "cleanupReshardCollection": _ns("cleanupReshardCollection"),
    "movePrimary": lambda g: {"movePrimary": g.pick("none", "fuzz1", "admin"), "to": g.pick("s0", "s1", "x")},
    "split": lambda g: {"split": g.namespace(), **g.pick(
        {"middle": {"k": g.value()}}, {"find": {"k": g.number()}}, {"bounds": [{"k": 0}, {"k": 50}]})},
    "mergeChunks": _ns("mergeChunks", bounds=[{"k": MinKey()}, {"k": 50}]),
    "moveChunk": lambda g: {"moveChunk": g.namespace(), "find": {"k": g.number()}, "to": g.pick("s0", "s1", "x")},
    "moveRange": lambda g: {"moveRange": g.namespace(), "min": {"k": 50}, "toShard": g.pick("s0", "s1", "x")},
    "clearJumboFlag": _ns("clearJumboFlag", find={"k": 1}),
    "addShard": lambda g: {"addShard": g.pick("127.0.0.1:1", "rs/127.0.0.1:1", ""), "maxTimeMS": 500},
    "removeShard": lambda g: {"removeShard": g.pick("x", "", "none")},
    "listShards": _one("listShards"),
    "getShardMap": _one("getShardMap"),
    "getShardVersion": _ns("getShardVersion"),
    "flushRouterConfig": lambda g: {"flushRouterConfig": g.pick(1, "fuzz0", "fuzz0.s")},
    "fsync": _one("fsync"),
    "addShardToZone": lambda g: {"addShardToZone": g.pick("s0", "x"), "zone": "z"},
    "removeShardFromZone": lambda g: {"removeShardFromZone": g.pick("s0", "x"), "zone": "z"},
    "updateZoneKeyRange": lambda g: {"updateZoneKeyRange": g.namespace(), "min": {"k": 0}, "max": {"k": 5}, "zone": g.pick("z", None)},
    "balancerStart": _one("balancerStart"),
    "balancerStop": _one("balancerStop"),
    "balancerStatus": _one("balancerStatus"),
    "balancerCollectionStatus": _ns("balancerCollectionStatus"),
    "configureCollectionBalancing": _ns("configureCollectionBalancing", chunkSize=1),
    "setFeatureCompatibilityVersion": lambda g: {"setFeatureCompatibilityVersion": g.pick("6.0", "x")},
    "setDefaultRWConcern": lambda g: {"setDefaultRWConcern": 1, "defaultReadConcern": {"level": "local"}},
    "getDefaultRWConcern": _one("getDefaultRWConcern"),
    "setClusterParameter": lambda g: {"setClusterParameter": {g.pick("x", "changeStreamOptions"): g.strange()}},
    "getClusterParameter": lambda g: {"getClusterParameter": g.pick("*", "x", ["changeStreamOptions"])},
    "setUserWriteBlockMode": lambda g: {"setUserWriteBlockMode": 1, "global": False},
    "createUser": _account("createUser", pwd="Some@1234", roles=_ROLES),
    "updateUser": _account("updateUser", customData={}),
    "dropUser": _account("dropUser"),
    "dropAllUsersFromDatabase": _one("dropAllUsersFromDatabase"),
    "grantRolesToUser": _account("grantRolesToUser", roles=_ROLES),
    "revokeRolesFromUser": _account("revokeRolesFromUser", roles=_ROLES),
    "createRole": _account("createRole", privileges=_PRIVILEGES, roles=_ROLES),
    "updateRole": _account("updateRole", privileges=_PRIVILEGES),
    "dropRole": _account("dropRole"),
    "dropAllRolesFromDatabase": _one("dropAllRolesFromDatabase"),
    "grantRolesToRole": _account("grantRolesToRole", roles=_ROLES),
    "revokeRolesFromRole": _account("revokeRolesFromRole", roles=_ROLES),
    "grantPrivilegesToRole": _account("grantPrivilegesToRole", privileges=_PRIVILEGES),
    "revokePrivilegesFromRole": _account("revokePrivilegesFromRole", privileges=_PRIVILEGES),
    "usersInfo": lambda g: {"usersInfo": g.pick(1, "root", {"user": "root", "db": "admin"}, {"forAllDBs": True}), "showPrivileges": g.chance(0.3)},
    "rolesInfo": lambda g: {"rolesInfo": g.pick(1, "read", ["read"]), "showPrivileges": g.chance(0.3)},
    "startSession": _one("startSession"),
    "endSessions": _sessions("endSessions"),
    "refreshSessions": _sessions("refreshSessions"),
    "killSessions": _sessions("killSessions"),
    "killAllSessions": lambda g: {"killAllSessions": [{"user": "someone", "db": "fuzz0"}]},
    "killAllSessionsByPattern": lambda g: {"killAllSessionsByPattern": [{"users": [{"user": "someone", "db": "fuzz0"}]}]},
    "refreshLogicalSessionCacheNow": _one("refreshLogicalSessionCacheNow"),
    "commitTransaction": _ending("commitTransaction"),
    "abortTransaction": _ending("abortTransaction"),
    "serverStatus": _one("serverStatus"),
    "connPoolStats": _one("connPoolStats"),
    "currentOp": _one("currentOp"),
    "killOp": lambda g: {"killOp": 1, "op": g.pick("s0:99999999", "x:1", 99999999, "s0:x", "s0:")},
    "hostInfo": _one("hostInfo"),
    "getParameter": lambda g: {"getParameter": g.pick("*", 1, {"showDetails": True}), "logLevel": 1},
    "setParameter": lambda g: {"setParameter": 1, g.pick("logLevel", "x"): g.strange()},
    "getCmdLineOpts": _one("getCmdLineOpts"),
    "getLog": lambda g: {"getLog": g.pick("global", "startupWarnings", "*", "x")},
    "logRotate": lambda g: {"logRotate": g.pick("x", "audit", 0)},
    "invalidateUserCache": _one("invalidateUserCache"),
    "profile": lambda g: {"profile": g.pick(-1, 0)},
    "replSetGetStatus": _one("replSetGetStatus"),
    "configureFailPoint": lambda g: {"configureFailPoint": "x", "mode": "off"},
    "listCommands": _one("listCommands"),
}  # fmt: skip
"""A sane example of every command of the router's table."""

_ODD = {
    name: lambda g, name=name: {name: g.pick(1, "s", {}, g.strange()), **g.pick({}, {"documents": [{}]}, {"pipeline": []})}
    for name in """clusterInsert clusterUpdate clusterDelete clusterFind clusterAggregate
    clusterGetMore clusterCommitTransaction clusterAbortTransaction clusterCount _shardsvrCreateCollection
    _shardsvrDropDatabase _configsvrCreateDatabase _configsvrRemoveShard _flushRoutingTableCacheUpdates
    appendOplogNote applyOps replSetStepDown replSetReconfig coordinateCommitTransaction
    prepareTransaction splitVector splitChunk _recvChunkStart _transferMods eval $eval godinsert
    sleep internalRenameIfOptionsAndIndexesMatch _hashBSONElement _getUserCacheGeneration
    moveOldVersion testDeprecation copydb resetError getLastError""".split()
}  # fmt: skip
"""What is in no mongos' table, or for members of a cluster only."""

_RARE = frozenset({"dropDatabase", "reshardCollection", "movePrimary", "addShard", "validate"})
_OFTEN = (
    "find", "aggregate", "aggregate", "aggregate", "update", "insert", "delete", "findAndModify",
    "explain", "getMore", "getMore", "killCursors", "count", "distinct", "commitTransaction",
)  # fmt: skip
_LEFT_OUT = {"logout", "shutdown", "replSetStepDown", "rotateCertificates"}
"""These end the fuzzer's own login, or the router."""

EXAMPLES |= {name: _ns(name) for name in TABLE.keys() - EXAMPLES.keys() - _LEFT_OUT}
_ALL = (*EXAMPLES, *_ODD)
NAMES = (*_OFTEN * 60, *tuple(name for name in _ALL if name not in _RARE) * 5, *_RARE)
ON_ADMIN = frozenset(
    """renameCollection listDatabases enableSharding shardCollection refineCollectionShardKey
    reshardCollection abortReshardCollection commitReshardCollection cleanupReshardCollection
    movePrimary split mergeChunks moveChunk moveRange clearJumboFlag addShard removeShard listShards
    getShardMap getShardVersion flushRouterConfig fsync addShardToZone removeShardFromZone
    updateZoneKeyRange balancerStart balancerStop balancerStatus balancerCollectionStatus
    configureCollectionBalancing setFeatureCompatibilityVersion setDefaultRWConcern
    getDefaultRWConcern setClusterParameter getClusterParameter setUserWriteBlockMode
    commitTransaction abortTransaction serverStatus currentOp killOp hostInfo getParameter
    setParameter getCmdLineOpts getLog logRotate invalidateUserCache replSetGetStatus
    configureFailPoint""".split()
)
