"""Which collections there were, from what a backup knows and the oplog since."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.timestamp import Timestamp
from pymongo import MongoClient

from shardhouse.backups import namespaces, oplog, slices
from shardhouse.backups.archive import Archive
from shardhouse.backups.namespaces import Change, KnownChanges, Namespaces
from shardhouse.backups.slices import Slice
from shardhouse.backups.storage.local import LocalStorage
from shardhouse.errors import OplogGapError
from shardhouse.mongo import databases, recovery, replica_set
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline
from tests.mongo.conftest import Lab


def command(database: str, **content: Any) -> dict[str, Any]:
    return {"op": "c", "ns": f"{database}.$cmd", "o": content}


def view(op: str, name: str) -> dict[str, Any]:
    return {"op": op, "ns": "shop.system.views", "o": {"_id": name}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], {"shop.goods", "shop.cheap", "blog.posts"}),
        (
            [command("shop", create="more", idIndex={})],
            {"shop.goods", "shop.cheap", "blog.posts", "shop.more"},
        ),
        ([command("shop", drop="goods")], {"shop.cheap", "blog.posts"}),
        ([command("shop", dropDatabase=1)], {"blog.posts"}),
        (
            [command("shop", renameCollection="shop.goods", to="shop.stock", dropTarget=False)],
            {"shop.stock", "shop.cheap", "blog.posts"},
        ),
        # What `$out` does: a temporary collection takes the place of another.
        (
            [
                command("shop", create="tmp.agg_out.1", temp=True),
                command("shop", renameCollection="shop.tmp.agg_out.1", to="shop.goods"),
            ],
            {"shop.goods", "shop.cheap", "blog.posts"},
        ),
        ([command("shop", create="tmp.agg_out.1", temp=True)], None),
        ([view("i", "shop.dear")], {"shop.goods", "shop.cheap", "shop.dear", "blog.posts"}),
        ([view("d", "shop.cheap")], {"shop.goods", "blog.posts"}),
        ([command("shop", drop="system.views")], {"shop.goods", "blog.posts"}),
        (
            [
                command("shop", create="system.buckets.weather"),
                view("i", "shop.weather"),
            ],
            {"shop.goods", "shop.cheap", "shop.weather", "blog.posts"},
        ),
        (
            [command("admin", applyOps=[command("shop", create="a"), command("shop", create="b")])],
            {"shop.goods", "shop.cheap", "blog.posts", "shop.a", "shop.b"},
        ),
        ([command("config", create="cache.chunks.shop.goods")], None),
        ([{"op": "i", "ns": "shop.other", "o": {"_id": 1}}], None),
    ],
)
def test_the_oplog_changes_what_there_is(
    entries: list[dict[str, Any]], expected: set[str] | None
) -> None:
    known = Namespaces({"shop.goods", "blog.posts"}, {"shop.cheap"})
    before = known.all
    known.apply(change for one in entries for change in namespaces.changes(bson.encode(one)))
    assert known.all == (before if expected is None else expected)


def test_what_a_copy_holds_is_stored(archive: Archive) -> None:
    known = Namespaces({"shop.goods"}, {"shop.cheap"})
    namespaces.write(archive, "backup", "group", known)
    assert namespaces.read(archive, "backup", "group") == known
    assert namespaces.databases(known.all) == ["shop"]
    assert list(namespaces.of_database(known.all, "shop")) == ["cheap", "goods"]
    assert list(namespaces.of_database(known.all, "sho")) == []


class Counting(Archive):
    """Counts the objects that are read."""

    reads = 0

    def read(self, name: str) -> Iterator[bytes]:
        self.reads += 1
        return super().read(name)


def created(second: int) -> bytes:
    """An entry that makes two collections."""
    made = [command("shop", create=f"c{second}{letter}") for letter in "ab"]
    entry = command("admin", applyOps=made)
    return bson.encode(entry | {"ts": Timestamp(second, 1)})


def names(found: Iterable[Change]) -> list[str]:
    return [change.name for change in found]


@pytest.mark.parametrize(("room", "again"), [(1000, 0), (5, 3)])
def test_what_slices_say_is_remembered(tmp_path: Path, room: int, again: int) -> None:
    archive = Counting(LocalStorage(tmp_path), "instance", bytes(32))
    for after in (10, 20, 30):
        piece = Slice(Timestamp(after, 1), Timestamp(after + 10, 1))
        entries = [created(after + 5), created(after + 10)]
        archive.write(slices.name("group", piece), entries)
    known = KnownChanges(room)
    bounds = (Timestamp(15, 1), Timestamp(35, 1))
    expected = [f"shop.c{second}{letter}" for second in (20, 25, 30, 35) for letter in "ab"]
    assert names(known.between(archive, "group", *bounds)) == expected
    assert archive.reads == 3
    assert names(known.between(archive, "group", *bounds)) == expected
    assert archive.reads == 3 + again
    assert names(known.between(archive, "group", Timestamp(35, 1), Timestamp(40, 1))) == [
        "shop.c40a",
        "shop.c40b",
    ]
    with pytest.raises(OplogGapError):
        list(known.between(archive, "group", Timestamp(10, 1), Timestamp(50, 1)))


def test_it_is_what_a_real_server_lists(lab: Lab, clients: Clients) -> None:
    plan = lab.start("namespaces", 1)
    replica_set.form(plan, clients, Deadline(60))
    with clients.with_timeouts(5, 30) as fresh:  # these know the set as it is now
        check_ddl(plan, fresh)


def check_ddl(plan: SetPlan, clients: Clients) -> None:
    client: MongoClient[dict[str, Any]] = clients[plan.hosts[0]]
    shop, blog = client["shop"], client["blog"]
    shop["goods"].insert_one({"_id": 1})
    shop.create_collection("cheap", viewOn="goods", pipeline=[])
    blog["posts"].insert_one({"_id": 1})
    known = Namespaces(*databases.namespaces(client))
    assert known == Namespaces({"shop.goods", "blog.posts"}, {"shop.cheap"})
    begin = recovery.top(client)

    shop["stock"].insert_one({"_id": 1})
    shop["stock"].rename("store")
    shop["goods"].aggregate([{"$out": "counted"}])
    shop["goods"].aggregate([{"$out": "counted"}])
    shop["goods"].rename("store", dropTarget=True)
    shop.create_collection("weather", timeseries={"timeField": "at"})
    shop.create_collection("gone", timeseries={"timeField": "at"})
    shop.drop_collection("gone")
    shop.drop_collection("cheap")
    shop.create_collection("dear", viewOn="store", pipeline=[])
    client.drop_database("blog")
    blog["second"].insert_one({"_id": 1})
    client.admin.command({"renameCollection": "blog.second", "to": "shop.moved"})
    with client.start_session() as session, session.start_transaction():
        shop["within"].insert_one({"_id": 1}, session=session)

    until = recovery.top(client)
    oplog.reach(plan, until, clients, Deadline(30))
    for entry in oplog.read(plan.hosts, clients, begin, until):
        known.apply(namespaces.changes(entry))
    assert known == Namespaces(*databases.namespaces(client))
    assert {"shop.weather", "shop.dear", "shop.moved", "shop.within"} <= known.all
