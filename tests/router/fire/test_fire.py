"""Consistency under fire: whatever is killed, frozen or moved, no promise to a client is broken."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.router.cluster import until
from tests.router.fire.chaos import Chaos, Mover, lay_out
from tests.router.fire.cluster import FireCluster, patience
from tests.router.fire.workers import (
    BALANCE,
    DB,
    KEYS,
    MARK,
    Auditor,
    CausalReader,
    Follower,
    Ledger,
    Teller,
    Wanderer,
    Worker,
    Writer,
)

_PATIENCE = 60.0


class Fire:
    """One run: a cluster, those who work on it, and what is done to it meanwhile."""

    def __init__(self, cluster: FireCluster, seed: int) -> None:
        self.cluster = cluster
        self.ledger = Ledger()
        self.follower = Follower(cluster, seed)
        self.workers: list[Worker] = [
            *(Teller(cluster, seed, number, self.ledger) for number in range(2)),
            *(Writer(cluster, seed, number, self.ledger) for number in range(2)),
            *(CausalReader(cluster, seed, number) for number in range(2)),
            Auditor(cluster, seed),
            Wanderer(cluster, seed, self.ledger),
            self.follower,
        ]
        self.mover = Mover(cluster, seed)
        self.chaos = Chaos(cluster, seed)

    def start(self) -> None:
        """Fill the collections under the follower's eyes, then let everyone work."""
        self.follower.start()
        assert self.follower.ready.wait(patience(_PATIENCE))
        with self.cluster.client() as client:
            db = client[DB]
            rows = [{"_id": k, "k": k, "balance": BALANCE, "v": 0} for k in range(KEYS)]
            db.accounts.insert_many(rows)
            db.journal.insert_many([{"_id": k, "k": k, "v": 0, "log": []} for k in range(KEYS)])
            db.travellers.insert_many([{"_id": who, "k": who, "v": 0} for who in range(4)])
        for thread in (*self.workers, self.mover):
            if not thread.is_alive():
                thread.start()

    def progress(self) -> None:
        """Wait until everybody completed something since now, and a chunk moved."""
        before = [worker.done for worker in self.workers]
        moved = self.mover.moved

        def everybody() -> bool:
            ahead = zip(self.workers, before, strict=True)
            findings = [finding for worker in self.workers for finding in worker.findings]
            late = [worker.name for worker, done in ahead if worker.done <= done]
            late += ["mover"] if self.mover.moved <= moved else []
            assert not late or findings, f"no progress: {late}"
            return True

        until("everybody to go on", everybody, patience(_PATIENCE))
        assert not [finding for worker in self.workers for finding in worker.findings]

    def stop(self) -> None:
        """Heal the cluster, let everyone finish, and the follower see the end."""
        try:
            for thread in (*self.workers, self.mover):
                if thread is not self.follower:
                    thread.halt()
            self.cluster.heal()
            for thread in (*self.workers, self.mover):
                if thread is not self.follower:
                    thread.join(patience(_PATIENCE))
                    assert not thread.is_alive(), f"{thread.name} hangs"
            with self.cluster.client() as client:
                client[DB][MARK].insert_one({"_id": "end"})
            self.follower.marked.wait(patience(_PATIENCE))
        finally:
            for thread in (*self.workers, self.mover):
                thread.halt()
        self.follower.join(patience(_PATIENCE))

    def report(self) -> str:
        """What was done, and what was met."""
        lines = [f"  {self.mover.moved} chunks moved, refused: {dict(self.mover.errors)}"]
        lines += [
            f"  {worker.name}: {worker.done} done, longest {worker.longest:.1f} s,"
            f" errors {dict(worker.errors)}"
            for worker in self.workers
        ]
        events = sum(map(len, self.follower.versions.values()))
        lines += [f"  {events} changes followed, resumed {self.follower.resumed} times"]
        lines += [f"  {finding}" for worker in self.workers for finding in worker.findings[:3]]
        return "\n".join(lines)

    def verify(self) -> None:
        """Every promise was kept."""
        with self.cluster.client() as client:
            db = client[DB]
            accounts = {row["_id"]: row for row in db.accounts.find()}
            journal = {row["_id"]: row for row in db.journal.find()}
            entries = {row["_id"] for row in db.entries.find()}
            transfers = {row["_id"]: row for row in db.transfers.find()}
            travellers = list(db.travellers.find())
        findings = [finding for worker in self.workers for finding in worker.findings]
        assert not findings, "\n".join(findings)

        assert sum(row["balance"] for row in accounts.values()) == KEYS * BALANCE
        expected = dict.fromkeys(range(KEYS), BALANCE)
        for row in transfers.values():
            expected[row["k"]] -= row["amount"]
            expected[row["taker"]] += row["amount"]
        assert {key: row["balance"] for key, row in accounts.items()} == expected
        assert set(self.ledger.transferred) <= set(transfers)

        assert set(self.ledger.inserted) <= entries
        for key, row in journal.items():
            times = Counter(row["log"])
            twice = [mark for mark, count in times.items() if count > 1]
            lost = [mark for mark in self.ledger.pushed[key] if mark not in times]
            assert (twice, lost) == ([], []), f"journal {key}"
            assert row["v"] == len(row["log"])

        assert sorted(row["_id"] for row in travellers) == [0, 1, 2, 3]
        for row in travellers:
            assert row["v"] >= self.ledger.wandered.get(row["_id"], 0)

        assert self.follower.marked.is_set(), "the follower did not reach the end"
        for name, rows in (("accounts", accounts), ("journal", journal)):
            for key, row in rows.items():
                seen = self.follower.versions[name, key]
                assert seen == list(range(1, row["v"] + 1)), f"changes of {name} {key}"
        inserted = {
            name: {key for (coll, key) in self.follower.inserted if coll == name}
            for name in ("accounts", "journal", "entries", "transfers")
        }
        assert inserted == {
            "accounts": set(accounts),
            "journal": set(journal),
            "entries": entries,
            "transfers": set(transfers),
        }
        once = {name for (name, _), count in self.follower.inserted.items() if count > 1}
        assert once <= {"travellers"}, "inserts seen twice"


def burn(directory: Path, seed: int, *, config_members: int, seconds: float) -> None:
    """All kinds of harm, each at least once, and on for so many seconds; then the truth."""
    print(f"\nseed {seed}", flush=True)
    cluster = FireCluster(directory, config_members=config_members)
    try:
        lay_out(cluster)
        fire = Fire(cluster, seed)
        fire.start()
        try:
            fire.progress()
            end = time.monotonic() + seconds
            while True:
                for kind in fire.chaos.plan():
                    fire.chaos.do(kind)
                    fire.progress()
                if time.monotonic() >= end:
                    break
        finally:
            fire.stop()
            print(fire.report(), flush=True)
        fire.verify()
        assert set(fire.chaos.happened) == set(fire.chaos.kinds)
        assert len(fire.ledger.transferred) > 2 * len(fire.chaos.kinds)
        assert sum(map(len, fire.ledger.pushed.values())) > 4 * len(fire.chaos.kinds)
        assert fire.mover.moved > len(fire.chaos.kinds)
        assert fire.follower.resumed > len(fire.chaos.kinds)
    finally:
        cluster.stop()


@pytest.mark.soak
def test_no_promise_is_broken_under_fire(tmp_path):
    burn(tmp_path, 1, config_members=1, seconds=0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(int(os.environ.get("FIRE_SEEDS", "3"))))
def test_no_promise_is_broken_under_lasting_fire(tmp_path, seed):
    """`FIRE_SECONDS` of harm for each of `FIRE_SEEDS` seeds."""
    seconds = float(os.environ.get("FIRE_SECONDS", "180"))
    burn(tmp_path, 1000 + seed, config_members=3, seconds=seconds)
