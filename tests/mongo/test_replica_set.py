"""Replica sets of real mongods: formed, resumed, settled, and safe with what they acknowledged."""

import os
import time
from dataclasses import replace

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from shardhouse.domain import uris
from shardhouse.domain.model import Role
from shardhouse.errors import MongoError
from shardhouse.mongo import administrator, probe, replica_set, status
from shardhouse.mongo.admin import Access, Clients
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline
from tests.mongo.conftest import PASSWORD

READY = (Role.PRIMARY, Role.SECONDARY, Role.HIDDEN)


def roles(plan, clients):
    return tuple(member.role for member in status.members(plan.hosts, clients))


def wait_for(what, condition, seconds=40):
    return Deadline(seconds).until(what, lambda: condition() or None)


def test_three_members_become_primary_secondary_and_hidden(formed):
    wait_for("all roles", lambda: roles(formed.plan, formed.clients) == READY)
    assert all(m.healthy for m in status.members(formed.plan.hosts, formed.clients))


def test_the_hidden_member_is_not_told_to_clients_and_never_elected(formed):
    hello = formed.clients[formed.plan.hosts[0]].admin.command("hello")
    assert set(hello["hosts"]) == set(formed.plan.visible)
    config = formed.clients[formed.plan.hosts[0]].admin.command("replSetGetConfig")["config"]
    assert [m["priority"] for m in config["members"]] == [1, 1, 0]
    assert [m["votes"] for m in config["members"]] == [1, 1, 1]


def test_forming_again_changes_nothing(formed):
    def version():
        host = formed.plan.hosts[0]
        return formed.clients[host].admin.command("replSetGetConfig")["config"]["version"]

    before = version()
    assert replica_set.form(formed.plan, formed.clients, Deadline(10)) == formed.plan.hosts[0]
    assert version() == before


def test_settling_restores_the_default_heartbeat_once(formed):
    for _ in range(2):
        replica_set.restore_heartbeat_interval(formed.plan, formed.clients, Deadline(30))
        assert roles(formed.plan, formed.clients) == READY
    config = formed.clients[formed.plan.hosts[0]].admin.command("replSetGetConfig")["config"]
    assert config["settings"]["heartbeatIntervalMillis"] == replica_set.SETTLED
    replica_set.form(formed.plan, formed.clients, Deadline(10))


def test_the_instances_uri_takes_majority_writes_and_nothing_remains(formed):
    address = uris.uri(formed.plan.visible, password=PASSWORD, replica_set="replica")
    probe.probe(address, Deadline(20))
    names = formed.clients[formed.plan.hosts[0]].list_database_names()
    assert probe.DATABASE not in names


def test_a_wrong_password_ends_the_probe_at_once(formed):
    address = uris.uri(formed.plan.visible, password="wrong", replica_set="replica")
    begin = time.monotonic()
    with pytest.raises(MongoError, match="Authentication failed"):
        probe.probe(address, Deadline(30))
    assert time.monotonic() - begin < 25


def test_making_the_administrator_again_sets_the_new_password(formed):
    for password in ("Other@456", PASSWORD):
        administrator.ensure(formed.plan.visible, password, formed.clients, Deadline(20))
        address = uris.uri(formed.plan.visible, password=password, replica_set="replica")
        with MongoClient(address) as client:
            assert client.admin.command("connectionStatus")["authInfo"]["authenticatedUserRoles"]


def test_nobody_gets_in_without_a_password(formed):
    with (
        MongoClient(formed.plan.hosts[0], directConnection=True) as client,
        pytest.raises(OperationFailure, match="auth"),
    ):
        client.admin.command("createUser", "me", pwd="x", roles=["root"])


def test_a_wrong_key_is_refused_at_once(formed):
    with Clients(Access("A" * 40)) as clients, pytest.raises(MongoError, match="Authentication"):
        replica_set.form(formed.plan, clients, Deadline(30))


def test_a_member_of_another_set_is_not_touched(formed):
    stranger = SetPlan("replica", (*formed.plan.hosts[:2], "127.81.9.9:18635"))
    with pytest.raises(MongoError, match=r"127\.81\.9\.9"):
        replica_set._size(stranger, formed.clients)


def test_waiting_in_vain_says_for_what():
    with Clients(Access("x" * 10)) as clients, pytest.raises(MongoError, match=r"127\.81\.9\.8:1 "):
        replica_set.form(SetPlan("replica", ("127.81.9.8:1",)), clients, Deadline(0.1))


def test_a_process_known_to_be_dead_is_not_waited_for():
    def check():
        raise MongoError("the process died")

    with Clients(Access("x" * 10)) as clients, pytest.raises(MongoError, match="died"):
        replica_set.form(SetPlan("replica", ("127.81.9.8:1",)), clients, Deadline(60, check))


def test_nobody_answering_means_unknown_with_a_reason():
    with Clients(Access("x" * 10), timeout=0.2) as clients:
        members = status.members(["127.81.9.8:1", "127.81.9.9:1"], clients)
    assert {(m.role, m.healthy) for m in members} == {(Role.UNKNOWN, False)}
    assert members[0].detail == "no member accepts connections"


def test_a_single_member_is_a_primary_and_settled(lab, clients):
    plan = lab.start("replica", 1)
    replica_set.form(plan, clients, Deadline(30))
    replica_set.restore_heartbeat_interval(plan, clients, Deadline(10))
    assert roles(plan, clients) == (Role.PRIMARY,)


@pytest.mark.parametrize("members", [1, 2])
def test_a_half_done_formation_is_continued(lab, clients, members):
    plan = lab.start("replica", 3)
    founders = replace(plan, hosts=plan.hosts[:members], hidden=None)
    replica_set.form(founders, clients, Deadline(40))
    lab.kill(*plan.hosts)
    lab.restart(*plan.hosts)
    replica_set.form(plan, clients, Deadline(40))
    wait_for("all roles", lambda: set(roles(plan, clients)) == set(READY))


def test_acknowledged_writes_survive_kills_right_after_the_formation(lab, clients):
    plan = lab.start("replica", 3)
    primary = replica_set.form(plan, clients, Deadline(40))
    concern = WriteConcern("majority")

    def stands(host):
        clients[host].admin.command("replSetStepUp", 1)
        return clients[host].admin.command("hello")["isWritablePrimary"]

    # Thirty megabytes that do not compress: several times a journal file of a small node.
    batches, size = 100, 100
    table = clients[primary].get_database("t", write_concern=concern)["t"]
    for _ in range(batches):
        table.insert_many([{"x": os.urandom(3000)} for _ in range(size)])
    count = batches * size
    lab.kill(primary)
    others = [host for host in plan.hosts if host != primary]
    successor = next(host for host in others if host != plan.hidden)
    wait_for("its successor", lambda: stands(successor))
    table = clients[successor].get_database("t", write_concern=concern)["t"]
    assert table.count_documents({}) == count
    lab.restart(primary)
    table.insert_one({"x": b""})
    wait_for("all roles", lambda: set(roles(plan, clients)) == set(READY))
    lab.kill(*plan.hosts)
    lab.restart(*plan.hosts)
    replica_set.form(plan, clients, Deadline(40))
    wait_for("all roles", lambda: set(roles(plan, clients)) == set(READY))

    def hashes():
        found = {clients[host].t.command("dbHash")["md5"] for host in plan.hosts}
        return found if len(found) == 1 else None

    wait_for("equal data", hashes)
    for host in plan.hosts:
        assert clients[host].t.t.count_documents({}) == count + 1


def test_a_set_with_tls_forms_and_refuses_plain_connections(tls_lab):
    plan = tls_lab.start("replica", 2)
    with Clients(tls_lab.access) as clients:
        replica_set.form(plan, clients, Deadline(40))
        administrator.ensure(plan.hosts, PASSWORD, clients, Deadline(20))
    options = {"password": PASSWORD, "replica_set": "replica"}
    probe.probe(uris.uri(plan.hosts, authority=tls_lab.access.authority, **options), Deadline(20))
    with pytest.raises(MongoError, match="majority write"):
        probe.probe(uris.uri(plan.hosts, **options), Deadline(0.5))


def test_whoever_leads_has_caught_up(formed):
    primary = wait_for(
        "a primary", lambda: replica_set.find_primary(formed.plan.visible, formed.clients)
    )
    replica_set.catch_up(formed.plan, primary, formed.clients, Deadline(10))


@pytest.mark.soak
def test_a_member_that_is_not_back_has_not_caught_up(lab, clients):
    plan = lab.start("replica", 3)
    replica_set.form(plan, clients, Deadline(60))
    replica_set.restore_heartbeat_interval(plan, clients, Deadline(30))
    replica_set.catch_up(plan, plan.hidden, clients, Deadline(30))
    lab.kill(plan.hidden)
    with pytest.raises(MongoError, match="to catch up"):  # the primary has not noticed yet
        replica_set.catch_up(plan, plan.hidden, clients, Deadline(1))
    lab.restart(plan.hidden)
    replica_set.catch_up(plan, plan.hidden, clients, Deadline(30))


def test_any_of_several_members_is_promoted(lab, clients):
    plan = lab.start("replica", 5)
    deadline = Deadline(120)
    replica_set.form(plan, clients, deadline)
    for host in (*plan.visible[1:], plan.visible[0]):
        replica_set.catch_up(plan, host, clients, deadline)
        replica_set.promote(plan, host, clients, deadline)
        assert replica_set.find_primary(plan.visible, clients) == host
        assert replica_set.lag(plan, host, clients) == 0
    # None is kept from standing for election afterwards.
    lab.kill(plan.visible[0])
    replica_set.ensure_primary(plan, clients, deadline)


def test_lag_is_what_a_member_is_behind(lab, clients):
    plan = lab.start("replica", 3)
    primary = replica_set.form(plan, clients, Deadline(60))
    behind = plan.visible[1]
    clients[behind].admin.command("fsync", lock=True)

    def seconds():
        clients[primary].admin.command("appendOplogNote", data={"n": 1})
        return replica_set.lag(plan, behind, clients)

    wait_for("a second of lag", lambda: seconds() >= 1)
    clients[behind].admin.command("fsyncUnlock")
    wait_for("the lag to be gone", lambda: replica_set.lag(plan, behind, clients) == 0)
    lab.kill(behind)
    with pytest.raises(MongoError, match="does not follow"):
        wait_for("the member to be missed", lambda: replica_set.lag(plan, behind, clients) < 0)


def test_a_set_that_would_be_silent_for_long_is_made_to_elect(lab):
    plan = lab.start("silent", 3)
    with Clients(lab.access) as clients:
        replica_set.form(plan, clients, Deadline(60))
        leader, successor, _ = plan.hosts
        admin = clients[leader].admin
        config = admin.command("replSetGetConfig")["config"]
        config["settings"]["electionTimeoutMillis"] = 3_600_000  # nobody stands unasked
        admin.command("replSetReconfig", config | {"version": config["version"] + 1})
        replica_set.catch_up(plan, successor, clients, Deadline(30))
        lab.kill(leader)
        replica_set.hand_over(plan, leader, clients, Deadline(30))
        assert replica_set.find_primary(plan.electable, clients) == successor
