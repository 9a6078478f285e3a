"""Tags of networks and public IPs in the store."""

from sqlalchemy import Connection, delete, insert, select

from shardhouse.store.neighbours.tables import TAGS


def find(connection: Connection, resource_id: str) -> list[tuple[str, str]]:
    """Keys and values, by key."""
    found = select(TAGS.c.key, TAGS.c.value).filter_by(resource_id=resource_id)
    return [(row.key, row.value) for row in connection.execute(found.order_by(TAGS.c.key))]


def put(connection: Connection, project_id: str, resource_id: str, key: str, value: str) -> None:
    """Add a tag, or give it another value."""
    remove(connection, resource_id, key)
    row = {"project_id": project_id, "resource_id": resource_id, "key": key, "value": value}
    connection.execute(insert(TAGS).values(row))


def remove(connection: Connection, resource_id: str, key: str) -> bool:
    """Remove a tag; False when there is none."""
    gone = delete(TAGS).filter_by(resource_id=resource_id, key=key)
    return connection.execute(gone).rowcount > 0


def remove_all(connection: Connection, resource_id: str) -> None:
    """Remove all tags of a resource, which is gone."""
    connection.execute(delete(TAGS).filter_by(resource_id=resource_id))
