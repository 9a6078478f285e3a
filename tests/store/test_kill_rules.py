"""Kill rules are kept as they are, and go with their instance."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shardhouse.domain.kill_rules import NodeType
from shardhouse.domain.model import Mode
from shardhouse.store import instances, kill_rules
from shardhouse.store.database import Database
from tests.contract.test_rules import instance
from tests.domain.test_kill_rules import RULE

OWNER = instance(Mode.SHARDING)
FIRST = replace(
    RULE,
    id="first",
    instance_id=OWNER.id,
    namespace="shop.orders",
    client_ips=("192.0.2.1", "192.0.2.2"),
    node_type=NodeType.MONGOS_SHARD,
    enabled=False,
)
SECOND = replace(FIRST, id="second", created_at=FIRST.created_at + timedelta(seconds=1))


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    with made.write() as connection:
        instances.add(connection, OWNER)
        kill_rules.add(connection, FIRST)
        kill_rules.add(connection, SECOND)
    return made


def test_rules_are_switched_and_count(database: Database) -> None:
    with database.write() as connection:
        assert kill_rules.of_instance(connection, OWNER.id) == [SECOND, FIRST]
        assert kill_rules.enabled(connection) == []
        kill_rules.switch(connection, ["first"], on=True)
        kill_rules.count(connection, {"first": 2})
        kill_rules.count(connection, {"first": 1, "gone": 1})
        assert kill_rules.enabled(connection) == [replace(FIRST, enabled=True, killed=3)]
        kill_rules.remove(connection, ["first"])
        assert kill_rules.of_instance(connection, OWNER.id) == [SECOND]


def test_rules_go_with_their_instance(database: Database) -> None:
    with database.write() as connection:
        instances.remove_parts(connection, OWNER.id)
        assert kill_rules.of_instance(connection, OWNER.id) == []
