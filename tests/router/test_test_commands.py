"""A router started for drivers' own tests: fail points, and commands that exist for tests only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo import MongoClient, WriteConcern
from pymongo.errors import AutoReconnect, OperationFailure
from pymongo.server_api import ServerApi

from tests.router.cluster import RouterProcess

TRANSIENT, RETRYABLE = "TransientTransactionError", "RetryableWriteError"


@pytest.fixture(scope="module")
def router(cluster) -> Iterator[RouterProcess]:
    started = cluster.start_router("--setParameter", "enableTestCommands=1")
    yield started
    assert started.stop() == 0


@pytest.fixture
def client(router) -> Iterator[MongoClient]:
    with router.client(retryReads=False, retryWrites=False, appName="mine") as connected:
        yield connected
        for name in ("failCommand", "failGetMoreAfterCursorCheckout"):
            connected.admin.command("configureFailPoint", name, mode="off")


def fail(client, *commands, mode=None, name="failCommand", **data):
    data |= {"failCommands": commands} if commands else {}
    client.admin.command("configureFailPoint", name, mode=mode or {"times": 1}, data=data)


@pytest.mark.parametrize(
    "code", [251, 112, pytest.param(10107, marks=pytest.mark.soak), 24, 246, 267]
)
def test_errors_in_a_transaction_are_transient(client, db, code):
    mine = client[db.name].c
    mine.insert_one({})
    with client.start_session() as session:
        session.start_transaction()
        fail(client, "insert", errorCode=code)
        with pytest.raises((OperationFailure, AutoReconnect)) as statement:
            mine.insert_one({}, session=session)
        assert statement.value.has_error_label(TRANSIENT)
        session.abort_transaction()
        session.start_transaction()
        mine.insert_one({}, session=session)
        # The driver repeats a commit once if that is safe.
        fail(client, "commitTransaction", mode={"times": 2}, errorCode=code)
        with pytest.raises((OperationFailure, AutoReconnect)) as commit:
            session.commit_transaction()
        label = "UnknownTransactionCommitResult" if code == 10107 else TRANSIENT
        assert commit.value.has_error_label(label)


@pytest.mark.soak
def test_a_concern_error_bears_the_label_of_a_real_one(router, client, db):
    error = {"code": 91, "errmsg": "stopped"}
    mine = client[db.name].get_collection("c", write_concern=WriteConcern("majority"))
    fail(client, "insert", writeConcernError=error)
    with pytest.raises(OperationFailure) as plain:
        mine.insert_one({"_id": 1})
    assert not plain.value.has_error_label(RETRYABLE)
    with router.client(retryWrites=True) as retrying:
        fail(client, "insert", writeConcernError=error)
        retrying[db.name].c.insert_one({"_id": 2})  # is sent again
    fail(client, "insert", writeConcernError=error, errorLabels=["mine"])
    with pytest.raises(OperationFailure) as told:
        mine.insert_one({"_id": 3})
    assert told.value.has_error_label("mine")


@pytest.mark.parametrize("collection", ["accounts", "log"])
def test_a_get_more_fails_after_it_found_its_cursor(client, accounts, collection):
    mine = client[accounts.name][collection]
    mine.insert_many({"k": number} for number in range(100))
    cursor = mine.find(batch_size=2)
    next(cursor)
    fail(client, name="failGetMoreAfterCursorCheckout", errorCode=280)
    with pytest.raises(OperationFailure) as refused:
        list(cursor)
    assert refused.value.code == 280
    assert len(list(mine.find(batch_size=2))) == 100


def test_a_change_stream_is_opened_again_where_it_was(client, db):
    with client[db.name].c.watch() as stream:
        fail(client, name="failGetMoreAfterCursorCheckout", errorCode=234)
        client[db.name].c.insert_one({"_id": 1})
        assert next(stream)["documentKey"] == {"_id": 1}
    with client[db.name].c.watch() as stream:
        fail(client, name="failGetMoreAfterCursorCheckout", errorCode=280)
        with pytest.raises(OperationFailure) as refused:
            next(stream)
    assert refused.value.code == 280


def test_an_applications_first_hello_fails(router, client):
    commands = ("hello", "isMaster", "ismaster")
    fail(client, *commands, mode="alwaysOn", closeConnection=True, appName="theirs")
    short = {"serverSelectionTimeoutMS": 500}
    with router.client(appName="theirs", **short) as theirs, pytest.raises(AutoReconnect):
        theirs.admin.command("ping")
    with router.client(appName="others") as others:
        others.admin.command("ping")


def test_commands_of_an_api_version(router, client):
    for name in ("testVersion1", "testVersion2"):
        assert client.admin.command(name)["ok"] == 1
        assert name in client.admin.command("listCommands")["commands"]
    strict = ServerApi("1", strict=True)
    with router.client(server_api=strict) as declared:
        assert declared.admin.command("testVersion1")["ok"] == 1
        with pytest.raises(OperationFailure) as refused:
            declared.admin.command("testVersion2")
    assert refused.value.code == 323


@pytest.mark.parametrize("name", ["configureFailPoint", "testVersion1", "testVersion2"])
def test_only_where_they_are_enabled(root, name):
    with pytest.raises(OperationFailure) as refused:
        root.admin.command(name)
    assert refused.value.code == 59
    assert name not in root.admin.command("listCommands")["commands"]
