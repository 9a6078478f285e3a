"""A router told to stop: who began something may finish it, nobody may begin anything."""

from __future__ import annotations

import signal

import pytest
from pymongo.errors import NotPrimaryError

from tests.router.cluster import until


@pytest.fixture
def leaving(cluster):
    router = cluster.start_router(
        "--setParameter", "mongosShutdownTimeoutMillisForSignaledShutdown=60000"
    )
    yield router
    router.kill()


def told_to_stop(router):
    router.process.send_signal(signal.SIGTERM)
    until("the router to stop", lambda: "Router stopping" in router.log.read_text())


def test_a_transaction_and_a_cursor_are_brought_to_their_end(accounts, leaving, root):
    accounts.accounts.insert_many([{"k": k} for k in range(0, 100, 5)])
    with (
        leaving.client(maxPoolSize=1) as client,
        client.start_session() as session,
        client[accounts.name].accounts.find(batch_size=2) as found,
    ):
        next(found)
        session.start_transaction()
        client[accounts.name].log.insert_one({"_id": 1}, session=session)
        told_to_stop(leaving)
        assert len(list(found)) == 19
        client[accounts.name].accounts.update_one({"k": 50}, {"$set": {"x": 1}}, session=session)
        session.commit_transaction()
        assert leaving.process.wait(timeout=30) == 0
    assert accounts.log.count_documents({}) == 1
    assert accounts.accounts.count_documents({"x": 1}) == 1


def test_nothing_new_is_begun(accounts, leaving):
    accounts.accounts.insert_many([{"k": k} for k in range(0, 100, 5)])
    with (
        leaving.client(maxPoolSize=1) as client,
        client[accounts.name].accounts.find(batch_size=2) as found,
    ):
        next(found)
        told_to_stop(leaving)
        with pytest.raises(NotPrimaryError) as refused:
            client[accounts.name].command("count", "accounts")
        assert refused.value.details["code"] == 91


def test_what_is_left_open_is_ended(accounts, cluster, root):
    router = cluster.start_router(
        "--setParameter", "mongosShutdownTimeoutMillisForSignaledShutdown=100"
    )
    accounts.accounts.insert_many([{"k": k, "n": 0} for k in range(0, 100, 5)])

    def left() -> dict[str, tuple[int, int]]:
        found = {}
        for shard in cluster.shards:
            with shard.client() as client:
                status = client.admin.command("serverStatus")
            cursors = status["metrics"]["cursor"]["open"]["total"]
            found[shard.name] = (cursors, status["transactions"]["currentOpen"])
        return found

    before = left()
    client = router.client()
    session = client.start_session()
    session.start_transaction()
    mine = client[accounts.name].accounts
    for key in (0, 50):
        mine.update_one({"k": key}, {"$inc": {"n": 1}}, session=session)
    found = mine.find(batch_size=2)
    next(found)
    stream = client[accounts.name].watch()
    stream.try_next()
    assert left() != before
    assert router.stop() == 0
    until("shards to be rid of it", lambda: left() == before)
    assert accounts.accounts.count_documents({"n": 0}) == 20
    client.close()
