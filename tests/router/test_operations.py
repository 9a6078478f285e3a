"""The router's own operations: listed as a mongos lists them, and ended."""

from __future__ import annotations

import threading

import pytest
from pymongo.errors import OperationFailure

from tests.router.cluster import until


class Background(threading.Thread):
    """Runs something that is expected to fail; keeps its error's code."""

    def __init__(self, work) -> None:
        super().__init__(daemon=True)
        self._work, self.code = work, None
        self.start()

    def run(self) -> None:
        try:
            self._work()
        except OperationFailure as error:
            self.code = error.code


def local(client, match: dict, **options) -> list[dict]:
    stage = {"localOps": True, **options}
    return list(client.admin.aggregate([{"$currentOp": stage}, {"$match": match}]))


def kill(client, background: Background, match: dict, **options) -> None:
    """Kill what matches until its thread has ended."""

    def ended() -> bool:
        for operation in local(client, match, **options):
            killed = client.admin.command("killOp", op=operation["opid"])
            assert killed["info"] == "attempting to kill op"
        return not background.is_alive()

    until("the operation to end", ended)


@pytest.fixture
def slow(accounts):
    """A search that lasts longer than any test."""
    accounts.accounts.insert_many([{"k": 1}, {"k": 99}])

    def search():
        wait = "function() { sleep(100); return true }"
        for _ in range(1000):
            list(accounts.accounts.find({"$where": wait}, comment="slow"))

    return search


def test_an_operation_is_listed_in_a_mongos_form_and_killed(root, accounts, slow, cluster):
    background = Background(slow)
    mine = {"command.comment": "slow"}
    found = until("it to be listed", lambda: local(root, mine, allUsers=True))[0]
    assert found["type"] == "op"
    assert found["host"].endswith(f":{cluster.router.port}")
    assert (found["op"], found["ns"]) == ("query", f"{accounts.name}.accounts")
    assert found["command"]["find"] == "accounts"
    assert found["effectiveUsers"] == [{"user": "root", "db": "admin"}]
    assert found["client"].startswith("127.0.0.1:")
    assert found["clientMetadata"]["driver"]["name"].startswith("PyMongo")
    assert isinstance(found["opid"], int)
    assert found["secs_running"] >= 0
    assert found["microsecs_running"] > 0
    assert found["active"] is True
    assert local(root, mine)
    kill(root, background, mine)
    assert background.code == 11601
    assert local(root, mine, allUsers=True) == []
    assert accounts.accounts.count_documents({}) == 2


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 1e300, -0.0, 0.5])
def test_a_number_that_is_no_operation_is_none(root, number):
    assert root.admin.command("killOp", op=number)["info"] == "attempting to kill op"


def test_only_ones_own_without_the_privilege(root, accounts, slow, cluster):
    root.admin.command("createUser", "op_reader", pwd="r", roles=[])
    background = Background(slow)
    mine = {"command.comment": "slow"}
    found = until("it to be listed", lambda: local(root, mine, allUsers=True))[0]
    with cluster.router.client("op_reader", "r") as client:
        seen = local(client, {})
        assert {user["user"] for one in seen for user in one["effectiveUsers"]} == {"op_reader"}
        for refused in (
            lambda: local(client, {}, allUsers=True),
            lambda: client.admin.command("killOp", op=found["opid"]),
            lambda: client.admin.command("killOp", op=10**9),
        ):
            with pytest.raises(OperationFailure) as error:
                refused()
            assert error.value.code == 13
        blocked = {"$currentOp": {"localOps": True}}
        watching = Background(lambda: watch(client, root))
        waiting = {"command.getMore": {"$exists": True}}
        own = until("the getMore", lambda: local(client, waiting))[0]
        assert list(client.admin.aggregate([blocked, {"$match": {"opid": own["opid"]}}]))
        kill(client, watching, waiting)
        assert watching.code == 11601
    kill(root, background, mine, allUsers=True)


def watch(client, root) -> None:
    root.admin.command(
        "grantRolesToUser", "op_reader", roles=[{"role": "read", "db": "watched_for_long"}]
    )
    until("the role", lambda: client.watched_for_long.c.find_one() is None)
    cursor = client.watched_for_long.command(
        "aggregate", "c", pipeline=[{"$changeStream": {}}], cursor={}
    )["cursor"]["id"]
    client.watched_for_long.command("getMore", cursor, collection="c", maxTimeMS=600_000)


def test_secrets_are_not_listed(root):
    seen = local(root, {"command.pwd": {"$exists": True}}, allUsers=True)
    assert all(one["command"]["pwd"] == "xxx" for one in seen)
