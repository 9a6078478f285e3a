"""Members of real sets stand still while they are copied, and never longer than they should."""

import os
import signal
import subprocess
import sys

import pytest
from pymongo import WriteConcern
from pymongo.errors import PyMongoError

from shardhouse.errors import MongoError
from shardhouse.mongo import lock, replica_set
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.lock import locked, release_left_over
from shardhouse.mongo.wait import Deadline
from tests.installation import until
from tests.mongo.conftest import ENGINE


class Set:
    """A set, as the tests of this module use it."""

    def __init__(self, plan, clients):
        self.plan = plan
        self.clients = clients
        self.hidden = plan.hidden
        self.others = [host for host in plan.hosts if host != plan.hidden]

    def lock(self, seconds=60.0):
        return locked(self.hidden, self.clients, self.others, seconds)

    def write(self, w=1):
        primary = until("a primary", lambda: replica_set.find_primary(self.others, self.clients))
        concern = WriteConcern(w, wtimeout=20_000)
        self.clients[primary].shop.get_collection("x", write_concern=concern).insert_one({})

    def is_locked(self, host=None):
        return lock._is_locked(host or self.hidden, self.clients)

    def top(self):
        return lock._top(self.clients, self.hidden)


def copying(lock, work=lambda: None):
    """Hold the lock while the work is done."""
    with lock:
        work()


@pytest.fixture
def members(formed):
    found = Set(formed.plan, formed.clients)
    until(
        "all to be well", lambda: all(lock._is_well(h, formed.clients) for h in formed.plan.hosts)
    )
    found.write(w=3)
    yield found
    assert not found.is_locked()


def test_a_locked_member_stands_still_and_the_others_go_on(members):
    with members.lock() as held:
        assert members.is_locked()
        members.write(w="majority")
        assert members.top()[0] == held.top
        held.check()
    assert not members.is_locked()
    members.write(w=3)
    assert members.top()[0] > held.top


def test_the_member_is_released_when_copying_fails(members):
    with pytest.raises(RuntimeError, match="no space"), members.lock():
        raise RuntimeError("no space")
    assert not members.is_locked()


def test_the_member_is_released_in_time(members):
    with pytest.raises(MongoError, match=r"unlocked early: 0\.1 s had passed"), members.lock(0.1):
        until("the release", lambda: not members.is_locked())


def test_a_copy_that_fails_after_an_early_release_says_why(members):
    def fail():
        until("the release", lambda: not members.is_locked())
        raise RuntimeError("a file vanished")

    with pytest.raises(MongoError, match="unlocked early"):
        copying(members.lock(0.1), fail)


def test_the_member_is_released_when_another_dies(members, formed):
    primary = replica_set.find_primary(members.others, members.clients)
    (other,) = (host for host in members.others if host != primary)

    def lose_another():
        formed.lab.kill(other)
        members.write(w="majority")
        assert not members.is_locked()

    try:
        with pytest.raises(MongoError, match=f"unlocked early: {other} is not well"):
            copying(members.lock(), lose_another)
        with pytest.raises(MongoError, match=f"not locked while {other} is not well"):
            copying(members.lock())
    finally:
        formed.lab.restart(other)
    assert not members.is_locked()


@pytest.mark.parametrize("again", [True, False])
def test_the_copy_is_void_if_the_member_ended_meanwhile(members, formed, again):
    def end():
        formed.lab.kill(members.hidden)
        if again:
            formed.lab.restart(members.hidden)
            until("an answer", lambda: _answers(members))

    try:
        with pytest.raises(MongoError, match=r"was restarted or unlocked|does not answer"):
            copying(members.lock(), end)
    finally:
        formed.lab.restart(members.hidden)


def _answers(members):
    try:
        return members.clients[members.hidden].admin.command("hello")
    except PyMongoError:
        return None


def test_the_copy_is_void_if_somebody_unlocked_the_member(members):
    with pytest.raises(MongoError, match="was restarted or unlocked"), members.lock():
        members.clients[members.hidden].admin.command("fsyncUnlock")


def test_a_lock_of_somebody_else_is_left_alone(members):
    admin = members.clients[members.hidden].admin
    admin.command("fsync", 1, lock=True)
    try:
        with pytest.raises(MongoError, match="by another client"), members.lock():
            pass
        assert members.is_locked()
    finally:
        assert admin.command("fsyncUnlock")["lockCount"] == 0


def test_a_lock_that_is_left_over_is_released_once(members, formed):
    script = f"""
import sys, time
from shardhouse.mongo.admin import Access, Clients
from shardhouse.mongo.lock import locked
with Clients(Access(sys.stdin.readline())) as clients:
    with locked({members.hidden!r}, clients, {members.others!r}, 600):
        print("locked", flush=True)
        time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        holder.stdin.write(formed.lab.access.key)
        holder.stdin.flush()
        assert holder.stdout.readline() == "locked\n"
        os.kill(holder.pid, signal.SIGKILL)
    assert members.is_locked()
    assert release_left_over(members.hidden, members.clients)
    assert not members.is_locked()
    assert not release_left_over(members.hidden, members.clients)


def test_a_member_that_does_not_answer_is_told(lab, clients):
    with pytest.raises(MongoError, match="does not say"), clients.with_timeouts(0.2, 1) as quick:
        release_left_over("127.81.9.9:18635", quick)


def test_what_a_majority_lacks_may_be_rolled_back_and_is_no_copy(members, monkeypatch):
    monkeypatch.setattr(lock, "_COMMITTED", 0.5)
    primary = replica_set.find_primary(members.others, members.clients)
    followers = [host for host in members.plan.hosts if host != primary]
    try:
        for host in followers:
            members.clients[host].admin.command("fsync", 1, lock=True)
        members.write()
        with pytest.raises(MongoError, match=r"Waited 0\.5 s for a majority to have what"):
            copying(locked(primary, members.clients, followers, 60))
        assert not members.is_locked(primary)
    finally:
        for host in followers:
            release_left_over(host, members.clients)


@pytest.mark.skipif(ENGINE.version in ("6.0.5", "4.4.2"), reason="it waits for the transaction")
def test_a_set_of_one_is_locked_itself_but_not_behind_a_transaction(lab, clients, monkeypatch):
    monkeypatch.setattr(lock, "_PENDING", 0.5)
    plan = lab.start("replica", 1)
    (host,) = plan.hosts
    replica_set.form(plan, clients, Deadline(60))
    with Clients(lab.access) as others:
        shop = others[host].shop
        shop.x.insert_one({})
        with locked(host, clients, [], 60) as held:
            assert shop.x.count_documents({}) == 1
        with others[host].start_session() as session, session.start_transaction():
            shop.x.insert_one({}, session=session)
            with pytest.raises(MongoError, match="cannot be locked"):
                copying(locked(host, clients, [], 60))
            shop.x.insert_one({})
        assert not lock._is_locked(host, clients)
        with locked(host, clients, [], 60) as again:
            assert again.top > held.top
