"""How far events were delivered to each receiver."""

from sqlalchemy import Connection, delete, insert, select

from shardhouse.store.tables import DELIVERIES


def position(connection: Connection, receiver: str) -> int | None:
    """The number of the last event that a receiver has; None if it is a new one."""
    query = select(DELIVERIES.c.number).where(DELIVERIES.c.receiver == receiver)
    return connection.execute(query).scalar_one_or_none()


def keep(connection: Connection, receiver: str, number: int) -> None:
    """A receiver has all events up to this number."""
    connection.execute(delete(DELIVERIES).where(DELIVERIES.c.receiver == receiver))
    connection.execute(insert(DELIVERIES).values(receiver=receiver, number=number))
