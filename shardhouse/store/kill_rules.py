"""Rules that end operations of clients."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from shardhouse.domain.kill_rules import KillRule, NodeType
from shardhouse.store.tables import KILL_RULES


def add(connection: Connection, rule: KillRule) -> None:
    """Keep a new rule."""
    connection.execute(insert(KILL_RULES).values(vars(rule)))


def of_instance(connection: Connection, instance_id: str) -> list[KillRule]:
    """All rules of an instance, newest first."""
    rows = connection.execute(
        select(KILL_RULES)
        .where(KILL_RULES.c.instance_id == instance_id)
        .order_by(KILL_RULES.c.created_at.desc(), KILL_RULES.c.id)
    )
    return [_rule(row) for row in rows]


def enabled(connection: Connection) -> list[KillRule]:
    """The rules that work, of all instances."""
    return [
        _rule(row) for row in connection.execute(select(KILL_RULES).where(KILL_RULES.c.enabled))
    ]


def switch(connection: Connection, ids: Collection[str], *, on: bool) -> None:
    """Enable or disable rules."""
    connection.execute(update(KILL_RULES).where(KILL_RULES.c.id.in_(ids)).values(enabled=on))


def remove(connection: Connection, ids: Collection[str]) -> None:
    """Forget rules."""
    connection.execute(delete(KILL_RULES).where(KILL_RULES.c.id.in_(ids)))


def count(connection: Connection, killed: Mapping[str, int]) -> None:
    """Rules, by their ids, have ended that many more operations."""
    for rule_id, number in killed.items():
        connection.execute(
            update(KILL_RULES)
            .where(KILL_RULES.c.id == rule_id)
            .values(killed=KILL_RULES.c.killed + number)
        )


def _rule(row: Row[Any]) -> KillRule:
    lists = {
        "operation_types": tuple(row.operation_types),
        "client_ips": tuple(row.client_ips),
        "node_type": NodeType(row.node_type),
    }
    return KillRule(**{**row._mapping, **lists})
