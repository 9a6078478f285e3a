"""Damaged configurations of real sets are put back, and what would lose writes is not touched."""

from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from pymongo.errors import AutoReconnect, PyMongoError
from pymongo.write_concern import WriteConcern

from shardhouse.errors import MongoError
from shardhouse.mongo import replica_set, set_repair
from shardhouse.mongo.admin import Clients, listening
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline
from tests.installation import until
from tests.mongo.conftest import Lab, _lab

STRANGER = "127.81.9.9:18635"


@dataclass
class Patient:
    """A set that tests damage, with a document per test that must survive."""

    lab: Lab
    plan: SetPlan
    clients: Clients
    written: int = 0

    def primary(self):
        return replica_set.find_primary(self.plan.hosts, self.clients)

    def write(self):
        """Acknowledged by a majority of what is the set now."""
        host = until("a primary", self.primary)
        collection = self.clients[host]["shop"].get_collection(
            "orders", write_concern=WriteConcern("majority", wtimeout=20_000)
        )
        collection.insert_one({"_id": self.written})
        self.written += 1

    def config(self, host=None):
        admin = self.clients[host or self.primary()].admin
        return admin.command("replSetGetConfig")["config"]

    def force(self, change, host=None):
        """Reconfigure by force, after `change` of the configuration."""
        host = host or until("a primary", self.primary)

        def reconfigure():
            config = self.config(host)
            change(config)
            config["version"] += 1
            return self.clients[host].admin.command("replSetReconfig", config, force=True)

        Deadline(30).until(f"{host} to take a forced configuration", reconfigure)

    def delete_configuration(self, host):
        """So that it is not there after a crash either: `j: true` does nothing in `local`."""
        self.clients[host].local["system.replset"].delete_many({})
        self.clients[host].admin.command("fsync")

    def restart(self, hosts):
        self.lab.kill(*hosts)
        self.lab.restart(*hosts)
        for host in hosts:
            self.answering(host)

    def answering(self, host):
        """Wait until a member that was started has read its configuration, if it has one. The
        connections to the process before it are noticed to be closed meanwhile."""
        deadline = Deadline(30)
        listening(host, deadline)
        client = self.clients[host]

        def ready():
            stored = client.local["system.replset"].find_one() is not None
            return not stored or self.config(host)

        deadline.until(f"{host} to answer", ready)

    def found(self):
        members = until("members", lambda: set_repair.examine(self.plan, self.clients))
        return set_repair.differences(self.plan, members)

    def repair(self):
        deadline = Deadline(90)
        return set_repair.repair(self.plan, self.clients, self.restart, deadline)

    def check(self):
        """The set is as planned, every member follows, and all writes are on each."""
        assert self.found() == ()
        self.write()
        for host in self.plan.hosts:
            orders = self.clients[host]["shop"]["orders"]
            until(f"all on {host}", lambda o=orders: count(o) == self.written or None)
        assert self.repair() == ()


def count(collection):
    try:
        return collection.count_documents({})
    except PyMongoError:
        return None


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    made = _lab(tmp_path_factory.mktemp("patient"))
    try:
        plan = made.start("replica", 3)
        with Clients(made.access) as opened:
            replica_set.form(plan, opened, Deadline(60))
            replica_set.restore_heartbeat_interval(plan, opened, Deadline(60))
            yield Patient(made, plan, opened)
    finally:
        made.close()


def keep_first(config):
    config["members"] = config["members"][:1]


def show_hidden(config):
    config["members"][2].update(hidden=False, priority=5)


def take_votes(config):
    for member in config["members"][1:]:
        member.update(votes=0, priority=0)


def add_stranger(config):
    config["members"].append({"_id": 9, "host": STRANGER, "votes": 0, "priority": 0})


def slow_elections(config):
    config["settings"].update(electionTimeoutMillis=3_600_000, chainingAllowed=False)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (keep_first, "is not a member"),
        (show_hidden, "hidden"),
        (take_votes, "votes"),
        (add_stranger, "does not belong"),
        (slow_elections, "electionTimeoutMillis"),
    ],
)
def test_a_forced_configuration_is_put_back(patient, damage, told):
    patient.write()
    patient.force(damage)
    patient.write()
    assert told in " ".join(until("damage", patient.found))
    until("the members to hear of it", lambda: patient.primary() and patient.found())
    assert patient.repair()
    patient.check()


def test_a_set_in_which_nobody_can_be_elected_gets_a_primary(patient):
    patient.write()

    def passive(config):
        for member in config["members"]:
            member.update(priority=0 if member["host"] != patient.plan.hosts[1] else 1)

    patient.force(passive)
    patient.lab.kill(patient.plan.hosts[1])
    until("no primary", lambda: patient.primary() is None)
    assert set_repair.examine(patient.plan, patient.clients) is None
    with pytest.raises(MongoError, match="Nothing is changed"):
        patient.repair()

    def nobody(config):
        keep = [m for m in config["members"] if m["host"] != patient.plan.hosts[1]]
        config["members"] = [
            *keep,
            {"_id": 7, "host": STRANGER},
            {"_id": 8, "host": "127.81.9.8:1"},
        ]

    patient.force(nobody, patient.plan.hosts[0])
    patient.lab.restart(patient.plan.hosts[1])
    patient.answering(patient.plan.hosts[1])
    assert until("damage", patient.found)
    assert any("leads" in one for one in patient.repair())
    patient.check()


@pytest.mark.parametrize("number", [0, 1])
def test_a_deleted_configuration_is_written_back_while_the_member_runs(patient, number):
    host = patient.plan.hosts[number]
    patient.delete_configuration(host)
    assert patient.found() == (f"the configuration of {host} is not on its disk",)
    assert patient.repair() == (f"wrote the configuration to the disk of {host}",)
    patient.check()


def test_a_configuration_that_was_written_back_survives_a_crash(lab, clients):
    plan = lab.start("replica", 1)
    (host,) = plan.hosts
    replica_set.form(plan, clients, Deadline(60))
    patient = Patient(lab, plan, clients)
    patient.delete_configuration(host)
    assert patient.repair() == (f"wrote the configuration to the disk of {host}",)
    patient.restart([host])
    assert patient.found() == ()


def test_members_that_all_lost_their_configuration_form_the_same_set_again(patient):
    patient.write()
    for host in patient.plan.hosts:
        patient.delete_configuration(host)
    patient.restart(patient.plan.hosts)
    found = until("members", patient.found)
    assert found == tuple(f"{host} has no configuration" for host in patient.plan.hosts)
    patient.repair()
    replica_set.ensure_primary(patient.plan, patient.clients, Deadline(60))
    patient.check()


def test_a_member_that_is_starting_is_waited_for_and_not_restarted(patient, monkeypatch):
    """The server listens shortly before it has read its configuration."""
    members = set_repair.examine(patient.plan, patient.clients)
    starting = tuple(replace(member, config=None, newest=None) for member in members)
    answers = iter([None, starting])
    monkeypatch.setattr(set_repair, "examine", lambda *_: next(answers, members))
    monkeypatch.setattr(patient, "restart", None)
    assert patient.repair() == ()


def test_a_member_that_stops_answering_during_a_repair_is_told(patient, monkeypatch):
    def leave(*_):
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(set_repair, "_leading", leave)
    with pytest.raises(MongoError, match=f"member of {patient.plan.name} stopped answering"):
        patient.repair()


def alone(host):
    """A change of the configuration: `host` is its only member."""

    def change(config):
        number = next((m["_id"] for m in config["members"] if m["host"] == host), 99)
        config["members"] = [{"_id": number, "host": host}]

    return change


def leads(patient, host):
    return replica_set.find_primary([host], patient.clients)


def follows(patient, host, leader):
    """Whether `host` uses the configuration of `leader`. A change of state closes connections."""
    with suppress(PyMongoError):
        return patient.config(host)["version"] == patient.config(leader)["version"]


def test_members_with_writes_of_their_own_are_not_reset(patient):
    """The last test of the module: it leaves a set that nothing can mend without a decision."""
    first, second, third = patient.plan.hosts
    patient.lab.kill(second)
    patient.write()
    patient.lab.kill(first, third)
    patient.restart([second])
    patient.force(alone(second), second)
    until("the second to lead", lambda: leads(patient, second))
    patient.clients[second]["shop"]["own"].insert_one({"by": second})
    patient.restart([first, third])
    # It hears of the set that the second made, to which it does not belong.
    until("the first to be left out", lambda: follows(patient, first, second))
    assert len(patient.found()) >= 2
    with pytest.raises(MongoError, match=f"{first} may hold writes that {second} lacks"):
        patient.repair()

    patient.force(alone(first), first)
    until("the first to lead", lambda: leads(patient, first))
    with pytest.raises(MongoError, match="2 primaries"):
        patient.repair()
    orders = patient.clients[first]["shop"]["orders"]
    assert until("the orders", lambda: count(orders)) == patient.written
    assert count(patient.clients[second]["shop"]["own"]) == 1
