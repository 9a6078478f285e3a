"""What is archived of a set is its oplog, whole, whatever happens to its members and to us."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import MongoClient, WriteConcern

from shardhouse.backups import capture, slices
from shardhouse.backups.archive import Archive
from shardhouse.backups.capture import Capture, due
from shardhouse.backups.slices import Slice
from shardhouse.errors import BackupError, MongoError, OplogGapError
from shardhouse.mongo import replica_set
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline
from tests.installation import until
from tests.mongo.conftest import Lab

GROUP = "group"
PATIENCE = 12.0


@dataclass
class Captured:
    """A set, and its capture from a known position on."""

    archive: Archive
    plan: SetPlan
    clients: Clients
    begin: Timestamp
    capture: Capture = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all that is in memory."""
        self.capture = Capture(self.archive, GROUP)

    def advance(self, patience: float = PATIENCE, *hosts: str) -> None:
        self.capture.advance(
            hosts or tuple(reversed(self.plan.hosts)),
            self.clients,
            lambda: self.begin,
            lambda position: None,
            patience,
        )

    @property
    def end(self) -> Timestamp:
        """How far the archive reaches."""
        return slices.end(slices.listed(self.archive, GROUP), self.begin)

    def read(self) -> list[bytes]:
        return list(slices.read(self.archive, GROUP, self.begin, self.end))

    def oplog(self, host: str) -> list[bytes]:
        """The same part of a member's oplog."""
        found = self.clients[host].local.get_collection(
            "oplog.rs",
            codec_options=self.clients[host].codec_options.with_options(
                document_class=RawBSONDocument
            ),
        )
        bounds = {"$gt": self.begin, "$lte": self.end}
        return [document.raw for document in found.find({"ts": bounds})]

    def prove(self) -> None:
        """What is read back is the oplog of each member."""
        archived = self.read()
        assert archived
        for host in self.plan.hosts:
            assert self.oplog(host) == archived

    def insert(self, number: int, size: int = 10, **concern: Any) -> None:
        """Write documents, by a majority where nothing else is said."""
        primary = replica_set.find_primary(self.plan.hosts, self.clients)
        assert primary
        orders = self.clients[primary].shop.get_collection(
            "orders", write_concern=WriteConcern(**concern or {"w": "majority"})
        )
        orders.insert_many([{"pad": "x" * size} for _ in range(number)])


@contextmanager
def captured(archive: Archive, lab: Lab, clients: Clients, members: int) -> Iterator[Captured]:
    plan = lab.start("replica", members)
    replica_set.form(plan, clients, Deadline(60))
    replica_set.restore_heartbeat_interval(plan, clients, Deadline(30))
    newest = clients[plan.hosts[0]].local["oplog.rs"].find_one(sort=[("$natural", -1)])
    assert newest
    yield Captured(archive, plan, clients, newest["ts"])


@pytest.fixture
def one(archive: Archive, lab: Lab, clients: Clients) -> Iterator[Captured]:
    """A set of one."""
    with captured(archive, lab, clients, 1) as made:
        yield made


@pytest.fixture
def three(archive: Archive, lab: Lab) -> Iterator[Captured]:
    """A set of three, whose last member is hidden."""
    with (
        Clients(lab.access, timeout=2, patience=10) as clients,
        captured(archive, lab, clients, 3) as made,
    ):
        yield made


@contextmanager
def writing(lab: Lab, plan: SetPlan) -> Iterator[list[int]]:
    """A writer with a driver's retries; what a majority has acknowledged."""
    acknowledged: list[int] = []
    done = threading.Event()
    with MongoClient[dict[str, Any]](
        plan.visible, replicaSet=plan.name, **lab.access.credentials()
    ) as client:
        orders = client.shop.get_collection("orders", write_concern=WriteConcern("majority"))

        def write() -> None:
            while not done.is_set():
                orders.insert_one({"_id": len(acknowledged)})
                acknowledged.append(len(acknowledged))

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield acknowledged
        finally:
            done.set()
            thread.join()


@pytest.mark.soak
def test_no_entry_is_missing_when_the_primary_is_killed_and_capture_starts_anew(
    three: Captured, lab: Lab
) -> None:
    with writing(lab, three.plan) as acknowledged:

        def go_on(number: int) -> None:
            goal = len(acknowledged) + number

            def enough() -> bool:
                three.advance()
                return len(acknowledged) >= goal

            until("more writes", enough, 60)

        go_on(50)
        primary = replica_set.find_primary(three.plan.hosts, three.clients)
        assert primary
        lab.kill(primary)
        go_on(50)
        three.restart()
        lab.restart(primary)
        go_on(50)
        lab.kill(three.plan.hosts[-1])  # the one that is read from
        go_on(50)
        lab.restart(three.plan.hosts[-1])
    replica_set.catch_up(three.plan, three.plan.hosts[-1], three.clients, Deadline(60))
    replica_set.catch_up(three.plan, primary, three.clients, Deadline(60))
    until("all to be archived", lambda: three.advance() or archived_ids(three) >= {*acknowledged})
    three.prove()


def archived_ids(set: Captured) -> set[Any]:
    found = (RawBSONDocument(entry) for entry in set.read())
    return {entry["o"]["_id"] for entry in found if entry["op"] == "i" and "_id" in entry["o"]}


def test_what_no_majority_has_is_not_archived(three: Captured, lab: Lab) -> None:
    first, *others = three.plan.hosts
    three.insert(1)
    lab.kill(*others)
    three.insert(1, w=1)
    newest = three.clients[first].local["oplog.rs"].find_one(sort=[("$natural", -1)])
    assert newest
    three.advance(PATIENCE, first)
    assert three.begin < three.end < newest["ts"]
    lab.restart(*others)
    replica_set.ensure_primary(three.plan, three.clients, Deadline(60))
    three.insert(1)
    for host in three.plan.hosts:
        replica_set.catch_up(three.plan, host, three.clients, Deadline(60))
    until("more to be archived", lambda: three.advance() or three.end > newest["ts"])
    three.prove()


def test_a_member_that_stands_still_is_left_for_another(three: Captured) -> None:
    hidden = three.clients[three.plan.hosts[-1]]
    hidden.admin.command("fsync", lock=True)
    try:
        three.advance()
        before = three.end
        three.insert(1)
        # With patience the first member is waited for.
        three.advance()
        assert three.end == before

        def archived() -> bool:
            three.advance(0)
            return three.end > before

        until("another member to be read", archived)
    finally:
        hidden.admin.command("fsyncUnlock")
    replica_set.catch_up(three.plan, three.plan.hosts[-1], three.clients, Deadline(60))
    three.prove()


def test_without_any_member_it_is_said_and_nothing_lost(three: Captured, lab: Lab) -> None:
    three.insert(3)
    three.advance()
    three.insert(3)
    lab.kill(*three.plan.hosts)
    for _ in range(2):
        with pytest.raises(MongoError, match="No member's oplog could be read"):
            three.advance()
    lab.restart(*three.plan.hosts)
    replica_set.ensure_primary(three.plan, three.clients, Deadline(60))
    three.insert(3)
    for host in three.plan.hosts:
        replica_set.catch_up(three.plan, host, three.clients, Deadline(60))
    before = three.end
    until("more to be archived", lambda: three.advance() or three.end > before)
    three.prove()


@pytest.fixture
def small_oplog(lab: Lab) -> None:
    """What is behind the last checkpoint is kept, whatever the oplog's size."""
    lab.oplog = 8
    lab.options = ("--syncdelay", "1")


@pytest.mark.usefixtures("small_oplog")
def test_entries_that_are_gone_before_they_are_archived_are_a_gap(one: Captured) -> None:
    one.insert(3)
    one.advance()
    reached = one.end
    oplog = one.clients[one.plan.hosts[0]].local["oplog.rs"]

    def overwritten() -> bool:
        one.insert(20, 500_000)
        oldest = oplog.find_one(sort=[("$natural", 1)])
        return oldest is not None and oldest["ts"] > reached

    until("the oplog to wrap", overwritten, 60)
    for _ in range(2):
        with pytest.raises(OplogGapError, match="a full backup is needed"):
            one.advance()
    one.restart()
    with pytest.raises(OplogGapError) as gap:
        one.advance()
    assert gap.value.position == f"{reached.time:08x}{reached.inc:08x}"
    # A full backup has been made since.
    newest = oplog.find_one(sort=[("$natural", -1)])
    assert newest
    one.capture.resume(newest["ts"])
    one.insert(3)
    one.advance()
    assert one.end == reached
    one.begin = newest["ts"]
    one.prove()


def test_an_oplog_larger_than_a_slice_becomes_several(
    one: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "SLICE_BYTES", 1 << 20)
    one.insert(100, 500_000)  # in batches of 16 MiB at most
    one.advance()
    assert len(slices.listed(one.archive, GROUP)) >= 3
    one.prove()


def test_small_slices_are_merged_and_nothing_changes(
    one: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "FRESH_SLICES", 4)
    for _ in range(3):
        one.insert(1)
        one.advance()
    small = slices.listed(one.archive, GROUP)
    assert len(small) == 3
    before = one.read()
    one.insert(1)
    one.advance()
    (merged,) = slices.listed(one.archive, GROUP)
    assert (merged.after, merged.last) == (one.begin, one.end)
    assert one.read()[: len(before)] == before
    one.prove()


def test_a_merge_that_was_interrupted_is_ended_by_the_next_start(
    one: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(names: object) -> None:
        raise BackupError("died")

    monkeypatch.setattr(capture, "FRESH_SLICES", 4)
    for _ in range(3):
        one.insert(1)
        one.advance()
    one.insert(1)
    with monkeypatch.context() as patch:
        patch.setattr(one.archive, "delete", die)
        with pytest.raises(BackupError, match="died"):
            one.advance()
    assert len(slices.listed(one.archive, GROUP)) == 5
    one.prove()
    one.restart()
    one.insert(1)
    one.advance()
    assert len(slices.listed(one.archive, GROUP)) == 2
    one.prove()


def test_a_slice_that_cannot_be_written_is_written_later(
    one: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(name: str, chunks: object) -> None:
        raise BackupError("full")

    one.insert(1)
    with monkeypatch.context() as patch:
        patch.setattr(one.archive, "write", full)
        with pytest.raises(BackupError, match="full"):
            one.advance()
    assert one.end == one.begin
    one.insert(1)
    one.advance()
    one.prove()


def test_without_a_full_backup_nothing_is_archived(one: Captured) -> None:
    one.insert(1)
    one.capture.advance(one.plan.hosts, one.clients, lambda: None, lambda position: None, 12)
    assert slices.listed(one.archive, GROUP) == []


def row(*pieces: tuple[int, int]) -> list[Slice]:
    """Slices in a row, from their seconds and bytes."""
    found = []
    begin = 1000
    for seconds, size in pieces:
        found.append(Slice(Timestamp(begin, 1), Timestamp(begin + seconds, 1), size))
        begin += seconds
    return found


MIB = 1 << 20


@pytest.mark.parametrize(
    ("pieces", "merged"),
    [
        ([], 0),
        ([(1, 10)] * 59, 0),
        ([(1, 10)] * 60, 60),
        ([(10, 10)] * 60, 60),
        # Those that are merged already wait until they are large or long enough in all.
        ([(60, 10)] * 30 + [(1, 10)] * 59, 0),
        ([(60, 10)] * 30 + [(1, 10)] * 60, 60),
        ([(60, 10)] * 59, 0),
        ([(60, 10)] * 60, 60),
        ([(60, 10)] * 59 + [(1, 10)] * 60, 119),
        ([(1, MIB)] * 15, 0),
        ([(1, MIB)] * 16, 16),
        ([(60, MIB)] * 8 + [(1, MIB)] * 8, 16),
        # What is large enough by itself is never merged.
        ([(1, 17 * MIB)], 0),
    ],
)
def test_which_slices_are_merged(pieces: list[tuple[int, int]], merged: int) -> None:
    small = row(*pieces)
    assert list(due(small)) == (small[-merged:] if merged else [])
