"""An instance is restored to a moment: all that was acknowledged until then is there, and nothing
that was begun later, while clients went on writing."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, WriteConcern

from tests import requests
from tests.backing_up import POLICY, backed_up, backups, reach, recovered, restorable, restored
from tests.installation import Installation, until, uri
from tests.workflows.test_changes import secured
from tests.workflows.test_crash import check_nothing_is_orphaned
from tests.workflows.test_versions import mixed, order

__all__ = ["mixed"]

ACCOUNTS = 20
SUM = ACCOUNTS * 100


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("moments") / "data", dialect="huawei")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def ready(own: Installation, body: dict[str, Any]) -> dict[str, Any]:
    """A new instance, when it is restorable."""
    made = backed_up(own, body)
    until("a restorable moment", lambda: restorable(own, made["id"]) or None, 60)
    return made


@dataclass
class Ledger:
    """What a client did, with the milliseconds at which it began and was acknowledged."""

    entries: list[tuple[int, int, int]] = field(default_factory=list)

    def check(self, found: set[int], moment: int) -> None:
        """What is there at a moment."""
        acknowledged = {number for number, _, end in self.entries if end < moment}
        begun = {number for number, start, _ in self.entries if start <= moment}
        assert acknowledged, "nothing was written before the moment"
        assert acknowledged <= found, f"missing: {sorted(acknowledged - found)}"
        assert found <= begun, f"from later: {sorted(found - begun)}"


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


def _transfer(bank: Any, number: int, one: int, other: int, session: Any) -> None:
    bank["accounts"].update_one({"_id": one}, {"$inc": {"n": -1}}, session=session)
    bank["accounts"].update_one({"_id": other}, {"$inc": {"n": 1}}, session=session)
    bank["ledger"].insert_one({"_id": number}, session=session)


@contextmanager
def transfers(
    instance: dict[str, Any], *, transactions: bool, changes: bool = True, **options: Any
) -> Iterator[Ledger]:
    """Transfers between accounts go on, each with its entry in `ledger`, and now and then, with
    `changes`, the collections change as well: these are not tried again. `options` are those of a
    client."""
    ledger, over, problems = Ledger(), threading.Event(), []

    def work() -> None:
        with MongoClient(uri(instance), **options) as client:
            bank = client["bank"]
            number = 0
            while not over.is_set():
                one, other = random.sample(range(ACCOUNTS), 2)
                start = milliseconds()
                transfer = partial(_transfer, bank, number, one, other)
                with client.start_session() as session:
                    session.with_transaction(transfer, write_concern=WriteConcern("majority"))
                ledger.entries.append((number, start, milliseconds()))
                number += 1
                if changes and number % 20 == 0:
                    bank[f"mark_{number}"].insert_one({"_id": number})
                    bank[f"mark_{number}"].create_index("k")
                    bank[f"mark_{number}"].rename(f"renamed_{number}")

    def watched() -> None:
        try:
            work()
        except Exception as error:
            problems.append(error)

    thread = threading.Thread(target=watched)
    with MongoClient(uri(instance), **options) as client:
        bank = client["bank"]
        if transactions:
            client.admin.command("enableSharding", "bank", primaryShard="shard_1")
            for name in ("accounts", "ledger"):
                client.admin.command("shardCollection", f"bank.{name}", key={"_id": "hashed"})
        else:
            bank.create_collection("ledger")
        bank["accounts"].insert_many({"_id": n, "n": 100} for n in range(ACCOUNTS))
    thread.start()
    try:
        yield ledger
    finally:
        over.set()
        thread.join()
    assert not problems, problems


def check(
    instance: dict[str, Any],
    ledger: Ledger,
    moment: int,
    *,
    changes: bool = True,
    **options: Any,
) -> None:
    """The restored bank is that of the moment."""
    with MongoClient(uri(instance), **options) as client:
        bank = client["bank"]
        assert sum(one["n"] for one in bank["accounts"].find()) == SUM
        found = {one["_id"] for one in bank["ledger"].find()}
        ledger.check(found, moment)
        marks = [name for name in bank.list_collection_names() if name.startswith("renamed")]
        # What came before the last transfers that are there has been done as well.
        expected = {f"renamed_{n}" for n in range(20, len(found) if changes else 0, 20)}
        assert expected <= set(marks)
        for name in expected:
            assert "k_1" in bank[name].index_information()
        bank["accounts"].update_one({"_id": 0}, {"$inc": {"n": 0}})


def moment_within(seconds: float) -> int:
    """A moment after some seconds of work."""
    time.sleep(seconds)
    return milliseconds()


@pytest.mark.soak
def test_a_set_is_restored_to_the_millisecond(own: Installation) -> None:
    made = ready(own, requests.replica_set(name="moments", backup_strategy=POLICY))
    with transfers(made, transactions=False) as ledger:
        until("some transfers", lambda: len(ledger.entries) > 60)
        moments = [milliseconds()]
        until("more of them", lambda: len(ledger.entries) > 150)
        moments.append(milliseconds())
        primary = next(
            node["id"] for node in made["groups"][0]["nodes"] if node["role"] == "Primary"
        )
        (process,) = own.nodes(primary)
        process.kill()
        until("transfers behind another primary", lambda: len(ledger.entries) > 250, 60)
        own.kill()
        own.start()
        moments.append(milliseconds())
        until("transfers while the service was away", lambda: len(ledger.entries) > 350, 60)
    for number, moment in enumerate(moments):
        reach(own, made["id"], moment)
        again = restored(
            own,
            made,
            f"moment-{number}",
            type="timestamp",
            instance_id=made["id"],
            restore_time=moment,
        )
        check(again, ledger, moment)
        own.delete(again["id"])
    assert len(restorable(own, made["id"])) == 1, "there is no gap"
    listed = recovered(own, made, type="timestamp", restore_time=str(moments[0]))
    check(listed, ledger, moments[0])
    since = milliseconds()
    until("a backup of the restored data", lambda: len(complete(own, made)) >= 2, 120)
    reach(own, made["id"], since + 10_000)
    check_nothing_is_orphaned(own)
    own.delete(made["id"])


def complete(own: Installation, instance: dict[str, Any]) -> list[dict[str, Any]]:
    return backups(own, instance_id=instance["id"], backup_status="COMPLETED")


def test_a_cluster_is_restored_to_one_moment(own: Installation) -> None:
    made = ready(own, requests.cluster(name="cluster-moments", backup_strategy=POLICY))
    with transfers(made, transactions=True) as ledger:
        until("some transfers", lambda: len(ledger.entries) > 80, 60)
        moment = milliseconds() // 1000 * 1000
        until("more of them", lambda: len(ledger.entries) > 160, 60)
    reach(own, made["id"], moment)
    point = {"type": "timestamp", "instance_id": made["id"], "restore_time": moment}
    again = restored(own, made, "cluster-again", **point)
    check(again, ledger, moment)
    own.delete(again["id"])
    own.delete(made["id"])


def restores(
    own: Installation,
    made: dict[str, Any],
    trusting: Callable[[dict[str, Any]], dict[str, Any]] = lambda _: {},
    *,
    transactions: bool,
) -> None:
    """An instance is restored to a moment among transfers: to a new one, and in place. `trusting`
    gives the options of an instance's clients."""
    with transfers(made, transactions=transactions, **trusting(made)) as ledger:
        until("some transfers", lambda: len(ledger.entries) > 60, 60)
        moment = milliseconds() // 1000 * 1000
        until("more of them", lambda: ledger.entries[-1][1] > moment + 2000, 60)
    reach(own, made["id"], moment)
    point = {"type": "timestamp", "instance_id": made["id"], "restore_time": moment}
    again = restored(own, made, f"{made['name']}-again", **point)
    check(again, ledger, moment, **trusting(again))
    own.delete(again["id"])
    listed = recovered(own, made, type="timestamp", restore_time=str(moment))
    check(listed, ledger, moment, **trusting(made))
    own.delete(made["id"])


@pytest.mark.soak
@pytest.mark.parametrize("version", ["5.0", "4.4"])
def test_a_set_of_an_older_release_is_restored(mixed: Installation, version: str) -> None:
    body = order("ReplicaSet", version, name="older", backup_strategy=POLICY)
    restores(mixed, ready(mixed, body), transactions=False)


@pytest.mark.soak
def test_a_cluster_with_tls_is_restored(own: Installation, tmp_path: Path) -> None:
    def trusting(instance: dict[str, Any]) -> dict[str, Any]:
        folder = tmp_path / instance["id"]
        folder.mkdir(exist_ok=True)
        return secured(own, instance, folder)

    body = requests.cluster(name="secured", ssl_option="1", backup_strategy=POLICY)
    restores(own, ready(own, body), trusting, transactions=True)


MOMENTS = 10


@pytest.mark.soak
def test_a_cluster_is_restored_to_moments_among_failovers(own: Installation) -> None:
    made = ready(own, requests.cluster(name="failovers", backup_strategy=POLICY))
    moments = []
    with transfers(made, transactions=True, changes=False) as ledger:
        for number in range(MOMENTS):
            kill_primary(own, made, f"shard_{number % 2 + 1}")
            wanted = len(ledger.entries) + random.randrange(20, 80)
            until("transfers behind it", lambda wanted=wanted: len(ledger.entries) > wanted, 120)
            moments.append(milliseconds() // 1000 * 1000)
            until("all nodes to serve again", lambda: is_whole(own, made) or None, 120)
        until("the last transfers", lambda: ledger.entries[-1][1] > moments[-1] + 2000, 60)
    for number, moment in enumerate(moments):
        reach(own, made["id"], moment)
        point = {"type": "timestamp", "instance_id": made["id"], "restore_time": moment}
        again = restored(own, made, f"failover-{number}", **point)
        check(again, ledger, moment, changes=False)
        own.delete(again["id"])
    own.delete(made["id"])


def kill_primary(own: Installation, instance: dict[str, Any], name: str) -> None:
    listed = own.instance(instance["id"])
    assert listed
    (shard,) = (group for group in listed["groups"] if group.get("name") == name)
    primary = next(node["id"] for node in shard["nodes"] if node["role"] == "Primary")
    (process,) = own.nodes(primary)
    process.kill()


def is_whole(own: Installation, instance: dict[str, Any]) -> bool:
    listed = own.instance(instance["id"])
    assert listed
    nodes = [node for group in listed["groups"] for node in group["nodes"]]
    return all(node["status"] == "normal" for node in nodes)
