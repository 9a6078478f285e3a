"""What a set of real mongods held at a moment is what another set holds afterwards."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from bson import Timestamp
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern

from shardhouse.backups.positions import before
from shardhouse.errors import MongoError
from shardhouse.mongo import administrator, recovery, replica_set
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.commandline import Member, takes_large_entries
from shardhouse.mongo.lock import locked, release_left_over
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import Aside
from tests.installation import until
from tests.mongo.conftest import ENGINE, PASSWORD, Lab, _lab

RAW = CodecOptions(RawBSONDocument)
LARGE = 16 * 1024**2 - 64
ALL = WriteConcern(3, wtimeout=20_000)


@dataclass
class Source:
    """A set, a copy of its hidden member, and the moment when that was locked."""

    lab: Lab
    plan: SetPlan
    clients: Clients
    copies: int = 0

    @property
    def primary(self):
        return self.clients[replica_set.find_primary(self.plan.hosts, self.clients)]

    def write(self, document, name="orders"):
        """Where it is in the oplog; all members have it."""
        collection = self.primary.shop.get_collection(name, write_concern=ALL)
        key = collection.insert_one(document).inserted_id
        return self.primary.local["oplog.rs"].find_one({"op": "i", "o._id": key})["ts"]

    def copy(self):
        """A copy of the hidden member in a volume of its own, and its newest entry."""
        hidden, others = self.plan.hidden, self.plan.visible
        node = self.lab.node(hidden)
        self.copies += 1
        copied = type(node)(node.instance_id, f"{node.node_id}-{self.copies}").aside(Aside.COPY)
        self.lab.runtime.ensure_volume(copied, {})
        with locked(hidden, self.clients, others, 60) as held:
            self.lab.runtime.copy_data(node, copied, durable=False)
        return copied, held.top

    def entries(self, first, last):
        """The oplog from `first` to `last`, as it is archived."""
        oplog = self.primary.local.get_collection("oplog.rs", codec_options=RAW)
        return [entry.raw for entry in oplog.find({"ts": {"$gte": first, "$lte": last}})]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    lab = _lab(tmp_path_factory.mktemp("source"))
    try:
        plan = lab.start("replica", 3)
        with Clients(lab.access) as clients:
            replica_set.form(plan, clients, Deadline(60))
            administrator.ensure(plan.visible, PASSWORD, clients, Deadline(30))
            replica_set.restore_heartbeat_interval(plan, clients, Deadline(60))
            yield Source(lab, plan, clients)
    finally:
        lab.close()


@pytest.fixture
def copied(source):
    """A copy with nothing to replay, the moment of it, and one after that with an entry."""
    source.write({})
    node, top = source.copy()
    yield node, top, source.write({})
    source.lab.runtime.remove(node)


def test_a_set_of_a_moment_lives_on_as_another_set(source):
    lab = source.lab
    shop = source.primary.shop
    shop.orders.insert_many([{"_id": number, "n": number} for number in range(100)])
    shop.early.insert_one({"_id": 1})
    copy, top = source.copy()
    shop.orders.create_index("n", unique=True, sparse=True)
    shop.orders.delete_many({"n": {"$lt": 10}})
    shop.orders.update_many({}, {"$inc": {"n": 1000}})
    shop.early.rename("late")
    shop.create_collection("capped", capped=True, size=4096)
    source.primary.admin.command("createUser", "reader", pwd=PASSWORD, roles=["readAnyDatabase"])
    large = takes_large_entries(ENGINE.version)
    if large:
        source.write({"_id": "large", "content": "x" * LARGE})
    moment = source.write({"_id": "last", "n": "last"})
    held = source.primary.shop.command("dbHash")["md5"]
    users = _users(source.primary)
    source.write({"_id": "after", "n": "after"})
    shop.late.drop()

    with lab.private(copy) as client:
        assert recovery.top(client) == top
        entries = source.entries(top, source.write({}))
        assert (
            recovery.append(client, entries, before(top), moment)
            == len(source.entries(top, moment)) - 1
        )
        assert recovery.append(client, entries, before(top), moment) == 0
    with lab.private(copy, replay=True) as client:
        assert recovery.top(client) == moment
    plan = lab.plan("another", lab.endpoints(3))
    with lab.private(copy) as client:
        counts = recovery.verify(client)
        for _ in range(2):
            recovery.found_anew(client, plan)
    assert counts["shop.orders"] == 91 + large
    assert counts["shop.late"] == 1

    assert lab.start("another", 3, data=copy) == plan
    with Clients(lab.access) as clients:
        replica_set.form(plan, clients, Deadline(60))
        primary = clients[replica_set.find_primary(plan.hosts, clients)]
        primary.restored.get_collection("x", write_concern=ALL).insert_one({"_id": 1})
        lab.kill(*plan.hosts)
        lab.restart(*plan.hosts)
        replica_set.form(plan, clients, Deadline(60))
        primary = clients[replica_set.find_primary(plan.hosts, clients)]
        replica_set.acknowledge(plan, clients, Deadline(30))
        for host in plan.hosts:
            assert clients[host].shop.command("dbHash")["md5"] == held
            assert clients[host].shop.orders.estimated_document_count() == 91 + large
            assert clients[host].restored.x.count_documents({}) == 1
        assert _users(primary) == users
        assert set(primary.shop.orders.index_information()) == {"_id_", "n_1"}
        status = primary.admin.command("replSetGetStatus")
        assert [member["name"] for member in status["members"]] == list(plan.hosts)
    lab.runtime.remove(copy)


def _users(client):
    found = client.admin.command("usersInfo", showCredentials=True)["users"]
    return sorted((user["user"], str(user["credentials"]), str(user["roles"])) for user in found)


def test_nobody_else_may_ask_the_private_server(source, copied):
    node, *_ = copied
    with source.lab.private(node) as client:
        host = "{}:{}".format(*client.address)
        with Clients(source.lab.access) as clients:
            with pytest.raises(Exception, match="requires authentication"):
                clients.anonymous(host).admin.command("listDatabases")
            shown = client.admin.command("getCmdLineOpts")["parsed"]
            assert shown["net"]["bindIp"].startswith("127.")


def test_a_moment_that_the_copy_has_passed_is_cut_off(source):
    """Its data must be older: here the other members, and so the majority, stood still."""
    source.write({})
    primary = source.primary
    host = "{}:{}".format(*primary.address)
    collection = primary.shop.get_collection("cut", write_concern=WriteConcern(1))
    copy = source.lab.node(host).aside(Aside.COPY)
    source.lab.runtime.ensure_volume(copy, {})
    try:
        for other in source.plan.hosts:
            if other != host:
                source.clients[other].admin.command("fsync", 1, lock=True)
        collection.insert_many([{"_id": number} for number in range(3)], ordered=False)
        entries = [
            primary.local["oplog.rs"].find_one({"o._id": n, "ns": "shop.cut"}) for n in range(3)
        ]
        times = [entry["ts"] for entry in entries]
        primary.admin.command("fsync", 1, lock=True)
        source.lab.runtime.copy_data(source.lab.node(host), copy, durable=False)
    finally:
        for member in source.plan.hosts:
            release_left_over(member, source.clients)
    with source.lab.private(copy) as client:
        assert recovery.top(client) >= times[2]
        with pytest.raises(MongoError, match="older backup"):
            recovery.cut(client, Timestamp(times[0].time - 60, 1))
        recovery.cut(client, times[1])
    with source.lab.private(copy, replay=True) as client:
        assert recovery.top(client) == times[1]
        assert [one["_id"] for one in client.shop.cut.find().sort("_id")] == [0, 1]
    source.lab.runtime.remove(copy)


def test_what_a_primary_would_have_cut_off_is_replayed(source, copied):
    node, top, moment = copied
    cut = {"_id": "oplogTruncateAfterPoint", "oplogTruncateAfterPoint": top}
    with source.lab.private(node) as client:
        client.local["replset.oplogTruncateAfterPoint"].replace_one({}, cut, upsert=True)
        recovery.append(client, source.entries(top, moment), before(top), moment)
    with source.lab.private(node, replay=True) as client:
        assert recovery.top(client) == moment


def test_a_secondary_that_was_copied_while_it_followed_is_whole_without_more(source):
    ended = threading.Event()
    busy = source.primary.shop.busy
    busy.insert_one({})

    def write():
        while not ended.is_set():
            busy.insert_many([{} for _ in range(100)])

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(write)
        try:
            until("writes", lambda: busy.estimated_document_count() > 2000, 30)
            copy, top = source.copy()
        finally:
            ended.set()
    written = {"ns": "shop.busy", "op": "i", "ts": {"$lte": top}}
    with source.lab.private(copy, replay=True) as client:
        recovery.check_top(client, top)
        with pytest.raises(MongoError, match="is expected"):
            recovery.check_top(client, before(top))
        assert client.shop.busy.count_documents({}) == (
            source.primary.local["oplog.rs"].count_documents(written)
        )
    source.lab.runtime.remove(copy)


def test_entries_that_do_not_continue_the_copy_are_refused(source, copied):
    node, top, moment = copied
    entries = source.entries(top, moment)
    with source.lab.private(node) as client:
        for gap in (entries[1:], []):
            with pytest.raises(MongoError, match="do not continue the copy"):
                recovery.append(client, gap, before(top), moment)
        with pytest.raises(MongoError, match="beyond"):
            recovery.append(client, entries, before(top), Timestamp(top.time - 1, 1))
        assert recovery.top(client) == top
        twice = [entries[0], entries[-1], entries[-1]]
        with pytest.raises(MongoError, match="comes after"):
            recovery.append(client, twice, before(top), moment)
        newest = recovery.top(client)
        assert recovery.append(client, [], before(top), newest) == 0
        assert recovery.append(client, entries[1:], newest, newest) == 0


def test_an_entry_that_the_build_does_not_take_is_told(source, copied):
    node, top, _ = copied
    moment = source.write({"content": "x" * LARGE})
    with source.lab.private(node, version="6.0.5") as client:
        with pytest.raises(MongoError, match=f"{ENGINE.version} does not take it back") as caught:
            recovery.append(client, source.entries(top, moment), before(top), moment)
        assert len(str(caught.value)) < 500


def test_data_is_given_the_life_of_its_own_kind(source, copied):
    node, *_ = copied
    with source.lab.private(node) as client:
        plan = source.lab.plan("another", source.lab.endpoints(1))
        with pytest.raises(MongoError, match="not the data of a shard"):
            recovery.found_anew(client, plan, config_servers="config/127.81.0.1:1")
        config = source.lab.plan("another", source.lab.endpoints(1), Member.CONFIG)
        with pytest.raises(MongoError, match="had the shards none then"):
            recovery.found_anew(client, config, shards={"s1": "s1/127.81.0.1:1"})


def test_data_of_no_set_is_told(lab):
    with lab.private(lab.node("nobody")) as client, pytest.raises(MongoError, match="no oplog"):
        recovery.top(client)
    lab.runtime.remove(lab.node("nobody"))


def test_a_damaged_collection_is_named(source, copied):
    node, *_ = copied
    more = ("--setParameter", "enableTestCommands=1")
    with source.lab.private(node, more=more) as client:
        client.shop.damaged.create_index("n")
        fail = {"configureFailPoint": "skipIndexNewRecords", "mode": "alwaysOn"}
        client.admin.command(fail | {"data": {"collNS": "shop.damaged"}})
        client.shop.damaged.insert_one({"n": 1})
        with pytest.raises(MongoError, match=r"Damaged: shop\.damaged \("):
            recovery.verify(client)
