"""A cluster under load, of which each set was copied when its turn came, is restored to one moment:
each transaction over both shards is there as a whole or not at all."""

import random
import threading
from dataclasses import dataclass, field

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shardhouse.backups.positions import before
from shardhouse.mongo import administrator, recovery, replica_set, sharding
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.commandline import Member
from shardhouse.mongo.lock import locked
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import Aside
from tests.mongo.conftest import ENGINE, PASSWORD, Lab, _lab
from tests.router.cluster import RouterProcess, until

pytestmark = pytest.mark.skipif(not ENGINE.routable, reason="our router serves 6.0")
ACCOUNTS = 40
START = 1000
SIZES = {"config": 1, "s0": 3, "s1": 3}
KINDS = {"config": Member.CONFIG, "s0": Member.SHARD, "s1": Member.SHARD}


@dataclass
class Cluster:
    """Config servers, two shards and a router."""

    lab: Lab
    plans: dict
    router: RouterProcess

    def client(self):
        return self.router.client("rwuser", PASSWORD)


@dataclass
class Load:
    """Transfers between accounts, each with a line in a ledger on whatever shard. `done` has each
    acknowledged one's number and the cluster's time before and after."""

    cluster: Cluster
    over: threading.Event = field(default_factory=threading.Event)
    done: list = field(default_factory=list)

    def __enter__(self):
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(3)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _run(self, thread):
        dice = random.Random(thread)
        with self.cluster.client() as client:
            number = 0
            while not self.over.is_set():
                number += 1
                try:
                    self._transfer(client, dice, f"{thread}-{number}")
                except PyMongoError:  # a conflict, or a set that is locked
                    continue

    def _transfer(self, client, dice, key):
        source, target = dice.sample(range(ACCOUNTS), 2)
        bank = client.get_database("bank", write_concern=WriteConcern("majority"))
        with client.start_session() as session:
            client.admin.command("ping", session=session)
            before = session.cluster_time["clusterTime"]
            with session.start_transaction(write_concern=WriteConcern("majority")):
                for account, amount in ((source, -1), (target, 1)):
                    bank.accounts.update_one(
                        {"_id": account}, {"$inc": {"balance": amount}}, session=session
                    )
                line = {"_id": key, "from": source, "to": target}
                bank.ledger.insert_one(line, session=session)
            self.done.append((key, before, session.cluster_time["clusterTime"]))


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """Of the cluster, and of what is restored: they have other keys."""
    made = [_lab(tmp_path_factory.mktemp(name)) for name in ("cluster", "restored")]
    yield made
    for lab in made:
        lab.close()


def start_router(lab, folder, config):
    key = folder / "key"
    key.write_text(lab.access.key)
    key.chmod(0o400)
    return RouterProcess(folder, f"{config.name}/{config.hosts[0]}", key).listening()


@pytest.fixture(scope="module")
def cluster(labs, tmp_path_factory):
    lab, _ = labs
    with Clients(lab.access) as clients:
        plans = {name: lab.start(name, SIZES[name], kind) for name, kind in KINDS.items()}
        for plan in plans.values():
            replica_set.form(plan, clients, Deadline(60))
            replica_set.restore_heartbeat_interval(plan, clients, Deadline(60))
        config = plans["config"]
        sharding.add_shards(config.hosts, [plans["s0"], plans["s1"]], clients, Deadline(60))
        administrator.ensure(config.hosts, PASSWORD, clients, Deadline(30))
    router = start_router(lab, tmp_path_factory.mktemp("router"), config)
    made = Cluster(lab, plans, router)
    try:
        with made.client() as client:
            for name in ("accounts", "ledger"):
                client.admin.command("shardCollection", f"bank.{name}", key={"_id": "hashed"})
            client.bank.accounts.insert_many(
                [{"_id": number, "balance": START} for number in range(ACCOUNTS)]
            )
        yield made
    finally:
        router.kill()


def copy(cluster, plan, clients):
    """A copy of a set's hidden or only member, and its newest entry."""
    host = plan.hidden or plan.hosts[0]
    node = cluster.lab.node(host)
    others = [other for other in plan.hosts if other != host]
    cluster.lab.runtime.ensure_volume(node.aside(Aside.COPY), {})
    with locked(host, clients, others, 60) as held:
        cluster.lab.runtime.copy_data(node, node.aside(Aside.COPY), durable=False)
    return node.aside(Aside.COPY), held.top


def archived(client, first):
    """The oplog from `first` on, as it is archived."""
    local = client.get_database(
        "local", codec_options=CodecOptions(RawBSONDocument), read_concern=ReadConcern("majority")
    )
    return [entry.raw for entry in local["oplog.rs"].find({"ts": {"$gte": first}})]


def restore(labs, copies, tops, entries, moment, name):
    """Started anew under other names, with other keys."""
    lab, fresh = labs
    taken = fresh.endpoints(len(KINDS))
    plans = {
        old: fresh.plan(f"{name}-{old}", [endpoint], kind)
        for (old, kind), endpoint in zip(KINDS.items(), taken, strict=True)
    }
    seeds = {old: f"{plan.name}/{','.join(plan.hosts)}" for old, plan in plans.items()}
    for old, plan in plans.items():
        (host,) = plan.hosts
        files = lab.runtime.read_data(copies[old])
        node = fresh.node(host).aside(Aside.RESTORED)
        fresh.runtime.ensure_volume(node, {})
        fresh.runtime.write_data(node, files)
        with fresh.private(node) as client:
            assert recovery.top(client) == tops[old]
            recovery.append(client, entries[old], before(tops[old]), moment)
        with fresh.private(node, replay=True) as client:
            assert recovery.top(client) <= moment
        with fresh.private(node) as client:
            assert recovery.verify(client)
            if old == "config":
                shards = {shard: seed for shard, seed in seeds.items() if shard != "config"}
                recovery.found_anew(client, plan, shards=shards)
            else:
                recovery.found_anew(client, plan, config_servers=seeds["config"])
        started = fresh.start(plan.name, 1, KINDS[old], data=node)
        assert started == plan
        fresh.runtime.remove(node)
    with Clients(fresh.access) as clients:
        for plan in plans.values():
            replica_set.form(plan, clients, Deadline(60))
    return plans


@pytest.mark.soak
def test_transfers_are_whole_at_any_moment(labs, cluster, tmp_path):
    lab, fresh = labs
    copies, tops, entries = {}, {}, {}
    with Clients(lab.access) as clients:
        with Load(cluster) as load:
            until("some load", lambda: len(load.done) > 50, 60)
            for name, plan in cluster.plans.items():
                copies[name], tops[name] = copy(cluster, plan, clients)
            made = len(load.done)
            until("more load", lambda: len(load.done) > made + 300, 120)
        for name, plan in cluster.plans.items():
            client = clients[replica_set.find_primary(plan.hosts, clients)]
            client.admin.command("appendOplogNote", 1, data={"end": 1})
            entries[name] = archived(client, tops[name])
    later = [key for key in load.done if key[1] > max(tops.values())]
    moment = _prepared(entries["s0"], later[len(later) // 2][1])
    plans = restore(labs, copies, tops, entries, moment, "new")
    router = start_router(fresh, tmp_path, plans["config"])
    try:
        with router.client("rwuser", PASSWORD) as client, Clients(fresh.access) as clients:
            until("the transactions that were prepared to end", lambda: _ended(clients, plans))
            bank = client.get_database("bank", read_concern=ReadConcern("majority"))
            ledger = list(bank.ledger.find())
            balances = {one["_id"]: one["balance"] for one in bank.accounts.find()}
            _check(ledger, balances)
            present = {line["_id"] for line in ledger}
            assert {key for key, _, after in load.done if after <= moment} <= present
            assert not {key for key, before, _ in load.done if before > moment} & present
            assert len(present) < len(load.done)
            client.bank.get_collection("ledger", write_concern=WriteConcern("majority")).insert_one(
                {"_id": "new"}
            )
            shown = client.admin.command("listShards")["shards"]
            assert {one["_id"]: one["host"] for one in shown} == {
                name: f"new-{name}/{plans[name].hosts[0]}" for name in ("s0", "s1")
            }
    finally:
        router.kill()


def _prepared(entries, after):
    """The moment of a prepared transaction's entry: neither shard has committed it then."""
    for raw in entries:
        entry = RawBSONDocument(raw)
        if entry["ts"] > after and entry["op"] == "c" and entry["o"].get("prepare"):
            return entry["ts"]
    raise AssertionError("no transaction over both shards")


def _ended(clients, plans):
    for name in ("s0", "s1"):
        config = clients[plans[name].hosts[0]].config
        if config.transactions.count_documents({"state": "prepared"}):
            return False
        if config.transaction_coordinators.count_documents({}):
            return False
    return True


def _check(ledger, balances):
    expected = dict.fromkeys(range(ACCOUNTS), START)
    for line in ledger:
        expected[line["from"]] -= 1
        expected[line["to"]] += 1
    assert balances == expected
