"""The log of slow operations: what is in it, what never is, and how it is set."""

from __future__ import annotations

import json

import pytest
from pymongo.errors import OperationFailure

from shardhouse.router.options import OptionError, parse
from tests.router.cluster import until


@pytest.fixture
def slow(cluster, tmp_path):
    """A router that logs everything, its client, and a reader of its slow operations."""
    router = cluster.start_router("--slowms", "-1")
    with router.client(appname="shop") as client:

        def logged(name):
            events = map(json.loads, router.log.read_text().splitlines())
            queries = (event for event in events if event.get("id") == 51803)
            return [e for e in queries if name in e["attr"]["command"]]

        yield client, lambda name: until(f"{name} in the log", lambda: logged(name)), router
    assert router.stop() == 0


def test_a_slow_read_is_logged_as_a_server_does(slow, accounts):
    client, logged, _ = slow
    collection = client[accounts.name].accounts
    collection.insert_many([{"k": k, "_id": k} for k in (1, 2, 60, 61)])
    list(collection.find({"k": {"$gt": 0}}, batch_size=3))
    find, more = logged("find")[-1], logged("getMore")[-1]["attr"]
    assert (find["s"], find["c"], find["msg"]) == ("I", "COMMAND", "Slow query")
    told = find["attr"]
    assert told["ns"] == f"{accounts.name}.accounts"
    assert told["type"] == "command"
    assert told["appName"] == "shop"
    assert told["command"]["filter"] == {"k": {"$gt": 0}}
    assert told["nShards"] == 2
    assert told["nreturned"] == 3
    assert told["cursorid"] == more["command"]["getMore"]
    assert told["reslen"] > 100
    assert told["remote"].startswith("127.0.0.1:")
    assert told["protocol"] == "op_msg"
    assert told["durationMillis"] >= 0
    assert (more["nreturned"], more["cursorExhausted"]) == (1, True)
    assert more["ns"] == told["ns"]


def test_writes_and_failures_are_counted(slow, db):
    client, logged, _ = slow
    collection = client[db.name].c
    collection.insert_many([{"_id": 1}, {"_id": 2}])
    collection.update_many({}, {"$set": {"a": 1}})
    collection.delete_one({"_id": 2})
    with pytest.raises(OperationFailure):
        client[db.name].command("aggregate", "c", pipeline=[{"$nonsense": 1}], cursor={})
    assert logged("insert")[-1]["attr"]["ninserted"] == 2
    update = logged("update")[-1]["attr"]
    assert (update["nMatched"], update["nModified"], update["nShards"]) == (2, 2, 1)
    assert logged("delete")[-1]["attr"]["ndeleted"] == 1
    failed = logged("aggregate")[-1]["attr"]
    assert failed["errCode"] == 40324
    assert "$nonsense" in failed["errMsg"]


def test_no_secret_is_logged(slow, db):
    client, logged, router = slow
    client[db.name].command("createUser", "u", pwd="s3cret-one", roles=[])
    client[db.name].command("updateUser", "u", pwd="s3cret-two")
    with pytest.raises(OperationFailure):
        client[db.name].command("createuser", "u", pwd="s3cret-three", roles=[])
    explained = {"createUser": "u", "pwd": "s3cret-four", "roles": []}
    with pytest.raises(OperationFailure):
        client[db.name].command("explain", explained)
    with pytest.raises(OperationFailure):
        client[db.name].command("dropUser", "u", pwd="s3cret-five")
    with router.client("u", "s3cret-two", authSource=db.name) as user:
        user.admin.command("ping")
    assert logged("createUser")[-1]["attr"]["command"]["pwd"] == "xxx"
    assert logged("updateUser")
    assert logged("explain")[-1]["attr"]["command"]["explain"]["pwd"] == "xxx"
    assert logged("dropUser")[-1]["attr"]["command"]["pwd"] == "xxx"
    assert logged("createuser")[-1]["attr"]["command"] == {"createuser": "unknown"}
    assert all(event["attr"]["command"]["payload"] == "xxx" for event in logged("saslContinue"))
    assert "s3cret" not in router.log.read_text()


def test_a_long_command_is_cut(slow, db):
    client, logged, router = slow
    list(client[db.name].c.find({"a": "x" * 20_000}))
    told = logged("find")[-1]["attr"]
    assert "filter" not in told["command"]
    assert told["truncated"] == {"fields": 1}
    with pytest.raises(OperationFailure):
        client[db.name].command("n" * 50_000)
    (line,) = [e for e in router.log.read_text().splitlines() if "nnnn" in e]
    assert len(line) < 20_000


def test_profile_sets_it(cluster, root):
    admin = root.admin
    assert admin.command("profile", 0, slowms=250, sampleRate=0.5)["slowms"] == 100
    try:
        now = admin.command("profile", -1)
        assert (now["was"], now["slowms"], now["sampleRate"]) == (0, 250, 0.5)
    finally:
        admin.command("profile", 0, slowms=100, sampleRate=1.0)
    for wrong in ({"profile": 1}, {"profile": 2}, {"profile": 0, "sampleRate": 2}):
        with pytest.raises(OperationFailure) as refused:
            admin.command(wrong)
        assert refused.value.code == 2
    with pytest.raises(OperationFailure) as unfiltered:
        admin.command("profile", 0, filter={"ns": "a.b"})
    assert unfiltered.value.code == 115


def test_log_level_logs_everything(cluster, root, db):
    root.admin.command("setParameter", 1, logLevel=1)
    try:
        root[db.name].command("find", "noticed")
    finally:
        root.admin.command("setParameter", 1, logLevel=0)
    root[db.name].command("find", "unnoticed", maxTimeMS=60_000)
    text = cluster.router.log.read_text()
    assert f"{db.name}.noticed" in text
    assert f"{db.name}.unnoticed" not in text


@pytest.mark.parametrize(
    "wrong", [["--slowOpSampleRate", "1.5"], ["--slowms", "-2"], ["--slowms", "many"]]
)
def test_wrong_options_are_refused(tmp_path, wrong):
    key = tmp_path / "key"
    key.write_text("secret")
    with pytest.raises(OptionError):
        parse(["--configdb", "c/h:1", "--keyFile", str(key), *wrong])


def test_options_come_from_a_file_too(tmp_path):
    key, file = tmp_path / "key", tmp_path / "conf"
    key.write_text("secret")
    file.write_text("operationProfiling: {slowOpThresholdMs: 0, slowOpSampleRate: 0.25}\n")
    options = parse(["--configdb", "c/h:1", "--keyFile", str(key), "-f", str(file)])
    assert (options.slow_milliseconds, options.slow_sample_rate) == (0, 0.25)


def test_zero_is_a_limit(tmp_path):
    key = tmp_path / "key"
    key.write_text("secret")
    options = parse(["--configdb", "c/h:1", "--keyFile", str(key), "--slowms", "0"])
    assert options.slow_milliseconds == 0
