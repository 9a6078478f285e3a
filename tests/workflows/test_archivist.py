"""The oplogs of serving instances are archived without a hole, whatever ends and starts meanwhile,
and the times that an instance can be restored to are listed."""

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from shardhouse.backups import positions, slices
from shardhouse.backups.archive import Archive, open_archive
from shardhouse.backups.slices import Slice
from shardhouse.backups.storage.local import LocalStorage
from shardhouse.domain.model import Group, GroupType, MemberRole, Node, Role, Status
from shardhouse.mongo.admin import Client, Clients
from shardhouse.store.vault import Vault
from shardhouse.workflows.archivist import sources
from tests import requests
from tests.installation import Installation, until
from tests.load import load

POLICY = {"start_time": "08:15-09:15", "keep_days": "7"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("archivist") / "data")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def cluster(own: Installation) -> dict[str, Any]:
    """A cluster that has a full backup."""
    made = own.make(requests.cluster(backup_strategy=POLICY))
    tops(own, made)
    return made


def archive(own: Installation, instance: dict[str, Any]) -> Archive:
    return open_archive(
        LocalStorage(own.data_dir / "backups"), Vault.at(own.data_dir), instance["id"]
    )


def group_ids(own: Installation, instance: dict[str, Any]) -> dict[str, list[str]]:
    """Hosts of the members of each replica set, by group id."""
    with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
        rows = store.execute(
            "SELECT group_id, address || ':' || port FROM nodes WHERE instance_id = ?"
            " AND member IN ('voter', 'hidden')",
            (instance["id"],),
        ).fetchall()
    found: dict[str, list[str]] = {}
    for group_id, host in rows:
        found.setdefault(group_id, []).append(host)
    return found


def tops(own: Installation, instance: dict[str, Any]) -> dict[str, Timestamp]:
    """Where the newest full backup of the instance ends, by group id."""

    def first() -> dict[str, Timestamp] | None:
        with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
            rows = store.execute(
                "SELECT tops FROM backups WHERE instance_id = ? AND status = 'COMPLETED'"
                " ORDER BY begin_time DESC",
                (instance["id"],),
            ).fetchall()
        if not rows:
            return None
        return {group: positions.parse(top) for group, top in json.loads(rows[0][0]).items()}

    return until("a full backup", first, 120)


def newest(client: Client) -> Timestamp:
    found = client.local["oplog.rs"].find_one(sort=[("$natural", -1)])
    assert found
    position: Timestamp = found["ts"]
    return position


def reach(own: Installation, instance: dict[str, Any]) -> dict[str, Timestamp]:
    """Wait until all that is in the oplogs now is archived; how far that reaches from the tops."""
    kept, since = archive(own, instance), tops(own, instance)
    reached = {}
    with own.system(instance) as clients:
        for group_id, hosts in group_ids(own, instance).items():
            goal = max(newest(clients[host]) for host in hosts)

            def end(group_id: str = group_id) -> Timestamp:
                return slices.end(slices.listed(kept, group_id), since[group_id])

            until("the oplog to be archived", lambda goal=goal, end=end: end() >= goal, 60)
            reached[group_id] = end()
    return reached


def prove(own: Installation, instance: dict[str, Any]) -> None:
    """What is archived of each set is what is in the oplogs of its members."""
    since, upto = tops(own, instance), reach(own, instance)
    with own.system(instance) as clients:
        for group_id, hosts in group_ids(own, instance).items():
            bounds = since[group_id], upto[group_id]
            archived = list(slices.read(archive(own, instance), group_id, *bounds))
            assert archived
            for host in hosts:
                until(
                    f"{host} to have it all",
                    lambda host=host, upto=bounds[1]: newest(clients[host]) >= upto,
                )
                assert oplog(clients, host, *bounds) == archived


def oplog(clients: Clients, host: str, after: Timestamp, upto: Timestamp) -> list[bytes]:
    options = clients[host].codec_options.with_options(document_class=RawBSONDocument)
    found = clients[host].local.get_collection("oplog.rs", codec_options=options)
    return [one.raw for one in found.find({"ts": {"$gt": after, "$lte": upto}})]


def restore_times(own: Installation, instance: dict[str, Any], **query: str) -> list[Any]:
    answer = own.call("GET", f"/instances/{instance['id']}/restore-time", params=query)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["restore_time"]
    return found


@pytest.mark.soak
def test_a_cluster_is_archived_over_crashes_of_the_service_and_of_primaries(
    own: Installation, cluster: dict[str, Any]
) -> None:
    since = tops(own, cluster)
    assert set(since) == set(group_ids(own, cluster))
    with load(cluster) as acknowledged:
        count = len(acknowledged)
        own.kill()
        until("writes without us", lambda: len(acknowledged) > count + 200)
        own.start()
        shard = next(group for group in cluster["groups"] if group["type"] == "shard")
        primary = next(node for node in shard["nodes"] if node["role"] == "Primary")
        for process in own.nodes(primary["id"]):
            process.kill()
        count = len(acknowledged)
        until("writes with another primary", lambda: len(acknowledged) > count + 50, 60)
    until("it to be normal", lambda: normal(own, cluster), 60)
    prove(own, cluster)
    moment = int(time.time() * 1000)
    (found,) = until("now to be a time", lambda: ending(own, cluster, moment), 60)
    assert found["start_time"] > min(top.time for top in since.values()) * 1000
    today = datetime.fromtimestamp(found["start_time"] / 1000, UTC).date()
    (part,) = restore_times(own, cluster, date=today.isoformat())
    assert part["start_time"] == found["start_time"]
    assert restore_times(own, cluster, date="2020-12-12") == []


def normal(own: Installation, made: dict[str, Any]) -> bool:
    listed = own.instance(made["id"])
    assert listed is not None
    nodes = [node for group in listed["groups"] for node in group["nodes"]]
    return all(one["status"] == "normal" for one in (listed, *nodes))


def ending(own: Installation, instance: dict[str, Any], moment: int) -> list[Any] | None:
    """The times to which it can be restored, once they reach over a moment."""
    found = restore_times(own, instance)
    return found if found and found[-1]["end_time"] > moment else None


@pytest.mark.soak
def test_times_end_where_a_shard_joins_until_there_is_a_newer_full_backup(
    own: Installation, cluster: dict[str, Any]
) -> None:
    first = tops(own, cluster)
    shard = {"type": "shard", "num": 1, "spec_code": "dds.mongodb.s2.medium.4.shard"}
    body = shard | {"volume": {"size": 20}}
    answer = own.call("POST", f"/instances/{cluster['id']}/enlarge", json=body)
    assert answer.status_code == 202, answer.text
    assert own.wait_job(answer.json()["job_id"])["status"] == "Completed"
    (position,) = until("the shard to be seen", lambda: gaps(own, cluster, "joined"))
    until("a newer full backup", lambda: tops(own, cluster) != first, 120)
    moment = int(time.time() * 1000)
    before, after = until("times with the shard", lambda: two(own, cluster, moment), 60)
    assert before["end_time"] < positions.parse(position).time * 1000 < after["start_time"]
    assert set(tops(own, cluster)) == set(group_ids(own, cluster))
    prove(own, cluster)


def gaps(own: Installation, instance: dict[str, Any], cause: str) -> list[str] | None:
    """The positions of gaps, once there are any."""
    with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
        found = store.execute(
            "SELECT position FROM capture_gaps WHERE instance_id = ? AND cause = ?",
            (instance["id"], cause),
        ).fetchall()
    return [position for (position,) in found] or None


@pytest.mark.soak
def test_instances_do_not_hold_up_each_other_and_a_gap_leads_to_a_full_backup(
    own: Installation,
) -> None:
    frozen, other = (
        own.make(requests.single(name="frozen", backup_strategy=POLICY)),
        own.make(requests.single(name="other", backup_strategy=POLICY)),
    )
    first = tops(own, other)
    tops(own, frozen)
    for process in own.nodes(frozen["id"]):
        process.send_signal(signal.SIGSTOP)
    with load(other):
        reach(own, other)
    for process in own.nodes(frozen["id"]):
        process.send_signal(signal.SIGCONT)
    with load(frozen):
        pass
    prove(own, frozen)
    prove(own, other)
    until("times", lambda: restore_times(own, other) or None, 60)
    # The archive ends with an entry that the set's oplog has not.
    own.kill()
    ((group_id, reached),) = reach(own, other).items()
    lost = Slice(reached, Timestamp(reached.time, reached.inc + 1000))
    archive(own, other).write(slices.name(group_id, lost), [b"lost"])
    own.start()
    until("a newer full backup", lambda: tops(own, other) != first, 120)
    with load(other):
        pass
    prove(own, other)
    ranges = until("times behind the gap", lambda: two(own, other, 0), 60)
    assert ranges[0]["end_time"] == positions.last_moment(lost.last) < ranges[1]["start_time"]
    assert gaps(own, other, "lost") == [positions.text(lost.last)]


def two(own: Installation, instance: dict[str, Any], moment: int) -> list[Any] | None:
    """The times to which it can be restored, once they are two and reach over a moment."""
    found = ending(own, instance, moment)
    return found if found and len(found) == 2 else None


def node(id: str, **values: Any) -> Node:
    given = {"status": Status.NORMAL, "role": Role.SECONDARY, "member": MemberRole.VOTER} | values
    return Node(id, "i", "g", 1, id, "", "", address=id, port=1, **given)


def test_the_best_member_to_read_from_comes_first() -> None:
    nodes = (
        node("primary", role=Role.PRIMARY),
        node("ill", status=Status.ABNORMAL, role=Role.UNKNOWN, member=MemberRole.HIDDEN),
        node("secondary"),
        node("late", member=MemberRole.READ_REPLICA, delay=60),
        node("hidden", role=Role.HIDDEN, member=MemberRole.HIDDEN),
    )
    group = Group("g", "i", GroupType.SHARD, 1, "shard_1", "", 20, nodes)
    assert sources(group) == ["hidden:1", "secondary:1", "primary:1", "ill:1"]


def test_without_a_policy_nothing_is_archived(own: Installation) -> None:
    made = own.make(requests.single(backup_strategy=POLICY))
    tops(own, made)
    with load(made):
        pass
    prove(own, made)
    answer = own.call(
        "PUT", f"/instances/{made['id']}/backups/policy", json={"backup_policy": {"keep_days": 0}}
    )
    assert answer.status_code == 200, answer.text
    ((group_id, _),) = group_ids(own, made).items()

    def settled() -> bool:
        known = slices.listed(archive(own, made), group_id)
        with load(made):
            time.sleep(2.5)
        return known == slices.listed(archive(own, made), group_id)

    until("the archive to stay as it is", settled, 60)


@pytest.mark.parametrize("date", ["", "2026-13-01", "20261129", "2026-11-29T00:00:00", "today"])
def test_a_day_that_is_none_is_refused(
    installation: Installation, shared_replica: dict[str, Any], date: str
) -> None:
    path = f"/instances/{shared_replica['id']}/restore-time"
    answer = installation.call("GET", path, params={"date": date})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.280409")
    assert answer.json()["error_msg"].startswith("date: ")
